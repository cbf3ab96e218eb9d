//! What anybody may ask of a run as it stands.

use super::chore::ChoreState;
use super::event::{Chore, Ending, GateDecision, Moment};
use super::phase::{OpenGate, Phase};
use super::program::Program;
use super::state::{Mode, Run};
use super::task::TaskState;
use crate::blueprint::TaskIndex;

impl Run {
    pub const fn program(&self) -> &Program {
        &self.program
    }

    pub fn task(&self, index: TaskIndex) -> &TaskState {
        &self.tasks[index.get()]
    }

    /// All tasks, in the order of the document.
    pub fn indices(&self) -> impl Iterator<Item = TaskIndex> + use<> {
        (0..self.tasks.len()).map(TaskIndex::new)
    }

    pub fn find(&self, id: &str) -> Option<TaskIndex> {
        self.ids.get(id).copied().map(TaskIndex)
    }

    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether it drains and then stops where it is, for `resume` to go on.
    pub fn is_pausing(&self) -> bool {
        self.mode == Mode::Draining && !self.ends
    }

    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    pub const fn latest(&self) -> Moment {
        self.latest
    }

    /// Tasks with an attempt under way.
    pub fn working(&self) -> impl Iterator<Item = TaskIndex> + '_ {
        self.working.iter().copied().map(TaskIndex)
    }

    /// Gates and tasks of unknown outcome, when only people can make the run go on.
    pub fn waiting(&self) -> Option<&[String]> {
        self.told.as_deref()
    }

    /// The tasks that this one still waits for.
    pub fn unmet(&self, index: TaskIndex) -> impl Iterator<Item = TaskIndex> + '_ {
        let needs = self.program.tasks[index.get()].needs.iter().copied();
        needs.filter(|need| !self.tasks[need.get()].satisfies())
    }

    /// The tasks that wait for this one.
    pub fn dependents(&self, index: TaskIndex) -> impl Iterator<Item = TaskIndex> + '_ {
        self.dependents[index.get()].iter().copied().map(TaskIndex)
    }

    /// Where a chore stands, if anything happened to it.
    pub fn chore(&self, chore: &Chore) -> Option<&ChoreState> {
        self.chores.get(chore)
    }

    /// The chores that anything happened to.
    pub fn chores(&self) -> impl Iterator<Item = (&Chore, &ChoreState)> {
        self.chores.all()
    }

    /// Whether what was done is being undone.
    pub const fn is_rolling_back(&self) -> bool {
        self.rollback.is_some()
    }

    /// Gates that wait for a decision.
    pub fn open_gates(&self) -> impl Iterator<Item = (TaskIndex, &OpenGate)> {
        // Each has a deadline, and is found by it.
        self.timers.iter().filter_map(|(_, index)| match &self.tasks[*index as usize].phase {
            Phase::Gate(gate) => Some((TaskIndex(*index), gate)),
            _ => None,
        })
    }

    /// When the run ended, or began to wait for people.
    pub const fn rested(&self) -> Moment {
        self.rested
    }

    /// Who began the run.
    pub fn starter(&self) -> &str {
        &self.starter
    }

    /// What people decided about a task, in order.
    pub fn decisions(&self, task: &str) -> &[GateDecision] {
        self.decisions.get(task).map_or(&[], Vec::as_slice)
    }
}
