//! A keeper and a runner for the tests and for measuring.
//!
//! ```text
//! probe __keeper                  what a Shell starts
//! probe run OPTIONS -- PROGRAM …  starts it, prints its handle, waits, prints the report
//! probe bench TASKS AT-ONCE       runs `bash -e -o pipefail -c true` so many times
//! ```

use std::cell::Cell;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::future::poll_fn;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::task::Poll;
use std::time::{Duration, Instant};

use outpost_executor::{Executor, OnRunnerDeath, Outcome, Token, Work};
use outpost_shell::{Keepers, Shell, become_subreaper, keeper, raise_open_files};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some(keeper::ARGUMENT) => return keeper::main(),
        Some("run") => on_tokio(run(args.get(1..).unwrap_or_default())),
        Some("bench") => on_tokio(bench(args.get(1..).unwrap_or_default())),
        _ => Err("see the file's head".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The tests show what a probe says here when they fail.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn on_tokio(work: impl Future<Output = Result<(), Box<dyn Error>>>) -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{line}")?;
    out.flush()
}

async fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let token = Token { run: "probe".into(), task: "task".into(), attempt: 1, stage: "run".into() };
    let mut work = Work::new(token, "", "/", "log");
    let mut args = args.iter();
    let mut keepers = Keepers::default();
    let mut dawdle = false;
    while let Some(option) = args.next() {
        let mut value = || args.next().cloned().ok_or("a value is missing");
        match option.as_str() {
            "--" => break,
            "--adopt" => work.on_runner_death = OnRunnerDeath::Adopt,
            "--dawdle" => dawdle = true,
            "--grace-ms" => work.grace = Duration::from_millis(value()?.parse()?),
            "--held" => keepers.held.push(locked(&value()?)?.into()),
            "--lock" => work.locks.push(locked(&value()?)?.into()),
            "--log" => work.log = PathBuf::from(value()?),
            "--subreaper" => become_subreaper()?,
            "--task" => work.token.task = value()?,
            "--timeout-ms" => work.timeout = Some(Duration::from_millis(value()?.parse()?)),
            "--tty" => {
                // The first terminal that the leader of a session without one opens becomes its own.
                rustix::process::setsid()?;
                OpenOptions::new().read(true).write(true).open(value()?)?;
            }
            other => return Err(format!("what is {other}?").into()),
        }
    }
    work.program = args.next().ok_or("no program")?.into();
    work.args = args.map(Into::into).collect();
    let shell = Shell::new(keepers);
    let handle = shell.start(work).await?;
    say(&handle.0)?;
    let report = shell.wait(&handle).await;
    say(&serde_json::to_string(&report)?)?;
    if dawdle {
        // The report is out and not settled: until somebody ends this process.
        std::future::pending::<()>().await;
    }
    shell.settle(&handle);
    Ok(())
}

fn locked(path: &str) -> Result<File, Box<dyn Error>> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    file.lock()?;
    Ok(file)
}

async fn bench(args: &[String]) -> Result<(), Box<dyn Error>> {
    let number = |at: usize| args.get(at).and_then(|number| number.parse::<usize>().ok()).ok_or("a number is missing");
    let (tasks, at_once) = (number(0)?, number(1)?);
    let folder = PathBuf::from(args.get(2).map_or("/tmp/outpost-probe", String::as_str));
    let script = args.get(3).map_or("true", String::as_str);
    become_subreaper()?;
    let open_files = raise_open_files();
    let shell = Shell::new(Keepers { open_files, ..Keepers::default() });
    let (next, failed) = (Cell::new(0), Cell::new(0_u32));
    let start = Instant::now();
    let lane = async || {
        while next.get() < tasks {
            let number = next.replace(next.get() + 1);
            let task = format!("T{number}");
            let log = folder.join(&task).join("log");
            let token = Token { run: "bench".into(), task, attempt: 1, stage: "run".into() };
            let mut work = Work::new(token, "bash", "/", log);
            work.args = ["-e", "-o", "pipefail", "-c", script].map(Into::into).to_vec();
            let ended = match shell.start(work).await {
                Ok(handle) => {
                    let outcome = shell.wait(&handle).await.outcome;
                    shell.settle(&handle);
                    outcome
                }
                Err(reason) => Outcome::NotStarted(reason),
            };
            failed.set(failed.get() + u32::from(ended != Outcome::Exited(0)));
        }
    };
    let mut lanes: Vec<_> = (0..at_once).map(|_| Box::pin(lane())).collect();
    poll_fn(|context| {
        lanes.retain_mut(|lane| lane.as_mut().poll(context).is_pending());
        if lanes.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let keepers = keepers()?;
    let wall = start.elapsed();
    let runner = cpu(std::process::id())?;
    let mut keeping = 0.0;
    let mut rss = Vec::new();
    for pid in &keepers {
        keeping += cpu(*pid)?;
        rss.push(status(*pid, "VmHWM:")?);
    }
    let per_task = |seconds: f64| seconds * 1e6 / f64::from(u32::try_from(tasks).unwrap_or(u32::MAX));
    say(&format!(
        "N={tasks} j{at_once} wall={:.3}s us/task={:.1} runner_cpu_us={:.1} keepers_cpu_us={:.1} keepers={} keeper_rss_kb={rss:?} runner_rss_kb={} failed={}",
        wall.as_secs_f64(),
        per_task(wall.as_secs_f64()),
        per_task(runner),
        per_task(keeping),
        keepers.len(),
        status(std::process::id(), "VmHWM:")?,
        failed.get(),
    ))?;
    Ok(())
}

/// The children of this process, which are keepers.
fn keepers() -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for thread in fs::read_dir("/proc/self/task")? {
        let list = fs::read_to_string(thread?.path().join("children"))?;
        found.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    Ok(found)
}

fn status(pid: u32, name: &str) -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    Ok(line.split_ascii_whitespace().next().ok_or("no number")?.parse()?)
}

/// Seconds of processor time of a process, without its children.
fn cpu(pid: u32) -> Result<f64, Box<dyn Error>> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    let ns: f64 = text.split_ascii_whitespace().next().ok_or("no number")?.parse()?;
    Ok(ns / 1e9)
}
