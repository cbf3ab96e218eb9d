//! Landing: merges, conflicts, twenty at once, and branches that somebody works on.

use std::fs;
use std::sync::Barrier;
use std::thread;

use outpost_workspace::{Advanced, Branch, Committed, Error, Landing, Policy, Repository, Start};

use crate::project::{Project, changes, commit, fresh, git, name, put};

fn work(repository: &Repository, task: &str, files: &[(&str, &str)]) -> Committed {
    let worktree = fresh(repository, task);
    for (path, text) in files {
        put(&worktree.path.join(path), text);
    }
    commit(repository, &worktree)
}

/// As a caller does: until nobody was faster.
fn bring(repository: &Repository, branch: &Branch, committed: &Committed) -> u32 {
    for tries in 1.. {
        let (onto, commit) = match repository.land(branch, &committed.commit, "Land").expect("landed") {
            Landing::Already { .. } => return tries,
            Landing::FastForward { onto, commit } | Landing::Merged { onto, commit, .. } => (onto, commit),
            Landing::Conflict(conflict) => panic!("{conflict:?}"),
        };
        if repository.advance(branch, &onto, &commit).expect("moved") == Advanced::Done {
            return tries;
        }
    }
    0
}

#[test]
fn a_second_piece_of_work_is_merged_with_the_first() {
    let project = Project::new();
    let repository = project.open();
    let branch = repository.integration(repository.head()).unwrap();
    let (one, two) = (work(&repository, "T1", &[("one", "1\n")]), work(&repository, "T2", &[("two", "2\n")]));
    bring(&repository, &branch, &one);
    let Landing::Merged { onto, tree, commit } = repository.land(&branch, &two.commit, "Land T2").unwrap() else {
        panic!("a merge")
    };
    assert_eq!(onto, one.commit);
    assert_eq!(project.git(&["rev-parse", &format!("{commit}^{{tree}}")]), tree.as_str());
    // Again is the same, and nothing has moved by it.
    let again = repository.land(&branch, &two.commit, "Land T2").unwrap();
    assert!(matches!(again, Landing::Merged { commit: same, .. } if same == commit));
    assert_eq!(project.git(&["rev-parse", branch.as_str()]), one.commit.as_str());
    let checked = repository.checkout(&name("T2"), &commit).unwrap();
    assert!(checked.join("one").exists() && checked.join("two").exists());
    assert_eq!(repository.advance(&branch, &onto, &commit).unwrap(), Advanced::Done);
    assert_eq!(repository.advance(&branch, &onto, &commit).unwrap(), Advanced::Done, "again");
    assert!(matches!(repository.land(&branch, &two.commit, "Land T2").unwrap(), Landing::Already { .. }));
    assert_eq!(project.git(&["status", "--porcelain"]), "");
    project.git(&["merge", "-q", "--ff-only", branch.as_str()]);
    assert!(project.root().join("two").exists());
}

#[test]
fn a_conflict_goes_back_to_the_agent_and_lands_when_it_is_resolved() {
    let project = Project::with(&[("list", "a\nb\nc\n"), ("gone", "x\n"), ("bin", "\0\n")]);
    let repository = project.open();
    let branch = repository.integration(repository.head()).unwrap();
    let one = work(&repository, "T1", &[("list", "a\nfrom one\nc\n"), ("gone", "y\n"), ("bin", "\0one\n")]);
    let two = fresh(&repository, "T2");
    put(&two.path.join("list"), "a\nfrom two\nc\n");
    put(&two.path.join("bin"), "\0two\n");
    fs::remove_file(two.path.join("gone")).unwrap();
    let two = commit(&repository, &two);
    bring(&repository, &branch, &one);
    let Landing::Conflict(conflict) = repository.land(&branch, &two.commit, "Land").unwrap() else {
        panic!("a conflict")
    };
    let paths: Vec<_> = conflict.files.iter().map(|file| file.path.to_string()).collect();
    assert_eq!(paths, ["bin", "gone", "list"]);
    assert!(conflict.files.iter().all(|file| !file.said.is_empty()), "{conflict:?}");
    let hunk = &conflict.files[2].hunks[0];
    assert_eq!(hunk.line, 2);
    assert!(hunk.text.contains("from one\n=======\nfrom two\n"), "{}", hunk.text);

    let resolving = repository.prepare(&name("T2"), &Start::resolving(&conflict)).unwrap();
    assert_eq!(resolving.base, one.commit);
    let marked = fs::read_to_string(resolving.path.join("list")).unwrap();
    assert!(marked.contains("<<<<<<< "), "{marked}");
    // Marks that stay are no resolution.
    let lazy = commit(&repository, &resolving);
    let findings = repository.policy(&Policy::default(), &lazy).unwrap();
    assert!(findings.iter().any(|finding| finding.to_string().contains("marks of a conflict")), "{findings:?}");
    put(&resolving.path.join("list"), "a\nfrom one\nfrom two\nc\n");
    put(&resolving.path.join("bin"), "\0both\n");
    fs::remove_file(resolving.path.join("gone")).unwrap();
    let resolved = commit(&repository, &resolving);
    assert_eq!(changes(&resolved), ["Modified bin", "Deleted gone", "Modified list"]);
    assert_eq!(repository.policy(&Policy::default(), &resolved).unwrap(), []);
    assert!(matches!(repository.land(&branch, &resolved.commit, "Land").unwrap(), Landing::FastForward { .. }));
    assert_eq!(bring(&repository, &branch, &resolved), 1);
}

#[test]
fn a_conflict_in_an_unusual_name_is_told() {
    let odd = "a \"b\"\nc";
    let project = Project::with(&[(odd, "a\n")]);
    let repository = project.open();
    let branch = repository.integration(repository.head()).unwrap();
    let (one, two) = (work(&repository, "T1", &[(odd, "one\n")]), work(&repository, "T2", &[(odd, "two\n")]));
    bring(&repository, &branch, &one);
    let Landing::Conflict(conflict) = repository.land(&branch, &two.commit, "Land").unwrap() else {
        panic!("a conflict")
    };
    assert_eq!(conflict.files.len(), 1);
    assert_eq!((conflict.files[0].path.as_bytes(), conflict.files[0].hunks.len()), (odd.as_bytes(), 1));
}

#[test]
fn twenty_at_once_all_land() {
    const TASKS: usize = 20;
    let project = Project::new();
    let repository = project.open();
    let branch = repository.integration(repository.head()).unwrap();
    let barrier = Barrier::new(TASKS);
    let tries: u32 = thread::scope(|scope| {
        let landing: Vec<_> = (0..TASKS)
            .map(|number| {
                let (project, barrier, branch) = (&project, &barrier, &branch);
                scope.spawn(move || {
                    // Each as a process of its own would: all frames and trees of a run at the same time.
                    let repository = project.open();
                    let file = format!("work/{number}");
                    let committed = work(&repository, &format!("T{number}"), &[(&file, "x\n")]);
                    barrier.wait();
                    bring(&repository, branch, &committed)
                })
            })
            .collect();
        landing.into_iter().map(|landing| landing.join().expect("it landed")).sum()
    });
    let landed = project.git(&["ls-tree", "--name-only", branch.as_str(), "work/"]);
    assert_eq!(landed.lines().count(), TASKS, "{landed}");
    assert_eq!(project.git(&["rev-list", "--count", "--first-parent", branch.as_str()]), (TASKS + 1).to_string());
    assert_eq!(project.git(&["status", "--porcelain"]), "");
    project.git(&["fsck", "--strict"]);
    assert!(tries as usize >= TASKS, "{tries}");
}

#[test]
fn a_branch_that_has_moved_is_told() {
    let project = Project::new();
    let repository = project.open();
    let branch = repository.integration(repository.head()).unwrap();
    let (one, two) = (work(&repository, "T1", &[("one", "1\n")]), work(&repository, "T2", &[("two", "2\n")]));
    let base = repository.head();
    assert_eq!(repository.advance(&branch, base, &one.commit).unwrap(), Advanced::Done);
    let moved = repository.advance(&branch, base, &two.commit).unwrap();
    assert_eq!(moved, Advanced::Moved { tip: one.commit.clone() });
    assert_eq!(project.git(&["rev-parse", branch.as_str()]), one.commit.as_str());
}

#[test]
fn a_branch_that_somebody_works_on_is_not_moved() {
    let project = Project::new();
    let repository = project.open();
    let one = work(&repository, "T1", &[("one", "1\n")]);
    let main = Branch::named("main");
    let said = repository.advance(&main, repository.head(), &one.commit).unwrap_err();
    assert!(matches!(&said, Error::CheckedOut { at, .. } if *at == project.root().canonicalize().unwrap()), "{said}");
    assert!(said.to_string().contains("git switch --detach"), "{said}");
    assert_eq!(project.git(&["rev-parse", "main"]), repository.head().as_str());
    assert_eq!(project.git(&["status", "--porcelain"]), "");

    // In a worktree of theirs, whose path is odd as well.
    let branch = repository.integration(repository.head()).unwrap();
    let place = project.dir.path().join("a b");
    project.git(&["worktree", "add", "-q", place.to_str().unwrap(), branch.as_str()]);
    let said = repository.advance(&branch, repository.head(), &one.commit).unwrap_err();
    assert!(matches!(&said, Error::CheckedOut { at, .. } if at.ends_with("a b")), "{said}");
    git(&place, &["switch", "-q", "--detach"]);
    assert_eq!(repository.advance(&branch, repository.head(), &one.commit).unwrap(), Advanced::Done);

    // The branch of a task that somebody looks at.
    git(&place, &["switch", "-q", one.branch.as_str()]);
    let worktree = fresh(&repository, "T1");
    put(&worktree.path.join("two"), "2\n");
    assert!(matches!(repository.commit(&worktree, "Work", &[]), Err(Error::CheckedOut { .. })));
    // Opened from there, it is the same project.
    let there = Repository::open(&place, &project.settings()).unwrap();
    assert_eq!(there.objects(), repository.objects());
}

#[test]
fn a_branch_that_is_not_there_is_told() {
    let project = Project::new();
    let repository = project.open();
    let one = work(&repository, "T1", &[("one", "1\n")]);
    let said = repository.land(&Branch::named("nowhere"), &one.commit, "Land").unwrap_err().to_string();
    assert!(said.contains("`nowhere`"), "{said}");
    assert_eq!(repository.tip(&Branch::named("--all")).unwrap(), None);
}
