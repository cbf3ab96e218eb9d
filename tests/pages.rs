//! The pages tell the truth: what they name exists, what they show was read, what they count is there.
//!
//! `BLESS=1 cargo test --test pages` writes anew what is generated: the field tables of `docs/BLUEPRINT.md`, the help of
//! the commands, the schemas.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "pages/commands.rs"]
mod commands;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use outpost_bp::blueprint::format::{DOCUMENT, EXECUTION, TASK};
use outpost_bp::blueprint::read;
use outpost_bp::blueprint::shape::{Need, Record, Shape};
use outpost_bp::diagnostic::Code;
use outpost_bp::document::Source;
use outpost_bp::plan::{Dag, check_files};
use outpost_bp::scenario::format::SCENARIO;

const REFERENCE: &str = "docs/BLUEPRINT.md";

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

#[test]
fn the_compliance_table_names_every_row_its_files_and_its_tests() {
    let reference = page(REFERENCE);
    let tests = tests();
    let expected: BTreeSet<String> = (1..=28)
        .chain(30..=35)
        .chain(40..=42)
        .map(|number| format!("F{number:02}"))
        .chain((1..=6).map(|number| format!("X{number}")))
        .collect();
    let mut seen = BTreeSet::new();
    for row in rows(&reference) {
        let [id, _, does, source, proof] = row[..] else { continue };
        if !expected.contains(id) {
            continue;
        }
        assert!(seen.insert(id.to_owned()), "{id} has two rows");
        let later = does.contains("not yet");
        for path in quoted(source) {
            assert!(path.starts_with("src/") && root().join(path).is_file(), "{id}: there is no `{path}`");
        }
        for test in quoted(proof) {
            assert!(tests.contains(&format!("fn {test}()")), "{id}: there is no test `{test}`");
            let number = id[1..].trim_start_matches('0').to_owned();
            let kind = id[..1].to_lowercase();
            let named = [format!("{kind}_{}_", &id[1..]), format!("{kind}{number}_"), format!("{kind}_{number:0>2}_")];
            assert!(named.iter().any(|name| test.contains(name.as_str())), "{id}: `{test}` is named after another row");
        }
        assert!(later || quoted(source).next().is_some(), "{id} names no file");
        assert!(later || quoted(proof).next().is_some(), "{id} names no test");
    }
    assert_eq!(seen, expected);
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

/// All records that can be reached from these, outermost first.
fn records(roots: &[&'static Record]) -> Vec<&'static Record> {
    fn add(shape: &'static Shape, found: &mut Vec<&'static Record>) {
        match shape {
            Shape::Record(record) if !found.iter().any(|known| known.title == record.title) => {
                found.push(record);
                record.fields.iter().for_each(|field| add(&field.shape, found));
            }
            Shape::List(shape) | Shape::Named(shape) => add(shape, found),
            Shape::OneOf(shapes) => shapes.iter().for_each(|shape| add(shape, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for record in roots.iter().copied() {
        if !found.iter().any(|known: &&Record| known.title == record.title) {
            found.push(record);
        }
        record.fields.iter().for_each(|field| add(&field.shape, &mut found));
    }
    found
}

fn table(record: &Record) -> String {
    let mut table = "| key | what it may be | need | meaning |\n|---|---|---|---|\n".to_owned();
    for field in record.fields {
        let need = match field.need {
            Need::Must => "must".to_owned(),
            Need::Strict => "strict".to_owned(),
            Need::May => String::new(),
            Need::Legacy(instead) => format!("v1: write `{instead}`"),
            Need::Inert => "no effect".to_owned(),
        };
        table += &format!("| `{}` | {} | {need} | {} |\n", field.key, field.shape.words(), field.doc);
    }
    table
}

#[test]
fn the_reference_lists_every_key_of_the_format() {
    lists(REFERENCE, &records(&[&DOCUMENT, &EXECUTION, &TASK]));
}

#[test]
fn the_page_about_testing_lists_every_key_of_a_scenario() {
    lists("docs/TESTING.md", &records(&[&SCENARIO]));
}

/// Holds the tables of a page to the records, or writes them.
fn lists(name: &str, records: &[&'static Record]) {
    let mut text = page(name);
    let mut stale = Vec::new();
    for record in records {
        let opening = format!("<!-- fields: {} -->\n", record.title);
        let start = text.find(&opening).unwrap_or_else(|| panic!("{name} has no `{}`", opening.trim()));
        let start = start + opening.len();
        let end = start + text[start..].find("<!-- end -->").expect("the end of the table");
        let right = table(record);
        if text[start..end] != right {
            stale.push(record.title);
            text.replace_range(start..end, &right);
        }
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(root().join(name), &text).expect("the page can be written");
    } else {
        assert_eq!(stale, [""; 0], "run `BLESS=1 cargo test --test pages`");
    }
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

/// Line and code of every problem of a document, without those that short examples always have.
fn problems(text: &str) -> Vec<(usize, String)> {
    let (source, refusal) = Source::from_bytes("example", text.as_bytes().to_vec());
    assert_eq!(refusal, None);
    let mut reading = read(&source, false);
    let dag = Dag::of(&reading.draft, &reading.links);
    reading.diagnostics.extend(check_files(&reading.draft, &dag));
    let mut found: Vec<_> = reading
        .diagnostics
        .iter()
        .filter(|problem| !matches!(problem.code, Code::MetadataMissing | Code::StrictField))
        .map(|problem| {
            let line = problem.span.map_or(0, |span| source.position(span.start).line);
            (line as usize, problem.code.number().to_owned())
        })
        .collect();
    found.sort();
    found
}

/// Lines whose comment says which code they get: `# BP201` or `<!-- BP201 -->`.
fn expected(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some((_, comment)) = line.split_once(" # ").or_else(|| line.split_once("<!-- ")) else { continue };
        for word in comment.split(|c: char| !c.is_ascii_alphanumeric()) {
            if Code::find(word).is_some() {
                found.push((index + 1, word.to_owned()));
            }
        }
    }
    found.sort();
    found
}

/// A chapter's fences with all other lines left empty, and the whole documents it shows.
fn examples(chapter: &str) -> (String, Vec<String>) {
    let (mut blocks, mut documents) = (String::new(), Vec::new());
    let mut open: Option<(String, String)> = None;
    for line in chapter.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match &mut open {
            None if ticks >= 3 => {
                open = Some((line[..ticks].to_owned(), line[ticks..].to_owned()));
                let whole = line[ticks..].ends_with("document");
                blocks += if whole || !line.ends_with("yaml") { "\n" } else { "```yaml\n" };
                if whole {
                    documents.push(String::new());
                }
            }
            None => blocks.push('\n'),
            Some((fence, info)) => {
                let closes = line == fence;
                match (info.as_str(), documents.last_mut()) {
                    ("yaml", _) => blocks += &format!("{line}\n"),
                    (info, Some(document)) if info.ends_with("document") => {
                        blocks.push('\n');
                        if !closes {
                            *document += &format!("{line}\n");
                        }
                    }
                    _ => blocks.push('\n'),
                }
                if closes {
                    open = None;
                }
            }
        }
    }
    assert_eq!(open, None, "a fence of this chapter is open");
    (blocks, documents)
}

#[test]
fn every_example_of_the_reference_reads_as_it_says() {
    let reference = page(REFERENCE);
    let (mut tried, mut wrong) = (0, Vec::new());
    let mut chapters: Vec<String> = Vec::new();
    for (line, in_fence) in lines(&reference) {
        if line.starts_with("## ") && !in_fence || chapters.is_empty() {
            chapters.push(String::new());
        }
        let chapter = chapters.last_mut().expect("a chapter");
        *chapter += &format!("{line}\n");
    }
    for chapter in &chapters {
        let title = chapter.lines().next().unwrap_or_default();
        let (blocks, mut documents) = examples(chapter);
        if blocks.contains("```yaml") {
            documents.push(blocks);
        }
        for document in documents {
            tried += 1;
            let (found, said) = (problems(&document), expected(&document));
            if found != said {
                wrong.push(format!("{title}\n{document}found {found:?}\nsaid  {said:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(tried > 15, "only {tried} examples were found");
}

#[test]
fn the_dependency_page_has_a_row_for_every_dependency_and_no_other() {
    let mut wanted = BTreeSet::new();
    for manifest in [
        "Cargo.toml",
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
        "services/api/Cargo.toml",
        "services/aws/Cargo.toml",
        "services/core/Cargo.toml",
        "services/embedded/Cargo.toml",
        "services/here/Cargo.toml",
        "services/lambda/Cargo.toml",
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

/// A limit: where it stands in the source, and what the reference and the page about security say of it.
const LIMITS: &[(&str, &str, &str, &str)] = &[
    ("src/document/source.rs", "MAX_BYTES: u64 = 512 * 1024 * 1024;", "| a document | 512 MiB |", "more than 512 MiB"),
    (
        "src/blueprint/read/block.rs",
        "MAX_TASKS: usize = 1_000_000;",
        "document | 1,000,000 |",
        "at most 1,000,000 tasks",
    ),
    ("src/document/yaml.rs", "MAX_DEPTH: usize = 64;", "| nesting of values | 64 levels |", "at most 64 levels"),
    ("src/document/yaml.rs", "MAX_EXPANSION: usize = 100_000;", "to a block | 100,000 |", "at most 100,000 values"),
    ("src/document/markdown.rs", "WINDOW: usize = 1 << 20;", "", "windows of 1 MiB"),
    ("src/blueprint/mod.rs", "MAX_ID_BYTES: usize = 128;", "| a task id | 128 characters |", "at most 128"),
    ("src/blueprint/check/jq.rs", "MOST_BYTES: usize = 4096;", "jq expression | 4,096 bytes |", "at most 4,096 bytes"),
    ("src/blueprint/check/tasks.rs", "MOST_BRACKETS: usize = 8;", "JSONPath | 8 levels |", "at most 8 levels"),
    ("src/blueprint/check/references.rs", "MOST_GUESSES: usize = 100;", "sought | 100 |", "the first 100 "),
    ("src/blueprint/check/links.rs", "SHOWN: usize = 40;", "of one cycle | 40 |", ""),
    (
        "src/engine/capability.rs",
        "PATIENCE: Duration = Duration::from_secs(10);",
        "| 10 s, 64 KiB, 8 at once |",
        "ten seconds",
    ),
    ("src/engine/capability.rs", "MOST_OUTPUT: u64 = 64 * 1024;", "64 KiB", "64 KiB are read"),
    ("src/engine/capability.rs", "MOST_AT_ONCE: usize = 8;", "8 at once", "at most 8 at once"),
    ("src/engine/secret/file.rs", "MOST_BYTES: u64 = 1 << 20;", "looks into | 1 MiB |", "1 MiB at most"),
    ("src/plan/together.rs", "FREE_STEPS: usize = 1_000_000;", "lock | 1,000,000, and", "1,000,000 steps"),
    ("src/plan/together.rs", "STEPS_EACH: usize = 64;", "64 for each task and edge |", "64 for each task and edge"),
    ("src/report/graph/reduction.rs", "CAREFUL: usize = 2_000;", "", "above 2,000 tasks"),
    (
        "src/blueprint/format/task.rs",
        "\"max_retries\" Shape::Count { min: 0, max: 1000 }",
        "`max_retries` | 1,000 |",
        "",
    ),
    (
        "src/blueprint/format/execution.rs",
        "\"max_parallel_tasks\" Shape::Count { min: 1, max: 100_000 }",
        "tasks` | 100,000 |",
        "",
    ),
    (
        "src/blueprint/format/execution.rs",
        "\"max_holders\" Shape::Count { min: 1, max: 1_000_000 }",
        "holders` | 1,000,000 |",
        "",
    ),
    ("src/blueprint/shape.rs", "MAX_COUNT: u32 = u32::MAX;", "v1 | 4,294,967,295 |", ""),
];

#[test]
fn limits_are_the_ones_of_the_code() {
    let (reference, security) = (page(REFERENCE), page("SECURITY.md"));
    for (file, limit, referred, secured) in LIMITS {
        assert!(page(file).contains(limit), "{file} has no `{limit}`");
        assert!(reference.contains(referred), "the reference does not say `{referred}`");
        assert!(security.contains(secured), "the page about security does not say `{secured}`");
    }
}

#[test]
fn what_the_pages_name_is_there() {
    let mut pages = files("docs", "md");
    pages.extend(files("examples", "md"));
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
