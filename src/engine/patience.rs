//! Commands that are asked something before a run: in a process group of their own, without input, and ended with
//! their group when they take too long.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// Between two looks, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// How a command ended; nothing if it did not in time.
pub(super) fn run(command: &mut Command, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let mut child = command.process_group(0).stdin(Stdio::null()).spawn()?;
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            end(&mut child);
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// Already gone is as good as killed.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::run;

    #[test]
    fn what_takes_too_long_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sh = Command::new("sh");
        // Whoever holds the pipe has not ended: reading it to its end waits for all of them.
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        sh.args(["-c", "sleep 1000 & sleep 1000"]).current_dir(folder.path()).stdout(writer);
        assert_eq!(run(&mut sh, Duration::from_millis(50)).expect("it starts"), None);
        drop(sh);
        std::io::Read::read_to_end(&mut reader, &mut Vec::new()).expect("the end of all writers");
        let status = run(Command::new("sh").args(["-c", "exit 3"]), Duration::from_secs(60)).expect("it starts");
        assert_eq!(status.and_then(|status| status.code()), Some(3));
    }
}
