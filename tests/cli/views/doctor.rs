//! `doctor`: what is here and what is missing.

use serde_json::Value;

use super::QUIET;
use super::project::Project;

#[test]
fn doctor_says_what_is_here_and_what_is_missing() {
    let project = Project::of(&[QUIET]);
    let said = project.say(&["doctor"]).code(0).err("blueprints can be run here\n").has("ok     bash ");
    assert!(said.stdout.lines().all(|row| row.chars().count() <= 80), "{said:#?}");
    let nothing = project.command(&["doctor", "--json"]).env("PATH", "/nowhere").output().expect("it starts");
    assert_eq!(nothing.status.code(), Some(8));
    let found: Value = serde_json::from_slice(&nothing.stdout).expect("JSON");
    assert_eq!(found["fit"], false);
    let of = |name: &str| {
        let checks = found["checks"].as_array().expect("checks");
        checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {found}")).clone()
    };
    assert_eq!((&of("bash")["level"], &of("claude")["level"]), (&"missing".into(), &"warn".into()));
    assert!(of("bash")["advice"].is_string() && of("kernel")["level"] == "ok", "{found}");
    for name in ["/proc", "subreaper", "open files", "file system", "room", "git", "aws-cli", "grok", "terminal"] {
        of(name);
    }
}
