//! The reference of the format: a row for each promise, a table for each record, examples that read as they say, limits.

use std::collections::BTreeSet;
use std::fs;

use outpost_bp::blueprint::format::{DOCUMENT, EXECUTION, TASK};
use outpost_bp::blueprint::read;
use outpost_bp::blueprint::shape::{Need, Record, Shape};
use outpost_bp::diagnostic::Code;
use outpost_bp::document::Source;
use outpost_bp::plan::{Dag, check_files};
use outpost_bp::scenario::format::SCENARIO;

use super::{lines, page, quoted, root, rows, tests};

const REFERENCE: &str = "docs/BLUEPRINT.md";

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
