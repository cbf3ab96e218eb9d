//! The session in the README: its lines are run as they stand there, against a server as it is started there.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::programs::Served;

/// Where the README has a server.
const PLACE: &str = "http://127.0.0.1:8080";

/// The first block of a kind below a heading.
fn block<'a>(page: &'a str, heading: &str, kind: &str) -> &'a str {
    let below = page.split_once(&format!("\n## {heading}\n")).expect("the heading").1;
    let begun = below.split_once(&format!("\n```{kind}\n")).expect("a block").1;
    begun.split_once("\n```").expect("its end").0
}

/// What is another one each time: ids, times, keys and links; and how long something took.
fn plain(text: &str) -> String {
    let uuid = |word: &str| {
        word.len() == 36
            && word
                .bytes()
                .enumerate()
                .all(|(at, byte)| if [8, 13, 18, 23].contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() })
    };
    let mut out = String::new();
    for part in text.split_inclusive(|char: char| !(char.is_ascii_alphanumeric() || "-:.".contains(char))) {
        let (word, end) = part.split_at(
            part.trim_end_matches(|char: char| !(char.is_ascii_alphanumeric() || "-:.".contains(char))).len(),
        );
        let time = word.len() == 24 && word.ends_with('Z') && word.as_bytes().get(10) == Some(&b'T');
        let hash = word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        out.push_str(if uuid(word) || time || hash { "*" } else { word });
        out.push_str(end);
    }
    // Which walls there are is the machine's matter, and a last line may go without an end.
    let lines: Vec<&str> = out.lines().filter(|line| !line.starts_with("sandbox: ")).collect();
    lines.join("\n")
}

fn run(line: &str, folder: &Path) -> String {
    let output = Command::new("bash").args(["-c", line]).current_dir(folder).output().expect("bash");
    assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

#[test]
fn the_session_of_the_readme_goes_as_it_says() {
    if let Some(missing) = ["bash", "curl", "jq", "git"].into_iter().find(|program| !has(program)) {
        assert!(std::env::var_os("CI").is_none(), "the session needs `{missing}`");
        // Around what the test framework keeps for itself: a skipped test must not pass in silence.
        let _ = writeln!(std::io::stderr(), "SKIPPED the session of the README: no `{missing}`");
        return;
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let page = std::fs::read_to_string(format!("{root}/README.md")).expect("the README");
    let session = block(&page, "As a service", "sh-session");
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(format!("{root}/examples"), folder.path().join("examples")).expect("a link");
    let home = folder.path().canonicalize().expect("a folder").display().to_string();
    let mut commands: Vec<(&str, String)> = Vec::new();
    for line in session.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, String::new())),
            (None, Some((_, shown))) => *shown += &format!("{line}\n"),
            (None, None) => panic!("the session begins with `{line}`"),
        }
    }
    let (mut base, mut server, mut done) = (String::new(), None, String::new());
    for (command, shown) in &commands {
        if let Some(options) = command.strip_prefix("cargo run -q -p outpost-api -- ") {
            let options = options.strip_suffix(" &").expect("a server goes on");
            let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-api"));
            command.args(options.split(' ')).args(["--listen", "127.0.0.1:0"]).current_dir(folder.path());
            command.env_remove("OUTPOST_LOG").stderr(Stdio::piped());
            let begun = Served::begin(command);
            base.clone_from(&begun.base);
            server = Some(begun);
            continue;
        }
        let place = |text: &str| if base.is_empty() { text.to_owned() } else { text.replace(PLACE, &base) };
        // Variables last from line to line.
        let name = command.split_once('=').map(|(name, _)| name);
        match name.filter(|name| name.bytes().all(|byte| byte.is_ascii_uppercase())) {
            Some(name) => {
                assert_eq!(shown, "", "{command}");
                let value = run(&format!("{done}{}\nprintf %s \"${name}\"", place(command)), folder.path());
                done += &format!("{name}='{value}'\n");
            }
            None => {
                let told = run(&format!("{done}{}", place(command)), folder.path());
                let told = told.replace(&home, "/home/ada");
                assert_eq!(plain(&told), plain(&place(shown)), "{command}");
            }
        }
    }
    assert_eq!(commands.iter().filter(|(command, _)| command.contains("curl")).count(), 5, "five lines of curl");
    drop(server);
}
