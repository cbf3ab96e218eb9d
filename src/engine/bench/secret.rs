//! What work gets of the secrets of a run, and where it may not leave any.

use std::fs;

use outpost_executor::{Report, Work};

use super::{Bench, failure};
use crate::blueprint::TaskIndex;
use crate::engine::output::{KEPT, Values};
use crate::run::{Failure, FailureCode, FailurePhase};

impl Bench<'_> {
    /// Has the work carry out a command of the document. It gets the secrets that it refers to as variables, and what it
    /// prints is freed of all of them.
    pub(super) fn give(&self, work: &mut Work, command: &str) {
        let (text, variables) = self.secrets.carry(command);
        work.args.extend(["-c".into(), text.into()]);
        work.env.extend(variables);
        work.secrets = self.secrets.hidden().clone();
    }

    /// Inputs are written down.
    pub(super) fn refuse_secrets(&self, inputs: &Values) -> Result<(), Failure> {
        for (name, value) in inputs {
            if let Some(secret) = self.secrets.find(value.to_string().as_bytes()) {
                let message = format!(
                    "its input `{name}` holds the secret `{secret}`, and inputs are kept: refer to `${{secrets.{secret}}}` instead"
                );
                return Err(failure(FailureCode::ExecutionFailed, FailurePhase::Setup, message));
            }
        }
        Ok(())
    }

    /// Says so where what an attempt printed is what it left, and a secret was in it: marks stand in its place, and
    /// whoever binds it would be misled.
    pub fn printed_secret(&self, index: TaskIndex, attempt: u32, report: &Report) -> Result<(), String> {
        if report.stdout.secrets == 0 || !self.prints_output(index, attempt) {
            return Ok(());
        }
        // Marked as it is, it hurts nobody.
        let _ = fs::remove_file(self.files.of_attempt(&self.task(index).id, attempt, "stdout"));
        Err(format!("its output, which is what it printed, holds a secret and was removed: {KEPT}"))
    }

    /// Removes what an attempt left in the folder of the run, if it holds a secret: an attempt that failed is not asked
    /// for its output, and its files stay. They may be large: it is for a thread of its own.
    pub fn removing_secrets(&self, index: TaskIndex, attempt: u32) -> Option<impl FnOnce() + Send + 'static> {
        if self.secrets.tells_nothing() {
            return None;
        }
        let paths = ["output", "checkpoint"].map(|name| self.files.of_attempt(&self.task(index).id, attempt, name));
        let secrets = self.secrets.clone();
        Some(move || {
            for path in paths.iter().filter(|path| secrets.find_in(path).is_some()) {
                // Whoever cannot remove it now finds it no more removable later.
                let _ = fs::remove_file(path);
            }
        })
    }
}
