//! What the pages show is what the tool does: the `console` fences of the README and of each page of `examples/`
//! are one session, carried out command by command in a project of its own.
//!
//! A command that fails must be followed by `$ echo $?`: no page passes over how something ended. What no two runs
//! share (times, durations, digests, names of runs) is compared by its kind. `BLESS=1 cargo test --test cli
//! sessions` writes what differs into the pages.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A command of a session, and what stands below it.
#[derive(Debug)]
struct Step {
    command: String,
    shown: String,
}

/// A part of a page.
enum Piece {
    /// Kept as it is.
    Text(String),
    Step(Step),
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages of the course and the examples of the README, by name.
fn examples() -> BTreeSet<String> {
    let entries = fs::read_dir(root().join("examples")).expect("the examples");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    names.filter(|name| name.ends_with(".md") && name != "README.md").collect()
}

/// A page, cut at the commands of its `console` fences.
fn pieces(page: &str) -> Vec<Piece> {
    let mut pieces = vec![Piece::Text(String::new())];
    let mut fence: Option<(&str, bool)> = None;
    for line in page.split_inclusive('\n') {
        let bare = line.trim_end();
        let (ticks, info) = bare.split_at(bare.len() - bare.trim_start_matches('`').len());
        match fence {
            None if ticks.len() >= 3 => fence = Some((ticks, info == "console")),
            Some((open, is_session)) if bare == open => {
                fence = None;
                if is_session {
                    pieces.push(Piece::Text(String::new()));
                }
            }
            _ => {}
        }
        if let (Some((_, true)), Some(command)) = (fence, bare.strip_prefix("$ ")) {
            pieces.push(Piece::Step(Step { command: command.to_owned(), shown: String::new() }));
            continue;
        }
        match pieces.last_mut() {
            Some(Piece::Text(text) | Piece::Step(Step { shown: text, .. })) => text.push_str(line),
            None => {}
        }
    }
    assert!(fence.is_none(), "a fence is open");
    pieces
}

/// A folder with all examples in it. It is a project: nothing above it is looked at.
fn project() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for name in examples() {
        fs::copy(root().join("examples").join(&name), folder.path().join(&name)).expect("the example");
    }
    fs::create_dir(folder.path().join(".git")).expect("a project");
    folder
}

/// What a shell in this folder prints for a command, on both streams in their order, and its exit code.
fn carry_out(folder: &Path, command: &str, last_code: i32) -> (String, i32) {
    let tool = Path::new(env!("CARGO_BIN_EXE_outpost-bp")).parent().map(PathBuf::from);
    let places = std::env::var_os("PATH").unwrap_or_default();
    let path: OsString = std::env::join_paths(tool.into_iter().chain(std::env::split_paths(&places))).expect("a path");
    let script = format!("exec 2>&1\n(exit {last_code})\n{command}");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder)
        .stdin(Stdio::null())
        .env_clear()
        .envs([("COLUMNS", "80"), ("USER", "ada"), ("LC_ALL", "C.UTF-8")])
        .env("PATH", path)
        .output()
        .expect("a shell");
    let printed = String::from_utf8(output.stdout).expect("text");
    (on_no_machine(&printed), output.status.code().expect("an exit code"))
}

/// Reports name the machine; the pages call it `build-7`.
fn on_no_machine(printed: &str) -> String {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    let here = printed.replace(&format!("hostname=\"{host}\""), "hostname=\"build-7\"");
    here.replace(&format!(" on {host}, "), " on build-7, ")
}

/// Holds a page to its session. Returns how many commands there were.
fn hold(page: &str) -> usize {
    let path = root().join(page);
    let text = fs::read_to_string(&path).expect("a page");
    let folder = project();
    let (mut blessed, mut wrong, mut commands, mut code) = (String::new(), String::new(), 0, 0);
    for piece in pieces(&text) {
        let Step { command, shown } = match piece {
            Piece::Text(text) => {
                blessed += &text;
                continue;
            }
            Piece::Step(step) => step,
        };
        commands += 1;
        assert!(code == 0 || command == "echo $?", "{page}: `$ echo $?` has to stand before `{command}`: {code}");
        let printed;
        (printed, code) = carry_out(folder.path(), &command, code);
        let same = timeless(printed.trim_end()) == timeless(shown.trim_end());
        let (whole, gap) =
            if same { ("", shown.as_str()) } else { (printed.trim_end(), &shown[shown.trim_end().len()..]) };
        let gap = if same { gap } else { gap.trim_start_matches('\n') };
        let end = if whole.is_empty() { "" } else { "\n" };
        let blank = if !same && (shown.ends_with("\n\n") || shown == "\n") { "\n" } else { "" };
        blessed += &format!("$ {command}\n{whole}{end}{gap}{blank}");
        if !same {
            wrong += &format!("$ {command}\n{}\n-- but the page has --\n{}\n", timeless(&printed), timeless(&shown));
        }
    }
    assert_eq!(code, 0, "{page}: `$ echo $?` has to stand at the end");
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, blessed).expect("the page can be written");
    } else {
        assert!(wrong.is_empty(), "{page}: BLESS=1 writes what is printed now\n{wrong}");
    }
    commands
}

#[test]
fn the_session_of_the_readme_is_what_the_tool_prints() {
    assert_eq!(hold("README.md"), 9);
}

#[test]
fn the_session_of_every_example_is_what_the_tool_prints() {
    let pages: Vec<String> = examples().iter().map(|name| format!("examples/{name}")).collect();
    assert!(pages.len() > 12, "{pages:?}");
    let told: Vec<(String, String)> = std::thread::scope(|scope| {
        let started: Vec<_> = pages.iter().map(|page| (page, scope.spawn(|| hold(page)))).collect();
        let ended = started.into_iter().map(|(page, thread)| (page.clone(), thread.join()));
        ended
            .filter_map(|(page, result)| match result {
                Ok(0) => Some((page, "it has no session".to_owned())),
                Ok(_) => None,
                Err(_) => Some((page, "its session differs: see above".to_owned())),
            })
            .collect()
    });
    assert_eq!(told, []);
}

#[test]
fn the_table_of_contents_has_every_example_once_and_in_order() {
    let contents = fs::read_to_string(root().join("examples/README.md")).expect("the table of contents");
    let links = contents.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let listed: Vec<String> = links.filter(|link| !link.starts_with("..")).map(str::to_owned).collect();
    let in_order: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(in_order, examples());
    assert_eq!(listed.len(), in_order.len(), "an example is listed twice");
    let course = |names: &mut dyn Iterator<Item = &String>| -> Vec<String> {
        names.filter(|name| name.starts_with(|first: char| first.is_ascii_digit())).cloned().collect()
    };
    assert_eq!(course(&mut listed.iter()), course(&mut in_order.iter()));
}

/// Pages with other problems than that they leave out what only `--strict` asks for, which `01-hello.md` explains.
const TAUGHT: &[(&str, &[&str])] =
    &[("four-mistakes.md", &["BP106", "BP201", "BP202", "BP206"]), ("release-train.md", &[])];

#[test]
fn every_example_has_the_problems_it_teaches_and_no_other() {
    let folder = project();
    for name in examples() {
        let (printed, code) = carry_out(folder.path(), &format!("outpost-bp check --verbose {name}"), 0);
        let found: BTreeSet<&str> =
            printed.split(['[', ']']).filter(|word| word.len() == 5 && word.starts_with("BP")).collect();
        let taught = TAUGHT.iter().find(|(page, _)| *page == name).map_or(&["BP103"][..], |(_, codes)| codes);
        assert_eq!(found, taught.iter().copied().collect(), "{name}:\n{printed}");
        assert_eq!(code == 0, name != "four-mistakes.md", "{name}:\n{printed}");
    }
}

/// A text with the kinds in place of what no two runs share: `10:20:31`, `2026-11-21T10:20:31Z`, `(0.1 s)`,
/// `20261121-102031`, digests.
fn timeless(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '-');
    let (mut kinds, mut rest) = (String::new(), text);
    while let Some(start) = rest.find(is_part) {
        kinds += &rest[..start];
        rest = &rest[start..];
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        // What ends a sentence is not part of it.
        let word = rest[..end].trim_end_matches([':', '.', '-']);
        let after = &rest[word.len()..];
        kinds += kind(word, after).unwrap_or(word);
        let marks = end - word.len();
        kinds += &after[..marks];
        rest = &rest[end..];
    }
    kinds + rest
}

fn kind(word: &str, after: &str) -> Option<&'static str> {
    let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_run = || {
        let mut parts = word.split('-');
        parts.next().is_some_and(|day| digits(day, 8))
            && parts.next().is_some_and(|time| digits(time, 6))
            // The second run of a second.
            && parts.next().is_none_or(|count| count.bytes().all(|byte| byte.is_ascii_digit()))
            && parts.next().is_none()
    };
    let is_time =
        |word: &str| matches!(word.len(), 5 | 8) && word.split(':').all(|part| digits(part, 2)) && word.contains(':');
    let is_day = |word: &str| {
        let mut parts = word.split('-');
        [4, 2, 2].into_iter().all(|length| parts.next().is_some_and(|part| digits(part, length)))
            && parts.next().is_none()
    };
    let is_moment = || {
        let day_and_time = word.split_once('T');
        day_and_time.is_some_and(|(day, time)| is_day(day) && time.get(..8).is_some_and(is_time))
    };
    let is_duration = || {
        let fraction = word.split_once('.').filter(|_| word.parse::<f64>().is_ok()).map(|(_, fraction)| fraction);
        fraction.is_some_and(|fraction| fraction.len() == 3 || after.starts_with(" s"))
    };
    let is_digest = || {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let word = word.strip_prefix("sha256:").unwrap_or(word);
        word.len() >= 12 && word.bytes().all(is_hex)
    };
    if is_run() {
        Some("RUN")
    } else if is_day(word) {
        Some("DAY")
    } else if is_time(word) || is_moment() {
        Some("TIME")
    } else if is_duration() {
        Some("DURATION")
    } else if is_digest() {
        Some("DIGEST")
    } else {
        None
    }
}

#[test]
fn what_no_two_runs_share_is_compared_by_its_kind() {
    for (text, kinds) in [
        ("run 20261121-102031-2.", "run RUN."),
        ("10:20:31  T0.1  complete (0.0 s)", "TIME  T0.1  complete (DURATION s)"),
        ("at 2026-11-21T10:20:31.123Z: time=\"0.004\"", "at TIME: time=\"DURATION\""),
        ("since 2026-11-21 10:20 (0.2 s ago)", "since DAY TIME (DURATION s ago)"),
        ("digest 0729aae68b2bf62b, sha256:0729aae68b2bf62b", "digest DIGEST, DIGEST"),
        ("2 of 3 tasks, version 1.4.0, a.md:12:16", "2 of 3 tasks, version 1.4.0, a.md:12:16"),
    ] {
        assert_eq!(timeless(text), kinds);
    }
}
