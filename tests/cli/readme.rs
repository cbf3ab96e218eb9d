//! The session of the README is what the tool prints.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// The commands of the README's session and what stands below each.
fn session(readme: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        if let Some(command) = line.strip_prefix("    $ ") {
            commands.push((command.to_owned(), String::new()));
            inside = true;
        } else if let Some((_, output)) =
            commands.last_mut().filter(|_| inside && (line.is_empty() || line.starts_with("    ")))
        {
            output.push_str(line.strip_prefix("    ").unwrap_or(line));
            output.push('\n');
        } else {
            inside = false;
        }
    }
    commands
}

#[test]
fn the_session_of_the_readme_is_what_the_tool_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("the README");
    let folder = TempDir::new().expect("a temporary folder");
    for example in ["four-mistakes.md", "a-person-decides.md"] {
        fs::copy(root.join("examples").join(example), folder.path().join(example)).expect("the example");
    }
    // The end of a search for a project: nothing above it is looked at.
    fs::create_dir(folder.path().join(".git")).expect("a project");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-bp"));
        command.args(arguments).current_dir(folder.path()).env_clear().env("COLUMNS", "80");
        command.env("USER", "ada").env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let output = command.output().expect("a run");
        String::from_utf8(output.stdout).expect("text") + &String::from_utf8(output.stderr).expect("text")
    };
    fs::write(folder.path().join("blueprint.md"), run(&["new", "My project"])).expect("a starter");
    let commands = session(&readme);
    assert_eq!(commands.len(), 6);
    for (command, shown) in commands {
        let arguments: Vec<&str> = command.split(' ').skip(1).collect();
        assert_eq!(timeless(run(&arguments).trim_end()), timeless(shown.trim_end()), "{command}");
    }
}

/// Digits of times, durations and ids of runs do not count: `10:20:31`, `0.1 s`, `20261121-102031`.
fn timeless(text: &str) -> String {
    let is_run = |word: &str| word.len() == 15 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let is_time = |word: &str| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let is_duration = |word: &str| word.strip_prefix('(').is_some_and(|word| word.parse::<f64>().is_ok());
    text.split_inclusive([' ', '\n'])
        .map(|piece| {
            let word = piece.trim_end();
            let counts = !(is_run(word) || is_time(word) || is_duration(word));
            if counts { piece.to_owned() } else { piece.replace(|c: char| c.is_ascii_digit(), "0") }
        })
        .collect()
}
