//! Preflight checks: all of them at once, all failures together, before anything is kept or started.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::patience;
use super::secret::Resolved;
use crate::blueprint::Blueprint;
use crate::blueprint::model::Preflight;
use crate::blueprint::secret::of_text;

/// The longest a check may take, unless it says otherwise.
const PATIENCE: Duration = Duration::from_secs(120);
/// How much of what a check that fails says is told.
const LINES: usize = 10;
const MOST: u64 = 4096;

/// The checks that fail, each in a line.
///
/// One that refers to a secret which is missing cannot be asked: that it is missing is said elsewhere.
pub fn check(
    blueprint: &Blueprint<'_>,
    root: &Path,
    environment: &[(String, String)],
    secrets: &Resolved,
) -> Vec<String> {
    let shell = blueprint.execution.shell.as_deref().unwrap_or("bash");
    std::thread::scope(|scope| {
        let checks: Vec<_> = blueprint
            .execution
            .preflight
            .iter()
            .filter(|check| secrets.lacking(&of_text(&check.command)).is_none())
            .map(|check| scope.spawn(move || one(check, shell, root, environment, secrets)))
            .collect();
        checks
            .into_iter()
            .filter_map(|check| check.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// What a check said of its own accord, its last lines, below the one that says that it failed.
fn told(file: &mut File, secrets: &Resolved) -> String {
    let mut text = Vec::new();
    let end = file.seek(SeekFrom::End(0)).unwrap_or(0);
    let from = file.seek(SeekFrom::Start(end.saturating_sub(MOST)));
    if from.and_then(|_| file.read_to_end(&mut text)).is_err() {
        return String::new();
    }
    let text = secrets.clean(String::from_utf8_lossy(&text).into_owned());
    // The first line of an end may be half a line, and that half a secret.
    let text = if end > MOST { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    last.iter().map(|line| format!("\n    {}", line.replace(char::is_control, "\u{fffd}"))).collect()
}

fn one(
    check: &Preflight<'_>,
    shell: &str,
    root: &Path,
    environment: &[(String, String)],
    secrets: &Resolved,
) -> Option<String> {
    let mut words = tempfile::tempfile().ok();
    let stderr = words.as_ref().and_then(|file| file.try_clone().ok()).map_or_else(Stdio::null, Stdio::from);
    let mut said = |reason: String| {
        let message = check.error_message.as_deref().unwrap_or("a preflight check failed");
        let told = words.as_mut().map(|file| told(file, secrets)).unwrap_or_default();
        Some(format!("E_PREFLIGHT_FAILED: {message}: `{}` {reason}{told}", check.command))
    };
    let mut command = Command::new(shell);
    let (text, variables) = secrets.carry(&check.command);
    command.arg("-c").arg(text).current_dir(root).stdout(Stdio::null()).stderr(stderr);
    command.envs(environment.iter().map(|(name, value)| (name, secrets.fill(value)))).envs(variables);
    match patience::run(&mut command, check.timeout.unwrap_or(PATIENCE)) {
        Err(error) => said(format!("did not start: {error}")),
        Ok(None) => said("took too long".to_owned()),
        Ok(Some(status)) => match status.code() {
            Some(code) if code == i32::from(check.expected_exit_code) => None,
            Some(code) => said(format!("exited with {code}")),
            None => said("was ended by a signal".to_owned()),
        },
    }
}
