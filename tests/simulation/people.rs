//! What people do to a run: they decide, order, cancel, edit, and have it undone.

use std::collections::BTreeSet;

use outpost_bp::blueprint::TaskIndex;
use outpost_bp::run::{Event, GateDecision, OnTimeout, Phase, Undo};

use super::Simulation;

impl Simulation {
    /// Somebody edited a few tasks: these and all that need them run again.
    pub(crate) fn edit(&mut self) {
        let tasks = self.program.tasks.iter().filter(|spec| !spec.settled);
        let edited: BTreeSet<&str> =
            tasks.filter(|_| self.outside.chance.one_in(4)).map(|spec| spec.id.as_str()).collect();
        let again = self.run.stale(&self.program, |task| edited.contains(task));
        let event = Event::EditAccepted { by: "p0".to_owned(), digest: String::new(), again: again.clone() };
        self.run.apply(self.outside.now, &event).expect("an edit at the beginning");
        self.write(vec![event]);
        self.run = self.run.clone().carry_over(self.program.clone(), &again);
    }

    /// What a person may have undone: all of it, or a part.
    pub(crate) fn undoable(&mut self) -> Vec<String> {
        let is_all = self.outside.chance.one_in(2);
        let mut tasks = Vec::new();
        for task in self.run.acted() {
            let is_meant = match self.run.undo(task) {
                Undo::Due => is_all || self.outside.chance.one_in(2),
                Undo::Failed | Undo::Unknown => self.outside.chance.one_in(2),
                _ => false,
            };
            if is_meant {
                tasks.push(self.program.tasks[task.get()].id.clone());
            }
        }
        tasks.reverse();
        tasks
    }

    /// Somebody has the run undone: a run that is over is opened by the order, any other one is taken over first.
    pub(crate) fn roll_back(&mut self) {
        let tasks = self.undoable();
        if tasks.is_empty() || self.run.is_rolling_back() {
            return;
        }
        self.die();
        let now = self.outside.now;
        let is_over = self.run.ending().is_some();
        if !is_over {
            let events = self.run.take_over(now, 3, "h", "me").expect("a next runner");
            self.write(events);
        }
        let events = self.run.roll_back(now, "p1", tasks).expect("what may be undone");
        self.write(events);
        if is_over {
            let events = self.run.take_over(now, 3, "h", "me").expect("a next runner");
            self.write(events);
        }
        self.look_back();
    }

    pub(crate) fn people(&mut self) {
        if self.outside.chance.one_in(60) {
            let events = self.run.drain(self.outside.now, "Ctrl-C").expect("a drain");
            self.write(events);
        }
        for index in 0..self.program.tasks.len() {
            if !self.outside.chance.one_in(8) {
                continue;
            }
            let id = self.program.tasks[index].id.clone();
            let by = format!("p{}", self.outside.chance.below(3));
            let events = match &self.run.task(TaskIndex::new(index)).phase {
                Phase::Gate(_) if self.outside.chance.one_in(10) => {
                    let consequences = [OnTimeout::Abort, OnTimeout::Skip, OnTimeout::Continue];
                    let consequence = consequences[self.outside.chance.below(3) as usize];
                    self.run.gate_unset(self.outside.now, TaskIndex::new(index), "VARIABLE", consequence)
                }
                Phase::Gate(_) if self.outside.chance.one_in(10) => {
                    let problem = self.outside.chance.one_in(2).then(|| "no answer".to_owned());
                    self.run.noticed(self.outside.now, format!("gate:{id}:1"), "console".to_owned(), problem)
                }
                Phase::Gate(gate) => {
                    let digest = gate.digest.clone();
                    let approved = !self.outside.chance.one_in(5);
                    let decision =
                        GateDecision { task: id, approved, by, comment: String::new(), digest, set: Vec::new() };
                    self.run.decided(self.outside.now, decision)
                }
                Phase::Unknown { .. } | Phase::Blocked(_) => self.run.ordered_again(self.outside.now, &id, &by),
                _ if self.outside.chance.one_in(200) => self.run.cancel(self.outside.now, &by),
                _ => continue,
            };
            if let Ok(events) = events {
                self.write(events);
            }
        }
    }
}
