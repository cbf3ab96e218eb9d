//! The tree tests itself: which module may use which, and the words pure modules may not contain.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// A module and the modules it may use besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("diagnostic", &[]),
    ("document", &["diagnostic"]),
    ("blueprint", &["diagnostic", "document"]),
    ("plan", &["diagnostic", "document", "blueprint"]),
    ("run", &["blueprint", "plan"]),
    ("locks", &[]),
    ("journal", &["locks"]),
    ("engine", &["document", "blueprint", "plan", "run", "journal", "locks"]),
    ("report", &["diagnostic", "document", "blueprint", "run"]),
    ("telemetry", &["blueprint", "run", "engine", "report"]),
    ("scenario", &["diagnostic", "document", "blueprint", "plan", "run", "engine", "report"]),
    (
        "cli",
        &[
            "diagnostic",
            "document",
            "blueprint",
            "plan",
            "run",
            "locks",
            "journal",
            "engine",
            "report",
            "telemetry",
            "scenario",
        ],
    ),
];

/// Modules that take time, ids and files as arguments, and what they may not contain.
const PURE: &[&str] = &["diagnostic", "document", "blueprint", "plan", "run", "report", "scenario"];
const IMPURE: &[&str] = &[
    "async ",
    "tokio",
    "std::fs",
    "std::env",
    "std::process",
    "std::io",
    "std::net",
    "Instant::now",
    "SystemTime",
    "rand::",
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("a folder of the source tree");
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

fn sources(module: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module), &mut found);
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source file");
            (path, text)
        })
        .collect()
}

/// The sources without files that hold nothing but unit tests.
fn shipped(module: &str) -> impl Iterator<Item = (PathBuf, String)> {
    sources(module).into_iter().filter(|(path, _)| !path.ends_with("tests.rs"))
}

/// The part of a file that ships, without its unit tests and comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]").filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn arrows_only_point_down() {
    let mut wrong = Vec::new();
    for (module, may_use) in LAYERS {
        for (path, text) in shipped(module) {
            for line in code(&text) {
                for part in line.split("crate::").skip(1) {
                    let used: String = part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                    if used != *module && !may_use.contains(&used.as_str()) {
                        wrong.push(format!("{}: {}", path.display(), line.trim()));
                    }
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_module_has_its_place() {
    let mut folders: Vec<String> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .expect("src")
        .filter_map(|entry| {
            let entry = entry.ok()?;
            entry.path().is_dir().then(|| entry.file_name().to_string_lossy().into_owned())
        })
        .collect();
    folders.sort();
    let mut known: Vec<String> = LAYERS.iter().map(|(module, _)| (*module).to_owned()).collect();
    known.sort();
    assert_eq!(folders, known);
}

#[test]
fn pure_modules_are_pure_and_petgraph_lives_in_plan() {
    let mut wrong = Vec::new();
    for module in PURE {
        for (path, text) in shipped(module) {
            for line in code(&text) {
                let graph = *module != "plan" && line.contains("petgraph");
                if graph || IMPURE.iter().any(|word| line.contains(word)) {
                    wrong.push(format!("{}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_file_opens_with_its_story() {
    for (module, _) in LAYERS {
        for (path, text) in sources(module) {
            assert!(text.starts_with("//!"), "{} does not say what it is", path.display());
        }
    }
}

#[test]
fn the_page_shows_the_same_layers() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ARCHITECTURE.md"));
    let page = page.expect("the page about the architecture");
    let shown: Vec<(&str, Vec<&str>)> = page
        .lines()
        .skip_while(|line| !line.starts_with("| module | may use |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| {
            let mut cells = line.split('|').skip(1).map(|cell| cell.split('`').skip(1).step_by(2));
            Some((cells.next()?.next()?, cells.next()?.collect()))
        })
        .collect();
    let known: Vec<(&str, Vec<&str>)> = LAYERS.iter().map(|(module, uses)| (*module, uses.to_vec())).collect();
    assert_eq!(shown, known);
}
