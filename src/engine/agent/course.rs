//! What follows when an attempt of an agent failed: another one, a pause, a person, or nothing.
//!
//! The run decides about attempts; here is only what it cannot know: how the agent ended, whether it failed like that before,
//! what it has spent. Everything is written beside the attempt before it is told, so that asking again tells the same.

use std::io;
use std::path::Path;
use std::time::Duration;

use outpost_agent::attempt::Outcome;
use outpost_agent::classify::Class;
use outpost_agent::session::{Fingerprint, Next};

use super::order::{self, ORDER, Order, PLACE, Place};
use super::past::{Attempts, Failed, note, usage};
use crate::blueprint::model::AgentTerms;
use crate::engine::store::RunFiles;
use crate::run::{Course, Failure, FailureCode, Moment, Stage};

/// The first pause where the provider does not say how long, and the longest: each is twice the one before.
const FIRST_PAUSE: u64 = 30_000;
const LONGEST_PAUSE: u64 = 15 * 60_000;

/// The exit status of a landing that the agent can do something about.
pub const UNLANDED: i32 = 1;

/// An attempt that failed.
#[derive(Clone, Copy, Debug)]
pub struct Unfinished<'a> {
    pub files: &'a RunFiles,
    pub task: &'a str,
    pub agent: &'a str,
    pub terms: &'a AgentTerms<'a>,
    pub attempt: u32,
    pub stage: Stage,
    pub now: Moment,
}

impl Unfinished<'_> {
    /// The failure with the course that the task takes.
    pub fn judged(&self, failure: Failure) -> Failure {
        if failure.course.is_some() {
            return failure;
        }
        let is_own = matches!(
            failure.code,
            FailureCode::ExecutionFailed | FailureCode::VerificationFailed | FailureCode::Timeout
        );
        let is_optional = matches!(self.stage, Stage::Verify { optional: true, .. });
        if !is_own || failure.lasting || is_optional || matches!(self.stage, Stage::Tree | Stage::Setup) {
            return failure;
        }
        self.course(failure.clone()).unwrap_or_else(|error| Failure {
            message: format!("{}; what it left of its attempts cannot be read: {error}", failure.message),
            lasting: true,
            ..failure
        })
    }

    fn course(&self, mut failure: Failure) -> io::Result<Failure> {
        let folder = self.files.of_attempt(self.task, self.attempt, "agent");
        let outcome = Outcome::read(&folder)?;
        let place: Place = order::read(&folder.join(PLACE))?.unwrap_or_default();
        if self.stage == Stage::Land && failure.exit_code != Some(UNLANDED) {
            // Who ran out of time said nothing of it.
            let why = if failure.code == FailureCode::Timeout { &failure.message } else { last_line(&failure) };
            return Ok(Failure { message: format!("it could not land: {why}"), lasting: true, ..failure });
        }
        if let (Stage::Run, Some(problem)) = (self.stage, &place.problem) {
            return Ok(Failure { message: problem.clone(), lasting: true, ..failure });
        }
        let mut failed = Failed { version: order::VERSION, ..self.failed(&failure, outcome.as_ref(), &place) };
        failure.message.clone_from(&failed.what);
        note(&folder, &failed)?;
        if let (Stage::Run, Some(Outcome { class: Class::Budget, .. })) = (self.stage, &outcome)
            && stopped_by_run(&folder)?
        {
            // A person is asked before the next attempt begins: at one task for all of them.
            return Ok(Failure { course: Some(Course::Later { at: self.now }), ..failure });
        }
        let attempts = Attempts::of(self.files, self.task, self.attempt)?;
        let asks = match attempts.next() {
            Next::Resume { .. } | Next::Fresh { .. } => attempts
                .left(self.terms)
                .err()
                .map(|spent| format!("its budget is used up, {spent}: {}", failure.message)),
            Next::Pause { after, .. } => {
                failure.course = Some(Course::Later { at: self.now.after(pause(after, attempts.pauses())) });
                None
            }
            Next::Person { why } => Some(format!("`{}` wants a person: {why}", self.agent)),
            Next::Stop { .. } => {
                failure.lasting = true;
                None
            }
        };
        if let Some(mut why) = asks {
            // Whoever decides looks at what there is.
            if let Some(branch) = &place.branch {
                why += &format!("; what it made: git show {branch}");
            }
            failed.asked = true;
            note(&folder, &failed)?;
            failure.message = why;
            failure.course = Some(Course::Ask);
        }
        Ok(failure)
    }

    /// What was wrong, and what tells it from other failures.
    fn failed(&self, failure: &Failure, outcome: Option<&Outcome>, place: &Place) -> Failed {
        let output = format!("{}\n{}", failure.stdout, failure.stderr).trim().to_owned();
        let after = |what: String, command: &str, output: String| Failed {
            fingerprint: Some(Fingerprint::of(
                command,
                failure.exit_code,
                if output.is_empty() { &what } else { &output },
            )),
            what,
            exit: failure.exit_code,
            output,
            ..Failed::default()
        };
        match (self.stage, outcome) {
            (Stage::Run, None) => {
                let class = if failure.code == FailureCode::Timeout { Class::TimedOut } else { Class::Killed };
                Failed { class: Some(class), what: failure.message.clone(), ..Failed::default() }
            }
            (Stage::Run, Some(outcome)) if outcome.class != Class::Done => Failed {
                what: format!("`{}` ended with {}: {}", self.agent, outcome.class, outcome.message),
                ..Failed::default()
            },
            (Stage::Run, Some(_)) if !place.findings.is_empty() => {
                let findings = place.findings.join("\n");
                Failed { exit: None, ..after("what it left must not land".to_owned(), "policy", findings) }
            }
            (Stage::Run, Some(_)) => Failed { exit: None, ..after(failure.message.clone(), "output", String::new()) },
            (Stage::Land, _) => after(format!("what it left does not fit: {}", last_line(failure)), "land", output),
            (stage, _) => after(failure.message.clone(), stage.word(), output),
        }
    }
}

/// Milliseconds before a provider is asked again, after so many pauses in a row. What it asks for counts; but one that
/// goes on to ask for nothing is asked less and less often, too.
fn pause(after: Option<Duration>, in_a_row: u32) -> u64 {
    let doubled = |first: u64, most: u64| first.saturating_mul(1 << in_a_row.saturating_sub(1).min(16)).min(most);
    let asked = |after: Duration| u64::try_from(after.as_millis()).unwrap_or(u64::MAX).max(doubled(1000, 60_000));
    after.map_or_else(|| doubled(FIRST_PAUSE, LONGEST_PAUSE), asked)
}

/// A failure of one of our own processes around a tree, in its words.
pub fn told(stage: Stage, failure: Failure) -> Failure {
    let what = match stage {
        _ if failure.exit_code.is_none() => return failure,
        Stage::Tree => "it cannot have a tree of its own",
        Stage::Commit => "what it left cannot be committed",
        Stage::Land => "what it left does not land",
        Stage::Setup | Stage::Run | Stage::Verify { .. } => return failure,
    };
    let lasting = failure.lasting || stage == Stage::Tree;
    Failure { message: format!("{what}: {}", last_line(&failure)), lasting, ..failure }
}

/// Whether what the agent was stopped by is the budget of all.
fn stopped_by_run(folder: &Path) -> io::Result<bool> {
    let caps = order::read::<Order>(&folder.join(ORDER))?.map(|order| order.caps).unwrap_or_default();
    Ok(usage(folder)?.is_some_and(|used| caps.stopped_by_run(used)))
}

/// The last thing that was said, which is why.
fn last_line(failure: &Failure) -> &str {
    let mut said = [&failure.stderr, &failure.stdout].into_iter();
    said.find_map(|text| text.lines().rfind(|line| !line.trim().is_empty())).unwrap_or(&failure.message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::pause;

    #[test]
    fn a_provider_that_asks_for_no_time_is_not_asked_without_end() {
        for (after, in_a_row, wanted) in [
            (None, 1, 30_000),
            (None, 3, 120_000),
            (None, 40, 900_000),
            (Some(90), 1, 90_000),
            (Some(7 * 24 * 3600), 2, 604_800_000),
            (Some(0), 1, 1000),
            (Some(0), 6, 32_000),
            (Some(5), 40, 60_000),
        ] {
            assert_eq!(pause(after.map(Duration::from_secs), in_a_row), wanted, "{after:?} {in_a_row}");
        }
    }
}
