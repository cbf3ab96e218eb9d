//! One piece of work on several machines: one report, in which all have to succeed.

use std::fs;

use outpost_executor::{NotStarted, Outcome};
use outpost_ssm::{Tag, Targets};

use crate::stage::Stage;

/// Which machine it is, by the folder that keeps its tokens: the double gives each one of its own.
const WHICH: &str = "case $OUTPOST_MARK in */i-00000002/*) me=two;; *) me=one;; esac; ";

fn with_tags(stage: &mut Stage, value: &str) {
    stage.cloud.tag("i-00000001", "role", "web");
    stage.cloud.tag("i-00000002", "role", "web");
    stage.settings.targets = Targets::Tags(vec![Tag { name: "role".into(), values: vec![value.into()] }]);
}

#[test]
fn those_with_a_tag_all_do_it_and_their_output_is_one() {
    let mut stage = Stage::new();
    with_tags(&mut stage, "web");
    let work = stage.work(&format!("{WHICH} echo $me; echo x >> effects"));
    let log = work.log.clone();
    let report = stage.report(work);
    assert_eq!((&report.outcome, report.stdout.tail.as_str()), (&Outcome::Exited(0), "one\ntwo\n"));
    assert_eq!((report.stdout.bytes, stage.text("effects").as_str()), (8, "x\nx\n"));
    assert!(report.stderr.tail.contains("i-00000001 exited with 0"), "{}", report.stderr.tail);
    assert!(log.exists() && stage.kept().len() == 1);
}

#[test]
fn those_that_did_not_are_named() {
    let mut stage = Stage::new();
    stage.settings.targets = Targets::Instances(vec!["i-00000001".into(), "i-00000002".into()]);
    let report = stage.report(stage.work(&format!("{WHICH} [ $me = one ] || exit 7")));
    assert_eq!(report.outcome, Outcome::Exited(7));
    let words = "1 of 2 machines did not succeed: i-00000002 exited with 7";
    assert!(report.stderr.tail.contains(words), "{}", report.stderr.tail);
}

#[test]
fn a_tag_that_no_machine_has_starts_nothing() {
    let mut stage = Stage::new();
    with_tags(&mut stage, "database");
    let outcome = stage.report(stage.work("touch ran")).outcome;
    assert!(matches!(&outcome, Outcome::NotStarted(NotStarted::Other(why)) if why.contains("tags")), "{outcome:?}");
    assert!(!stage.has("ran"));
}

#[test]
fn the_folder_may_be_another_than_the_runners() {
    let mut stage = Stage::new();
    let folder = stage.path("there it's");
    fs::create_dir(&folder).expect("a folder");
    stage.settings.directory = Some(folder.display().to_string());
    let mut work = stage.work("pwd > ../place");
    work.dir = "/no/such/folder".into();
    assert_eq!(stage.report(work).outcome, Outcome::Exited(0));
    assert_eq!(stage.text("place").trim_end(), folder.canonicalize().expect("a folder").to_string_lossy());
}
