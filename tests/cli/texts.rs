//! `explain`, `schema`, `new`, `completions`, `man`: texts that come with the tool.

use outpost_bp::diagnostic::Code;
use serde_json::Value;

use crate::RELEASE;
use crate::builder::Test;

const COMMANDS: [&str; 8] = ["check", "plan", "graph", "explain", "schema", "new", "completions", "man"];

#[test]
fn explain_tells_more_about_a_code_in_any_case() {
    let page = include_str!("../../docs/diagnostics/BP201.md");
    for spelling in ["BP201", "bp201", "Bp201"] {
        Test::of(&["explain", spelling]).stdout(page).run();
    }
}

#[test]
fn explain_lists_all_codes() {
    Test::of(&["explain"])
        .stdout_fits(|text| {
            assert!(text.starts_with("BP001  error    the file cannot be read as a document\n"), "{text}");
            assert!(text.contains("\nBP103  warning  a field that strict BSF 2.0 requires is missing\n"), "{text}");
            assert_eq!(text.lines().count(), Code::ALL.len());
            assert!(text.lines().is_sorted());
        })
        .run();
}

#[test]
fn explain_of_an_unknown_code_names_a_near_one() {
    Test::of(&["explain", "BP20"])
        .stderr(
            "error: there is no diagnostic `BP20`\nhint: did you mean `BP120`? `outpost-bp explain` lists all codes\n",
        )
        .code(2)
        .run();
    Test::of(&["explain", "colour"])
        .stderr("error: there is no diagnostic `colour`\nhint: `outpost-bp explain` lists all codes\n")
        .code(2)
        .run();
}

#[test]
fn the_schema_is_one_and_accepts_a_task() {
    Test::of(&["schema"])
        .stdout_fits(|text| {
            let schema: Value = serde_json::from_str(text).expect("JSON");
            assert!(jsonschema::meta::is_valid(&schema));
            let validator = jsonschema::validator_for(&schema).expect("a schema");
            let task = |status: &str| {
                serde_json::json!({"tasks": [{"task_id": "T0.1", "name": "x", "status": status, "run": "make"}]})
            };
            assert!(validator.is_valid(&task("not_started")), "{:?}", validator.validate(&task("not_started")));
            assert!(!validator.is_valid(&task("finished?")));
        })
        .run();
}

#[test]
fn new_prints_a_blueprint_without_fault() {
    let (sent, printed) = std::sync::mpsc::channel();
    Test::of(&["new", "Tea & cake"])
        .stdout_fits(move |text| sent.send(text.to_owned()).expect("someone listens"))
        .run();
    let text = printed.recv().expect("a document");
    assert!(text.contains("# Tea & cake"), "{text}");
    Test::of(&["check", "--strict", "n.md"]).file("n.md", &text).stdout("n.md: ok (2 tasks, BSF 2.0, 1 edge)\n").run();
    Test::of(&["new"]).stdout(text.replace("Tea & cake", "My project")).run();
}

#[test]
fn completions_are_a_script_that_asks_the_tool() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        Test::of(&["completions", shell])
            .stdout_fits(move |text| {
                assert!(text.contains("outpost-bp") && text.contains("COMPLETE"), "{shell}: {text}");
            })
            .run();
    }
    Test::of(&["completions", "ksh"])
        .stderr("error: invalid value 'ksh' for '<SHELL>'\n  [possible values: bash, elvish, fish, powershell, zsh]\n\n  tip: a similar value exists: 'zsh'\n\nFor more information, try '--help'.\n")
        .code(2)
        .run();
}

/// What the shell offers for the last word.
fn completed(words: &[&str], offered: &'static str) {
    Test::of(&[&["--", "outpost-bp"], words].concat())
        .file("r.md", RELEASE)
        .env("COMPLETE", "fish")
        .stdout(offered)
        .run();
}

#[test]
fn the_shell_offers_commands_tasks_and_codes() {
    completed(&["pl"], "plan\tShow what would run, in waves\n");
    completed(&["plan", "r.md", "T0.2."], "T0.2.1\tUnit tests\nT0.2.2\tLoad tests\n");
    completed(&["plan", "r.md", "T0.1", "!+T1"], "!+T1.1\tPublish the release\n");
    completed(&["plan", "r.md", "tier:"], "tier:0\tBuild\ntier:1\tShip\n");
    completed(&["plan", "nope.md", "T0"], "");
    completed(&["explain", "BP201"], "BP201\ta reference to a task that does not exist\n");
}

#[test]
fn the_manual_pages_are_roff_and_name_what_they_tell_of() {
    Test::of(&["man"])
        .stdout_fits(|text| {
            assert!(text.contains(concat!(".TH outpost-bp 1  \"outpost-bp ", env!("CARGO_PKG_VERSION"), "\"")));
            for command in COMMANDS {
                assert!(text.contains(&format!("outpost\\-bp\\-{command}(1)")), "{command}: {text}");
            }
        })
        .run();
    for command in COMMANDS {
        Test::of(&["man", command])
            .stdout_fits(move |text| {
                assert!(text.contains(&format!(".TH outpost-bp-{command} 1 ")), "{text}");
            })
            .run();
    }
    Test::of(&["man", "pln"]).stderr("error: there is no command `pln`\nhint: did you mean `plan`?\n").code(2).run();
}
