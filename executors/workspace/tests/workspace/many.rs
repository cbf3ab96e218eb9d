//! Ten thousand files. What it costs is printed, not judged: `cargo test -p outpost-workspace many -- --nocapture`.

use std::time::Instant;

use outpost_workspace::{Landing, Policy};

use crate::project::{Project, commit, fresh, name, put};

#[test]
fn ten_thousand_files_are_prepared_committed_and_landed() {
    let project = Project::new();
    for number in 0..10_000 {
        put(&project.root().join(format!("d{}/f{number}", number % 100)), format!("file {number}\n").repeat(100));
    }
    project.save("many");
    let repository = project.open();
    let measured = |what: &str, since: Instant| println!("{what}: {} ms", since.elapsed().as_millis());
    let since = Instant::now();
    let worktree = fresh(&repository, "T1");
    measured("prepare 10,000 files", since);
    put(&worktree.path.join("d1/f1"), "changed\n");
    let since = Instant::now();
    assert_eq!(commit(&repository, &worktree).changed.len(), 1);
    measured("commit one of 10,000", since);
    for number in 0..10_000 {
        put(&worktree.path.join(format!("d{}/f{number}", number % 100)), format!("new {number}\n").repeat(100));
    }
    let since = Instant::now();
    let committed = commit(&repository, &worktree);
    measured("commit all of 10,000", since);
    assert_eq!(committed.changed.len(), 10_000);
    let since = Instant::now();
    assert_eq!(repository.policy(&Policy::default(), &committed).unwrap(), []);
    measured("judge 10,000 changes", since);
    let branch = repository.integration(repository.head()).unwrap();
    let since = Instant::now();
    let landing = repository.land(&branch, &committed.commit, "Land").unwrap();
    assert!(matches!(landing, Landing::FastForward { .. }), "{landing:?}");
    repository.checkout(&name("T1"), &committed.commit).unwrap();
    measured("land and check out", since);
}
