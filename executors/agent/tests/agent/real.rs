//! The real programs against the model on loopback: those that `.ci/agents` brought into `target/agents`, or else those in
//! `PATH`.

use std::env;
use std::ffi::OsString;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};

use outpost_agent::attempt::program;
use outpost_agent::definition::Definitions;
use outpost_agent::trial::trial;

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

fn path() -> OsString {
    let ours = ["agents/node_modules/.bin", "agents/venv/bin"].map(|folder| target().join(folder));
    let known = env::var_os("PATH").unwrap_or_default();
    env::join_paths(ours.into_iter().chain(env::split_paths(&known))).expect("folders without colons")
}

/// Speaks on the terminal although the test is captured.
fn loudly(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

fn real(name: &str) {
    let definitions = Definitions::load(None).expect("the built-in ones");
    let definition = definitions.get(name).expect("a built-in one");
    let path = path();
    let own = move |name: &str| if name == "PATH" { Some(path.clone()) } else { env::var_os(name) };
    if let Err(missing) = program(definition, &own) {
        loudly(&format!(
            "\n!!! SKIPPED: the real {name} was not tried: {missing}\n!!! for this test alone: .ci/agents {name}\n"
        ));
        return;
    }
    // Gemini wants that nobody else may write to the folders above its settings: not `/tmp`.
    let folder = tempfile::Builder::new().prefix(".trial-").tempdir_in(target()).expect("a folder");
    let folder = folder.path().canonicalize().expect("a folder");
    // Agents look for a repository, and must not find ours.
    let workspace = folder.join("workspace");
    std::fs::create_dir(&workspace).expect("room");
    let git = std::process::Command::new("git").args(["init", "-q"]).arg(&workspace).status().expect("git");
    assert!(git.success());
    let mut told = Vec::new();
    let table = trial(&definitions, name, &folder, &own, &mut told).expect("it can be tried");
    loudly(&format!("\n{table}"));
    assert!(table.is_good(), "{table}\n{}", String::from_utf8_lossy(&told));
}

#[test]
fn claude_is_as_its_definition_says() {
    real("claude");
}

#[test]
fn codex_is_as_its_definition_says() {
    real("codex");
}

#[test]
fn gemini_is_as_its_definition_says() {
    real("gemini");
}

#[test]
fn aider_is_as_its_definition_says() {
    real("aider");
}

#[test]
fn grok_is_as_its_definition_says() {
    real("grok");
}
