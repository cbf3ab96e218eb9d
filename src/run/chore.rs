//! Chores: commands outside of any attempt, each carried out once. What a task asks for when it is complete, what the
//! run asks for when it begins and ends, and what undoes a task.
//!
//! ```text
//! Idle ─► Due ─► Running ─► Done
//!                 │   ▲ └──► Failed ─► Running: a rollback may be retried
//!                 ▼   └ its executor knows how it ended
//!            Interrupted ─► Unknown: repeated only by a person's order
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::event::{Chore, Event, Hook, Moment};
use super::failure::Failure;

/// Where a chore stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Nothing asks for it, or not any more.
    Idle,
    /// It waits for its turn.
    Due,
    Running,
    /// Its runner died while it ran.
    Interrupted,
    /// Nobody knows how it ended.
    Unknown,
    Done,
    Failed(Box<Failure>),
}

/// A chore that is due, and what happened to it.
#[derive(Clone, Debug, PartialEq)]
pub struct ChoreState {
    pub standing: Standing,
    pub attempts: u32,
    /// Attempts since it was asked for.
    pub tries: u32,
    /// When it is tried again.
    pub retry: Option<Moment>,
    /// The executor's name for it, if it has noted one.
    pub handle: Option<String>,
    pub started: Option<Moment>,
    pub ended: Option<Moment>,
}

impl ChoreState {
    /// Its attempts go on counting: no two share a name.
    const fn after(attempts: u32, standing: Standing) -> Self {
        Self { standing, attempts, tries: 0, retry: None, handle: None, started: None, ended: None }
    }

    /// Whether it will not change by itself.
    pub const fn is_over(&self) -> bool {
        self.retry.is_none() && matches!(self.standing, Standing::Done | Standing::Failed(_) | Standing::Unknown)
    }

    pub const fn is_running(&self) -> bool {
        matches!(self.standing, Standing::Running)
    }
}

/// The chores of a run, as far as anything happened to them.
#[derive(Clone, Debug, Default)]
pub(super) struct Chores {
    states: BTreeMap<Chore, ChoreState>,
    running: usize,
    /// Those of them that run beside tasks.
    beside: usize,
    retries: BTreeSet<(Moment, Chore)>,
}

impl Chores {
    pub(super) fn get(&self, chore: &Chore) -> Option<&ChoreState> {
        self.states.get(chore)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&Chore, &ChoreState)> {
        self.states.iter()
    }

    /// How many run now.
    pub(super) const fn running(&self) -> usize {
        self.running
    }

    /// How many of them take the place of a task.
    pub(super) const fn beside(&self) -> usize {
        self.beside
    }

    /// When the next one is tried again.
    pub(super) fn next_retry(&self) -> Option<Moment> {
        self.retries.first().map(|(at, _)| *at)
    }

    /// Those whose runner died while they ran, and of which nobody has said anything yet.
    pub(super) fn interrupted(&self) -> Vec<(Chore, u32)> {
        let all = self.states.iter().filter(|(_, state)| state.standing == Standing::Interrupted);
        all.map(|(chore, state)| (chore.clone(), state.attempts)).collect()
    }

    /// It failed and is tried again.
    pub(super) fn retry(&mut self, chore: &Chore, at: Moment) {
        if let Some(state) = self.states.get_mut(chore) {
            state.retry = Some(at);
            self.retries.insert((at, chore.clone()));
        }
    }

    /// It is to be carried out; what has been, or is on its way, is left as it is.
    pub(super) fn ask(&mut self, chore: Chore) {
        let state = self.states.entry(chore).or_insert_with(|| ChoreState::after(0, Standing::Idle));
        if state.standing == Standing::Idle {
            state.standing = Standing::Due;
        }
    }

    /// A person orders it, although it failed or nobody knows how it ended.
    pub(super) fn order(&mut self, chore: Chore) {
        let state = self.states.entry(chore).or_insert_with(|| ChoreState::after(0, Standing::Idle));
        *state = ChoreState::after(state.attempts, Standing::Due);
    }

    /// What begins a run is tried again when somebody takes the run up and it did not go well.
    pub(super) fn forget_failure(&mut self, chore: &Chore) {
        if self.states.get(chore).is_some_and(|state| state.standing != Standing::Done) {
            self.forget(chore);
        }
    }

    /// As if nothing had asked for it.
    pub(super) fn forget(&mut self, chore: &Chore) {
        if let Some(state) = self.states.get_mut(chore).filter(|state| state.is_over()) {
            *state = ChoreState::after(state.attempts, Standing::Idle);
        }
    }

    /// The hooks of an end that is none any more.
    pub(super) fn forget_end(&mut self) {
        for hook in [Hook::OnWaiting, Hook::OnSuccess, Hook::OnFailure, Hook::OnExit] {
            self.forget(&Chore::Hook { hook });
        }
    }

    /// Changes a chore by an event; `None` where the event cannot happen.
    pub(super) fn apply(&mut self, event: &Event, at: Moment) -> Option<()> {
        match event {
            Event::ChoreStarted { chore, attempt } => {
                if matches!(chore, Chore::Hook { .. }) {
                    self.ask(chore.clone());
                }
                let state = self.states.get_mut(chore)?;
                let may_start = match state.standing {
                    Standing::Due => true,
                    Standing::Failed(_) => state.retry.is_some_and(|due| at >= due),
                    // It comes before everything else, and whoever resumed the run wants it.
                    Standing::Unknown => matches!(chore, Chore::Hook { hook: Hook::OnStart }),
                    _ => false,
                };
                if !may_start || *attempt != state.attempts + 1 {
                    return None;
                }
                if let Some(due) = state.retry {
                    self.retries.remove(&(due, chore.clone()));
                }
                let tries = state.tries + 1;
                *state = ChoreState { tries, started: Some(at), ..ChoreState::after(*attempt, Standing::Running) };
                self.running += 1;
                self.beside += usize::from(matches!(chore, Chore::OnSuccess { .. }));
            }
            Event::ChoreHandle { chore, attempt, handle } => {
                let state = self.states.get_mut(chore).filter(|state| state.is_running())?;
                (state.attempts == *attempt).then_some(())?;
                state.handle = Some(handle.clone());
            }
            Event::ChoreEnded { chore, attempt, failure, .. } => {
                let state = self.states.get_mut(chore)?;
                let was_running = match state.standing {
                    Standing::Running => true,
                    Standing::Interrupted => false,
                    _ => return None,
                };
                (state.attempts == *attempt).then_some(())?;
                state.standing = failure.clone().map_or(Standing::Done, Standing::Failed);
                state.ended = Some(at);
                self.running -= usize::from(was_running);
                self.beside -= usize::from(was_running && matches!(chore, Chore::OnSuccess { .. }));
            }
            Event::ChoreUnknown { chore, attempt } => {
                let state = self.states.get_mut(chore)?;
                (state.standing == Standing::Interrupted && state.attempts == *attempt).then_some(())?;
                state.standing = Standing::Unknown;
                state.ended = Some(at);
            }
            _ => return None,
        }
        Some(())
    }

    pub(super) fn lose_runner(&mut self) {
        self.running = 0;
        self.beside = 0;
        for state in self.states.values_mut().filter(|state| state.is_running()) {
            state.standing = Standing::Interrupted;
        }
    }

    /// What another document leaves of them: tasks that run again ask for what follows them once more.
    pub(super) fn carried_over(mut self, is_kept: impl Fn(&str) -> bool, runs_again: impl Fn(&str) -> bool) -> Self {
        self.states.retain(|chore, _| chore.task().is_none_or(&is_kept));
        self.retries.retain(|(_, chore)| chore.task().is_none_or(&is_kept));
        for (chore, state) in &mut self.states {
            if matches!(chore, Chore::OnSuccess { task } if runs_again(task)) {
                *state = ChoreState::after(state.attempts, Standing::Idle);
            }
        }
        self
    }
}
