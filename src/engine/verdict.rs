//! Executor's reports → failures, in the words of the format.

use outpost_executor::{NotStarted, Outcome, Report};

use super::bench::Limit;
use crate::run::{Chore, Failure, FailureCode, FailurePhase, Stage};

/// Why a stage failed, or nothing. `expected` is the status that means success, `limit` what it was
/// allowed to take and the field that said so.
pub fn on(stage: Stage, report: &Report, expected: i32, limit: Limit) -> Option<Failure> {
    judge(stage.word(), words(stage), report, expected, limit)
}

/// Why a chore failed, or nothing.
pub fn on_chore(chore: &Chore, report: &Report, limit: Limit) -> Option<Failure> {
    judge(chore.word(), chore_words(chore), report, 0, limit)
}

/// A chore that could not be begun.
pub fn chore(chore: &Chore, message: String) -> Failure {
    let (code, phase) = chore_words(chore);
    Failure { lasting: true, ..Failure::new(code, phase, message) }
}

/// A checkpoint that an attempt cannot go on from.
pub fn unresumed(reason: &str) -> Failure {
    let message = format!("its checkpoint is not offered: {reason}");
    Failure { lasting: true, ..Failure::new(FailureCode::CheckpointFailed, FailurePhase::Setup, message) }
}

const fn chore_words(chore: &Chore) -> (FailureCode, FailurePhase) {
    match chore {
        Chore::Rollback { .. } => (FailureCode::RollbackFailed, FailurePhase::Cleanup),
        Chore::OnSuccess { .. } | Chore::Hook { .. } => (FailureCode::ExecutionFailed, FailurePhase::Cleanup),
    }
}

fn judge(
    word: &str,
    (code, phase): (FailureCode, FailurePhase),
    report: &Report,
    expected: i32,
    limit: Limit,
) -> Option<Failure> {
    let (code, message, exit_code) = match &report.outcome {
        Outcome::Exited(found) if *found == expected => return None,
        Outcome::Exited(found) if expected == 0 => (code, format!("`{word}` exited with {found}"), Some(*found)),
        Outcome::Exited(found) => {
            (code, format!("`{word}` exited with {found}, and {expected} is expected"), Some(*found))
        }
        Outcome::Signalled(signal) => (code, format!("`{word}` was ended by signal {signal}"), None),
        Outcome::TimedOut => {
            let (limit, field) = limit;
            let limit = jiff::SignedDuration::try_from(limit)
                .map_or_else(|_| "it may".to_owned(), |limit| format!("{limit:#}"));
            (FailureCode::Timeout, format!("`{word}` took longer than {limit} ({field})"), None)
        }
        Outcome::Cancelled | Outcome::Interrupted => (FailureCode::Cancelled, format!("`{word}` was stopped"), None),
        Outcome::NotStarted(reason) => {
            let failure = Failure::new(code, phase, format!("`{word}` did not start: {reason}"));
            return Some(Failure { lasting: true, ..failure });
        }
        Outcome::Lost(reason) => (code, format!("nobody knows how `{word}` ended: {reason}"), None),
    };
    let lasting = matches!(report.outcome, Outcome::Cancelled | Outcome::Interrupted | Outcome::Lost(_));
    Some(Failure {
        exit_code,
        stdout: report.stdout.tail.clone(),
        stderr: report.stderr.tail.clone(),
        lasting,
        ..Failure::new(code, phase, message)
    })
}

/// Why what was printed is not all of what a task left, where it is not.
pub fn incomplete(report: &Report) -> Option<String> {
    let kept = report.stdout_file.as_ref().filter(|kept| kept.cut > 0 || kept.error.is_some())?;
    let why = kept.error.clone().unwrap_or_else(|| format!("{} bytes of it are not kept", kept.cut));
    Some(format!("its output, which is what it printed, is not whole: {why}"))
}

/// The failure of a task that nobody was asked to do.
pub fn unperformed(failure: Failure) -> Failure {
    Failure { message: format!("nobody to perform it, and {}", failure.message), ..failure }
}

pub fn not_started(reason: &NotStarted, stage: Stage) -> Failure {
    let (code, phase) = words(stage);
    let failure = Failure::new(code, phase, format!("`{}` did not start: {reason}", stage.word()));
    Failure { lasting: true, ..failure }
}

const fn words(stage: Stage) -> (FailureCode, FailurePhase) {
    match stage {
        Stage::Tree | Stage::Setup => (FailureCode::SetupFailed, FailurePhase::Setup),
        Stage::Run | Stage::Commit | Stage::Land => (FailureCode::ExecutionFailed, FailurePhase::Execution),
        Stage::Verify { .. } => (FailureCode::VerificationFailed, FailurePhase::Verification),
    }
}
