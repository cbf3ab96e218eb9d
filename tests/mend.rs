//! `check --fix` on odd documents: what it writes, that once is enough, and that it keeps the rest.
//!
//! `mend/NAME.mended.…` is what `mend/NAME.…` becomes. The laws hold for every document below this
//! folder, for real documents beside the checkout, and for documents damaged at random.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use outpost_bp::blueprint::{mend, read};
use outpost_bp::diagnostic::{Code, Diagnostic};
use outpost_bp::document::Source;
use proptest::prelude::*;

fn source(text: &str) -> Source {
    Source::from_bytes("t.md", text.as_bytes().to_vec()).0
}

fn diagnostics(text: &str) -> Vec<Diagnostic> {
    read(&source(text), true).diagnostics
}

/// The mended text. Once is enough, and nothing that could be mended is left.
fn mended(text: &str) -> String {
    let Some(once) = mend(&source(text)) else {
        assert!(diagnostics(text).iter().all(|problem| problem.edits.is_empty()), "edits are not made:\n{text}");
        return text.to_owned();
    };
    let once = once.source.text();
    assert_ne!(once, text, "said to be mended and is not");
    if let Some(twice) = mend(&source(once)) {
        panic!(
            "mending is not finished after one run:\n{text}\n=== once:\n{once}\n=== twice:\n{}",
            twice.source.text()
        );
    }
    once.to_owned()
}

/// How often codes are found that mending must never cause.
fn damage(text: &str) -> HashMap<Code, usize> {
    const DAMAGE: [Code; 7] = [
        Code::YamlSyntax,
        Code::DuplicateKey,
        Code::WrongType,
        Code::UnknownKey,
        Code::UnknownTask,
        Code::GraphMismatch,
        Code::ChecksumMismatch,
    ];
    let mut found = HashMap::new();
    for problem in diagnostics(text).iter().filter(|problem| DAMAGE.contains(&problem.code)) {
        *found.entry(problem.code).or_insert(0) += 1;
    }
    found
}

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|ending| ["md", "yaml", "txt"].iter().any(|known| ending == *known)) {
            found.push(path);
        }
    }
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Every document of the tests, and those beside the checkout where there are any.
fn everything() -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    documents(&tests(), &mut paths);
    documents(&tests().join("../../shared/corpus"), &mut paths);
    documents(&tests().join("../../shared/mission"), &mut paths);
    paths.into_iter().filter_map(|path| fs::read_to_string(&path).ok().map(|text| (path, text))).collect()
}

#[test]
fn documents_become_what_stands_beside_them() {
    let mut pairs = 0;
    for (path, after) in everything() {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        if let Some((start, ending)) = name.split_once(".mended.") {
            let before = path.with_file_name(format!("{start}.{ending}"));
            let before = fs::read_to_string(&before).expect("the document before mending");
            assert_eq!(mended(&before), after, "{name}");
            pairs += 1;
        }
    }
    assert!(pairs >= 5, "{pairs}");
}

#[test]
fn once_is_enough_and_nothing_breaks() {
    for (path, text) in everything() {
        let name = path.display();
        let after = mended(&text);
        let (before, left) = (damage(&text), damage(&after));
        for (code, count) in left {
            assert!(count <= before.get(&code).copied().unwrap_or(0), "{name} has more {code:?} than before");
        }
    }
}

#[test]
fn line_ends_and_marks_stay_as_they_are() {
    let crlf = |text: &str| text.replace('\n', "\r\n");
    for (path, text) in everything() {
        // The bytes of the line ends are part of the sum.
        if text.contains("_checksum") || text.contains('\r') {
            continue;
        }
        let (name, after) = (path.display(), mended(&text));
        assert_eq!(mended(&crlf(&text)), crlf(&after), "{name} with CRLF");
        assert_eq!(mended(&format!("\u{feff}{text}")), format!("\u{feff}{after}"), "{name} with a byte order mark");
        let cut = text.trim_end();
        let cut_after = mended(cut);
        assert_eq!(cut_after.trim_end(), after.trim_end(), "{name} without a last line end");
        assert!(!cut_after.ends_with('\n'), "{name} got a last line end");
    }
}

/// What may happen to a line.
#[derive(Clone, Debug)]
enum Damage {
    Drop,
    Repeat,
    Indent,
    Dedent,
    Cut(usize),
    Fence(&'static str),
}

fn damages() -> impl Strategy<Value = Vec<(prop::sample::Index, Damage)>> {
    let damage = prop_oneof![
        4 => Just(Damage::Drop),
        2 => Just(Damage::Repeat),
        1 => Just(Damage::Indent),
        1 => Just(Damage::Dedent),
        2 => (0..40_usize).prop_map(Damage::Cut),
        2 => prop::sample::select(vec!["```", "~~~", "````yaml", "~~~ {.yaml}", "> ```", "  ```yaml", "---"]).prop_map(Damage::Fence),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), damage), 1..8)
}

fn damaged(text: &str, damages: &[(prop::sample::Index, Damage)]) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    for (index, damage) in damages {
        let at = index.index(lines.len().max(1));
        let Some(line) = lines.get(at).cloned() else {
            break;
        };
        match damage {
            Damage::Drop => drop(lines.remove(at)),
            Damage::Repeat => lines.insert(at, line),
            Damage::Indent => lines[at] = format!("  {line}"),
            Damage::Dedent => lines[at] = line.trim_start_matches(' ').to_owned(),
            Damage::Cut(length) => lines[at] = line.chars().take(*length).chain(['\n']).collect(),
            Damage::Fence(fence) => lines.insert(at, format!("{fence}\n")),
        }
    }
    lines.concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn once_is_enough_for_damaged_documents(
        name in prop::sample::select(vec!["v1.md", "fences.md", "graph.md", "blocks.md", "pure.yaml"]),
        damages in damages(),
    ) {
        let text = fs::read_to_string(tests().join("mend").join(name)).expect("a fixture");
        let text = damaged(&text, &damages);
        let after = mended(&text);
        let crlf = mended(&text.replace('\n', "\r\n"));
        // The bytes of the line ends are part of the sum.
        if !text.contains("_checksum") {
            prop_assert_eq!(crlf, after.replace('\n', "\r\n"));
        }
    }
}
