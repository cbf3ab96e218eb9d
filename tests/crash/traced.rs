//! The tool under `strace`, which kills it, holds it, or has the kernel fail it in the nth call on its journal.
//!
//! Without `strace` nothing of this is shown, and the test says so.

#![expect(clippy::print_stderr, reason = "what was not shown has to be told")]

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use rustix::process::{Pid, Signal, kill_process};

use crate::project::{Ended, Project};

/// The first command of a project.
pub(crate) const RUN: [&str; 4] = ["run", "blueprint.md", "-j", "3"];

/// Whether there is a tracer that may trace.
pub(crate) fn is_possible() -> bool {
    let tried = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    let works = tried.as_ref().is_ok_and(std::process::ExitStatus::success);
    if !works {
        eprintln!("SKIPPED: strace cannot be used here: {tried:?}");
    }
    works
}

/// How a command of a project goes that is disturbed once, as `inject` says in the words of `strace`. It is killed if
/// it is held there. Answers what the tracer wrote, too.
pub(crate) fn tool(project: &Project, arguments: &[&str], inject: &str) -> (Ended, String) {
    let log = project.path("calls");
    let mut command = Command::new("strace");
    // It traces from aside: what is started here is the tool itself.
    command.args(["-D", "-f", "-qq", "-o"]).arg(&log).args(["-e", "trace=write,fdatasync,fallocate"]);
    if let Some(folder) = project.run_folder() {
        command.arg("-P").arg(folder.join("journal.log"));
    }
    // A run is named after its second. The tool may be slow to begin, and people live anywhere.
    for second in 0..20 {
        let at = Timestamp::now() + Duration::from_secs(second);
        for zone in [TimeZone::UTC, TimeZone::system()] {
            let id = at.to_zoned(zone).strftime("%Y%m%d-%H%M%S").to_string();
            command.arg("-P").arg(project.path(&format!(".outpost/runs/{id}/journal.log")));
        }
    }
    command.args(["-e", inject, env!("CARGO_BIN_EXE_outpost-bp")]).args(arguments);
    project.place(&mut command);
    let mut running = project.start(command);
    let calls = || fs::read_to_string(&log).unwrap_or_default();
    while inject.contains("delay") && !running.is_over() {
        if calls().contains("(DELAYED)") {
            // Who is held dies when it is let go, and does nothing more.
            let tracer = tracer_of(running.child.id());
            running.signal(Signal::KILL);
            kill_process(tracer, Signal::KILL).expect("ours");
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    let ended = running.end();
    // The tracer ends with the last one that it traces.
    project.until_nothing_runs();
    (ended, calls())
}

fn tracer_of(process: u32) -> Pid {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process that is held");
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).expect("such a line");
    tracer.trim().parse().ok().and_then(Pid::from_raw).expect("a tracer")
}
