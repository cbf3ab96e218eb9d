//! What may not land is found, with a path and a way out; what was there before is not held against anybody.

use std::os::unix::fs::symlink;

use outpost_executor::Secrets;
use outpost_workspace::{Finding, FindingKind, Policy, Repository};

use crate::project::{Project, commit, fresh, git, put};

const SECRET: &str = "correct-horse-battery-staple-42";

fn policy() -> Policy {
    Policy {
        allowed: vec!["src/".to_owned(), "docs/**/*.md".to_owned(), "[odd].txt".to_owned()],
        protected: vec!["blueprint.md".to_owned(), "src/verify".to_owned()],
        secrets: Secrets::new([("DEPLOY_KEY".to_owned(), SECRET.as_bytes().to_vec())]),
        largest: 1000,
    }
}

fn findings(repository: &Repository, policy: &Policy, files: &[(&str, &str)]) -> Vec<Finding> {
    let worktree = fresh(repository, "T1");
    for (path, text) in files {
        put(&worktree.path.join(path), text);
    }
    repository.policy(policy, &commit(repository, &worktree)).expect("judged")
}

fn told(findings: &[Finding]) -> Vec<String> {
    let path = |finding: &Finding| finding.path.as_ref().map(ToString::to_string).unwrap_or_default();
    findings.iter().map(|finding| format!("{:?} {}", finding.kind, path(finding))).collect()
}

#[test]
fn only_the_tasks_files_and_never_what_judges_it() {
    let project = Project::with(&[("blueprint.md", "x\n"), ("src/verify/a.sh", "x\n"), ("src/a", "x\n")]);
    let repository = project.open();
    let fine =
        [("src/a", "y\n"), ("src/deep/b", "y\n"), ("docs/x.md", "y\n"), ("docs/y/x.md", "y\n"), ("[odd].txt", "y\n")];
    assert_eq!(findings(&repository, &policy(), &fine), []);
    let found = findings(
        &repository,
        &policy(),
        &[
            ("blueprint.md", "y\n"),
            ("src/verify/a.sh", "y\n"),
            ("src/Verify/b", "y\n"),
            ("docs/x.txt", "y\n"),
            ("other", "y\n"),
        ],
    );
    assert_eq!(
        told(&found),
        [
            "Protected blueprint.md",
            "Outside docs/x.txt",
            "Outside other",
            "Protected src/Verify/b",
            "Protected src/verify/a.sh"
        ]
    );
    assert!(found.iter().all(|finding| !finding.way_out.is_empty()));
    let open = Policy { allowed: Vec::new(), ..policy() };
    assert_eq!(findings(&repository, &open, &[("other", "y\n")]), []);
    let broken = Policy { allowed: vec!["src/{a".to_owned()], ..policy() };
    let worktree = fresh(&repository, "T1");
    put(&worktree.path.join("src/a"), "z\n");
    let said = repository.policy(&broken, &commit(&repository, &worktree)).unwrap_err().to_string();
    assert!(said.contains("`src/{a`"), "{said}");
}

#[test]
fn deleting_what_judges_is_found_and_so_is_a_link_in_its_place() {
    let project = Project::with(&[("src/verify/a.sh", "x\n")]);
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    std::fs::remove_dir_all(worktree.path.join("src/verify")).unwrap();
    put(&worktree.path.join("src/mine/a.sh"), "exit 0\n");
    symlink("mine", worktree.path.join("src/verify")).unwrap();
    let found = repository.policy(&policy(), &commit(&repository, &worktree)).unwrap();
    assert_eq!(told(&found), ["Protected src/verify", "Protected src/verify/a.sh"]);
}

#[test]
fn secrets_are_found_in_their_forms_and_never_shown() {
    let project = Project::with(&[("src/old", &format!("{SECRET}\n"))]);
    let repository = project.open();
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    let key = format!("AK{}", "IAIOSFODNN7REALKEY");
    let found = findings(
        &repository,
        &policy(),
        &[
            ("src/plain", &format!("a\nb {SECRET}\n")),
            ("src/hex", &hex),
            ("src/shape", &format!("one\ntwo = {key}\n")),
            ("src/manual", "AKIAIOSFODNN7EXAMPLE\n"),
            (&format!("src/{SECRET}"), "x\n"),
            ("src/old", &format!("more\n{SECRET}\n")),
        ],
    );
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 4, "{shown:#?}");
    assert!(found.iter().all(|finding| finding.kind == FindingKind::Secret), "{shown:#?}");
    assert!(shown.iter().all(|line| !line.contains(SECRET) && !line.contains(&key)), "{shown:#?}");
    assert!(shown.iter().any(|line| line.contains("`DEPLOY_KEY`")), "{shown:#?}");
    assert!(
        shown.iter().any(|line| line.contains("`src/shape` holds what looks like an AWS access key in line 2")),
        "{shown:#?}"
    );
}

#[test]
fn a_secret_in_the_message_is_found() {
    let project = Project::new();
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    put(&worktree.path.join("src/a"), "x\n");
    let message = format!("Deploy with {SECRET}");
    let outpost_workspace::Commit::Made(made) = repository.commit(&worktree, &message, &[]).unwrap() else {
        panic!("nothing has changed")
    };
    let found = repository.policy(&policy(), &made).unwrap();
    assert_eq!(told(&found), ["Secret "]);
    assert!(found[0].to_string().starts_with("the message of the commit"), "{}", found[0]);
}

#[test]
fn links_out_of_the_tree_are_found_unless_they_were_there() {
    let project = Project::new();
    symlink("/etc/passwd", project.root().join("theirs")).unwrap();
    project.save("with a link");
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    for (link, target) in [
        ("src/in", "main.rs"),
        ("src/out", "../../x"),
        ("abs", "/etc/passwd"),
        ("git", ".git/config"),
        ("here", "."),
        ("sly", "here/../x"),
    ] {
        symlink(target, worktree.path.join(link)).unwrap();
    }
    let open = Policy { allowed: Vec::new(), ..policy() };
    let found = repository.policy(&open, &commit(&repository, &worktree)).unwrap();
    assert_eq!(told(&found), ["Link abs", "Link git", "Link sly", "Link src/out"]);
}

#[test]
fn a_link_that_is_gone_may_send_others_out_of_the_tree() {
    let project = Project::with(&[("x/y/z/file", "x\n")]);
    symlink("x/y/z", project.root().join("via")).unwrap();
    symlink("via/../../../x", project.root().join("in")).unwrap();
    project.save("links within");
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    std::fs::remove_file(worktree.path.join("via")).unwrap();
    put(&worktree.path.join("via/file"), "x\n");
    let open = Policy { allowed: Vec::new(), ..policy() };
    let found = repository.policy(&open, &commit(&repository, &worktree)).unwrap();
    assert_eq!(told(&found), ["Link in"]);
}

#[test]
fn a_file_in_the_place_of_a_submodule_is_found() {
    let (other, project) = (Project::new(), Project::new());
    let url = other.root().display().to_string();
    project.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "lib"]);
    project.save("with a submodule");
    let repository = project.open();
    let worktree = fresh(&repository, "T1");
    std::fs::remove_dir(worktree.path.join("lib")).unwrap();
    put(&worktree.path.join("lib"), "mine\n");
    let open = Policy { allowed: Vec::new(), ..policy() };
    let found = repository.policy(&open, &commit(&repository, &worktree)).unwrap();
    assert_eq!(told(&found), ["Submodule lib"]);
}

#[test]
fn a_name_that_was_there_is_not_held_against_anybody() {
    let path = format!("src/{SECRET}");
    let project = Project::with(&[(&path, "x\n"), ("src/a", "x\n")]);
    let repository = project.open();
    assert_eq!(findings(&repository, &policy(), &[(&path, "y\n")]), []);
    let found = findings(&repository, &policy(), &[(&format!("{path}-2"), "y\n")]);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn submodules_filters_large_files_and_nested_repositories_are_found() {
    let project = Project::with(&[(".gitattributes", "*.psd filter=lfs\n"), ("src/a", "x\n")]);
    let repository = project.open();
    let open = Policy { allowed: Vec::new(), ..policy() };
    assert_eq!(findings(&repository, &open, &[(".gitattributes", "*.psd filter=lfs\n*.txt text\n")]), []);
    let worktree = fresh(&repository, "T1");
    put(&worktree.path.join(".gitattributes"), "*.psd filter=lfs\n* filter=evil\n");
    put(&worktree.path.join("src/.gitattributes"), "*\tfilter=evil\n");
    put(&worktree.path.join(".gitmodules"), "[submodule \"x\"]\n");
    put(&worktree.path.join("large"), "x".repeat(1001));
    put(&worktree.path.join("not large"), "x".repeat(1000));
    put(&worktree.path.join("sub/file"), "x");
    git(&worktree.path.join("sub"), &["init", "-q"]);
    let found = repository.policy(&open, &commit(&repository, &worktree)).unwrap();
    assert_eq!(
        told(&found),
        ["Filter .gitattributes", "Submodule .gitmodules", "TooLarge large", "Filter src/.gitattributes", "Nested sub"]
    );
}
