//! Decides how the next attempt of a task begins, from how the earlier ones ended.
//!
//! Pure. The same failure twice wants another approach, three times a person; waiting for a provider is no attempt. It
//! does not know how many attempts the task has: the driver asks only while there is one left.

mod fingerprint;

use std::time::Duration;

use crate::classify::Class;

pub use fingerprint::Fingerprint;

/// An attempt that is over and did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    pub class: Class,
    pub session_id: Option<String>,
    /// Seconds that the provider asked to wait.
    pub retry_after: Option<u64>,
    /// Of what failed after `done`: verification, policy, answer. None where nothing was verified.
    pub failure: Option<Fingerprint>,
    /// What it says of its end, for a person.
    pub message: String,
}

/// How the task goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same session hears what failed.
    Resume { session_id: String, why: String },
    /// A new session, with what was tried.
    Fresh { why: String },
    /// Not an attempt: the same again after a time, in the session if there is one. None: as the driver backs off.
    Pause { after: Option<Duration>, session_id: Option<String>, why: String },
    /// A gate.
    Person { why: String },
    /// Another attempt would end the same.
    Stop { why: String },
}

/// The same failure so many times in a row: another session.
const ANOTHER_WAY: usize = 2;
/// And so many times: a person.
const A_PERSON: usize = 3;

/// What comes after these attempts, oldest first. Without any: a fresh session.
pub fn next(past: &[Past]) -> Next {
    let Some(last) = past.last() else {
        return Next::Fresh { why: "the first attempt".to_owned() };
    };
    let resume = |why: &str| match &last.session_id {
        Some(id) => Next::Resume { session_id: id.clone(), why: why.to_owned() },
        None => Next::Fresh { why: format!("{why}, and the agent told no session") },
    };
    let fresh = |why: &str| Next::Fresh { why: why.to_owned() };
    let times = in_a_row(past);
    let again = format!("{} times in a row: {}", times, last.message);
    match last.class {
        Class::Auth | Class::Config | Class::RefusedTool => Next::Stop { why: last.message.clone() },
        Class::Blocked | Class::NeedsHuman | Class::Budget => Next::Person { why: last.message.clone() },
        Class::RateLimit | Class::Transient => Next::Pause {
            after: last.retry_after.map(Duration::from_secs),
            session_id: last.session_id.clone().or_else(|| before(past)),
            why: last.message.clone(),
        },
        Class::Done if times >= A_PERSON => Next::Person { why: format!("the same failure {again}") },
        Class::Done if times >= ANOTHER_WAY => fresh("the same failure twice in a row"),
        Class::Done => resume("what it left did not pass"),
        Class::MaxTurns | Class::Truncated | Class::GaveUp => match times {
            0..A_PERSON => resume("it was not finished"),
            _ => Next::Person { why: again },
        },
        Class::SessionLost | Class::SessionConflict => match times {
            0..A_PERSON => fresh("its session cannot be gone on with"),
            _ => Next::Stop { why: again },
        },
        Class::Looping => match times {
            0..ANOTHER_WAY => fresh("it went round in circles"),
            _ => Next::Person { why: again },
        },
        Class::Stalled | Class::Killed | Class::TimedOut => match times {
            0..ANOTHER_WAY => resume("it was stopped half-way"),
            ANOTHER_WAY => fresh("it was stopped half-way twice"),
            _ => Next::Person { why: again },
        },
        Class::NoResult | Class::AgentError => match times {
            0..ANOTHER_WAY => resume("it ended without an answer"),
            _ => Next::Stop { why: again },
        },
    }
}

/// How many of the last attempts ended like the last one. Pauses do not count, and do not part what they are between.
fn in_a_row(past: &[Past]) -> usize {
    let waits = |past: &&Past| !past.class.consumes_attempt();
    let mut attempts = past.iter().rev().skip_while(waits).filter(|past| past.class.consumes_attempt());
    let Some(last) = attempts.next() else {
        return 1;
    };
    1 + attempts.take_while(|past| past.class == last.class && past.failure == last.failure).count()
}

/// The session that was to be gone on with before the pauses, if one was.
fn before(past: &[Past]) -> Option<String> {
    let last = past.iter().rposition(|past| past.class.consumes_attempt())?;
    match next(past.get(..=last)?) {
        Next::Resume { session_id, .. } => Some(session_id),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
