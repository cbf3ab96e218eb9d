//! What cannot work is refused before anything is made, with a way out.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use outpost_workspace::{Error, Repository, Settings};

use crate::project::{Project, git, put};

fn refused(project: &Project, path: &std::path::Path, settings: &Settings) -> String {
    let said = Repository::open(path, settings).expect_err("a refusal");
    assert!(matches!(said, Error::Unsuited(_)), "{said:?}");
    assert!(!project.cache().exists(), "nothing is made");
    said.to_string()
}

#[test]
fn projects_that_cannot_serve_are_refused() {
    let project = Project::new();
    let dir = project.dir.path();
    let settings = project.settings();
    fs::create_dir(dir.join("plain")).unwrap();
    let said = refused(&project, &dir.join("plain"), &settings);
    assert!(said.contains("no git repository") && said.contains("git init"), "{said}");
    assert!(refused(&project, &dir.join("missing"), &settings).contains("no such folder"));
    git(dir, &["init", "-q", "--bare", "bare.git"]);
    assert!(refused(&project, &dir.join("bare.git"), &settings).contains("bare repository"));
    git(dir, &["init", "-q", "unborn"]);
    assert!(refused(&project, &dir.join("unborn"), &settings).contains("no commit yet"));
    project.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", project.root().display());
    git(dir, &["clone", "-q", "--filter=blob:none", &url, "partial"]);
    let said = refused(&project, &dir.join("partial"), &settings);
    assert!(said.contains("git fetch --refetch --no-filter"), "{said}");
    let relative = Settings { cache: "cache".into(), ..project.settings() };
    assert!(refused(&project, &project.root(), &relative).contains("absolute"));
}

#[test]
fn a_git_that_is_missing_or_old_is_refused() {
    let project = Project::new();
    let dir = project.dir.path();
    let none = Settings { path: "bin:/nonexistent".into(), ..project.settings() };
    assert!(refused(&project, &project.root(), &none).contains("2.38"));
    put(&dir.join("old/git"), "#!/bin/sh\necho git version 2.37.9\n");
    fs::set_permissions(dir.join("old/git"), fs::Permissions::from_mode(0o755)).unwrap();
    let old = Settings { path: dir.join("old").into(), ..project.settings() };
    let said = refused(&project, &project.root(), &old);
    assert!(said.contains("2.37.9") && said.contains("2.38"), "{said}");
    let gone = Settings { git: Some(dir.join("gone")), ..project.settings() };
    assert!(refused(&project, &project.root(), &gone).contains("gone"));
}

/// From any folder of the project, and from one with a name that is hard to print.
#[test]
fn projects_are_found_from_within_and_under_any_name() {
    let project = Project::new();
    let odd = project.dir.path().join("a \"b\"\nc");
    git(project.dir.path(), &["clone", "-q", "project", odd.to_str().unwrap()]);
    let settings = Settings { cache: project.dir.path().join("cache \"\n"), ..project.settings() };
    let repository = Repository::open(&odd.join("src"), &settings).unwrap();
    assert_eq!(repository.root(), odd.canonicalize().unwrap());
    let worktree = crate::project::fresh(&repository, "T1");
    assert_eq!(git(&worktree.path, &["log", "--format=%s"]), "first");
    put(&worktree.path.join("new"), "x\n");
    crate::project::commit(&repository, &worktree);
    repository.forget().unwrap();
    assert!(!worktree.path.exists());
}
