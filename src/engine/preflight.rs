//! Preflight checks: all of them at once, all failures together, before anything is kept or started.

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

fn one(
    check: &Preflight<'_>,
    shell: &str,
    root: &Path,
    environment: &[(String, String)],
    secrets: &Resolved,
) -> Option<String> {
    let said = |reason: String| {
        let message = check.error_message.as_deref().unwrap_or("a preflight check failed");
        Some(format!("E_PREFLIGHT_FAILED: {message}: `{}` {reason}", check.command))
    };
    let mut command = Command::new(shell);
    let (text, variables) = secrets.carry(&check.command);
    command.arg("-c").arg(text).current_dir(root).stdout(Stdio::null()).stderr(Stdio::null());
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
