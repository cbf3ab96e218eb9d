//! The real programs against the model on loopback: those that `.ci/agents` brought into `target/agents`, or else those in
//! `PATH`.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use outpost_agent::attempt::{Fence, Own, program};
use outpost_agent::definition::Definitions;
use outpost_agent::trial::trial;

use crate::bench::{fences, loudly};

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

fn path() -> OsString {
    let ours = ["agents/node_modules/.bin", "agents/venv/bin"].map(|folder| target().join(folder));
    let known = env::var_os("PATH").unwrap_or_default();
    env::join_paths(ours.into_iter().chain(env::split_paths(&known))).expect("folders without colons")
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
    tried(name, &definitions, &own, None);
    for (way, fence) in fences() {
        tried(&format!("{name}, behind {way}"), &definitions, &own, Some(&fence));
    }
}

fn tried(what: &str, definitions: &Definitions, own: Own<'_>, fence: Option<&Fence>) {
    let name = what.split(',').next().unwrap_or_default();
    // Gemini wants that nobody else may write to the folders above its settings: not `/tmp`.
    let folder = tempfile::Builder::new().prefix(".trial-").tempdir_in(target()).expect("a folder");
    let folder = folder.path().canonicalize().expect("a folder");
    // Agents look for a repository, and must not find ours.
    let workspace = folder.join("workspace");
    std::fs::create_dir(&workspace).expect("room");
    let git = std::process::Command::new("git").args(["init", "-q"]).arg(&workspace).status().expect("git");
    assert!(git.success());
    let mut told = Vec::new();
    let table = trial(definitions, name, &folder, (own, fence), &mut told).expect("it can be tried");
    loudly(&format!("\n{what}: {table}"));
    assert!(table.is_good(), "{what}: {table}\n{}", String::from_utf8_lossy(&told));
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
