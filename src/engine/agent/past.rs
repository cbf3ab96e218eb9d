//! What earlier attempts of an agent's task left: how they ended, what failed after them, what they used.
//!
//! Only files are asked, so that a runner that takes the run up knows what the last one knew. A person who was asked and
//! let the task go on gave it its attempts and its budget again: what was before counts no more.

use std::io;
use std::path::Path;

use outpost_agent::attempt::{Outcome, Resume};
use outpost_agent::classify::Class;
use outpost_agent::prompt;
use outpost_agent::session::{Fingerprint, Next, Past, next};
use outpost_agent::stream::{Spent, Unreported};
use serde::{Deserialize, Serialize};

use super::order::{self, ORDER, Order};
use crate::blueprint::model::AgentTerms;
use crate::engine::store::RunFiles;
use crate::run::{self, micro};

/// Beside `outcome.json`: how an attempt failed.
const FAILED: &str = "failed.json";

/// What was wrong with an attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    pub version: u32,
    /// How it ended, where it left no outcome.
    pub class: Option<Class>,
    /// Of what failed after it was done.
    #[serde(default)]
    pub fingerprint: Option<Fingerprint>,
    pub what: String,
    #[serde(default)]
    pub exit: Option<i32>,
    #[serde(default)]
    pub output: String,
    /// A person was asked whether the task goes on.
    #[serde(default)]
    pub asked: bool,
}

/// An attempt that is over.
#[derive(Clone, Debug)]
struct Attempt {
    /// Whether the agent was asked at all: what is set up before may fail.
    ordered: bool,
    outcome: Option<Outcome>,
    spent: Option<Spent>,
    failed: Option<Failed>,
}

/// All attempts of a task so far, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Attempts(Vec<Attempt>);

/// What the agent of an attempt used, as far as anybody knows by now.
pub fn usage(folder: &Path) -> io::Result<Option<run::Usage>> {
    let Some(outcome) = Outcome::read(folder)? else {
        return Ok(Outcome::spent_so_far(folder)?.as_ref().map(counted));
    };
    let used = counted(&outcome.spent);
    let caps = order::read::<Order>(&folder.join(ORDER))?.map(|order| order.caps).unwrap_or_default();
    let is_runs = outcome.class == Class::Budget && caps.stopped_by_run(used);
    Ok(Some(if is_runs { caps.at_least(used) } else { used }))
}

/// What it used while it goes on: what calls in flight hold is most often more than they come to.
pub fn underway(folder: &Path) -> io::Result<Option<run::Usage>> {
    if Outcome::read(folder)?.is_some() {
        return usage(folder);
    }
    let less = |spent: Spent| Unreported {
        tokens: spent.unreported.tokens.saturating_sub(spent.held.tokens),
        cost_usd: (spent.unreported.cost_usd - spent.held.cost_usd).max(0.0),
    };
    let spent = Outcome::spent_so_far(folder)?;
    Ok(spent.map(|spent| counted(&Spent { unreported: less(spent), ..spent })))
}

/// What was told, and what the gateway has counted that no call told of.
fn counted(spent: &Spent) -> run::Usage {
    let Unreported { tokens, cost_usd } = spent.unreported;
    let told = spent.usage.map(|usage| usage.input + usage.cached + usage.output);
    run::Usage {
        micro_usd: spent.cost_usd.or((cost_usd > 0.0).then_some(0.0)).map(|told| micro(told + cost_usd)),
        tokens: told.or((tokens > 0).then_some(0)).map(|told| told + tokens),
    }
}

/// What was used, as far as anybody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Used {
    pub usd: f64,
    pub tokens: u64,
}

impl Attempts {
    /// The attempts of a task up to this one.
    pub fn of(files: &RunFiles, task: &str, last: u32) -> io::Result<Self> {
        let attempts = (1..=last).map(|number| {
            let folder = files.of_attempt(task, number, "agent");
            let ordered = folder.join(ORDER).exists();
            let outcome = Outcome::read(&folder)?;
            // What was killed has spent all the same.
            let spent = match &outcome {
                Some(outcome) => Some(outcome.spent),
                None => Outcome::spent_so_far(&folder)?,
            };
            Ok(Attempt { ordered, outcome, spent, failed: order::read(&folder.join(FAILED))? })
        });
        attempts.collect::<io::Result<_>>().map(Self)
    }

    /// The last attempt that the agent was asked in.
    pub fn last_asked(&self) -> Option<u32> {
        let place = self.0.iter().rposition(|attempt| attempt.ordered)?;
        u32::try_from(place + 1).ok()
    }

    /// What was written down of the last attempt's failure.
    pub fn last_failed(&self) -> Option<&Failed> {
        self.0.last()?.failed.as_ref()
    }

    pub fn last_outcome(&self) -> Option<&Outcome> {
        self.0.last()?.outcome.as_ref()
    }

    /// The failure that the agent has not heard of: pauses change nothing about it.
    pub fn unheard(&self) -> Option<(usize, &Failed)> {
        let is_wait = |attempt: &&Attempt| attempt.class().is_some_and(|class| !class.consumes_attempt());
        let (number, last) = (1..).zip(&self.0).filter(|(_, attempt)| !is_wait(attempt)).last()?;
        last.failed.as_ref().map(|failed| (number, failed))
    }

    /// What came before, one line each, for a session that was not there.
    pub fn told(&self) -> Vec<String> {
        let failed = self.0.iter().filter_map(|attempt| {
            let summary =
                attempt.outcome.as_ref().and_then(|outcome| outcome.answer.as_ref()).map(|answer| &answer.summary);
            let what = &attempt.failed.as_ref()?.what;
            Some(summary.map_or_else(|| what.clone(), |summary| format!("{summary}: {what}")))
        });
        failed.collect()
    }

    /// Those since a person last said that the task goes on.
    fn current(&self) -> &[Attempt] {
        let asked = self.0.iter().rposition(|attempt| attempt.failed.as_ref().is_some_and(|failed| failed.asked));
        &self.0[asked.map_or(0, |at| at + 1)..]
    }

    /// How the task goes on.
    pub fn next(&self) -> Next {
        let past: Vec<Past> = self.current().iter().filter_map(Attempt::past).collect();
        next(&past)
    }

    /// Waits for the provider in a row, the last one included.
    pub fn pauses(&self) -> u32 {
        let waits =
            self.0.iter().rev().take_while(|attempt| attempt.class().is_some_and(|class| !class.consumes_attempt()));
        u32::try_from(waits.count()).unwrap_or(u32::MAX)
    }

    /// The session that the next attempt goes on with; none: a new one.
    pub fn session(&self) -> Option<Resume> {
        let id = match self.next() {
            Next::Resume { session_id, .. } => Some(session_id),
            Next::Pause { session_id, .. } => session_id,
            Next::Fresh { .. } if self.current().is_empty() => self.before_person(),
            Next::Fresh { .. } => None,
            // Somebody ordered it all the same.
            Next::Person { .. } | Next::Stop { .. } => self.before_person(),
        }?;
        let mut outcomes = self.0.iter().rev().filter_map(|attempt| attempt.outcome.as_ref());
        let last = outcomes.find(|outcome| outcome.session_id.as_deref() == Some(id.as_str()));
        let totals = last.map(|outcome| outcome.spent.totals).unwrap_or_default();
        Some(Resume { session_id: id, totals })
    }

    /// A session that asked for a person is gone on with; one that went round in circles is not.
    fn before_person(&self) -> Option<String> {
        let last = self.0.last()?.outcome.as_ref()?;
        matches!(last.class, Class::NeedsHuman | Class::Blocked | Class::Budget)
            .then(|| last.session_id.clone())
            .flatten()
    }

    /// Whether the next attempt is to find nothing of what was tried: the same failure came again and again.
    pub fn starts_over(&self) -> bool {
        let ended = self.0.last().and_then(|last| last.outcome.as_ref()).map(|outcome| outcome.class);
        let lost = matches!(ended, None | Some(Class::SessionLost | Class::SessionConflict));
        matches!(self.next(), Next::Fresh { .. }) && !lost && !self.current().is_empty()
    }

    /// What was used of the budget.
    pub fn used(&self) -> Used {
        self.current().iter().filter_map(|attempt| attempt.spent).fold(Used::default(), |used, spent| {
            let tokens = spent.usage.map_or(0, |usage| usage.input + usage.cached + usage.output);
            Used {
                usd: used.usd + spent.cost_usd.unwrap_or_default() + spent.unreported.cost_usd,
                tokens: used.tokens + tokens + spent.unreported.tokens,
            }
        })
    }

    /// What is left of the budget, or the part of it that is spent.
    pub fn left(&self, terms: &AgentTerms<'_>) -> Result<(Option<f64>, Option<u64>), String> {
        let used = self.used();
        if let Some(usd) = terms.usd.filter(|usd| used.usd >= *usd) {
            return Err(format!("${:.2} of ${usd:.2} are spent", used.usd));
        }
        if let Some(tokens) = terms.tokens.filter(|tokens| used.tokens >= *tokens) {
            return Err(format!("{} of {tokens} tokens are spent", used.tokens));
        }
        Ok((terms.usd.map(|usd| usd - used.usd), terms.tokens.map(|tokens| tokens - used.tokens)))
    }
}

impl Attempt {
    fn class(&self) -> Option<Class> {
        let outcome = self.outcome.as_ref().map(|outcome| outcome.class);
        outcome.or_else(|| self.failed.as_ref().and_then(|failed| failed.class))
    }

    fn past(&self) -> Option<Past> {
        if !self.ordered {
            return None;
        }
        let failed = self.failed.as_ref();
        let fingerprint = failed.and_then(|failed| failed.fingerprint.clone());
        let mut past = match &self.outcome {
            Some(outcome) => outcome.past(fingerprint),
            None => Past {
                // Whoever left nothing was ended from outside.
                class: self.class().unwrap_or(Class::Killed),
                session_id: None,
                retry_after: None,
                failure: fingerprint,
                message: "it was ended before it could say how it went".to_owned(),
            },
        };
        if let Some(failed) = failed {
            past.message.clone_from(&failed.what);
        }
        Some(past)
    }
}

/// Writes down how an attempt failed.
pub fn note(folder: &Path, failed: &Failed) -> io::Result<()> {
    order::write(&folder.join(FAILED), failed)
}

impl Failed {
    /// In the words of a prompt.
    pub fn told(&self, (attempt, attempts): (u32, u32), changes: String, earlier: Vec<String>) -> prompt::Failure {
        prompt::Failure {
            attempt,
            // A task that was given its attempts again has more than it was to have.
            attempts: if attempt <= attempts { attempts } else { 0 },
            what: self.what.clone(),
            // Most failures of commands tell it in their own words.
            exit: self.exit.filter(|_| !self.what.contains("exited with")),
            output: self.output.clone(),
            failing: Vec::new(),
            changes,
            earlier,
        }
    }
}
