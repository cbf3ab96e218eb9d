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

use super::event::{Chore, Event, Hook, Moment, Permit};
use super::failure::Failure;
use super::phase::Phase;
use super::rollback::Undo;
use super::state::Run;
use crate::blueprint::TaskIndex;

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
    /// However it ends: as if nothing had asked for it.
    is_forgotten: bool,
}

impl ChoreState {
    /// Its attempts go on counting: no two share a name.
    const fn after(attempts: u32, standing: Standing) -> Self {
        Self {
            standing,
            attempts,
            tries: 0,
            retry: None,
            handle: None,
            started: None,
            ended: None,
            is_forgotten: false,
        }
    }

    fn end(&mut self, at: Moment) {
        self.ended = Some(at);
        if self.is_forgotten {
            *self = Self::after(self.attempts, Standing::Idle);
        }
    }

    pub const fn is_running(&self) -> bool {
        matches!(self.standing, Standing::Running)
    }
}

/// The chores of a run, as far as anything happened to them.
#[derive(Clone, Debug, Default)]
pub(super) struct Chores {
    states: BTreeMap<Chore, ChoreState>,
    /// Those that a runner left when it died; some have been told of since.
    left: BTreeSet<Chore>,
    running: usize,
    /// Those of them that run beside tasks.
    beside: usize,
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

    /// Whether the run waits for what it asked for at its beginning or its end.
    pub(super) fn is_beginning_or_ending(&self) -> bool {
        self.is_running(Hook::OnStart) || self.is_ending()
    }

    /// Whether the run waits for what it asked for at its end.
    pub(super) fn is_ending(&self) -> bool {
        [Hook::OnSuccess, Hook::OnFailure, Hook::OnExit].into_iter().any(|hook| self.is_running(hook))
    }

    fn is_running(&self, hook: Hook) -> bool {
        self.running > 0 && self.states.get(&Chore::Hook { hook }).is_some_and(ChoreState::is_running)
    }

    /// Those whose runner died while they ran, and of which nobody has said anything yet.
    pub(super) fn interrupted(&self) -> Vec<(Chore, u32)> {
        let all = self.left.iter().filter_map(|chore| Some((chore, self.states.get(chore)?)));
        let all = all.filter(|(_, state)| state.standing == Standing::Interrupted);
        all.map(|(chore, state)| (chore.clone(), state.attempts)).collect()
    }

    /// It failed and is tried again.
    pub(super) fn retry(&mut self, chore: &Chore, at: Moment) {
        if let Some(state) = self.states.get_mut(chore) {
            state.retry = Some(at);
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
        if self.states.get(chore).is_some_and(|state| matches!(state.standing, Standing::Failed(_) | Standing::Unknown))
        {
            self.forget(chore);
        }
    }

    /// As if nothing had asked for it. What is under way comes to its end before.
    pub(super) fn forget(&mut self, chore: &Chore) {
        let Some(state) = self.states.get_mut(chore) else {
            return;
        };
        if matches!(state.standing, Standing::Running | Standing::Interrupted) {
            state.is_forgotten = true;
        } else {
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
                // A completion asked for what follows it; the moments of others come by themselves.
                let is_own = !matches!(chore, Chore::OnSuccess { .. });
                let nothing = ChoreState::after(0, Standing::Idle);
                let state = self.states.get(chore).unwrap_or(&nothing);
                let may_start = match state.standing {
                    Standing::Due => true,
                    Standing::Idle => is_own,
                    Standing::Failed(_) => state.retry.is_some_and(|due| at >= due),
                    // It comes before everything else, and whoever resumed the run wants it.
                    Standing::Unknown => matches!(chore, Chore::Hook { hook: Hook::OnStart }),
                    _ => false,
                };
                if !may_start || *attempt != state.attempts + 1 {
                    return None;
                }
                let tries = state.tries + 1;
                let state = ChoreState { tries, started: Some(at), ..ChoreState::after(*attempt, Standing::Running) };
                self.states.insert(chore.clone(), state);
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
                state.end(at);
                self.running -= usize::from(was_running);
                self.beside -= usize::from(was_running && matches!(chore, Chore::OnSuccess { .. }));
            }
            Event::ChoreUnknown { chore, attempt } => {
                let state = self.states.get_mut(chore)?;
                (state.standing == Standing::Interrupted && state.attempts == *attempt).then_some(())?;
                state.standing = Standing::Unknown;
                state.end(at);
            }
            _ => return None,
        }
        Some(())
    }

    pub(super) fn lose_runner(&mut self) {
        self.running = 0;
        self.beside = 0;
        for (chore, state) in self.states.iter_mut().filter(|(_, state)| state.is_running()) {
            self.left.insert(chore.clone());
            state.standing = Standing::Interrupted;
        }
    }

    /// What another document leaves of them: tasks that run again ask for what follows them once more.
    pub(super) fn carried_over(mut self, is_kept: impl Fn(&str) -> bool, runs_again: impl Fn(&str) -> bool) -> Self {
        self.states.retain(|chore, _| chore.task().is_none_or(&is_kept));
        let anew = |chore: &&Chore| matches!(chore, Chore::OnSuccess { task } if runs_again(task));
        for chore in self.states.keys().filter(anew).cloned().collect::<Vec<_>>() {
            self.forget(&chore);
        }
        self
    }
}

impl Run {
    /// What follows from an event of a task for chores.
    pub(super) fn follow_chores(&mut self, index: u32, event: &Event) {
        let place = index as usize;
        let spec = &self.program.tasks[place];
        match event {
            Event::StageStarted { stage, .. } => {
                if spec.undo.is_some() && !stage.starts_with("verify") && stage != "tree" {
                    let is_undone = self.undo(TaskIndex(index)) == Undo::Undone;
                    let chore = self.rollback_of(index);
                    self.chores.forget(&chore);
                    self.acts += 1;
                    self.tasks[place].act(self.acts, is_undone);
                }
                if !self.program.hooks.is_empty() {
                    self.chores.forget_end();
                }
            }
            Event::RepeatAllowed { by: Permit::NeverStarted, .. } if self.tasks[place].acted.is_none() => {
                self.leave_as_it_is(index);
            }
            // What the run waits for is something else now, whatever it is called.
            Event::GateOpened { .. } | Event::TaskUnknown { .. } => self.hooked = None,
            Event::TaskCompleted { task, .. } if spec.on_success => {
                self.chores.ask(Chore::OnSuccess { task: task.clone() });
                self.successes.insert(index);
            }
            _ => {}
        }
    }

    pub(super) fn apply_to_chore(&mut self, chore: &Chore, event: &Event, at: Moment) -> Option<()> {
        if let Event::ChoreStarted { attempt, .. } = event {
            self.may_start(chore).then_some(())?;
            let last = self.chores.get(chore).map_or(0, |state| state.attempts);
            // Each time it waits for something else is another moment of the hook.
            if matches!(chore, Chore::Hook { hook: Hook::OnWaiting }) && *attempt == last + 1 {
                self.chores.forget(chore);
            }
        }
        self.chores.apply(event, at)?;
        let starts = matches!(event, Event::ChoreStarted { .. });
        match chore {
            Chore::Rollback { task } => self.follow_rollback(task, event, at),
            Chore::OnSuccess { task } if starts => {
                let index = self.find(task)?.0;
                self.successes.remove(&index);
            }
            Chore::Hook { hook: Hook::OnWaiting } if starts => self.hooked.clone_from(&self.told),
            _ => {}
        }
        Some(())
    }

    /// Whether it is the moment of a chore. Whether it was carried out before is another question.
    fn may_start(&self, chore: &Chore) -> bool {
        match chore {
            Chore::Rollback { task } => self.find(task).is_some_and(|TaskIndex(index)| match &self.rollback {
                Some(rollback) => rollback.next() == Some(index),
                None => {
                    let (spec, state) = (&self.program.tasks[index as usize], &self.tasks[index as usize]);
                    spec.undone_on_failure && state.acted.is_some() && matches!(state.phase, Phase::Failing(_))
                }
            }),
            Chore::OnSuccess { .. } => self.rollback.is_none(),
            Chore::Hook { hook } => {
                self.program.hooks.contains(hook)
                    && (*hook != Hook::OnWaiting || (self.told.is_some() && self.hooked != self.told))
            }
        }
    }
}
