//! A machine: what the agent of Systems Manager does with a command, as far as work can see it.
//!
//! The lines become a file that `sh -c` is given, in a process group of its own; a cancel and the end of its time kill that group
//! by force, and whatever left the group lives on. It knows nothing of tokens, keepers and frames.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How a command ended on a machine.
pub(crate) struct Ended {
    /// As `Status` and as `StatusDetails` say it.
    pub(crate) status: &'static str,
    pub(crate) details: &'static str,
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

pub(crate) fn perform(folder: &Path, lines: &[String], seconds: u64, cancelled: &AtomicBool) -> Ended {
    fs::create_dir_all(folder).expect("a folder");
    let script = folder.join("_script.sh");
    fs::write(&script, lines.join("\n") + "\n").expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("a script");
    let (out, err) = (folder.join("stdout"), folder.join("stderr"));
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(&script)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(File::create(&out).expect("a file"))
        .stderr(File::create(&err).expect("a file"))
        .spawn()
        .expect("a shell");
    let start = Instant::now();
    let (status, details, code) = loop {
        if let Some(ended) = child.try_wait().expect("a child") {
            let code = ended.code().unwrap_or(137);
            break if code == 0 { ("Success", "Success", 0) } else { ("Failed", "Failed", code) };
        }
        let is_late = start.elapsed() > Duration::from_secs(seconds);
        if is_late || cancelled.load(Ordering::SeqCst) {
            let group = Pid::from_raw(child.id().try_into().expect("a pid")).expect("a pid");
            // It may have ended a moment ago.
            let _ = kill_process_group(group, Signal::KILL);
            child.wait().expect("its end");
            break if is_late { ("TimedOut", "ExecutionTimedOut", 137) } else { ("Cancelled", "Cancelled", 137) };
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut stderr = fs::read(&err).expect("a file");
    if code != 0 {
        stderr.extend(format!("failed to run commands: exit status {code}").bytes());
    }
    Ended { status, details, code, stdout: fs::read(&out).expect("a file"), stderr }
}
