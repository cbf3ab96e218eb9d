//! `docs/COMMANDS.md` is what `--help` says, and no page names a command or an option that does not exist.
//!
//! `BLESS=1 cargo test --test pages` writes `docs/COMMANDS.md` anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PAGE: &str = "docs/COMMANDS.md";
const OPENING: &str = "\
# Commands

The help of each command, as the tool prints it. This page is written by the tests; [Running](RUNNING.md) tells the story, and
[the course](../examples/README.md) shows it.
";

/// Options of other programs that the pages show.
const FOREIGN: &[&str] = &["--features", "--locked"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn help(command: Option<&str>) -> String {
    help_of(command.as_slice())
}

fn help_of(command: &[&str]) -> String {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_outpost-bp"));
    let output = tool.args(command).arg("--help").env_clear().env("COLUMNS", "100").output().expect("a run");
    assert!(output.status.success(), "{command:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The names in the list of commands, in its order.
fn commands() -> Vec<String> {
    listed(&help(None))
}

/// The names that a help text lists as commands.
fn listed(text: &str) -> Vec<String> {
    let Some((_, list)) = text.split_once("Commands:\n") else { return Vec::new() };
    let (list, _) = list.split_once("\n\n").expect("its end");
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

/// The long options that a help text explains.
fn options(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start);
    let long = lines.filter_map(|line| match line.strip_prefix("--") {
        Some(rest) => Some(rest),
        None => line.strip_prefix('-')?.split_once(", --").map(|(_, rest)| rest),
    });
    long.map(|rest| format!("--{}", name(rest))).collect()
}

/// The long options of a command, and of those below it.
fn all_options(command: &str) -> BTreeSet<String> {
    let own = help(Some(command));
    let below = listed(&own).into_iter().flat_map(|name| options(&help_of(&[command, &name])));
    below.chain(options(&own)).collect()
}

/// The letters and hyphens a text begins with.
fn name(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_lowercase() && c != '-').next().unwrap_or_default()
}

#[test]
fn the_page_of_commands_is_the_help_of_the_tool() {
    let mut right = format!("{OPENING}\n```text\n{}```\n", help(None));
    for command in commands() {
        right += &format!("\n## {command}\n\n```text\n{}```\n", help(Some(&command)));
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(root().join(PAGE), right).expect("the page can be written");
    } else {
        let told = fs::read_to_string(root().join(PAGE)).expect("the page");
        let differs = right.lines().zip(told.lines()).find(|(right, told)| right != told);
        assert_eq!(differs, None, "BLESS=1 cargo test --all-features --test pages");
        assert_eq!(told.len(), right.len(), "BLESS=1 cargo test --all-features --test pages");
    }
}

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "blueprints/RELEASE.md"]
            .map(|name| root().join(name))
            .into();
    for folder in ["docs", "docs/diagnostics", "docs/adr", "examples"] {
        let entries = fs::read_dir(root().join(folder)).expect("a folder");
        let files = entries.map(|entry| entry.expect("an entry").path());
        pages.extend(files.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    pages
}

/// A piece of code of a page.
enum Code<'a> {
    /// Between backticks.
    Span(&'a str),
    /// In a fence, or indented.
    Line(&'a str),
}

fn code(page: &str) -> Vec<Code<'_>> {
    let (mut found, mut fence) = (Vec::new(), "");
    for line in page.lines() {
        let ticks = &line[..line.len() - line.trim_start_matches('`').len()];
        if fence.is_empty() && ticks.len() >= 3 {
            fence = ticks;
        } else if !fence.is_empty() && line == fence {
            fence = "";
        } else if !fence.is_empty() || line.starts_with("    ") {
            found.push(Code::Line(line));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(Code::Span));
        }
    }
    found
}

/// What is wrong with a command line, from the word after the name of the tool on.
fn judge(line: &str, known: &BTreeMap<String, BTreeSet<String>>) -> Option<String> {
    // What stands behind the command belongs to somebody else.
    let line = line.split(['|', ';', '&', '#', '(', ')', '\'', '"']).next().unwrap_or_default();
    let mut words = line.split_whitespace();
    let first = words.next()?;
    let (command, mut options) = match first {
        _ if first.starts_with("--") => ("--", vec![first]),
        _ if name(first) == first => (first, Vec::new()),
        _ => return None,
    };
    let Some(allowed) = known.get(command) else { return Some(format!("there is no command `{command}`")) };
    options.extend(words.filter(|word| word.starts_with("--")));
    let wrong = options.into_iter().map(|word| format!("--{}", name(&word[2..])));
    let wrong: Vec<String> = wrong.filter(|option| option != "--" && !allowed.contains(option)).collect();
    (!wrong.is_empty()).then(|| format!("`{command}` has no {}", wrong.join(", ")))
}

/// Pages about programs of the service: its own tests hold these to their help.
const SERVICE: &[&str] = &["docs/API.md", "docs/SECURITY.md", "docs/WORKER.md"];

#[test]
fn no_page_names_a_command_or_an_option_that_does_not_exist() {
    let mut known: BTreeMap<String, BTreeSet<String>> =
        commands().into_iter().map(|name| (name.clone(), all_options(&name))).collect();
    known.insert("--".to_owned(), options(&help(None)));
    known.insert("help".to_owned(), BTreeSet::new());
    let all: BTreeSet<String> =
        known.values().flatten().cloned().chain(FOREIGN.iter().map(|&o| o.to_owned())).collect();
    let (mut lines, mut wrong) = (0, Vec::new());
    for path in pages() {
        let is_service = SERVICE.iter().any(|page| path.ends_with(page));
        let text = fs::read_to_string(&path).expect("a page");
        for piece in code(&text) {
            let (Code::Span(words) | Code::Line(words)) = piece;
            let problem = if let Some((_, line)) = words.split_once("outpost-bp ") {
                lines += 1;
                judge(line, &known)
            } else if matches!(piece, Code::Line(_)) || is_service {
                None
            } else if let Some(option) = words.strip_prefix("--").map(name).filter(|option| !option.is_empty()) {
                let option = format!("--{option}");
                (option != "---" && !all.contains(&option)).then(|| "no command has it".to_owned())
            } else {
                let (command, _) = words.split_once(' ').unwrap_or_default();
                known.contains_key(command).then(|| judge(words, &known)).flatten()
            };
            if let Some(problem) = problem {
                wrong.push(format!("{}: {problem}: {words}", path.strip_prefix(root()).expect("ours").display()));
            }
        }
    }
    assert!(lines > 100, "only {lines} command lines were found");
    assert_eq!(wrong, Vec::<String>::new());
}
