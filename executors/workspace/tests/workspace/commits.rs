//! What is in a tree is what is committed, whatever it is called and whatever it is.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use outpost_workspace::{Commit, Patched, Start, Why, began_with};

use crate::project::{Project, bytes, changes, commit, fresh, git, name, put};

#[test]
fn a_tree_holds_the_base_and_a_git_of_its_own() {
    let project = Project::new();
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    assert_eq!(fs::read_to_string(worktree.path.join("src/main.rs")).unwrap(), "fn main() {}\n");
    assert_eq!(git(&worktree.path, &["status", "--porcelain"]), "");
    assert_eq!(git(&worktree.path, &["log", "--format=%s"]), "first");
    put(&worktree.path.join("src/main.rs"), "fn main() { work() }\n");
    assert_eq!(git(&worktree.path, &["diff", "--name-only"]), "src/main.rs");
    git(&worktree.path, &["commit", "-qam", "the agent's own"]);
    // What it commits itself is not lost, and is nobody's history.
    let committed = commit(&repository, &worktree);
    assert_eq!(changes(&committed), ["Modified src/main.rs"]);
    assert_eq!(
        project.git(&["log", "--format=%s|%an|%ae", "bp/r1/T1"]),
        "Work|Outpost|outpost@example.org\nfirst|Someone|someone@example.org"
    );
    assert_eq!(project.git(&["status", "--porcelain"]), "");
    project.git(&["fsck", "--strict"]);
}

#[test]
fn additions_deletions_renames_and_bits_are_seen() {
    let project = Project::with(&[("a", "a\n"), ("b", "b\n"), ("c/d", "d\n"), ("run.sh", "#!/bin/sh\n"), ("x", "x\n")]);
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    let at = |path: &str| worktree.path.join(path);
    fs::rename(at("a"), at("z")).unwrap();
    fs::remove_file(at("b")).unwrap();
    fs::set_permissions(at("run.sh"), Permissions::from_mode(0o755)).unwrap();
    // A folder in the place of a file, a file in the place of a folder.
    fs::remove_file(at("x")).unwrap();
    put(&at("x/y"), "y\n");
    fs::remove_dir_all(at("c")).unwrap();
    put(&at("c"), "c\n");
    put(&at("bin"), [0, 159, 146, 150, b'\r', b'\n', 0]);
    put(&at("crlf.txt"), "a\r\nb\r\n");
    symlink("z", at("link")).unwrap();
    fs::create_dir(at("empty")).unwrap();
    let committed = commit(&repository, &worktree);
    assert_eq!(
        changes(&committed),
        [
            "Deleted a",
            "Deleted b",
            "Added bin",
            "Added c",
            "Deleted c/d",
            "Added crlf.txt",
            "Added link",
            "Modified run.sh",
            "Deleted x",
            "Added x/y",
            "Added z"
        ]
    );
    assert_eq!(
        project.files(&committed.commit),
        ["100644 bin", "100644 c", "100644 crlf.txt", "120000 link", "100755 run.sh", "100644 x/y", "100644 z"]
    );
    // Byte for byte: it can be checked out again, and is the same.
    let checked = repository.checkout(&name("T1"), &committed.commit).unwrap();
    for path in ["bin", "crlf.txt", "z"] {
        assert_eq!(fs::read(checked.join(path)).unwrap(), fs::read(at(path)).unwrap(), "{path}");
    }
    assert_eq!(git(&checked, &["status", "--porcelain"]), "");
    assert!(repository.diff(&committed.base, &committed.commit, 1 << 20).unwrap().text.contains("rename from a"));
    let stat = repository.diff_stat(&committed.base, &committed.commit, 1 << 20).unwrap().text;
    assert!(stat.contains("mode change 100644 => 100755 run.sh"), "{stat}");
    let cut = repository.diff(&committed.base, &committed.commit, 10).unwrap();
    assert!(cut.cut && cut.text.len() == 10, "{cut:?}");
}

#[test]
fn names_may_be_anything() {
    let project = Project::with(&[("-rf", "x\n"), ("old \"name\"\n", "x\n")]);
    let names: [&[u8]; 9] = [
        b"a b",
        b"line\nbreak",
        b"\"quoted\"",
        b"-n",
        b"\xff\xfe",
        b"tab\tbed",
        b":(top)x",
        b"dir with \\/*?[x]",
        b"\xc3\xa4",
    ];
    let repository = project.open();
    let worktree = fresh(&repository, "-a/b ..");
    for name in names {
        put(&worktree.path.join(bytes(name)), name);
    }
    fs::remove_file(worktree.path.join("-rf")).unwrap();
    fs::remove_file(worktree.path.join("old \"name\"\n")).unwrap();
    let committed = commit(&repository, &worktree);
    assert_eq!(committed.branch.as_str(), "bp/r1/%2da%2fb%20%2e%2e");
    assert_eq!(committed.changed.len(), names.len() + 2);
    let checked = repository.checkout(&name("check"), &committed.commit).unwrap();
    for name in names {
        assert_eq!(fs::read(checked.join(bytes(name))).unwrap(), name);
    }
    assert!(!checked.join("-rf").exists());
    project.git(&["fsck", "--strict"]);
}

#[test]
fn what_is_ignored_or_private_stays() {
    let project = Project::new();
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    let base = repository.head().clone();
    for path in ["target/debug/out", "x.log", ".outpost/result.json", "src/.outpost/kept"] {
        put(&worktree.path.join(path), "x");
    }
    let committed = commit(&repository, &worktree);
    assert_eq!(changes(&committed), ["Added src/.outpost/kept"]);
    // The next attempt finds all of it, on the same base.
    let kept = project.open().prepare(&name("T1"), &Start::Keep { base: committed.commit.clone() }).unwrap();
    assert!(kept.kept && kept.base == base && kept.path == worktree.path);
    assert!(kept.path.join("target/debug/out").exists());
    // A fresh one finds nothing, at the same place.
    let fresh = fresh(&repository, "T1");
    assert!(!fresh.kept && fresh.path == worktree.path && !fresh.path.join("target").exists());
    let Commit::NoChange { .. } = repository.commit(&fresh, "Work", &[]).unwrap() else { panic!("a change") };
}

#[test]
fn the_same_work_is_the_same_commit_and_trailers_are_trailers() {
    let project = Project::new();
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    put(&worktree.path.join("new"), "x\n");
    let trailers = [("Outpost-Task".to_owned(), "T1\nOutpost-Run: forged".to_owned())];
    let made = || match repository.commit(&worktree, "Do it\n\nAt length.", &trailers).unwrap() {
        Commit::Made(committed) => committed.commit,
        Commit::NoChange { .. } => panic!("nothing has changed"),
    };
    let first = made();
    assert_eq!(first, made());
    let trailers = project.git(&["log", "-1", "--format=%(trailers:only)", first.as_str()]);
    assert_eq!(trailers, "Outpost-Task: T1 Outpost-Run: forged");
    put(&worktree.path.join("new"), "y\n");
    assert_ne!(first, made());
    assert_eq!(project.git(&["rev-list", "--count", "bp/r1/T1"]), "2");
}

#[test]
fn repositories_within_and_what_is_no_file_are_left_out_and_told() {
    let project = Project::new();
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    fs::create_dir(worktree.path.join("sub")).unwrap();
    git(&worktree.path.join("sub"), &["init", "-q"]);
    put(&worktree.path.join("sub/file"), "x");
    git(&worktree.path.join("sub"), &["add", "-A"]);
    git(&worktree.path.join("sub"), &["commit", "-qm", "x"]);
    let fifo = std::process::Command::new("mkfifo").arg(worktree.path.join("pipe")).status().unwrap();
    assert!(fifo.success());
    put(&worktree.path.join("dir/.GIT/config"), "x");
    put(&worktree.path.join("new"), "x");
    let committed = commit(&repository, &worktree);
    assert_eq!(changes(&committed), ["Added new"]);
    let left: Vec<_> = committed.left_out.iter().map(|left| (left.path.to_string(), left.why)).collect();
    assert!(left.contains(&("sub".to_owned(), Why::Repository)), "{left:?}");
    assert!(left.contains(&("dir/.GIT/config".to_owned(), Why::Reserved)), "{left:?}");
}

/// A core dump would stay in the project's object store for weeks.
#[test]
fn what_is_far_too_large_is_left_out_and_told() {
    let project = Project::new();
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    // As long as it says, and nothing on the disk.
    let file = fs::File::create(worktree.path.join("core")).unwrap();
    file.set_len(200 << 30).unwrap();
    let Commit::NoChange { left_out } = repository.commit(&worktree, "Work", &[]).unwrap() else { panic!("a change") };
    assert_eq!((left_out[0].path.to_string(), left_out[0].why), ("core".to_owned(), Why::TooLarge(200 << 30)));
    put(&worktree.path.join("new"), "x");
    let committed = commit(&repository, &worktree);
    assert_eq!(changes(&committed), ["Added new"]);
    let policy = outpost_workspace::Policy::default();
    for found in [repository.policy(&policy, &committed), repository.untaken(&policy, &left_out)] {
        let found = found.unwrap();
        assert!(found.len() == 1 && found[0].to_string().contains("`core` has 214748364800 bytes"), "{found:?}");
    }
}

#[test]
fn submodules_of_the_project_stay_as_they_are() {
    let other = Project::new();
    let project = Project::new();
    let url = other.root().display().to_string();
    project.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "lib"]);
    project.save("with a submodule");
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    put(&worktree.path.join("lib/extra"), "x");
    put(&worktree.path.join("new"), "x");
    assert_eq!(changes(&commit(&repository, &worktree)), ["Added new"]);
    fs::remove_dir_all(worktree.path.join("lib")).unwrap();
    assert_eq!(changes(&commit(&repository, &worktree)), ["Added new"]);
}

#[test]
fn long_ids_and_shallow_clones_work() {
    let project = Project { dir: tempfile::tempdir().unwrap() };
    fs::create_dir(project.root()).unwrap();
    project.git(&["init", "-q", "-b", "main", "--object-format=sha256"]);
    put(&project.root().join("a"), "a");
    project.save("first");
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    put(&worktree.path.join("b"), "b");
    assert_eq!(commit(&repository, &worktree).commit.as_str().len(), 64);

    let origin = Project::new();
    origin.save("second");
    let shallow = Project { dir: tempfile::tempdir().unwrap() };
    let url = format!("file://{}", origin.root().display());
    git(shallow.dir.path(), &["clone", "-q", "--depth", "1", &url, "project"]);
    let repository = shallow.open();
    let worktree = fresh(&repository, "T1");
    assert_eq!(git(&worktree.path, &["log", "--format=%s"]), "second");
    put(&worktree.path.join("b"), "b");
    let committed = commit(&repository, &worktree);
    let branch = repository.integration(repository.head()).unwrap();
    shallow.git(&["switch", "-q", "--detach", branch.as_str()]);
    put(&shallow.root().join("c"), "c");
    shallow.save("beside");
    shallow.git(&["update-ref", "refs/heads/outpost/r1", "HEAD"]);
    let landing = repository.land(&branch, &committed.commit, "Land").unwrap();
    assert!(matches!(landing, outpost_workspace::Landing::Merged { .. }), "{landing:?}");
}

#[test]
fn a_patch_makes_the_tree_that_it_was_made_of() {
    let project = Project::with(&[("a", "a\n"), ("b", "b\n"), ("run.sh", "#!/bin/sh\n")]);
    let repository = project.open();
    let there = fresh(&repository, "there");
    let at = |path: &str| there.path.join(path);
    put(&at("a"), "a\nand more \n");
    fs::remove_file(at("b")).unwrap();
    fs::set_permissions(at("run.sh"), Permissions::from_mode(0o755)).unwrap();
    put(&at("bin"), [0, 159, 146, 150, b'\r', b'\n', 0]);
    symlink("a", at("link")).unwrap();
    let wanted = commit(&repository, &there);
    git(&there.path, &["add", "-A"]);
    let patch = there.path.with_file_name("changes.diff");
    let shown = ["diff", "--cached", "--binary", "--full-index", "--no-renames", "--output", patch.to_str().unwrap()];
    git(&there.path, &shown);
    let here = name("here");
    let Patched::Made(tree) = repository.patched(&here, &there.base, &patch).unwrap() else {
        panic!("it applies");
    };
    assert_eq!(tree, wanted.tree);
    let start = Start::Merged { onto: there.base.clone(), tree };
    let laid = repository.prepare(&here, &start).unwrap();
    assert_eq!(began_with(&laid.path), Some(there.base.clone()));
    assert_eq!(commit(&repository, &laid).tree, wanted.tree);

    // On another commit it applies as a whole or not at all, and never beside the tree.
    put(&patch, "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-z\n+y\n");
    assert!(
        matches!(repository.patched(&here, &there.base, &patch).unwrap(), Patched::Unfit(why) if why.contains('a'))
    );
    for path in ["../out", ".git/config", "/tmp/out"] {
        let text = format!(
            "diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"
        );
        put(&patch, text);
        assert!(matches!(repository.patched(&here, &there.base, &patch).unwrap(), Patched::Unfit(_)), "{path}");
    }
    put(&patch, "");
    assert!(
        matches!(repository.patched(&here, &there.base, &patch).unwrap(), Patched::Made(tree) if tree != wanted.tree)
    );
}
