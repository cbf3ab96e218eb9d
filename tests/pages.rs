//! The pages tell the truth: what they name exists, what they show was read, what they count is there.
//!
//! `BLESS=1 cargo test --test pages` writes anew what is generated: the field tables of `docs/BLUEPRINT.md`, the help of
//! the commands, the schemas.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "pages/commands.rs"]
mod commands;
#[path = "pages/reference.rs"]
mod reference;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use outpost_bp::diagnostic::Code;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Files below `folder` with this ending.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// All integration tests, one after the other.
fn tests() -> String {
    files("tests", "rs").iter().map(|path| fs::read_to_string(path).expect("a test")).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Rows of the tables of a page, as cells.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
}

/// The lines of a page, each with whether it belongs to a fence.
fn lines(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut open: Option<&str> = None;
    text.lines().map(move |line| {
        let marker = &line[..line.len() - line.trim_start_matches('`').len()];
        let inside = open.is_some();
        match open {
            Some(fence) if line == fence => open = None,
            None if marker.len() >= 3 => open = Some(marker),
            _ => {}
        }
        (line, inside || open.is_some())
    })
}

#[test]
fn the_published_schemas_are_those_of_the_code() {
    let schemas = [
        ("docs/events.schema.json", outpost_bp::report::stream::schema()),
        ("docs/report.schema.json", outpost_bp::report::account::schema()),
    ];
    for (published, schema) in schemas {
        let right = format!("{schema:#}\n");
        if std::env::var_os("BLESS").is_some() {
            fs::write(root().join(published), &right).expect("the schema can be written");
        } else {
            assert_eq!(page(published), right, "run `BLESS=1 cargo test --test pages`");
        }
    }
}

#[test]
fn the_dependency_page_has_a_row_for_every_dependency_and_no_other() {
    let mut wanted = BTreeSet::new();
    for manifest in [
        "Cargo.toml",
        "blueprints/release/Cargo.toml",
        "executors/agent/Cargo.toml",
        "executors/container/Cargo.toml",
        "executors/contract/Cargo.toml",
        "executors/gateway/Cargo.toml",
        "executors/outpost/Cargo.toml",
        "executors/sandbox/Cargo.toml",
        "executors/shell/Cargo.toml",
        "executors/spawn/Cargo.toml",
        "executors/ssm/Cargo.toml",
        "executors/workspace/Cargo.toml",
        "infrastructure/proof/Cargo.toml",
        "services/api/Cargo.toml",
        "services/aws/Cargo.toml",
        "services/core/Cargo.toml",
        "services/embedded/Cargo.toml",
        "services/here/Cargo.toml",
        "services/lambda/Cargo.toml",
        "services/trial/Cargo.toml",
        "services/worker/Cargo.toml",
    ]
    .map(page)
    {
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            } else if section.ends_with("dependencies]")
                && let Some((name, _)) = line.split_once('=')
                // The crates of this repository are no dependencies.
                && !name.starts_with("outpost-")
            {
                wanted.insert(name.trim().to_owned());
            }
        }
    }
    assert!(wanted.len() > 10, "{wanted:?}");
    let text = page("docs/DEPENDENCIES.md");
    let (table, _) = text.split_once("## Not used").expect("the chapter about what is not used");
    let listed: BTreeSet<String> =
        rows(table).filter_map(|row| row[0].strip_prefix('`')?.strip_suffix('`').map(str::to_owned)).collect();
    assert_eq!(listed, wanted);
    for row in rows(table).filter(|row| row[0].starts_with('`')) {
        assert!(row.len() == 4 && row.iter().all(|cell| !cell.is_empty()), "{row:?}");
    }
}

#[test]
fn banned_crates_are_explained() {
    let text = page("docs/DEPENDENCIES.md");
    let bans = page("deny.toml");
    let banned: Vec<&str> = bans.split("{ crate = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(banned.len() > 4, "{banned:?}");
    for name in banned {
        assert!(text.contains(&format!("`{name}`")), "docs/DEPENDENCIES.md does not speak of `{name}`");
    }
}

#[test]
fn what_the_pages_name_is_there() {
    let mut pages = files("docs", "md");
    pages.extend(files("examples", "md"));
    pages.extend(files("blueprints", "md"));
    for name in ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"] {
        pages.push(root().join(name));
    }
    let (tests, mut missing) = (tests(), Vec::new());
    for path in pages {
        let text = fs::read_to_string(&path).expect("a page");
        let name = path.strip_prefix(root()).expect("a page of this tree").display().to_string();
        // Fences show commands and documents; their backticks pair with nothing.
        let prose: String = lines(&text)
            .filter(|(line, in_fence)| !in_fence && !line.starts_with("    "))
            .map(|(line, _)| format!("{line}\n"))
            .collect();
        for word in quoted(&prose) {
            let ours = ["src/", "tests/", "docs/", ".ci/"].iter().any(|folder| word.starts_with(folder));
            let exact = !word.contains(['*', '…', ' ', '{']) && !word.contains("NNN") && !word.contains("CODE");
            if ours && exact && !root().join(word.trim_end_matches('/')).exists() {
                missing.push(format!("{name}: `{word}`"));
            }
        }
        for test in quoted(&prose).filter(|word| word.starts_with("f_") || word.starts_with("x_")) {
            if test.as_bytes()[2].is_ascii_digit() && !tests.contains(&format!("fn {test}()")) {
                missing.push(format!("{name}: `{test}`"));
            }
        }
        let folder = path.parent().expect("a folder");
        for target in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if !target.contains("://") && !file.is_empty() && !folder.join(file).exists() {
                missing.push(format!("{name}: ({target})"));
            }
        }
        for code in prose
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| word.len() == 5 && word.starts_with("BP") && word[2..].chars().all(|c| c.is_ascii_digit()))
        {
            if Code::find(code).is_none() {
                missing.push(format!("{name}: {code}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn decisions_are_numbered_and_have_their_three_parts() {
    let decisions = files("docs/adr", "md");
    assert!(!decisions.is_empty());
    for (index, path) in decisions.iter().enumerate() {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(name.starts_with(&format!("{:04}-", index + 1)), "{name} is out of order");
        let text = fs::read_to_string(path).expect("a decision");
        for part in ["## Context", "## Decision", "## Consequences"] {
            assert!(text.contains(part), "{name} has no `{part}`");
        }
    }
}

#[test]
fn the_journal_page_names_every_event_and_no_other() {
    let source = page("src/run/event.rs");
    let (_, events) = source.split_once("pub enum Event {").expect("the events");
    let (events, _) = events.split_once("\n}").expect("their end");
    let variants = events
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    let snake = |name: &str| {
        let mut word = String::new();
        for c in name.chars().take_while(char::is_ascii_alphabetic) {
            if c.is_ascii_uppercase() && !word.is_empty() {
                word.push('_');
            }
            word.push(c.to_ascii_lowercase());
        }
        word
    };
    let wanted: BTreeSet<String> = variants.map(snake).collect();
    assert!(wanted.contains("run_started") && wanted.len() > 15, "{wanted:?}");
    let text = page("docs/JOURNAL.md");
    let (_, table) = text.split_once("| event | what happened |").expect("the table of events");
    let (table, _) = table.split_once("\n\n").expect("its end");
    let told: BTreeSet<String> =
        rows(table).flat_map(|row| quoted(row[0]).map(str::to_owned).collect::<Vec<_>>()).collect();
    assert_eq!(told, wanted);
}

#[test]
fn the_page_about_running_has_the_exit_codes_of_the_code() {
    let source = page("src/cli/exit.rs");
    let codes = source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once(" => "));
    let wanted: BTreeSet<String> = codes
        .filter_map(|(_, code)| code.trim_end_matches(',').parse::<u8>().ok())
        .map(|code| code.to_string())
        .collect();
    assert!(wanted.len() > 6, "{wanted:?}");
    let text = page("docs/RUNNING.md");
    let (_, table) = text.split_once("| code | meaning |").expect("the table of codes");
    let (table, _) = table.split_once("\n\n").expect("its end");
    let told: BTreeSet<String> =
        rows(table).map(|row| row[0].to_owned()).filter(|code| code.parse::<u8>().is_ok()).collect();
    assert_eq!(told, wanted);
}

#[test]
fn the_page_about_the_plan_counts_what_its_tables_have() {
    let text = page("docs/SEED.md");
    let (prose, rest) = text.split_once("\n## Each command\n").expect("the table of commands");
    let (each, undone) = rest.split_once("\n## Rollbacks\n").expect("the table of rollbacks");
    let ours = page("blueprints/OUTPOST_V2_MULTI_TENANT_SAAS.md");

    let commands: Vec<Vec<&str>> = rows(each).filter(|row| row[0] != "task").collect();
    let pass = |column: usize| commands.iter().filter(|row| row[column] == "passes").count();
    let sum = rows(prose).find(|row| row[0] == "**all**").expect("the sum");
    assert_eq!(
        sum[1..],
        [commands.len(), pass(4), pass(3)].map(|count| count.to_string()),
        "of commands, that pass, that passed before"
    );
    for row in commands.iter().filter(|row| row[4] != "passes") {
        let check = row[7].trim_matches('`').trim_end_matches('…').trim_end().replace("\\|", "|");
        assert!(!check.is_empty() && ours.contains(&check), "{} {}: the blueprint has no `{check}`", row[0], row[1]);
    }
    for name in ["docs/SEED.md", "blueprints/README.md"] {
        let counted = format!("{} of its {} commands pass", pass(4), commands.len());
        assert!(page(name).replace('\n', " ").contains(&counted), "{name} does not say: {counted}");
    }

    let (_, undone) = undone.split_once("| task | rollback |").expect("the rollbacks");
    let (undone, _) = undone.split_once("\n## ").expect("what is different");
    let undone: Vec<Vec<&str>> = rows(undone).filter(|row| row[0].starts_with('T')).collect();
    let passed = undone.iter().filter(|row| row[2] == "passes").count();
    assert!(text.contains(&format!("{passed} of {} rollbacks pass.", undone.len())), "{passed} of {}", undone.len());
}
