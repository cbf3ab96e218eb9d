//! The numbers of a run, in a file that Prometheus takes: read back by the rules of its format.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::process::Command;

use rustix::process::Signal;

use crate::project;

/// What `promtool check metrics` would look at: every sample has a family that was announced before it, families are not
/// mixed, nothing is there twice, counters and histograms are what they say. Samples by name and labels.
fn checked(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let (mut family, mut kind) = (String::new(), String::new());
    let mut families = BTreeSet::new();
    let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no end:\n{text}"));
    for line in body.lines() {
        if let Some(head) = line.strip_prefix("# ") {
            let mut words = head.splitn(3, ' ');
            let (what, name, rest) = (words.next(), words.next().expect("a name"), words.next().expect("more"));
            match what.expect("a word") {
                "HELP" => {
                    assert!(families.insert(name.to_owned()), "{name} twice");
                    (family, kind) = (name.to_owned(), String::new());
                }
                "TYPE" => {
                    assert!(name == family && ["gauge", "counter", "histogram"].contains(&rest), "{line}");
                    rest.clone_into(&mut kind);
                }
                "UNIT" => assert!(name == family && family.ends_with(&format!("_{rest}")), "{line}"),
                other => panic!("{other}: {line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let name = series.split('{').next().expect("a name");
        let endings: &[&str] = match &*kind {
            "gauge" => &[""],
            "counter" => &["_total"],
            _ => &["_bucket", "_sum", "_count"],
        };
        assert!(endings.iter().any(|ending| name == format!("{family}{ending}")), "`{line}` below {family} {kind}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert!(series.contains("{blueprint=\"blueprint\"") && series.ends_with('}'), "{series}");
        let value: f64 = value.parse().expect("a number");
        assert!(samples.insert(series.to_owned(), value).is_none(), "{series} twice");
    }
    for (series, count) in samples.iter().filter(|(series, _)| series.contains("_count{")) {
        let all = series.replace("_count{", "_bucket{").replace('}', ",le=\"+Inf\"}");
        let all = samples.iter().find(|(bucket, _)| sorted(bucket) == sorted(&all)).expect("a last bucket").1;
        assert_eq!(all, count, "{series}");
    }
    samples
}

/// Labels have no order.
fn sorted(series: &str) -> Vec<&str> {
    let mut words: Vec<&str> = series.split(['{', ',', '}']).collect();
    words.sort_unstable();
    words
}

fn value(samples: &BTreeMap<String, f64>, name: &str, label: &str) -> f64 {
    let found = samples
        .iter()
        .find(|(series, _)| series.starts_with(&format!("outpost_run_{name}{{")) && series.contains(label));
    *found.unwrap_or_else(|| panic!("no {name} with {label}: {samples:#?}")).1
}

#[test]
fn the_numbers_of_a_run_are_those_of_all_its_runners() {
    let project = project(
        "",
        &[
            ("a", "", "on_failure: {max_retries: 1, retry_delay: PT0S}\nrun: test \"$OUTPOST_ATTEMPT\" = 2"),
            ("b", "", "run: exit 3"),
            ("c", "a", "human_required: {action: look, reason: so}\nrun: note ran"),
            ("d", "b", "run: note ran"),
        ],
    );
    project.outpost(&["run", "blueprint.md", "--metrics", "run.prom"]).with(3);
    let read = || checked(&fs::read_to_string(project.path("run.prom")).expect("the file"));
    let first = read();
    assert_eq!((value(&first, "state", "\"waiting\""), value(&first, "state", "\"running\"")), (1.0, 0.0));
    assert_eq!(value(&first, "tasks", "\"for_a_person\""), 1.0);
    let mode = fs::metadata(project.path("run.prom")).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "whoever collects it is another user");
    let mut resume = project.command(&["resume", "--approve", "c"]);
    resume.env("OUTPOST_METRICS", project.path("run.prom"));
    project.start(resume).end().with(1);
    let last = read();
    for (name, label, expected) in [
        ("state", "\"failed\"", 1.0),
        ("state", "\"waiting\"", 0.0),
        ("tasks", "\"complete\"", 2.0),
        ("tasks", "\"blocked\"", 1.0),
        ("tasks", "\"waiting\"", 1.0),
        ("attempts_total", "\"complete\"", 2.0),
        // Whoever resumes a run tries once more.
        ("attempts_total", "\"failed\"", 3.0),
        ("retries_total", "", 1.0),
        ("failures_total", "\"E_EXECUTION_FAILED\"", 3.0),
        ("stage_duration_seconds_count", "stage=\"run\"", 5.0),
        ("gate_wait_seconds_count", "", 1.0),
        ("lock_wait_seconds_count", "", 0.0),
        ("info", "", 1.0),
    ] {
        assert_eq!(value(&last, name, label), expected, "{name} {label}");
    }
    assert!(value(&last, "update_time_seconds", "") >= value(&last, "start_time_seconds", ""));
    let left: Vec<_> =
        fs::read_dir(project.path("")).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("metrics-")), "{left:?}");
}

#[test]
fn numbers_that_cannot_be_written_fail_no_run() {
    let project = project("", &[("a", "", "run: note ran; await go")]);
    let ended = project.outpost(&["run", "blueprint.md", "--metrics", "blueprint.md"]).with(2);
    assert!(ended.stderr.contains("`blueprint.md` is the blueprint"), "{}", ended.stderr);
    // What is no file would be one afterwards.
    let pipe = project.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let ended = project.outpost(&["run", "blueprint.md", "--metrics", "pipe"]).with(2);
    assert!(ended.stderr.contains("`pipe` is no file"), "{}", ended.stderr);
    assert!(fs::metadata(pipe).expect("a pipe").file_type().is_fifo());
    let run = project.start(project.command(&["run", "blueprint.md", "--metrics", "nowhere/run.prom"]));
    project.until_written("a 1 run ran");
    project.write("go", "");
    let ended = run.end().with(0);
    assert_eq!(ended.stderr.matches("failed to write metrics to `nowhere/run.prom`").count(), 1, "{}", ended.stderr);
}

#[test]
fn a_run_that_was_interrupted_says_so() {
    let project = project("", &[("a", "", "run: note ran; sleep 1000")]);
    let run = project.start(project.command(&["run", "blueprint.md", "--metrics", "run.prom"]));
    project.until_written("a 1 run ran");
    let read = || checked(&fs::read_to_string(project.path("run.prom")).expect("the file"));
    project.until("numbers", || project.path("run.prom").exists());
    assert_eq!(value(&read(), "state", "\"running\""), 1.0);
    run.signal(Signal::TERM);
    run.end().with(143);
    assert_eq!(value(&read(), "state", "\"interrupted\""), 1.0);
}
