//! What reading, planning and drawing cost, as ratios measured in one run.
//!
//! `cargo bench --bench reading` prints three tables: growth from 1,000 to 100,000 tasks for three
//! shapes of graph; the whole of `check` against the YAML parser's bare events on the same bytes, with
//! peak memory against the size of the document; and `check` of a lean document against `ninja -n` on the
//! same graph. Every figure is the best of several rounds of whole processes, interleaved, so that what
//! else the machine does weighs on both sides.

#![expect(clippy::print_stdout, reason = "its tables are for people")]
#![expect(clippy::expect_used, reason = "a bench that cannot run has to say so")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use granit_parser::Parser;

const ROUNDS: usize = 5;

#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Nobody waits for anybody.
    Wide,
    Chain,
    /// A hundred layers, three needs of each task in the layer before.
    Layers,
}

impl Shape {
    const ALL: [Self; 3] = [Self::Wide, Self::Chain, Self::Layers];

    fn needs(self, task: usize, tasks: usize) -> Vec<usize> {
        match self {
            Self::Wide => Vec::new(),
            Self::Chain => task.checked_sub(1).into_iter().collect(),
            Self::Layers => {
                let width = (tasks / 100).max(1);
                let Some(first) = (task / width).checked_sub(1).map(|layer| layer * width) else {
                    return Vec::new();
                };
                let mut needs: Vec<usize> = (0..3).map(|i| first + (task * 7 + i * 13) % width).collect();
                needs.sort_unstable();
                needs.dedup();
                needs
            }
        }
    }
}

fn id(task: usize) -> String {
    format!("T{}.{}", task / 1000, task % 1000)
}

fn document(shape: Shape, tasks: usize, rich: bool) -> String {
    let mut text = String::from(
        "# Bench\n\n<!-- _blueprint_version: 2.0.2 -->\n<!-- _generated_at: 2026-01-01T00:00:00Z -->\n<!-- _generator: bench -->\n",
    );
    for task in 0..tasks {
        let needs: Vec<String> = shape.needs(task, tasks).into_iter().map(id).collect();
        let (name, needs) = (id(task), needs.join(", "));
        if task % 1000 == 0 {
            let _ = write!(text, "\n## Tier {}: Part {}\n", task / 1000, task / 1000);
        }
        let _ =
            write!(text, "\n### {name}: Task {task}\n\n```yaml\ntask_id: {name}\nname: \"Task {task} of the bench\"\n");
        let _ = writeln!(text, "status: not_started\ndependencies: [{needs}]");
        if rich {
            let _ = write!(
                text,
                "assignee: null\nestimated_sessions: 1\n\ninterface:\n  input: \"What task {task} reads, told in a line of prose\"\n  input_type: none\n  \
                 output: \"What task {task} leaves for those that come after it\"\n  output_type: json\n  output_schema:\n    type: object\n    \
                 properties:\n      bucket_name: {{ type: string }}\n      region: {{ type: string }}\n    required: []\n\n\
                 output:\n  location: file\n  path: \"/tmp/blueprint/{name}/output.json\"\n  ports:\n    result:\n      type: json\n\n\
                 required_capabilities:\n  - bash\n\nacceptance_criteria:\n  - \"The command of task {task} exits with status 0\"\n  \
                 - \"Its log is kept with the run\"\n  - \"Nothing else in the tree has changed\"\n\nverification:\n  smoke:\n    command: \"test -f out/{name}\"\n    \
                 timeout: PT10S\n\nrollback: \"rm -f out/{name}\"\n\non_failure:\n  max_retries: 0\n  action: block\n\nfiles_to_create:\n  - out/{name}\n",
            );
        }
        text.push_str("run: \"true\"\n```\n");
    }
    text
}

fn ninja(shape: Shape, tasks: usize) -> String {
    let mut text = String::from("rule r\n  command = true\n");
    for task in 0..tasks {
        let needs: Vec<String> = shape.needs(task, tasks).into_iter().map(id).collect();
        let _ = writeln!(text, "build {}: r | {}", id(task), needs.join(" "));
    }
    text
}

/// The best wall time of a command, and its peak memory in bytes where the system tells.
fn command(program: &Path, arguments: &[&str], folder: &Path) -> (Duration, u64) {
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    // The high-water mark goes with the process: it is looked at while the process lives.
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("a status").is_none() {
        if let Ok(text) = fs::read_to_string(&status) {
            let line = text.lines().find(|line| line.starts_with("VmHWM:"));
            let kilobytes: u64 = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0);
            peak = peak.max(kilobytes * 1024);
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    (start.elapsed(), peak)
}

/// The YAML parser's bare events for all blocks of a document, on one thread.
fn events(text: &str) -> Duration {
    let start = Instant::now();
    let (mut count, mut rest) = (0_usize, text);
    while let Some((_, block)) = rest.split_once("```yaml\n") {
        let (block, after) = block.split_once("\n```").expect("a closed block");
        let mut parser = Parser::new_from_str(block);
        while let Some(event) = parser.next_event() {
            count += usize::from(event.is_ok());
        }
        rest = after;
    }
    assert!(count > 0);
    start.elapsed()
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

fn main() {
    let tool = PathBuf::from(env!("CARGO_BIN_EXE_outpost-bp"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bench.md");
    let best =
        |arguments: &[&str]| (0..ROUNDS).map(|_| command(&tool, arguments, folder.path()).0).min().expect("a round");

    println!("growth: best wall time, and time per task against the row of 1,000\n");
    println!("| shape | tasks | check | plan | graph dot |");
    println!("|---|---|---|---|---|");
    for shape in Shape::ALL {
        let mut first: Option<[f64; 3]> = None;
        for tasks in [1_000, 10_000, 100_000] {
            fs::write(&path, document(shape, tasks, false)).expect("a document");
            let times = [
                best(&["check", "bench.md"]),
                best(&["plan", "bench.md"]),
                best(&["graph", "bench.md", "--format", "dot"]),
            ];
            let each = times.map(|time| time.as_secs_f64() / tasks as f64);
            let base = *first.get_or_insert(each);
            let cell = |i: usize| format!("{} ({:.2})", seconds(times[i]), each[i] / base[i]);
            println!("| {shape:?} | {tasks} | {} | {} | {} |", cell(0), cell(1), cell(2));
        }
    }

    println!("\nrich documents: `check` against the parser's events alone, and memory against the document\n");
    println!("| tasks | bytes | check | events | check / events | memory / document |");
    println!("|---|---|---|---|---|---|");
    for tasks in [1_000, 10_000, 100_000] {
        let text = document(Shape::Layers, tasks, true);
        fs::write(&path, &text).expect("a document");
        let (mut check, mut bare, mut memory) = (Duration::MAX, Duration::MAX, 0);
        for _ in 0..ROUNDS {
            let (time, peak) = command(&tool, &["check", "bench.md"], folder.path());
            (check, memory) = (check.min(time), memory.max(peak));
            bare = bare.min(events(&text));
        }
        let (ratio, share) = (check.as_secs_f64() / bare.as_secs_f64(), memory as f64 / text.len() as f64);
        println!("| {tasks} | {} | {} | {} | {ratio:.2} | {share:.2} |", text.len(), seconds(check), seconds(bare));
    }

    println!("\nlean document of 10,000 tasks: `check` against `ninja -n`, and 52 rich tasks from start to exit\n");
    fs::write(&path, document(Shape::Layers, 10_000, false)).expect("a document");
    fs::write(folder.path().join("build.ninja"), ninja(Shape::Layers, 10_000)).expect("a build file");
    let peer = Path::new("/usr/bin/ninja");
    let mut check = Duration::MAX;
    let mut other = Duration::MAX;
    for _ in 0..ROUNDS * 2 {
        check = check.min(command(&tool, &["check", "bench.md"], folder.path()).0);
        if peer.exists() {
            other = other.min(command(peer, &["-n"], folder.path()).0);
        }
    }
    if peer.exists() {
        let ratio = check.as_secs_f64() / other.as_secs_f64();
        println!("check {}, ninja -n {}: {ratio:.2}", seconds(check), seconds(other));
    } else {
        println!("check {}; SKIPPED ninja: it is not here (Debian: apt-get install ninja-build)", seconds(check));
    }
    fs::write(&path, document(Shape::Layers, 52, true)).expect("a document");
    println!("52 tasks: {}", seconds(best(&["check", "bench.md"])));
}
