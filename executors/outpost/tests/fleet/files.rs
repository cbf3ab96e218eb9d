//! A clone to work in, and the files that a job leaves.

use std::fs;
use std::path::Path;
use std::process::Command;

use outpost_executor::Outcome;
use outpost_fleet::Settings;

use crate::Test;
use crate::stage::{Stage, on_tokio, perform};

pub(crate) const TESTS: &[Test] = &[("a_job_works_in_a_clone_and_leaves_its_changes", a_clone)];

fn git(folder: &Path, words: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=T", "-c", "user.email=t@example.com"]).args(words);
    let output = command.output().expect("git");
    assert!(output.status.success(), "{output:?}");
}

fn a_clone() {
    on_tokio(async {
        let stage = Stage::new().await;
        let _worker = stage.worker();
        let repo = stage.folder.path().join("repo");
        fs::create_dir_all(repo.join("part")).expect("a folder");
        git(&repo, &["init", "-q", "-b", "main"]);
        fs::write(repo.join("part/a.txt"), "one\n").expect("room");
        git(&repo, &["add", "."]);
        git(&repo, &["commit", "-q", "-m", "one"]);
        let settings =
            Settings { repo: Some(repo.display().to_string()), reference: Some("main".to_owned()), ..stage.settings() };
        let fleet = stage.fleet_with(settings.clone());
        let mut work = stage.work("", stage.token("T1"));
        work.dir = "part".into();
        work.args = ["-c", "cat a.txt; echo two >> a.txt"].map(Into::into).to_vec();
        let artifacts = work.log.with_extension("artifacts");
        let report = perform(&fleet, work).await;
        assert_eq!((&report.outcome, report.stdout.tail.as_str()), (&Outcome::Exited(0), "one\n"), "{report:?}");
        let names: Vec<_> = fs::read_dir(&artifacts).expect("artifacts").flatten().map(|entry| entry.path()).collect();
        let diff = names.iter().find(|path| path.extension().is_some_and(|ending| ending == "diff"));
        let diff = fs::read_to_string(diff.unwrap_or_else(|| panic!("no diff in {names:?}"))).expect("text");
        assert!(diff.contains("+two") && diff.contains("part/a.txt"), "{diff}");
        assert_eq!(fs::read_to_string(repo.join("part/a.txt")).expect("text"), "one\n", "the repository is as it was");
        // What cannot be cloned did not start.
        let fleet = stage.fleet_with(Settings { reference: Some("no-such-branch".to_owned()), ..settings });
        let report = perform(&fleet, stage.work("true", stage.token("T2"))).await;
        assert!(matches!(&report.outcome, Outcome::NotStarted(_)), "{report:?}");
    });
}
