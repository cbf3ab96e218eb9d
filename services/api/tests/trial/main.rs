//! `outpost-trial` against the real server with its worker, which passes; and against services with a fault each, which do
//! not. The trial is this program again: what a person would run, with its exit code and its report.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking, and says what it did")]

mod double;
mod faults;
mod scales;
mod stage;

use std::io::{BufRead as _, BufReader};
use std::process::{ExitCode, Stdio};
use std::sync::atomic::AtomicUsize;

use rustix::process::Signal;

use double::Double;
use stage::{Server, Tried, command, signal, tried};

const TESTS: &[(&str, fn())] = &[
    ("a_tenants_way_through_the_service_passes", a_tenants_way_through_the_service_passes),
    ("two_tenants_are_apart", two_tenants_are_apart),
    ("a_day_has_as_many_jobs_as_it_may", a_day_has_as_many_jobs_as_it_may),
    ("an_operator_makes_tenants_and_removes_them", an_operator_makes_tenants_and_removes_them),
    ("who_is_not_asked_in_does_not_get_in", who_is_not_asked_in_does_not_get_in),
    ("a_leak_is_seen", a_leak_is_seen),
    ("a_job_that_does_not_end_is_seen", a_job_that_does_not_end_is_seen),
    ("a_job_too_many_is_seen", a_job_too_many_is_seen),
    ("a_refusal_without_words_is_seen", a_refusal_without_words_is_seen),
    ("a_job_that_is_done_again_is_seen", a_job_that_is_done_again_is_seen),
    ("a_job_that_is_counted_twice_is_seen", a_job_that_is_counted_twice_is_seen),
    ("a_key_that_goes_on_opening_is_seen", a_key_that_goes_on_opening_is_seen),
    ("who_is_asked_to_wait_waits_or_gives_up", who_is_asked_to_wait_waits_or_gives_up),
    ("workers_that_come_and_go_are_measured", workers_that_come_and_go_are_measured),
    ("workers_that_do_not_are_seen", workers_that_do_not_are_seen),
    ("what_can_be_measured_is_and_the_rest_says_why_not", what_can_be_measured_is_and_the_rest_says_why_not),
    ("what_is_missed_fails", what_is_missed_fails),
    ("a_trial_that_is_stopped_takes_its_things_with_it", a_trial_that_is_stopped_takes_its_things_with_it),
];

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if words.get(1).is_some_and(|word| word == stage::TRIAL) {
        return outpost_trial::program(words.into_iter().skip(1));
    }
    let words: Vec<String> = words.into_iter().skip(1).filter_map(|word| word.into_string().ok()).collect();
    if words.iter().any(|word| word == "--list") {
        for (name, _) in TESTS {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let chosen: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let is_exact = words.iter().any(|word| word == "--exact");
    let fits = |name: &str| {
        chosen.is_empty() || chosen.iter().any(|word| if is_exact { name == *word } else { name.contains(*word) })
    };
    let mut failed = Vec::new();
    for (name, test) in TESTS.iter().filter(|(name, _)| fits(name)) {
        let passed = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("failed: {}", failed.join(", "));
    ExitCode::FAILURE
}

/// After a trial without an operator: its tenants are there, and nothing opens them.
fn left(server: &Server, tenants: usize) {
    assert_eq!(server.tenants().len(), tenants);
    assert_eq!(server.open_keys(), 0);
}

fn a_tenants_way_through_the_service_passes() {
    let server = Server::start(&[], &[]);
    let done = tried(&server.base, &["end-to-end"]).passes().says("ok      its next call is refused");
    assert_eq!(done.report["name"], "end-to-end");
    assert!(done.report["checks"].as_array().expect("checks").iter().all(|check| check["took_ms"].is_u64()));
    left(&server, 1);
}

fn two_tenants_are_apart() {
    let server = Server::start(&[], &[]);
    tried(&server.base, &["isolation"]).passes().says("only its owner finds its log");
    left(&server, 2);
}

fn a_day_has_as_many_jobs_as_it_may() {
    let server = Server::start(&[], &[]);
    // A tenant of the tier `free` may have one job at a time: of each twenty one is accepted, or one more as soon as it has ended.
    tried(&server.base, &["quota"]).passes().says("10 jobs a day, 1 at the same time").says("10 accepted of ");
    left(&server, 1);
}

fn an_operator_makes_tenants_and_removes_them() {
    let server = Server::start(&["--register", "closed"], &[]);
    let key = server.operator();
    let run = |verb: &str| {
        let output = command(&server.base, &[verb]).env("OUTPOST_TRIAL_ADMIN_KEY", &key).output();
        Tried::from(output.expect("a trial")).passes()
    };
    run("end-to-end").says("registering is closed: the operator makes it");
    run("isolation");
    // With room for all of them at the same time they race for the last places of the day.
    run("quota").says("of 20 at once 10 are accepted, 0 too many at the same time; none is left today");
    assert_eq!(server.tenants(), Vec::<String>::new());
}

fn who_is_not_asked_in_does_not_get_in() {
    let server = Server::start(&["--register", "invite"], &[("OUTPOST_INVITATIONS", "sesame")]);
    tried(&server.base, &["end-to-end", "--invitation", "open"])
        .fails(&["a tenant registers"])
        .says("registration_closed");
    tried(&server.base, &["end-to-end"]).fails(&["a tenant registers"]);
    assert_eq!(server.tenants(), Vec::<String>::new());
    tried(&server.base, &["end-to-end", "--invitation", "sesame"]).passes();
}

fn a_leak_is_seen() {
    let server = Server::start(&[], &[]);
    let double = Double::before(&server.base, faults::Leaks::default());
    tried(&double.url, &["isolation"]).fails(&["only its owner finds its job"]).says("answers 200, not 404");
    left(&server, 2);
}

fn a_job_that_does_not_end_is_seen() {
    let server = Server::start(&[], &[]);
    let double = Double::before(&server.base, faults::NeverEnds);
    let words = ["end-to-end", "--deadline", "PT1S"];
    tried(&double.url, &words).fails(&["the job succeeds"]).says("has not ended within 1 s: it is running");
    left(&server, 1);
}

fn a_job_too_many_is_seen() {
    let server = Server::start(&[], &[]);
    let key = server.operator();
    let double = Double::before(&server.base, faults::OneTooMany::default());
    let told = "it may have 10, and 11 were accepted: 11 ids, 10 listed, 10 counted today";
    // An operator's tenant has room for all at the same time: those that are refused are refused for the day.
    let output = command(&double.url, &["quota"]).env("OUTPOST_TRIAL_ADMIN_KEY", &key).output();
    Tried::from(output.expect("a trial")).fails(&["as many are accepted as it may have, to the job"]).says(told);
}

fn a_refusal_without_words_is_seen() {
    let server = Server::start(&[], &[]);
    let double = Double::before(&server.base, faults::Curt);
    let check = "the next one is refused with a problem that says what is left, and until when";
    tried(&double.url, &["quota"]).fails(&[check]).says("Retry-After is None");
}

fn a_job_that_is_done_again_is_seen() {
    let server = Server::start(&[], &[]);
    let double = Double::before(&server.base, faults::Forgets);
    tried(&double.url, &["quota"]).fails(&["sent again with its word, a job is the same job"]);
}

fn a_job_that_is_counted_twice_is_seen() {
    let server = Server::start(&[], &[]);
    let double = Double::before(&server.base, faults::Twice);
    tried(&double.url, &["end-to-end"]).fails(&["it is charged for once"]).says("the job is charged for 2 times");
}

fn a_key_that_goes_on_opening_is_seen() {
    let server = Server::start(&[], &[]);
    let double = Double::before(&server.base, faults::StillOpens);
    tried(&double.url, &["end-to-end"]).fails(&["its next call is refused"]).says("answers 200, not 401");
}

fn who_is_asked_to_wait_waits_or_gives_up() {
    let server = Server::start(&[], &[]);
    let busy = |times, seconds| faults::Busy { times: AtomicUsize::new(times), seconds };
    let double = Double::before(&server.base, busy(2, 0));
    tried(&double.url, &["end-to-end"]).passes().says("waits 0 s: GET /v1/meta answers 429 rate_limited");
    let double = Double::before(&server.base, busy(1, 3000));
    let told = "is to be asked again in 3000 s, and --patience is 120 s";
    tried(&double.url, &["end-to-end"]).fails(&["the service offers an agent to it"]).says(told);
    left(&server, 2);
}

fn a_trial_that_is_stopped_takes_its_things_with_it() {
    let server = Server::start(&[], &[]);
    let double = Double::before(&server.base, faults::NeverEnds);
    let mut trial = command(&double.url, &["end-to-end"]);
    let mut child = trial.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a trial");
    let mut lines = BufReader::new(child.stderr.take().expect("what it says"));
    let mut line = String::new();
    while !line.contains(" is running") {
        line.clear();
        assert_ne!(lines.read_line(&mut line).expect("a line"), 0, "the trial has ended");
    }
    signal(&child, Signal::INT);
    let told: Vec<String> = lines.lines().map(|line| line.expect("a line")).collect();
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(1), "{told:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["passed"], false);
    assert!(told.iter().any(|line| line.contains("SIGINT came")), "{told:?}");
    left(&server, 1);
}

/// A trial with a key of the operator.
fn operated(url: &str, key: &str, words: &[&str]) -> Tried {
    command(url, words).env("OUTPOST_TRIAL_ADMIN_KEY", key).output().expect("a trial").into()
}

/// A metric by its name: what was found, and in which state it is.
fn metric(tried: &Tried, name: &str) -> (Option<f64>, String) {
    let metrics = tried.report["metrics"].as_array().expect("metrics");
    let found = metrics.iter().find(|metric| metric["name"] == name).expect("a metric");
    (found["result"].as_f64(), found["state"].as_str().expect("a state").to_owned())
}

fn workers_that_come_and_go_are_measured() {
    let server = Server::start(&[], &[]);
    let file = server.folder.path().join("desired");
    let double = Double::before(&server.base, scales::Scales::new(file.clone(), 3));
    let desired = format!("cat '{}'", file.display());
    // Without an operator: one job at a time, and each waits for room.
    let done = tried(&double.url, &["scaling", "--jobs", "3", "--desired-command", &desired]).passes().says("3 jobs");
    for name in ["worker_scale_up", "worker_scale_down"] {
        let (result, state) = metric(&done, name);
        assert!(result.is_some() && state == "met", "{name}: {result:?} {state}");
    }
    left(&server, 1);
}

fn workers_that_do_not_are_seen() {
    let server = Server::start(&[], &[]);
    let words = |desired| ["scaling", "--scale-within", "PT1S", "--idle-within", "PT1S", "--desired-command", desired];
    let none = tried(&server.base, &words("echo 0"));
    assert_eq!(metric(&none, "worker_scale_up"), (None, "missed".to_owned()));
    none.fails(&["workers, from none to one: < 1 s"]);
    tried(&server.base, &words("echo 1")).fails(&["no worker is wanted at first"]);
    tried(&server.base, &words("echo none")).fails(&["no worker is wanted at first"]).says("printed no number: `none`");
    tried(&server.base, &words("echo 0; exit 3")).fails(&["no worker is wanted at first"]);
}

/// Few of everything, and no bound of time: how quick this machine is just now is no matter of a test.
const FEW: [&str; 11] = [
    "metrics",
    "--requests",
    "5",
    "--jobs",
    "2",
    "--tenants",
    "3",
    "--authentication-within",
    "PT1H",
    "--dispatch-within",
    "PT1H",
];

fn what_can_be_measured_is_and_the_rest_says_why_not() {
    let server = Server::start(&[], &[]);
    let key = server.operator();
    let (cost, scaling) = (server.folder.path().join("cost"), server.folder.path().join("scaling.json"));
    std::fs::write(&cost, "| **total** | | **$4.40** |\n").expect("a file");
    let up = serde_json::json!({"name": "worker_scale_up", "what": "workers", "target": "< 60 s", "result": 7.5, "unit": "s",
                                "state": "met", "told": "counted"});
    std::fs::write(&scaling, serde_json::json!({"name": "scaling", "metrics": [up]}).to_string()).expect("a file");
    let files = ["--cost", cost.to_str().expect("a path"), "--report", scaling.to_str().expect("a path")];
    let words: Vec<&str> = FEW.into_iter().chain(files).collect();
    let done = operated(&server.base, &key, &words).passes();
    for name in ["api_authentication_p99", "job_dispatch_p99"] {
        let (result, state) = metric(&done, name);
        assert!(result.is_some_and(|result| result >= 0.0) && state == "met", "{name}: {result:?} {state}");
    }
    assert_eq!(metric(&done, "audit_coverage"), (Some(100.0), "met".to_owned()));
    assert_eq!(metric(&done, "billing_accuracy"), (Some(100.0), "met".to_owned()));
    assert_eq!(metric(&done, "idle_cost"), (Some(4.4), "met".to_owned()));
    assert_eq!(metric(&done, "worker_scale_up"), (Some(7.5), "met".to_owned()));
    assert_eq!(metric(&done, "worker_scale_down"), (None, "not_measured".to_owned()));
    // Three are not a hundred.
    assert_eq!(metric(&done, "concurrent_tenants"), (None, "not_measured".to_owned()));
    let done =
        done.says("| idle cost a month | < $15.00 | $4.40 |").says("3 tenants, a job each: all 3 ended, 3 succeeded");
    assert_eq!(done.report["metrics"].as_array().map(Vec::len), Some(8));
    assert_eq!(server.tenants(), Vec::<String>::new());

    // Without an operator as much as one tenant can do.
    let done = tried(&server.base, &FEW).passes().says("bring a key of the operator");
    assert_eq!(metric(&done, "idle_cost"), (None, "derived".to_owned()));
    assert_eq!(metric(&done, "billing_accuracy"), (Some(100.0), "met".to_owned()));
}

fn what_is_missed_fails() {
    let server = Server::start(&[], &[]);
    let double = Double::before(&server.base, faults::Twice);
    let done = tried(&double.url, &FEW).fails(&["billing accuracy: ≥ 100 %"]);
    assert_eq!(metric(&done, "billing_accuracy"), (Some(0.0), "missed".to_owned()));
    let double = Double::before(&server.base, faults::LooksAway);
    tried(&double.url, &FEW).fails(&["audit trail coverage: ≥ 100 %"]).says("no row of `key.create`");
    // Nothing takes no time.
    let mut words = FEW;
    words[10] = "PT0S";
    tried(&server.base, &words).fails(&["job dispatch, p99: < 0 ms"]);
}
