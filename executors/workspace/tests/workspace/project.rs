//! A project with some files, and how tests look at it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use outpost_workspace::{Author, Commit, CommitId, Committed, Name, Repository, Settings, Start, Worktree};
use tempfile::TempDir;

pub(crate) struct Project {
    pub(crate) dir: TempDir,
}

impl Project {
    /// With a commit on `main` that holds `files`.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let project = Self { dir: tempfile::tempdir().expect("a folder") };
        fs::create_dir(project.root()).expect("a folder");
        git(&project.root(), &["init", "-q", "-b", "main"]);
        for (path, text) in files {
            put(&project.root().join(path), text);
        }
        project.save("first");
        project
    }

    pub(crate) fn new() -> Self {
        Self::with(&[
            ("README.md", "# A project\n"),
            ("src/main.rs", "fn main() {}\n"),
            (".gitignore", "target/\n*.log\n"),
        ])
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    pub(crate) fn save(&self, message: &str) {
        git(&self.root(), &["add", "-A"]);
        git(&self.root(), &["commit", "-q", "--allow-empty", "-m", message]);
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            cache: self.cache(),
            run: name("r1"),
            author: Author { name: "Outpost".to_owned(), email: "outpost@example.org".to_owned() },
            git: None,
            path: std::env::var_os("PATH").expect("a PATH"),
            private: vec![".outpost".to_owned()],
        }
    }

    pub(crate) fn open(&self) -> Repository {
        Repository::open(&self.root(), &self.settings()).expect("a repository")
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.root(), args)
    }

    /// `mode path` of all files of a commit, as git shows them.
    pub(crate) fn files(&self, commit: &CommitId) -> Vec<String> {
        let listed = self.git(&["ls-tree", "-r", "--format=%(objectmode) %(path)", commit.as_str()]);
        listed.lines().map(str::to_owned).collect()
    }
}

/// Plain git, as a person calls it.
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").current_dir(dir);
    command.args(["-c", "user.name=Someone", "-c", "user.email=someone@example.org"]).args(args);
    let output = command.output().expect("git");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

pub(crate) fn put(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    fs::write(path, text).expect("a file");
}

pub(crate) fn name(text: &str) -> Name {
    Name::of(text).expect("a name")
}

pub(crate) fn bytes(text: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(text))
}

/// A fresh tree on what is checked out.
pub(crate) fn fresh(repository: &Repository, task: &str) -> Worktree {
    let start = Start::Fresh { base: repository.head().clone() };
    repository.prepare(&name(task), &start).expect("a tree")
}

pub(crate) fn commit(repository: &Repository, worktree: &Worktree) -> Committed {
    match repository.commit(worktree, "Work", &[]).expect("a commit") {
        Commit::Made(committed) => committed,
        Commit::NoChange { .. } => panic!("nothing has changed"),
    }
}

/// `kind path` of what a commit changes.
pub(crate) fn changes(committed: &Committed) -> Vec<String> {
    committed.changed.iter().map(|change| format!("{:?} {}", change.kind, change.path)).collect()
}
