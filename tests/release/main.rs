//! `blueprints/RELEASE.md`, carried out: a rehearsal of this repository, and whole releases of a made-up one.
//!
//! The rehearsal takes programs that are built: nothing of this repository is compiled again. What only a real release does
//! (every part of the check, its own build, the tag) is done with a repository of the same shape whose programs are a few
//! lines; its `outpost-bp` is the real one behind a door. This process is also `outpost-release`, which neither can build.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking, and says what it did")]

mod bill;
mod checkout;
#[path = "../project/mod.rs"]
#[expect(dead_code, reason = "the stage of other tests, too")]
mod project;

use std::path::Path;
use std::process::ExitCode;

use rustix::process::Signal;
use serde_json::Value;

use checkout::{Checkout, HELPER};

const RUN: [&str; 2] = ["run", "blueprints/RELEASE.md"];
const TAG: &str = concat!("v", env!("CARGO_PKG_VERSION"));
const COMMIT: &str = concat!("v", env!("CARGO_PKG_VERSION"), "^{commit}");

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if words.get(1).is_some_and(|word| word == HELPER) {
        return outpost_release::run(words.into_iter().skip(1));
    }
    let tests: [(&str, fn()); 4] = [
        ("scenarios_go_as_they_say", scenarios_go_as_they_say),
        ("a_rehearsal_shows_what_is_signed_and_is_never_tagged", a_rehearsal_shows_what_is_signed_and_is_never_tagged),
        ("a_release_is_tagged_once_it_is_signed", a_release_is_tagged_once_it_is_signed),
        ("what_cannot_be_released_is_refused_with_all_reasons", what_cannot_be_released_is_refused_with_all_reasons),
    ];
    let words: Vec<String> = words.into_iter().skip(1).filter_map(|word| word.into_string().ok()).collect();
    if words.iter().any(|word| word == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if let Some(missing) = checkout::missing() {
        println!("SKIPPED: a release needs `{missing}`, which is not here");
        return if std::env::var_os("CI").is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let chosen: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    for (name, test) in tests.iter().filter(|(name, _)| chosen.iter().all(|word| name.contains(word.as_str()))) {
        test();
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

fn scenarios_go_as_they_say() {
    let checkout = Checkout::of_this_repository();
    let scenarios = "blueprints/release/scenarios.yaml";
    checkout.outpost(&["test", "blueprints/RELEASE.md", "--scenario", scenarios]).with(0);
    checkout.outpost(&["check", "--strict", "blueprints/RELEASE.md"]).with(0);
}

fn a_rehearsal_shows_what_is_signed_and_is_never_tagged() {
    let checkout = Checkout::of_this_repository();
    checkout.take_built_programs();
    checkout.run_with(&RUN, &[("RELEASE_CHECKS", "format"), ("RELEASE_BUILT", "target/built")]).with(3);

    let shown = checkout.outpost(&["logs", "T4.1"]).with(0).stdout;
    let sums = checkout.read("target/dist/assets/SHA256SUMS");
    for words in
        ["A REHEARSAL: RELEASE_CHECKS=format RELEASE_BUILT=target/built", "format: passed", &checkout.commit(), &sums]
    {
        assert!(shown.contains(words.trim_end()), "`{words}` is not in what is shown:\n{shown}");
    }
    let name = format!("outpost-{}-rehearsal", env!("CARGO_PKG_VERSION"));
    let bill: Value =
        serde_json::from_str(&checkout.read(&format!("target/dist/assets/{name}.cdx.json"))).expect("a bill");
    let count = bill["components"].as_array().expect("components").len();
    assert!(shown.contains(&format!("bill of materials: {count} packages")), "{shown}");
    bill::judge(&bill, &checkout);

    // What is packed is what is said to be packed: by name, owned by nobody, at the time of the commit.
    let archive = sums.split_whitespace().find(|word| word.ends_with(".tar.gz")).expect("an archive");
    let archive = format!("target/dist/assets/{archive}");
    let listed = checkout.shell(&format!("TZ=UTC tar --list --verbose --full-time -f {archive}"));
    let time = checkout.shell("TZ=UTC git log -1 --date=format-local:'%Y-%m-%d %H:%M:%S' --format=%cd");
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().nth(5)).collect();
    assert!(
        names.is_sorted() && names.iter().any(|name| name.ends_with("/share/man/man1/outpost-bp-run.1")),
        "{listed}"
    );
    assert!(listed.lines().all(|line| line.contains(" 0/0 ") && line.contains(time.trim())), "{time}{listed}");
    assert_eq!(
        checkout.shell(&format!(
            "tar -xOf {archive} --wildcards '*/bin/outpost-bp' | cmp - target/built/outpost-bp && echo same"
        )),
        "same\n"
    );

    checkout.outpost(&["approve", "T4.1"]).with(0);
    // Without the variables, and a rehearsal all the same.
    checkout.outpost(&["resume"]).with(0);
    assert!(checkout.outpost(&["logs", "T5.2"]).stdout.contains("nothing is tagged"));
    assert_eq!(checkout.shell("git tag"), "");
    assert_eq!(checkout.project.told("task_skipped"), ["T1.2", "T1.3", "T1.4", "T1.5", "T2.2", "T5.1"]);
}

fn a_release_is_tagged_once_it_is_signed() {
    let checkout = Checkout::made_up();

    // A no.
    checkout.outpost(&RUN).with(3);
    checkout.outpost(&["reject", "T4.1", "--comment", "not today"]).with(0);
    checkout.outpost(&["resume"]).with(4);
    assert_eq!(checkout.shell("git tag"), "");

    // A yes, of a run whose runner is killed on the way; then somebody puts another file in the place of what was signed.
    let running = checkout.project.start(checkout.command(&[&RUN[..], &["--new-run"]].concat()));
    let first = checkout.project.run_folder();
    let is_building = || checkout.project.told("stage_started").contains(&"T2.1/1/run".to_owned());
    checkout.project.until("T2.1", || checkout.project.run_folder() != first && is_building());
    running.signal(Signal::KILL);
    running.end();
    checkout.outpost(&["resume"]).with(3);
    let shown = checkout.outpost(&["logs", "T4.1"]).stdout;
    for part in ["format: passed", "dependencies: passed", "clippy: passed", "docs: passed", "tests: passed, 2 tests"] {
        assert!(shown.contains(part), "{shown}");
    }
    checkout.outpost(&["approve", "T4.1"]).with(0);
    let signed = checkout.read("target/dist/assets/SHA256SUMS");
    checkout.shell("for file in target/dist/assets/*.tar.gz; do cp $file target/kept; echo more >> $file; done");
    checkout.outpost(&["resume"]).with(1);
    assert_eq!(checkout.shell("git tag"), "");
    checkout.shell("cp target/kept target/dist/assets/*.tar.gz");
    checkout.outpost(&["resume"]).with(0);

    // The tag is on the commit, and has what was signed.
    assert_eq!(checkout.shell(&format!("git cat-file -t {TAG}")), "tag\n");
    assert_eq!(checkout.shell(&format!("git rev-parse {COMMIT}")).trim(), checkout.commit());
    let message = checkout.shell(&format!("git for-each-ref --format='%(contents)' refs/tags/{TAG}"));
    assert!(message.contains(&signed) && signed.lines().count() == 5, "{message}");
    assert!(checkout.outpost(&["logs", "T5.2"]).stdout.contains(&format!("git push origin refs/tags/{TAG}")));
    assert_eq!(checkout.project.told("task_completed").iter().filter(|task| *task == "T1.5").count(), 1);

    // Undone: this run's tag goes, and one that somebody else made stays.
    checkout.shell("git tag --annotate --message 'of somebody else' other");
    checkout.outpost(&["rollback", "T5.1+", "--yes"]).with(5);
    assert_eq!(checkout.shell("git tag"), "other\n");
}

fn what_cannot_be_released_is_refused_with_all_reasons() {
    let checkout = Checkout::made_up();
    checkout.shell(&format!("git tag {TAG} && sed -i 's/^## .*/## [Unreleased]/' CHANGELOG.md"));
    checkout.outpost(&RUN).with(8).says(&["the tree is not clean"]);
    checkout.shell(
        "git commit --quiet --all --message untold && git checkout --quiet --detach && git branch --force main HEAD~1",
    );
    checkout.outpost(&RUN).with(1).says(&[
        "CHANGELOG.md has no heading",
        &format!("the tag {TAG} is there already"),
        "no branch has the commit",
    ]);
}

/// The root of this repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
