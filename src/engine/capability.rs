//! Which required tools are here, and in which version.
//!
//! A tool is looked for on `PATH`, and asked for its version only where a version is required. It is
//! given no terminal, no input and a bounded time; what it prints is read up to a bound. Whoever asks
//! twice probes twice: nothing is remembered here.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::patience;
use crate::blueprint::capability::{Range, Requirement, Version, find_version};

/// The longest a tool may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most that is read of what it says.
const MOST_OUTPUT: u64 = 64 * 1024;
/// Most tools asked at once.
const MOST_AT_ONCE: usize = 8;

/// Tools whose executable has another name.
const EXECUTABLES: &[(&str, &[&str])] = &[
    ("aws-cli", &["aws"]),
    ("aws_cli", &["aws"]),
    ("awscli", &["aws"]),
    ("gcloud-cli", &["gcloud"]),
    ("golang", &["go"]),
    ("kubernetes", &["kubectl"]),
    ("nodejs", &["node"]),
    ("postgres", &["psql"]),
    ("postgresql", &["psql"]),
    ("python", &["python3", "python"]),
    ("ripgrep", &["rg"]),
    ("rust", &["rustc"]),
    ("typescript", &["tsc"]),
];

/// What was found out about a requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is here, in a version that will do.
    Present(Option<Version>),
    Missing,
    /// It is here in another version.
    Unfit(Version),
    /// It is here and does not say which version it is.
    Unclear,
}

impl Outcome {
    /// Whether work that requires the tool may be tried: an unclear version is no reason not to.
    pub const fn suffices(&self) -> bool {
        matches!(self, Self::Present(_) | Self::Unclear)
    }
}

/// Answers for each requirement, in their order. `path` is the value of `PATH`.
pub fn probe(requirements: &[Requirement<'_>], path: &std::ffi::OsStr) -> Vec<Outcome> {
    let folders: Vec<PathBuf> = std::env::split_paths(path).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut answers = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(requirement) = requirements.get(index) else {
                return answers;
            };
            answers.push((index, one(requirement, &folders)));
        }
    };
    let mut answers: Vec<(usize, Outcome)> = std::thread::scope(|scope| {
        let workers = requirements.len().min(MOST_AT_ONCE);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    answers.sort_unstable_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, outcome)| outcome).collect()
}

fn one(requirement: &Requirement<'_>, folders: &[PathBuf]) -> Outcome {
    let mut answer = Outcome::Missing;
    for name in names(requirement) {
        let Some(program) = find(&name, folders) else {
            continue;
        };
        if requirement.range == Range::Any {
            return Outcome::Present(None);
        }
        match version(&program, &name) {
            Some(version) if requirement.range.contains(version) => return Outcome::Present(Some(version)),
            Some(version) => answer = Outcome::Unfit(version),
            None if answer == Outcome::Missing => answer = Outcome::Unclear,
            None => {}
        }
    }
    answer
}

/// The executables that may be meant, likeliest first: `python3.11`, `python3`, `python`.
fn names(requirement: &Requirement<'_>) -> Vec<String> {
    let Requirement { name, range, ambiguous } = requirement;
    let mut names = Vec::new();
    if *ambiguous && let Range::Between(Version(major, minor, _), _) = range {
        names.push(format!("{name}{major}.{minor}"));
        names.push(format!("{name}{major}"));
    }
    match EXECUTABLES.iter().find(|(known, _)| known == name) {
        Some((_, executables)) => names.extend(executables.iter().map(|name| (*name).to_owned())),
        None => names.push((*name).to_owned()),
    }
    names.dedup();
    names
}

fn find(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    folders.iter().map(|folder| folder.join(name)).find(|program| is_executable(program))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn version(program: &Path, name: &str) -> Option<Version> {
    // A document may name a tool of `PATH`, not a way out of it.
    if name.contains('/') {
        return None;
    }
    let first = match name {
        "go" | "terraform" | "kubectl" | "helm" => "version",
        _ => "--version",
    };
    [first, "--version", "-version", "version"]
        .iter()
        .enumerate()
        .filter(|(index, flag)| *index == 0 || **flag != first)
        .find_map(|(_, flag)| find_version(&say(program, flag)?))
}

/// What a program prints when asked, if it answers in time.
fn say(program: &Path, flag: &str) -> Option<String> {
    // A file, not a pipe: a grandchild that keeps it open holds nobody up.
    let mut said = tempfile::tempfile().ok()?;
    let mut command = Command::new(program);
    command.arg(flag).stdout(said.try_clone().ok()?).stderr(said.try_clone().ok()?);
    patience::run(&mut command, PATIENCE).ok()??;
    read(&mut said)
}

fn read(said: &mut File) -> Option<String> {
    said.seek(SeekFrom::Start(0)).ok()?;
    let mut bytes = Vec::new();
    said.take(MOST_OUTPUT).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{Outcome, probe};
    use crate::blueprint::capability::{Requirement, Version};

    fn tool(folder: &std::path::Path, name: &str, script: &str) {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
    }

    #[test]
    fn f_19_tools_are_found_and_their_versions_compared() {
        let folder = tempfile::tempdir().expect("a folder");
        tool(folder.path(), "python3", "echo Python 3.11.7");
        tool(folder.path(), "node", "echo v18.2.0 >&2");
        tool(folder.path(), "aws", "echo aws-cli/2.15.30 Python/3.11.8");
        tool(folder.path(), "s3", "exit 1");
        tool(folder.path(), "go", "[ \"$1\" = version ] && echo go version go1.21.4 linux/amd64");
        tool(folder.path(), "quiet", "exit 3");
        tool(folder.path(), "loud", "yes 'no number' | head -c 1000000; echo 9.9.9");
        fs::write(folder.path().join("plain"), "not executable").expect("write");
        fs::create_dir(folder.path().join("sub")).expect("a folder");
        let cases = [
            ("python3.11", Outcome::Present(Some(Version(3, 11, 7)))),
            ("python3.12", Outcome::Unfit(Version(3, 11, 7))),
            ("python>=3.10", Outcome::Present(Some(Version(3, 11, 7)))),
            ("nodejs>=18", Outcome::Present(Some(Version(18, 2, 0)))),
            ("node20", Outcome::Unfit(Version(18, 2, 0))),
            ("aws_cli", Outcome::Present(None)),
            ("aws-cli>=2.0", Outcome::Present(Some(Version(2, 15, 30)))),
            ("s3", Outcome::Unclear),
            ("go^1.20", Outcome::Present(Some(Version(1, 21, 4)))),
            ("quiet>=1", Outcome::Unclear),
            ("loud>=1", Outcome::Unclear),
            ("quiet", Outcome::Present(None)),
            ("plain", Outcome::Missing),
            ("absent>=1", Outcome::Missing),
            ("sub/../node>=18", Outcome::Unclear),
        ];
        let requirements: Vec<Requirement<'_>> =
            cases.iter().map(|(text, _)| Requirement::parse(text).expect(text)).collect();
        let found = probe(&requirements, &std::env::join_paths([folder.path()]).expect("path"));
        for ((text, want), outcome) in cases.iter().zip(&found) {
            assert_eq!(outcome, want, "{text}");
        }
    }
}
