//! A run that goes on with another document.

use std::collections::BTreeSet;

use super::chore::Standing;
use super::event::Chore;
use super::program::Program;
use super::state::{Run, holds_room};

impl Run {
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
            if unmet == 0 && !next.tasks[index].is_final() {
                next.touched.insert(number);
            } else {
                next.touched.remove(&number);
            }
        }
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
            notices: self.notices,
            rested: self.rested,
            hooked: self.hooked,
            mode: self.mode,
            ends: self.ends,
            rejected: self.rejected,
            cancelled: self.cancelled,
            ..next
        }
    }
}
