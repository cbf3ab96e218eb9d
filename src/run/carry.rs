//! A run that goes on with another document.

use std::collections::BTreeSet;

use super::chore::Standing;
use super::event::Chore;
use super::phase::Phase;
use super::program::Program;
use super::room::holds_room;
use super::state::Run;
use super::task::TaskState;
use crate::blueprint::TaskIndex;

impl Run {
    /// What runs again under another document in which these tasks are not what they were: they, and whatever stands on
    /// what they did. A fallback is part of how its callers do their work, unless it is complete; and whom it relieved
    /// stands on what it did.
    pub fn stale(&self, program: &Program, is_changed: impl Fn(&str) -> bool) -> Vec<String> {
        let tasks = &program.tasks;
        let states: Vec<Option<&TaskState>> = tasks.iter().map(|spec| Some(self.task(self.find(&spec.id)?))).collect();
        let is_complete = |index: TaskIndex| states[index.get()].is_some_and(TaskState::is_complete);
        let mut touches: Vec<Vec<TaskIndex>> = vec![Vec::new(); tasks.len()];
        for (index, spec) in tasks.iter().enumerate() {
            let number = TaskIndex::new(index);
            for need in &spec.needs {
                touches[need.get()].push(number);
            }
            if let Some(fallback) = spec.fallback {
                touches[index].extend((!is_complete(fallback)).then_some(fallback));
                let replaced_by = states[index].and_then(|state| state.replaced_by.as_deref());
                if replaced_by == Some(&tasks[fallback.get()].id) {
                    touches[fallback.get()].push(number);
                }
            }
        }
        let mut is_stale = vec![false; tasks.len()];
        let changed = tasks.iter().enumerate().filter(|(_, spec)| is_changed(&spec.id));
        let mut left: Vec<TaskIndex> = changed.map(|(index, _)| TaskIndex::new(index)).collect();
        while let Some(index) = left.pop() {
            if !std::mem::replace(&mut is_stale[index.get()], true) {
                left.extend(&touches[index.get()]);
            }
        }
        tasks.iter().zip(is_stale).filter(|(_, is_stale)| *is_stale).map(|(spec, _)| spec.id.clone()).collect()
    }

    /// This run with another program: what happened to tasks that are in both stands, except for those
    /// that are to run again, and those that consist of other stages now. Their attempts go on counting,
    /// so that no two share a name; what nobody knows of a task stays unknown.
    #[must_use]
    pub fn carry_over(self, program: Program, again: &[String]) -> Self {
        let again: BTreeSet<&str> = again.iter().map(String::as_str).collect();
        let mut next = Self::new(program);
        for (index, spec) in next.program.tasks.iter().enumerate() {
            let Some(&old) = self.ids.get(&spec.id) else {
                continue;
            };
            let (was, old) = (&self.program.tasks[old as usize], &self.tasks[old as usize]);
            let is_same = was.stages == spec.stages;
            if again.contains(spec.id.as_str()) || !is_same {
                next.tasks[index].begin_anew(spec, old, was);
            } else if !spec.settled || old.satisfies() {
                // What the run brought about it knows better than a document that calls it complete by now.
                next.tasks[index] = old.clone();
            }
            // What it did may be undone all the same.
            next.tasks[index].acted = old.acted;
        }
        next.count_calls();
        next.open = next.tasks.iter().filter(|task| !task.is_final()).count();
        for index in 0..next.tasks.len() {
            let needs = &next.program.tasks[index].needs;
            let unmet = needs.iter().filter(|need| !next.tasks[need.get()].satisfies()).count();
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            next.unmet[index] = u32::try_from(unmet).unwrap_or(u32::MAX);
            next.schedule(number);
            if holds_room(&next.tasks[index].phase) {
                next.take_room(number);
            }
            if matches!(next.tasks[index].phase, Phase::Replaced { .. }) {
                next.replaced.insert(number);
            }
        }
        let touched = (0..next.tasks.len()).filter_map(|index| u32::try_from(index).ok());
        next.touched = touched.filter(|index| next.may_follow(*index)).collect();
        let chores = self.chores.carried_over(|task| next.ids.contains_key(task), |task| again.contains(task));
        let due = chores.all().filter(|(_, state)| state.standing == Standing::Due);
        next.successes.extend(due.filter_map(|(chore, _)| match chore {
            Chore::OnSuccess { task } => next.ids.get(task).copied(),
            _ => None,
        }));
        Self {
            starter: self.starter,
            decisions: self.decisions.into_iter().filter(|(task, _)| !again.contains(task.as_str())).collect(),
            latest: self.latest,
            chores,
            acts: self.acts,
            usage: self.usage,
            granted: self.granted,
            closed: self.closed,
            notices: self.notices,
            rested: self.rested,
            hooked: self.hooked,
            mode: self.mode,
            ends: self.ends,
            cancelled: self.cancelled,
            ..next
        }
    }
}
