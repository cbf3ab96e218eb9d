//! A blueprint on the fleet: the real tool, the real service, real workers that are killed at random, and a runner that is
//! killed once and resumed. Every task has one job, every job one end, and the run finishes.
//!
//! `OUTPOST_FLEET_TASKS` and `OUTPOST_FLEET_WORKERS` say how many: 24 and 3 if they are not set, 200 and 8 where that is
//! wanted. Nothing here depends on how long anything takes; who is killed, and when, differs from run to run.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking, and says what it did")]

mod agents;
#[path = "../project/mod.rs"]
#[expect(dead_code, reason = "the stage of other tests, too")]
mod project;
#[path = "../../executors/outpost/tests/fleet/proxy.rs"]
#[expect(dead_code, reason = "that of the executor's own tests")]
mod proxy;
#[path = "../../executors/outpost/tests/fleet/stage.rs"]
#[expect(dead_code, reason = "that of the executor's own tests")]
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::pin::Pin;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use outpost_core::actions::RequestInfo;
use outpost_core::job::{Job, Verdict};
use outpost_fleet::{KEY, URL};
use rustix::process::Signal;

use project::{Project, Running};
use stage::Stage;

/// Far beyond what it takes: what hangs fails.
const PATIENCE: Duration = Duration::from_secs(1200);
const PAUSE: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(exit) = outpost_worker::hand(&words) {
        return exit;
    }
    let words: Vec<String> = words.into_iter().skip(1).filter_map(|word| word.into_string().ok()).collect();
    if let Some([_, folder, slots]) = words.first_chunk::<3>().filter(|[word, ..]| word == stage::WORKER) {
        return stage::worker(folder.as_ref(), slots);
    }
    let mut tests: Vec<Test> = vec![("x_06_a_blueprint_finishes_on_a_fleet_that_dies", || {
        Box::pin(a_blueprint_finishes_on_a_fleet_that_dies())
    })];
    tests.extend_from_slice(agents::TESTS);
    if words.iter().any(|word| word == "--list") {
        for (name, _) in tests {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let chosen: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let is_exact = words.iter().any(|word| word == "--exact");
    let is_chosen = |name: &str| {
        chosen.iter().all(|word| if is_exact { name == word.as_str() } else { name.contains(word.as_str()) })
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    for (name, test) in tests.into_iter().filter(|(name, _)| is_chosen(name)) {
        runtime.block_on(test());
        println!("test {name} ... ok");
    }
    runtime.shutdown_background();
    ExitCode::SUCCESS
}

/// A test, by its name.
type Test = (&'static str, fn() -> Pin<Box<dyn Future<Output = ()>>>);

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

/// A number below another one, another each time.
fn any(below: usize) -> usize {
    usize::try_from(RandomState::new().hash_one(0_u8) >> 1).unwrap_or(0) % below
}

fn document(tasks: usize, parallel: usize) -> String {
    let mut text =
        format!("# Crowd\n\n```yaml\nexecution: {{max_parallel_tasks: {parallel}, executor: outpost}}\n```\n\n");
    for task in 0..tasks {
        text += &format!(
            "```yaml\ntask_id: t{task}\nname: t{task}\nidempotent: true\noutput: {{location: stdout, ports: {{n: {{type: integer}}}}}}\nrun: |\n  echo \
             \"job $OUTPOST_JOB\" >&2; sleep 0.{}\n  echo '{{\"n\": {task}}}'\n```\n\n",
            1 + task % 5
        );
    }
    let all: Vec<String> = (0..tasks).map(|task| format!("t{task}")).collect();
    text += &format!(
        "```yaml\ntask_id: last\nname: last\nexecutor: shell\ndependencies: [{}]\nrun: note finished\n```\n",
        all.join(", ")
    );
    text
}

fn outpost(project: &Project, stage: &Stage, words: &[&str]) -> Running {
    let mut command: Command = project.command(words);
    command.env(URL, stage.settings().url).env(KEY, &stage.key);
    project.start(command)
}

async fn a_blueprint_finishes_on_a_fleet_that_dies() {
    let (tasks, workers) = (number("OUTPOST_FLEET_TASKS", 24), number("OUTPOST_FLEET_WORKERS", 3));
    let begun = Instant::now();
    let stage = Stage::new().await;
    let mut fleet: Vec<_> = (0..workers).map(|_| stage.worker_of("1")).collect();
    let project = Project::of(&document(tasks, workers * 4));
    let completed = || project.told("task_completed").len();
    let mut runner = outpost(&project, &stage, &["run", "blueprint.md"]);
    let (mut kills, mut resumes, mut next) = (0, 0, Instant::now());
    let status: ExitStatus = loop {
        assert!(begun.elapsed() < PATIENCE, "it hangs at {} of {tasks}", completed());
        if Instant::now() >= next {
            // Somebody else takes its place.
            let doomed = any(workers);
            fleet[doomed].kill();
            fleet[doomed] = stage.worker_of("1");
            kills += 1;
            next = Instant::now() + Duration::from_millis(700 + u64::try_from(any(1500)).unwrap_or(0));
        }
        if resumes == 0 && completed() * 3 >= tasks {
            runner.signal(Signal::KILL);
            runner.end();
            resumes += 1;
            runner = outpost(&project, &stage, &["resume"]);
        }
        if let Some(status) = runner.child.try_wait().expect("our child") {
            break status;
        }
        tokio::time::sleep(PAUSE).await;
    };
    let ended = runner.end();
    let told = (
        &ended.stdout,
        &ended.stderr,
        project.events().iter().rev().take(40).map(|event| event.0.to_string()).collect::<Vec<_>>(),
    );
    assert!(status.success(), "{status}, {resumes} resumes: {told:#?}");
    let took = begun.elapsed();
    drop(fleet);

    // The journal: each task completed once, and what follows all of them ran.
    let done = project.told("task_completed");
    assert_eq!(done.len(), tasks + 1, "{done:?}");
    assert_eq!(done.iter().collect::<BTreeSet<_>>().len(), tasks + 1, "{done:?}");
    assert_eq!(project.ledger(), ["last 1 run finished"]);
    assert_eq!(resumes, 1, "the runner was never killed");

    // The service: one job of each task, and each has one end, its own number.
    let jobs = jobs(&stage).await;
    let mut of_task: BTreeMap<&str, u32> = BTreeMap::new();
    for job in &jobs {
        *of_task.entry(job.spec.labels["outpost/task"].as_str()).or_default() += 1;
        let outcome = job.outcome.as_ref().expect("an end");
        assert_eq!((outcome.result, outcome.exit_code), (Verdict::Succeeded, Some(0)), "{job:?}");
    }
    assert_eq!(of_task.len(), tasks, "{of_task:?}");
    assert!(of_task.values().all(|count| *count == 1), "{of_task:?}");
    for task in 0..tasks {
        let ports = find(&project, &format!("t{task}"));
        assert_eq!(ports, format!("{{\"n\": {task}}}\n"), "t{task}");
    }
    let again = jobs.iter().filter(|job| job.epoch > 1).count();
    println!(
        "{tasks} tasks, {workers} workers: {kills} kills, {again} jobs begun again, the runner killed once; {} s",
        took.as_secs()
    );
}

/// What a task printed, as it was kept.
fn find(project: &Project, task: &str) -> String {
    let kept = project.run_folder().expect("a run").join("tasks");
    let of_task = |name: &str| name.starts_with(&format!("{task}@")) && name.ends_with(".stdout");
    let entries = fs::read_dir(kept).expect("attempts").flatten().map(|entry| entry.path());
    let found: Vec<_> =
        entries.filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(of_task)).collect();
    assert_eq!(found.len(), 1, "{task} was kept {} times", found.len());
    fs::read_to_string(&found[0]).expect("text")
}

async fn jobs(stage: &Stage) -> Vec<Job> {
    let desk = stage.desk();
    let request = RequestInfo { request_id: "r".to_owned(), ip: None, traceparent: None };
    let caller = desk.authenticate(&stage.key, request).await.expect("a caller");
    let (mut jobs, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = desk.jobs(&caller, None, 100, cursor.as_deref()).await.expect("jobs");
        jobs.extend(page.rows);
        match page.cursor {
            Some(next) => cursor = Some(next),
            None => return jobs,
        }
    }
}
