//! How much the tool bears: output without end, readers, tasks. Judged by memory, disk and what is left, never by time.
//!
//! Each test is a small version of a campaign; an environment variable makes it as large as that of `docs/RELIABILITY.md`.
//! `OUTPOST_TOOL` names another build of the tool, to measure a release; with `--nocapture` the figures are printed.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "figures of a campaign")]

#[expect(dead_code, reason = "shared with tests that ask for more")]
#[path = "../project/mod.rs"]
mod project;

mod output;
mod readers;
mod scale;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use project::{Project, Running};

/// A number of a campaign: what the environment says, or a small one.
fn number(name: &str, small: usize) -> usize {
    std::env::var(name).map_or(small, |text| text.parse().expect("a number"))
}

/// A command of the tool that is measured.
fn tool(project: &Project, arguments: &[&str]) -> Command {
    let Some(tool) = std::env::var_os("OUTPOST_TOOL") else {
        return project.command(arguments);
    };
    let mut command = Command::new(tool);
    command.args(arguments);
    project.place(&mut command);
    command
}

/// A document of these tasks: `(id, needs, the rest of the block)`.
fn document<'a>(execution: &str, tasks: impl IntoIterator<Item = (String, &'a str, &'a str)>) -> String {
    let mut text = format!("# Load\n\n```yaml\nexecution: {{{execution}}}\n```\n\n```yaml\n");
    for (id, needs, rest) in tasks {
        text += &format!("- task_id: {id}\n  name: {id}\n  dependencies: [{needs}]\n  {rest}\n");
    }
    text + "```\n"
}

/// The end of a run: its last task waits here, so that everybody can be looked at. However long the rest takes.
const LAST: &str = "run: note waits; await go";

/// Waits, as long as it takes, until the last task waits; the run must not end before.
fn until_the_last(project: &Project, running: &mut Running) {
    while !project.ledger().iter().any(|line| line == "last 1 run waits") {
        let ended = running.child.try_wait().expect("a child");
        assert!(ended.is_none(), "{ended:?}:\n{}", fs::read_to_string(&running.stderr).unwrap_or_default());
        thread::sleep(Duration::from_millis(20));
    }
}

/// What the runner and its keepers had at most, in KiB, and threads.
#[derive(Debug)]
struct Peaks {
    runner: u64,
    keepers: Vec<u64>,
    threads: u64,
}

impl Peaks {
    fn of(running: &Running) -> Self {
        let runner = running.child.id();
        let children = fs::read_to_string(format!("/proc/{runner}/task/{runner}/children")).expect("a runner");
        let keepers: Vec<u32> =
            children.split_whitespace().map(|pid| pid.parse().expect("a pid")).filter(|pid| is_keeper(*pid)).collect();
        assert!(!keepers.is_empty(), "somebody keeps the tasks");
        let field = |pid: u32, name: &str| status(pid, name).expect("it lives");
        let threads = keepers.iter().chain([&runner]).map(|pid| field(*pid, "Threads")).max().expect("a process");
        let keepers = keepers.iter().map(|pid| field(*pid, "VmHWM")).collect();
        Self { runner: field(runner, "VmHWM"), keepers, threads }
    }

    /// Of the runner, and of the largest keeper.
    fn largest(&self) -> (u64, u64) {
        (self.runner, self.keepers.iter().copied().max().unwrap_or_default())
    }
}

fn is_keeper(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|words| words.ends_with(b"__keeper\0"))
}

/// The number in a line of `/proc/PID/status`.
fn status(pid: u32, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

/// What a folder takes on disk, in bytes: holes take nothing.
fn on_disk(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let (mut folders, mut bytes) = (vec![folder.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let data = entry.metadata().expect("a file");
            bytes += data.blocks() * 512;
            if data.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    bytes
}
