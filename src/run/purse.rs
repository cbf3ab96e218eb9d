//! What agents of a run use together, and what follows when that is as much as they may.
//!
//! ```text
//! usage_counted ─► usage ─┬─ less than the budget ─► attempts begin
//!                         └─ all of it ─► one gate ─► approved: a budget of the same size
//!                                   the others wait └► rejected: none of them begins any more
//! ```
//! The budget is asked before an attempt begins; what ends an attempt that goes on beyond it is its executor's business.
//! What nobody told counts as nothing. Prices and models are not known here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::accept::Refusal;
use super::decide::World;
use super::event::{Event, GateMoment, Moment};
use super::failure::{Failure, FailureCode, FailurePhase};
use super::phase::Phase;
use super::state::Run;
use crate::blueprint::TaskIndex;

/// How long a person may take to say whether agents go on, where the document does not say: a week.
const PATIENCE: u64 = 7 * 24 * 3600 * 1000;

/// What an agent used, or may use: millionths of a US dollar, and tokens. What is absent is not known, or has no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_usd: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

impl Usage {
    fn each(self, other: Self, f: impl Fn(Option<u64>, Option<u64>) -> Option<u64>) -> Self {
        Self { micro_usd: f(self.micro_usd, other.micro_usd), tokens: f(self.tokens, other.tokens) }
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.each(other, |one, other| match (one, other) {
            (None, None) => None,
            (one, other) => Some(one.unwrap_or(0).saturating_add(other.unwrap_or(0))),
        })
    }

    /// What is left of this when so much is used; what has no bound has none then.
    #[must_use]
    pub fn less(self, used: Self) -> Self {
        self.each(used, |all, used| all.map(|all| all.saturating_sub(used.unwrap_or(0))))
    }

    /// The tighter bound of both.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        self.each(other, |one, other| one.into_iter().chain(other).min())
    }

    pub const fn is_unbounded(self) -> bool {
        self.micro_usd.is_none() && self.tokens.is_none()
    }

    /// Whether one of the bounds is reached.
    pub fn is_spent(self) -> bool {
        self.micro_usd == Some(0) || self.tokens == Some(0)
    }

    /// `$0.60, 12 tokens`: what is known of it.
    pub fn plain(self) -> String {
        let tokens = self.tokens.map(|tokens| format!("{tokens} tokens"));
        self.micro_usd.map(dollars).into_iter().chain(tokens).collect::<Vec<_>>().join(", ")
    }

    /// So much of this budget, in words: `$0.60 of $0.50, 12 of 1000 tokens`.
    pub fn told(self, used: Self) -> String {
        let usd = self.micro_usd.map(|all| format!("{} of {}", dollars(used.micro_usd.unwrap_or(0)), dollars(all)));
        let tokens = self.tokens.map(|all| format!("{} of {all} tokens", used.tokens.unwrap_or(0)));
        usd.into_iter().chain(tokens).collect::<Vec<_>>().join(", ")
    }
}

#[expect(clippy::cast_precision_loss, reason = "dollars for people")]
fn dollars(micro: u64) -> String {
    format!("${:.2}", micro as f64 / 1e6)
}

/// Dollars as the gateway counts them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what costs something is not negative, and far from the bound"
)]
pub fn micro(usd: f64) -> u64 {
    (usd * 1e6).round() as u64
}

/// Whether an attempt of an agent may begin.
pub(super) enum Purse {
    Open,
    /// A person is asked already, about another task.
    Asked,
    /// A person is to be asked, because of this.
    Spent(Box<Failure>),
    /// A person said no.
    Closed(Box<Failure>),
}

impl Run {
    /// What agents used of the budget that is in force, as far as it was written down.
    pub fn used(&self) -> Usage {
        self.all_used().each(self.granted, |all, before| all.map(|all| all.saturating_sub(before.unwrap_or(0))))
    }

    fn all_used(&self) -> Usage {
        self.usage.values().fold(Usage::default(), |sum, usage| sum.plus(*usage))
    }

    /// Attempts of agents that go on and whose usage was not written down yet.
    pub fn uncounted(&self) -> Vec<(TaskIndex, u32)> {
        let working = self.working.iter().filter_map(|index| {
            let (spec, attempt) = (&self.program.tasks[*index as usize], self.tasks[*index as usize].attempts);
            let is_counted = self.usage.contains_key(&(spec.id.clone(), attempt));
            (spec.is_agents && !is_counted).then_some((TaskIndex(*index), attempt))
        });
        working.collect()
    }

    /// What an attempt used: told when its work is over, and once more if more is known. It may be told late.
    pub fn usage_counted(
        &mut self,
        now: Moment,
        task: TaskIndex,
        attempt: u32,
        usage: Usage,
    ) -> Result<Vec<Event>, Refusal> {
        let task = self.program.tasks[task.get()].id.clone();
        if self.usage.get(&(task.clone(), attempt)) == Some(&usage) {
            return Ok(Vec::new());
        }
        let event = Event::UsageCounted { task, attempt, usage };
        self.apply(now.max(self.latest), &event)?;
        Ok(vec![event])
    }

    pub(super) fn count_usage(&mut self, task: &str, attempt: u32, usage: Usage) -> Option<()> {
        let index = self.find(task)?;
        let is_its_own = (1..=self.tasks[index.get()].attempts).contains(&attempt);
        is_its_own.then(|| self.usage.insert((task.to_owned(), attempt), usage)).map(drop)
    }

    /// Whether the agent of a task may begin.
    pub(super) fn purse(&self, index: u32, world: &mut dyn World) -> Purse {
        let (spec, state) = (&self.program.tasks[index as usize], &self.tasks[index as usize]);
        let begins = matches!(state.phase, Phase::Waiting | Phase::Retrying { .. });
        if !spec.is_agents || !begins || self.program.budget.is_unbounded() {
            return Purse::Open;
        }
        if let Some(failure) = &self.closed {
            return Purse::Closed(failure.clone());
        }
        let budget = self.program.budget;
        let mut used = self.used();
        if !budget.less(used).is_spent() {
            used = used.plus(world.underway(&self.uncounted()));
        }
        if !budget.less(used).is_spent() {
            return Purse::Open;
        }
        if self.asks_for_budget().is_some() {
            return Purse::Asked;
        }
        let message = format!("the agents of this run have used {}, all that they may together", budget.told(used));
        Purse::Spent(Box::new(Failure::new(FailureCode::ExecutionFailed, FailurePhase::Preflight, message)))
    }

    /// Whether there is money for a task to begin. Where there is none, it waits, a person is asked, or it is blocked.
    pub(super) fn is_paid(&mut self, index: u32, now: Moment, world: &mut dyn World, events: &mut Vec<Event>) -> bool {
        match self.purse(index, world) {
            Purse::Open => return true,
            Purse::Asked => {
                let rank = self.rank(index);
                self.unpaid.insert(rank);
            }
            Purse::Spent(why) => {
                let event = self.ask_for_budget(index, &why, now, world);
                self.happen(now, event, events);
            }
            Purse::Closed(failure) => {
                let task = self.program.tasks[index as usize].id.clone();
                self.block(now, task, failure, events);
            }
        }
        false
    }

    /// The task at which a person is asked whether agents go on.
    pub fn asks_for_budget(&self) -> Option<TaskIndex> {
        self.open_gates().find(|(_, gate)| gate.moment == GateMoment::Budget).map(|(index, _)| index)
    }

    /// The task at which it is asked whether the agent of this one may begin.
    pub fn awaited_answer(&self, index: TaskIndex) -> Option<TaskIndex> {
        let (spec, state) = (&self.program.tasks[index.get()], &self.tasks[index.get()]);
        let would_begin = match state.phase {
            Phase::Waiting => self.unmet[index.get()] == 0,
            Phase::Retrying { .. } => true,
            _ => false,
        };
        self.asks_for_budget().filter(|_| spec.is_agents && would_begin)
    }

    /// Whether it waits for what a person says there.
    pub(super) fn waits_for_budget(&self, index: TaskIndex) -> bool {
        self.unpaid.contains(&self.rank(index.0))
    }

    /// Asks a person whether agents go on, at the task that would use more than they may.
    pub(super) fn ask_for_budget(&self, index: u32, why: &Failure, now: Moment, world: &mut dyn World) -> Event {
        let spec = &self.program.tasks[index as usize];
        let timeout = spec.gate.as_ref().map_or(PATIENCE, |gate| gate.timeout);
        Event::GateOpened {
            task: spec.id.clone(),
            time: GateMoment::Budget,
            digest: world.failure_digest(TaskIndex(index), self.tasks[index as usize].attempts, why),
            deadline: now.after(timeout),
        }
    }

    /// What a person said about the budget holds for all agents of the run.
    pub(super) fn follow_budget(&mut self, index: u32, event: &Event) {
        match (event, &self.tasks[index as usize].phase) {
            (Event::GateDecided(_), Phase::Failing(failure)) => self.closed = Some(failure.clone()),
            (Event::GateDecided(_), Phase::Retrying { .. }) => self.granted = self.all_used(),
            (Event::TaskBlocked { failure, .. }, _) if failure.is_rejection() => self.closed = Some(failure.clone()),
            // More have to approve it; or the task is blocked because the run ends.
            _ => return,
        }
        self.ready.append(&mut self.unpaid);
    }
}

#[cfg(test)]
mod tests {
    use super::Usage;

    #[test]
    fn what_is_not_known_counts_as_nothing_and_bounds_nothing() {
        let usage = |micro_usd, tokens| Usage { micro_usd, tokens };
        let budget = usage(Some(500_000), None);
        assert_eq!(usage(None, Some(3)).plus(usage(Some(1), Some(4))), usage(Some(1), Some(7)));
        assert_eq!(budget.less(usage(None, Some(9))), budget);
        assert!(budget.less(usage(Some(600_000), None)).is_spent() && !budget.is_spent());
        assert_eq!(budget.within(usage(Some(2), Some(8))), usage(Some(2), Some(8)));
        assert_eq!(budget.told(usage(Some(604_000), None)), "$0.60 of $0.50");
        assert_eq!(usage(Some(0), Some(10)).told(usage(None, Some(3))), "$0.00 of $0.00, 3 of 10 tokens");
    }
}
