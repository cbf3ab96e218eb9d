//! What running costs, as ratios measured in one run.
//!
//! `cargo bench --bench running` runs graphs of `true` as the tool does by default (journal, logs, keepers), as `ninja` and
//! `make -O` do with the same `bash -e -o pipefail -c`, and as a bare loop does that starts the same bash and waits: the floor
//! that nobody who starts a bash for each task gets below. Every figure is the median of interleaved rounds of whole
//! processes, start to exit. `OUTPOST_BENCH_TASKS` and `OUTPOST_BENCH_ROUNDS` change their number; peers that are not
//! installed are said to be missing.

#![expect(clippy::print_stdout, reason = "its tables are for people")]
#![expect(clippy::expect_used, reason = "a bench that cannot run has to say so")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SHELL: [&str; 4] = ["-e", "-o", "pipefail", "-c"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Nobody waits for anybody: two at once.
    Wide,
    /// One after the other.
    Chain,
    /// A hundred layers, three needs of each task in the layer before.
    Layers,
}

impl Shape {
    const ALL: [(Self, &'static str); 3] = [(Self::Wide, "wide"), (Self::Chain, "chain"), (Self::Layers, "layers")];

    fn needs(self, task: usize, tasks: usize) -> Vec<usize> {
        let width = (tasks / 100).max(1);
        match self {
            Self::Wide => Vec::new(),
            Self::Chain => task.checked_sub(1).into_iter().collect(),
            Self::Layers if task < width => Vec::new(),
            Self::Layers => {
                let first = (task / width - 1) * width;
                let mut needs: Vec<usize> = (0..3).map(|i| first + (task * 7 + i * 13) % width).collect();
                needs.sort_unstable();
                needs.dedup();
                needs
            }
        }
    }

    /// How many can run at once.
    const fn jobs(self) -> usize {
        if matches!(self, Self::Chain) { 1 } else { 2 }
    }
}

/// What a task of the document says beside its name and needs.
#[derive(Clone, Copy)]
struct Body {
    exec: &'static str,
    task: &'static str,
}

const THROUGH_BASH: Body = Body { exec: "shell", task: "run: \"true\"\n" };
const DIRECT: Body = Body { exec: "auto", task: "run: \"true\"\n" };
const CHECKED: Body = Body { exec: "shell", task: "run: \"true\"\nverification: {smoke: {command: \"true\"}}\n" };
const FILE_CHECKED: Body =
    Body { exec: "auto", task: "run: \"true;\"\nverification: {smoke: {command: test -f bench.md}}\n" };

fn document(shape: Shape, tasks: usize, body: Body) -> String {
    let mut text = format!("# Bench\n\n```yaml\nexecution: {{shell: bash, exec: {}}}\n```\n", body.exec);
    for task in 0..tasks {
        let needs: Vec<String> = shape.needs(task, tasks).iter().map(|need| format!("t{need}")).collect();
        let (needs, rest) = (needs.join(", "), body.task);
        let _ = write!(text, "\n```yaml\ntask_id: t{task}\nname: Task {task}\ndependencies: [{needs}]\n{rest}```\n");
    }
    text
}

fn ninja(shape: Shape, tasks: usize) -> String {
    let mut text = "rule r\n  command = exec bash -e -o pipefail -c true\n".to_owned();
    for task in 0..tasks {
        let needs: Vec<String> = shape.needs(task, tasks).iter().map(|need| format!("t{need}")).collect();
        let _ = writeln!(text, "build t{task}: r | {}", needs.join(" "));
    }
    text
}

fn make(shape: Shape, tasks: usize) -> String {
    let all: Vec<String> = (0..tasks).map(|task| format!("t{task}")).collect();
    let mut text =
        format!("SHELL := bash\n.SHELLFLAGS := -e -o pipefail -c\n.PHONY: all {0}\nall: {0}\n", all.join(" "));
    for task in 0..tasks {
        let needs: Vec<String> = shape.needs(task, tasks).iter().map(|need| format!("t{need}")).collect();
        // The semicolon keeps make from starting `true` itself.
        let _ = writeln!(text, "t{task}: {}\n\t@true;", needs.join(" "));
    }
    text
}

/// The bare loop: so many at once, each waited for.
fn floor(tasks: usize, jobs: usize) -> Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for job in 0..jobs {
            scope.spawn(move || {
                for _ in (job..tasks).step_by(jobs) {
                    let mut bash = Command::new("/bin/bash");
                    bash.args(SHELL).arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                    assert!(bash.status().expect("bash").success());
                }
            });
        }
    });
    start.elapsed()
}

/// The wall time of a process, and its peak memory in megabytes.
fn process(program: &Path, arguments: &[&str], folder: &Path) -> (Duration, u64) {
    let start = Instant::now();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("a child");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        if let Some(ended) = child.try_wait().expect("a status") {
            assert!(ended.success(), "{} {arguments:?}: {ended}", program.display());
            return (start.elapsed(), peak / 1024);
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("VmHWM:"));
        peak = peak.max(line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

fn main() {
    let tool = PathBuf::from(env!("CARGO_BIN_EXE_outpost-bp"));
    let (tasks, rounds) = (number("OUTPOST_BENCH_TASKS", 1000), number("OUTPOST_BENCH_ROUNDS", 5));
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).expect("a file");
    let (ninja_at, make_at) = (found("ninja"), found("make"));
    for (peer, at) in [("ninja", &ninja_at), ("make", &make_at)] {
        if at.is_none() {
            println!("{peer} is not installed: it is not measured");
        }
    }
    println!("{tasks} tasks, {rounds} rounds; wall time of the tool against each\n");
    println!("| graph | command | us a task | / bash floor | / ninja | / make -O | memory |");
    println!("|---|---|---|---|---|---|---|");
    for (shape, name) in Shape::ALL {
        let jobs = shape.jobs().to_string();
        write("build.ninja", ninja(shape, tasks));
        write("Makefile", make(shape, tasks));
        for (body, what) in [
            (THROUGH_BASH, "`bash -c true`"),
            (DIRECT, "`true`, no shell"),
            (CHECKED, "`true` and a check, both in bash"),
            (FILE_CHECKED, "bash, and `test -f` without"),
        ] {
            if shape != Shape::Wide && body.task != THROUGH_BASH.task {
                continue;
            }
            write("bench.md", document(shape, tasks, body));
            let (mut bare, mut own, mut ninjas, mut makes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            let mut memory = 0;
            for _ in 0..rounds {
                bare.push(floor(tasks, shape.jobs()));
                let _ = fs::remove_dir_all(folder.path().join(".outpost"));
                let (took, peak) = process(&tool, &["run", "bench.md", "-j", &jobs], folder.path());
                (memory, _) = (memory.max(peak), own.push(took));
                if let Some(ninja) = &ninja_at {
                    let _ = fs::remove_file(folder.path().join(".ninja_log"));
                    ninjas.push(process(ninja, &["-j", &jobs], folder.path()).0);
                }
                if let Some(make) = &make_at {
                    makes.push(process(make, &["-O", "-j", &jobs], folder.path()).0);
                }
            }
            let own = median(own);
            let ratio = |times: Vec<Duration>| match times.len() {
                0 => "-".to_owned(),
                _ => format!("{:.2}", own / median(times)),
            };
            let each = own * 1e6 / tasks as f64;
            let (bare, ninjas, makes) = (ratio(bare), ratio(ninjas), ratio(makes));
            println!("| {name} | {what} | {each:.0} | {bare} | {ninjas} | {makes} | {memory} MB |");
        }
    }
}
