//! Killed between any two calls of git, a task is done by doing it again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};

use crate::project::{Project, put};

/// A git that counts its calls and, at one of them, kills whoever called it: before it does anything, or after.
fn deadly(dir: &Path, real: &Path, call: u32, after: bool) -> std::path::PathBuf {
    let (at, count) = (dir.join("deadly-git"), dir.join("count"));
    drop(fs::remove_file(&count));
    let (real, count) = (real.display(), count.display());
    let deed = if after { format!("{real} \"$@\"\nkill -9 $PPID") } else { "kill -9 $PPID".to_owned() };
    let script = format!(
        "#!/bin/sh\nn=$(cat {count} 2>/dev/null || echo 0)\nn=$((n + 1))\necho $n > {count}\n\
         if [ $n = {call} ]; then\n{deed}\nexit 1\nfi\nexec {real} \"$@\"\n"
    );
    put(&at, script);
    fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).expect("permissions");
    at
}

fn probe(project: &Project, git: &Path, task: &str) -> (ExitStatus, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-workspace-probe"));
    command.args([project.root(), project.cache(), git.to_owned()]).arg(project.settings().path).arg(task);
    let output = command.output().expect("the probe");
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn killed_everywhere(after: bool) {
    let path = std::env::var_os("PATH").expect("a PATH");
    let real = std::env::split_paths(&path).map(|folder| folder.join("git")).find(|git| git.is_file()).expect("git");
    // Its work is no fast-forward: the branch moves while it is done.
    let begun = Project::new();
    let (status, said) = probe(&begun, &real, "first");
    assert!(status.success(), "{said}");
    let (base, other) = (begun.git(&["rev-parse", "main"]), begun.git(&["rev-parse", "outpost/r1"]));
    begun.git(&["update-ref", "refs/heads/outpost/r1", &base]);
    let mut kills = 0;
    for call in 1.. {
        let project = Project { dir: tempfile::tempdir().expect("a folder") };
        let from = begun.dir.path().join(".");
        assert!(Command::new("cp").arg("-a").args([&from, project.dir.path()]).status().expect("cp").success());
        let deadly = deadly(project.dir.path(), &real, call, after);
        let (killed, _) = probe(&project, &deadly, "second");
        let calls = fs::read_to_string(project.dir.path().join("count")).expect("a count");
        if calls.trim().parse::<u32>().expect("a number") < call {
            break;
        }
        if killed.success() {
            // The call was a dialogue that the probe ended itself, and with it what was to kill the probe.
            continue;
        }
        assert_eq!(killed.signal(), Some(9), "call {call}");
        kills += 1;
        if project.git(&["rev-parse", "outpost/r1"]) == base {
            project.git(&["update-ref", "refs/heads/outpost/r1", &other]);
        }
        let (status, said) = probe(&project, &real, "second");
        assert!(status.success(), "killed at call {call}: {said}");
        assert_eq!(project.git(&["show", "outpost/r1:work/second"]), "second", "killed at call {call}");
        assert_eq!(project.git(&["status", "--porcelain"]), "", "killed at call {call}");
        let tasks = project.cache().join("r1/tasks");
        assert_eq!(fs::read_dir(tasks).expect("a folder").count(), 0, "killed at call {call}");
        assert_eq!(project.git(&["for-each-ref", "--format=%(refname)"]).lines().count(), 4);
        // Landed once.
        let count = project.git(&["log", "--format=%H", "--no-merges", "outpost/r1", "--", "work/second"]);
        assert_eq!(count.lines().count(), 1, "killed at call {call}: {count}");
    }
    assert!(kills > 20, "{kills}");
}

#[test]
fn killed_before_any_call_it_is_done_by_doing_it_again() {
    killed_everywhere(false);
}

#[test]
fn killed_after_any_call_it_is_done_by_doing_it_again() {
    killed_everywhere(true);
}
