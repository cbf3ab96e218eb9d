//! The command line itself: version, help and its examples, and everything that is wrong usage.

use crate::RELEASE;
use crate::builder::Test;

#[test]
fn the_version_is_that_of_the_package() {
    let version = concat!("outpost-bp ", env!("CARGO_PKG_VERSION"), "\n");
    Test::of(&["--version"]).stdout(version).run();
    Test::of(&["-V"]).stdout(version).run();
}

#[test]
fn help_of_every_command() {
    Test::of(&["--help"]).stdout_snapshot("help").run();
    for (command, snapshot) in [("check", "help_check"), ("plan", "help_plan"), ("graph", "help_graph")] {
        Test::of(&[command, "--help"]).stdout_snapshot(snapshot).run();
    }
    for command in ["explain", "schema", "new", "completions", "man"] {
        Test::of(&[command, "--help"])
            .stdout_fits(move |text| assert!(text.contains(&format!("Usage: outpost-bp {command}")), "{text}"))
            .run();
    }
}

/// Lines of a help text that show a command line, without comments and redirections.
fn examples(help: &str) -> Vec<Vec<String>> {
    help.lines()
        .filter_map(|line| line.strip_prefix("  outpost-bp "))
        .map(|line| line.split("  ").next().unwrap_or_default())
        .filter_map(|line| line.split(['>', '|']).next())
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect()
}

#[test]
fn the_examples_of_the_help_texts_work() {
    let (sent, shown) = std::sync::mpsc::channel();
    for arguments in [
        &["--help"][..],
        &["check", "--help"],
        &["plan", "--help"],
        &["graph", "--help"],
        &["completions", "--help"],
        &["man", "--help"],
    ] {
        let sent = sent.clone();
        Test::of(arguments)
            .stdout_fits(move |text| examples(text).into_iter().for_each(|line| sent.send(line).expect("heard")))
            .run();
    }
    drop(sent);
    // Those of running are the session of the README.
    let running = ["run", "status", "approve", "resume"];
    let examples: Vec<Vec<String>> = shown.iter().filter(|line| !running.contains(&line[0].as_str())).collect();
    assert!(examples.len() >= 13, "{examples:?}");
    // The examples speak of a `T2.1`.
    let mut blueprint = RELEASE.replace("T1.1", "T2.1").replace("Tier 1", "Tier 2");
    let marks = ["<!-- outpost-bp:graph -->", "<!-- /outpost-bp:graph -->"];
    let (sent, drawing) = std::sync::mpsc::channel();
    Test::of(&["graph", "--format", "mermaid", "-"])
        .stdin(&blueprint)
        .stdout_fits(move |text| sent.send(text.to_owned()).expect("heard"))
        .run();
    let drawing = drawing.recv().expect("a drawing");
    blueprint += &format!("\n{}\n```mermaid\n{drawing}```\n{}\n", marks[0], marks[1]);
    for example in examples {
        // The shell would have put the file in the place of the pattern.
        let arguments: Vec<&str> = example
            .iter()
            .map(|argument| if argument == "blueprints/*.md" { "blueprints/a.md" } else { argument })
            .collect();
        let test = Test::of(&arguments).file("blueprint.md", &blueprint).file("blueprints/a.md", &blueprint);
        if arguments.contains(&"--write") {
            test.stderr("blueprint.md: the drawing is up to date\n").run();
        } else {
            test.stdout_fits(|text| assert!(!text.is_empty())).run();
        }
    }
}

fn refused(arguments: &[&str], stderr: &str) {
    Test::of(arguments).stderr(format!("{stderr}\n\nFor more information, try '--help'.\n")).code(2).run();
}

#[test]
fn wrong_usage_exits_2_and_says_what_is_wrong() {
    refused(&["xyzzy"], "error: unrecognized subcommand 'xyzzy'\n\nUsage: outpost-bp [OPTIONS] <COMMAND>");
    refused(
        &["chekc", "a.md"],
        "error: unrecognized subcommand 'chekc'\n\n  tip: some similar subcommands exist: 'schema', 'check'\n\nUsage: outpost-bp [OPTIONS] <COMMAND>",
    );
    refused(
        &["check"],
        "error: the following required arguments were not provided:\n  <FILE>...\n\nUsage: outpost-bp check <FILE>...",
    );
    refused(
        &["plan"],
        "error: the following required arguments were not provided:\n  <FILE>\n\nUsage: outpost-bp plan <FILE> [SELECTION]...",
    );
    refused(
        &["graph"],
        "error: the following required arguments were not provided:\n  <FILE>\n\nUsage: outpost-bp graph <FILE>",
    );
    refused(
        &["completions"],
        "error: the following required arguments were not provided:\n  <SHELL>\n\nUsage: outpost-bp completions <SHELL>",
    );
    refused(
        &["check", "--format", "xml", "a.md"],
        "error: invalid value 'xml' for '--format <FORMAT>'\n  [possible values: human, json, sarif, github]",
    );
    refused(
        &["graph", "a.md", "--format", "png"],
        "error: invalid value 'png' for '--format <FORMAT>'\n  [possible values: mermaid, dot, svg, ascii, json]",
    );
    refused(
        &["--color", "sometimes", "schema"],
        "error: invalid value 'sometimes' for '--color <WHEN>'\n  [possible values: auto, always, never]",
    );
    refused(
        &["check", "--json", "--format", "sarif", "a.md"],
        "error: the argument '--json' cannot be used with '--format <FORMAT>'\n\nUsage: outpost-bp check --json <FILE>...",
    );
    Test::of(&["check", "--frob", "a.md"])
        .stderr_fits(|text| assert!(text.starts_with("error: unexpected argument '--frob' found\n"), "{text}"))
        .code(2)
        .run();
}

#[test]
fn no_command_at_all_shows_the_help() {
    Test::of(&[])
        .stderr_fits(|text| assert!(text.contains("Usage: outpost-bp [OPTIONS] <COMMAND>"), "{text}"))
        .code(2)
        .run();
}
