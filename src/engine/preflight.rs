//! Preflight checks: all of them at once, all failures together, before anything is kept or started.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::blueprint::Blueprint;
use crate::blueprint::model::Preflight;

/// The longest a check may take, unless it says otherwise.
const PATIENCE: Duration = Duration::from_secs(120);

/// The checks that fail, each in a line.
pub fn check(blueprint: &Blueprint<'_>, root: &Path, environment: &[(String, String)]) -> Vec<String> {
    let shell = blueprint.execution.shell.as_deref().unwrap_or("bash");
    std::thread::scope(|scope| {
        let checks: Vec<_> = blueprint
            .execution
            .preflight
            .iter()
            .map(|check| scope.spawn(move || one(check, shell, root, environment)))
            .collect();
        checks
            .into_iter()
            .filter_map(|check| check.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn one(check: &Preflight<'_>, shell: &str, root: &Path, environment: &[(String, String)]) -> Option<String> {
    let said = |reason: String| {
        let message = check.error_message.as_deref().unwrap_or("a preflight check failed");
        Some(format!("E_PREFLIGHT_FAILED: {message}: `{}` {reason}", check.command))
    };
    let spawned = Command::new(shell)
        .arg("-c")
        .arg(check.command.as_str())
        .current_dir(root)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return said(format!("did not start: {error}")),
    };
    let deadline = Instant::now() + check.timeout.unwrap_or(PATIENCE);
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.code() == Some(i32::from(check.expected_exit_code)) => return None,
            Ok(Some(status)) => {
                let found = status
                    .code()
                    .map_or_else(|| "was ended by a signal".to_owned(), |code| format!("exited with {code}"));
                return said(found);
            }
            Ok(None) if Instant::now() < deadline => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            _ => {
                // With all that it started in its group. Already gone is as good as killed.
                if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                let _ = child.wait();
                return said("took too long".to_owned());
            }
        }
    }
}
