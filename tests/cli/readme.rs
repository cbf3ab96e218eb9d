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
    let example = "four-mistakes.md";
    fs::copy(root.join("examples").join(example), folder.path().join(example)).expect("the example");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-bp"));
        command.args(arguments).current_dir(folder.path()).env_clear().env("COLUMNS", "80");
        let output = command.output().expect("a run");
        String::from_utf8(output.stdout).expect("text") + &String::from_utf8(output.stderr).expect("text")
    };
    fs::write(folder.path().join("blueprint.md"), run(&["new", "My project"])).expect("a starter");
    let commands = session(&readme);
    assert_eq!(commands.len(), 2);
    for (command, shown) in commands {
        let arguments: Vec<&str> = command.split(' ').skip(1).collect();
        assert_eq!(run(&arguments).trim_end(), shown.trim_end(), "{command}");
    }
}
