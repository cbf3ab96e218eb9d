//! Every diagnostic as a person reads it: `tests/diagnostics/CODE.md` has the problem and no other,
//! `tests/diagnostics/CODE.snap` is what `check` says of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use outpost_bp::diagnostic::{Code, Severity};
use serde_json::Value;

use crate::builder::Test;

/// Codes that no small document has: a million tasks take a debug build a minute. The limit is tested
/// in `src/blueprint/read/block.rs`.
const TOO_LARGE: &[Code] = &[Code::TooManyTasks];
/// Codes of scenarios, which `check` does not read: `tests/running/scenarios.rs` has them.
const OF_SCENARIOS: &[Code] = &[Code::BadScenario, Code::NotAsExpected];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics")
}

fn document(code: &str) -> Vec<u8> {
    let bytes = fs::read(folder().join(format!("{code}.md"))).expect("a document for the code");
    // A file with a live-looking credential would be held up by every scanner it meets.
    match code {
        "BP405" => {
            let text = String::from_utf8(bytes).expect("UTF-8");
            text.replace("A_KEY_ID", &["AKIA", "QWERTYUIOPASDFGH"].concat()).into_bytes()
        }
        _ => bytes,
    }
}

fn codes() -> impl Iterator<Item = Code> {
    Code::ALL.iter().copied().filter(|code| !TOO_LARGE.contains(code) && !OF_SCENARIOS.contains(code))
}

#[test]
fn every_code_has_a_document_and_every_document_a_code() {
    let found: BTreeSet<String> = fs::read_dir(folder())
        .expect("the folder of the documents")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    let wanted: BTreeSet<String> = codes().map(|code| code.number().to_owned()).collect();
    assert_eq!(found, wanted);
}

#[test]
fn every_document_has_its_problem_and_no_other() {
    for code in codes() {
        let exit = if code.severity() == Severity::Error { 2 } else { 0 };
        Test::of(&["check", "--json", "d.md"])
            .file("d.md", document(code.number()))
            .stdout_fits(move |text| {
                let told: Value = serde_json::from_str(text).expect("JSON");
                let diagnostics = told["diagnostics"].as_array().expect("diagnostics");
                assert!(!diagnostics.is_empty(), "{} is not reported", code.number());
                for diagnostic in diagnostics {
                    assert_eq!(diagnostic["code"], code.number());
                    assert_eq!(diagnostic["severity"], code.severity().word());
                    assert_ne!(diagnostic["help"], "", "{} leaves the author alone", code.number());
                }
            })
            .code(exit)
            .run();
    }
}

#[test]
fn every_diagnostic_as_a_person_reads_it() {
    for code in codes() {
        let exit = if code.severity() == Severity::Error { 2 } else { 0 };
        Test::of(&["check", "--verbose", "blueprint.md"])
            .file("blueprint.md", document(code.number()))
            .stdout_fits(move |text| {
                let mut settings = insta::Settings::clone_current();
                settings.set_snapshot_path("../diagnostics");
                settings.set_prepend_module_to_snapshot(false);
                settings.set_omit_expression(true);
                settings.bind(|| insta::assert_snapshot!(code.number(), text));
            })
            .code(exit)
            .run();
    }
}
