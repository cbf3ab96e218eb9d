//! What people and programs may write that must never become more than text: values, names and paths from corpora,
//! driven through the real tool.
//!
//! Every word of the corpora that a shell could act upon would leave a file called `pwned`. There must be none, values
//! arrive as the bytes that they are, and nothing outside of the project is read, written or removed.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "figures of a campaign")]

mod links;
mod names;
#[expect(dead_code, reason = "shared with tests that ask for more")]
#[path = "../project/mod.rs"]
mod project;
mod swaps;
mod values;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use project::Project;

/// A corpus: a list of texts.
fn corpus(text: &str) -> Vec<String> {
    serde_json::from_str(text).expect("a list of texts")
}

/// A document of these tasks: `(id, needs, the rest of the block)`.
fn document(execution: &str, tasks: &[(&str, &str, &str)]) -> String {
    let mut text = format!("# Attacked\n\n```yaml\nexecution: {{{execution}}}\n```\n\n");
    for (id, needs, rest) in tasks {
        text += &format!("```yaml\ntask_id: {id}\nname: {id}\ndependencies: [{needs}]\n{rest}\n```\n\n");
    }
    text
}

/// Everything below a folder, links not followed: its path, and what it holds.
fn everything(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut folders, mut found) = (vec![folder.to_owned()], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let kind = fs::symlink_metadata(&path).expect("an entry").file_type();
            let held = if kind.is_file() { fs::read(&path).expect("a file") } else { Vec::new() };
            if kind.is_dir() {
                folders.push(path.clone());
            }
            found.insert(path.display().to_string(), held);
        }
    }
    found
}

/// Nothing was carried out that was only text.
#[track_caller]
fn not_carried_out(project: &Project, what: &str) {
    let marks: Vec<String> = everything(&project.path("")).into_keys().filter(|path| path.contains("pwned")).collect();
    assert_eq!(marks, [""; 0], "{what:?}");
}
