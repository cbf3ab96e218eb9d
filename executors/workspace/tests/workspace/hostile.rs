//! Trees that were made to have our git start something, read something, or write somewhere. The trap is a file: no
//! git of ours may ever make it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use outpost_workspace::{Commit, Landing, Repository, Start, Worktree};

use crate::project::{Project, changes, commit, fresh, git, name, put};

struct Trap {
    canary: PathBuf,
    script: PathBuf,
}

impl Trap {
    fn in_dir(dir: &Path) -> Self {
        let trap = Self { canary: dir.join("canary"), script: dir.join("trap.sh") };
        put(&trap.script, format!("#!/bin/sh\necho \"$0 $*\" >> {}\ncat\n", trap.canary.display()));
        fs::set_permissions(&trap.script, fs::Permissions::from_mode(0o755)).unwrap();
        trap
    }

    /// A configuration in which everything that can start something starts the trap.
    fn config(&self) -> String {
        let script = self.script.display();
        format!(
            "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = {script}\n\thooksPath = {hooks}\n\tpager = {script}\n\teditor = {script}\n\
             \tsshCommand = {script}\n\tgitProxy = {script}\n\tattributesFile = {hooks}/attributes\n\tworktree = {hooks}\n\
             [filter \"evil\"]\n\tclean = {script}\n\tsmudge = {script}\n\tprocess = {script}\n\trequired = true\n\
             [diff]\n\texternal = {script}\n[diff \"evil\"]\n\tcommand = {script}\n\ttextconv = {script}\n\
             [merge \"evil\"]\n\tdriver = {script}\n[credential]\n\thelper = {script}\n[gpg]\n\tprogram = {script}\n\
             [commit]\n\tgpgSign = true\n[alias]\n\tcommit-tree = !{script}\n[include]\n\tpath = {hooks}/more\n\
             [submodule]\n\trecurse = true\n[gc]\n\tauto = 1\n[extensions]\n",
            hooks = self.hooks().display(),
        )
    }

    fn hooks(&self) -> PathBuf {
        let hooks = self.script.parent().expect("a folder").join("hooks");
        for hook in [
            "pre-commit",
            "post-commit",
            "post-checkout",
            "post-index-change",
            "reference-transaction",
            "pre-auto-gc",
            "fsmonitor-watchman",
            "post-merge",
            "commit-msg",
            "prepare-commit-msg",
            "pre-merge-commit",
            "post-rewrite",
        ] {
            put(&hooks.join(hook), fs::read(&self.script).unwrap());
            fs::set_permissions(hooks.join(hook), fs::Permissions::from_mode(0o755)).unwrap();
        }
        put(&hooks.join("attributes"), "* filter=evil diff=evil merge=evil\n");
        put(&hooks.join("more"), format!("[core]\n\tfsmonitor = {}\n", self.script.display()));
        hooks
    }

    fn is_untouched(&self) {
        let said = fs::read_to_string(&self.canary);
        assert!(said.is_err(), "the trap was sprung: {said:?}");
    }
}

const ATTRIBUTES: &str = "* filter=evil diff=evil merge=evil text eol=crlf ident working-tree-encoding=UTF-16\n";

/// All steps there are, on a branch that has moved: with a merge, and with a conflict.
fn everything(repository: &Repository, worktree: &Worktree) {
    let branch = repository.integration(repository.head()).unwrap();
    let other = repository.prepare(&name("other"), &Start::Fresh { base: repository.head().clone() }).unwrap();
    put(&other.path.join("src/main.rs"), "fn main() { other() }\n");
    let other = commit(repository, &other);
    let Landing::FastForward { onto, commit: landed } = repository.land(&branch, &other.commit, "Land").unwrap() else {
        panic!("it has not moved")
    };
    repository.advance(&branch, &onto, &landed).unwrap();
    put(&worktree.path.join("beside"), "x $Id$\r\n");
    let committed = commit(repository, worktree);
    repository.policy(&outpost_workspace::Policy::default(), &committed).unwrap();
    repository.diff(&committed.base, &committed.commit, 1 << 20).unwrap();
    let Landing::Merged { onto, commit: merged, .. } = repository.land(&branch, &committed.commit, "Land").unwrap()
    else {
        panic!("a merge")
    };
    let checked = repository.checkout(&name("T1"), &merged).unwrap();
    assert_eq!(fs::read_to_string(checked.join("beside")).unwrap(), "x $Id$\r\n", "byte for byte");
    repository.advance(&branch, &onto, &merged).unwrap();
    put(&worktree.path.join("src/main.rs"), "fn main() { mine() }\n");
    let committed = commit(repository, worktree);
    let Landing::Conflict(conflict) = repository.land(&branch, &committed.commit, "Land").unwrap() else {
        panic!("a conflict")
    };
    repository.prepare(&name("resolved"), &Start::resolving(&conflict)).unwrap();
    repository.prepare(&worktree.task, &Start::Keep { base: worktree.base.clone() }).unwrap();
    repository.prepare(&worktree.task, &Start::Fresh { base: worktree.base.clone() }).unwrap();
    repository.release(&worktree.task).unwrap();
}

#[test]
fn the_trap_works() {
    let project = Project::new();
    let trap = Trap::in_dir(project.dir.path());
    let worktree = fresh(&project.open(), "T1");
    put(&worktree.path.join(".git/config"), trap.config().replace("\tworktree", "\t; worktree"));
    put(&worktree.path.join(".gitattributes"), "* filter=evil\n");
    // What we never do: a plain git within the tree.
    drop(Command::new("git").args(["status"]).current_dir(&worktree.path).output().unwrap());
    assert!(trap.canary.exists());
}

#[test]
fn a_poisoned_repository_in_the_tree_starts_nothing() {
    let project = Project::new();
    let trap = Trap::in_dir(project.dir.path());
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    put(&worktree.path.join(".git/config"), trap.config());
    for entry in fs::read_dir(trap.hooks()).unwrap() {
        let entry = entry.unwrap();
        put(&worktree.path.join(".git/hooks").join(entry.file_name()), fs::read(entry.path()).unwrap());
        let hook = worktree.path.join(".git/hooks").join(entry.file_name());
        fs::set_permissions(hook, fs::Permissions::from_mode(0o755)).unwrap();
    }
    put(&worktree.path.join(".gitattributes"), ATTRIBUTES);
    put(&worktree.path.join(".git/info/attributes"), ATTRIBUTES);
    put(
        &worktree.path.join(".gitmodules"),
        "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c trap\n\tupdate = !trap\n",
    );
    put(&worktree.path.join(".lfsconfig"), "[lfs]\n\turl = http://127.0.0.1:1\n");
    everything(&repository, &worktree);
    trap.is_untouched();
}

#[test]
fn a_poisoned_repository_below_the_tree_starts_nothing() {
    let project = Project::new();
    let trap = Trap::in_dir(project.dir.path());
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    for at in ["src", "sub", "sub/deeper"] {
        let at = worktree.path.join(at);
        fs::create_dir_all(&at).unwrap();
        git(&at, &["init", "-q"]);
        put(&at.join("file"), "x");
        git(&at, &["add", "-A"]);
        git(&at, &["commit", "-qm", "x"]);
        put(&at.join(".git/config"), trap.config());
        put(&at.join(".gitattributes"), ATTRIBUTES);
    }
    everything(&repository, &worktree);
    trap.is_untouched();
}

#[test]
fn a_git_that_is_something_else_is_not_looked_at() {
    for kind in ["file", "link", "fifo", "missing", "broken", "to the project"] {
        let project = Project::new();
        let trap = Trap::in_dir(project.dir.path());
        let repository = project.open();
        let worktree = fresh(&repository, "T1");
        let at = worktree.path.join(".git");
        let evil = project.dir.path().join("evil.git");
        git(project.dir.path(), &["init", "-q", "--bare", "evil.git"]);
        put(&evil.join("config"), trap.config());
        fs::remove_dir_all(&at).unwrap();
        match kind {
            "file" => put(&at, format!("gitdir: {}\n", evil.display())),
            "link" => symlink(&evil, &at).unwrap(),
            "fifo" => assert!(Command::new("mkfifo").arg(&at).status().unwrap().success()),
            "broken" => put(&at.join("HEAD"), [0xff; 64]),
            "to the project" => symlink(project.root().join(".git"), &at).unwrap(),
            _ => {}
        }
        everything(&repository, &worktree);
        trap.is_untouched();
        assert_eq!(project.git(&["status", "--porcelain"]), "", "{kind}");
        assert_eq!(project.git(&["rev-parse", "--abbrev-ref", "HEAD"]), "main", "{kind}");
        assert!(evil.join("config").exists(), "{kind}: removing a tree follows no link");
    }
}

/// The project is the person's own, but what is in its configuration is for their git, not for ours.
#[test]
fn the_projects_own_settings_start_nothing_either() {
    let project = Project::with(&[
        ("src/main.rs", "fn main() {}\n"),
        (".gitattributes", "*.bin filter=evil diff=evil merge=evil\n* text=auto\n"),
        ("a.bin", "x\r\n"),
    ]);
    let trap = Trap::in_dir(project.dir.path());
    let repository = project.open();
    let config = trap.config().replace("\tworktree", "\t; worktree").replace("[core]\n", "[core]\n\tbare = false\n");
    put(&project.root().join(".git/config"), config);
    let worktree = fresh(&project.open(), "T1");
    put(&worktree.path.join("a.bin"), "y\r\n");
    everything(&repository, &worktree);
    trap.is_untouched();
}

#[test]
fn nothing_outside_of_the_tree_is_read() {
    let project = Project::with(&[("dir/file", "x\n"), ("dir/other", "x\n"), ("plain", "x\n")]);
    let secret = project.dir.path().join("outside");
    put(&secret.join("file"), "secret of the machine");
    put(&secret.join("other"), "secret of the machine");
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    fs::remove_dir_all(worktree.path.join("dir")).unwrap();
    symlink(&secret, worktree.path.join("dir")).unwrap();
    fs::remove_file(worktree.path.join("plain")).unwrap();
    symlink(secret.join("file"), worktree.path.join("plain")).unwrap();
    symlink(secret.join("file"), worktree.path.join(".gitignore")).unwrap();
    let committed = commit(&repository, &worktree);
    assert_eq!(
        changes(&committed),
        ["Added .gitignore", "Added dir", "Deleted dir/file", "Deleted dir/other", "Modified plain"]
    );
    let kept = project.git(&["log", "-p", "--all", "--", "."]);
    assert!(!kept.contains("secret of the machine"), "{kept}");
}

/// Git opens what it reads, and an open pipe waits for somebody who writes.
#[test]
fn pipes_in_the_place_of_what_git_reads_hold_nobody_up() {
    let project = Project::with(&[("src/main.rs", "fn main() {}\n"), ("src/.gitignore", "*.log\n")]);
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    let at = |path: &str| worktree.path.join(path);
    fs::remove_file(at("src/.gitignore")).unwrap();
    fs::create_dir_all(at("deep/er")).unwrap();
    for nested in ["one", "two"] {
        fs::create_dir(at(nested)).unwrap();
        git(&at(nested), &["init", "-q"]);
    }
    fs::remove_file(at("one/.git/HEAD")).unwrap();
    let pipes = [".gitignore", "src/.gitignore", "deep/er/.gitignore", ".gitattributes", ".gitmodules", "pipe"];
    for pipe in pipes.iter().chain(&["one/.git/HEAD", "two/.git/commondir"]) {
        assert!(Command::new("mkfifo").arg(at(pipe)).status().unwrap().success());
    }
    put(&at("deep/er/new"), "x");
    // On a thread of its own: one that waits for ever is seen.
    let (sender, receiver) = std::sync::mpsc::channel();
    let (ours, tree) = (repository.clone(), worktree.clone());
    std::thread::spawn(move || drop(sender.send(ours.commit(&tree, "Work", &[]))));
    let made = receiver.recv_timeout(std::time::Duration::from_secs(60)).expect("git waits at a pipe").unwrap();
    let Commit::Made(committed) = made else { panic!("nothing has changed") };
    assert_eq!(changes(&committed), ["Added deep/er/new", "Deleted src/.gitignore"]);
    assert!(at("pipe").exists(), "what git does not open is the agent's own");
}

/// Git passes over some names and calls it a success: what is said to be committed is.
#[test]
fn what_git_takes_no_link_for_is_left_out_and_told() {
    let project = Project::new();
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    for link in [".gitmodules", "src/.GITMODULES", "gitmod~1", "fine"] {
        symlink("README.md", worktree.path.join(link)).unwrap();
    }
    let committed = commit(&repository, &worktree);
    assert_eq!(changes(&committed), ["Added fine"]);
    assert_eq!(committed.left_out.len(), 3, "{:?}", committed.left_out);
    let told = project.git(&["diff", "--name-only", committed.base.as_str(), committed.commit.as_str()]);
    assert_eq!(told, "fine");
    let found = repository.policy(&outpost_workspace::Policy::default(), &committed).unwrap();
    assert_eq!(found.len(), 3, "{found:?}");
}

/// The environment of whoever calls us is not git's.
#[test]
fn an_environment_made_for_another_repository_changes_nothing() {
    let project = Project::new();
    let trap = Trap::in_dir(project.dir.path());
    let probe = env!("CARGO_BIN_EXE_outpost-workspace-probe");
    let settings = project.settings();
    let git = std::env::split_paths(&settings.path).map(|folder| folder.join("git")).find(|git| git.is_file()).unwrap();
    let script = trap.script.as_os_str();
    let output = Command::new(probe)
        .args([project.root(), project.cache(), git])
        .arg(&settings.path)
        .arg("T1")
        .envs([("GIT_DIR", "/nowhere"), ("GIT_WORK_TREE", "/nowhere"), ("GIT_INDEX_FILE", "/nowhere")])
        .envs([("GIT_EXTERNAL_DIFF", script), ("GIT_SSH", script), ("GIT_EDITOR", script), ("PAGER", script)])
        .envs([("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "core.fsmonitor")])
        .env("GIT_CONFIG_VALUE_0", script)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    trap.is_untouched();
    assert_eq!(project.git(&["show", "outpost/r1:work/T1"]), "T1");
}

#[test]
fn a_tree_that_is_gone_is_named() {
    let project = Project::new();
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    fs::remove_dir_all(&worktree.path).unwrap();
    let said = repository.commit(&worktree, "Work", &[]).unwrap_err().to_string();
    assert!(said.contains("tasks/T1/tree"), "{said}");
    symlink(project.root(), &worktree.path).unwrap();
    assert!(repository.commit(&worktree, "Work", &[]).is_err());
    // The next attempt begins anew, whatever stands in the way.
    let again = repository.prepare(&name("T1"), &Start::Keep { base: repository.head().clone() }).unwrap();
    assert!(!again.kept && project.root().join("README.md").exists());
    assert!(matches!(repository.commit(&again, "Work", &[]).unwrap(), Commit::NoChange { .. }));
}
