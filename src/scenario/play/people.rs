//! What people do: they decide, resume, order, cancel and undo, and somebody kills the runner.

use super::{Act, Due, Play};
use crate::engine::session::taken_up;
use crate::run::{GateDecision, Mode, Phase, Run};
use crate::scenario::script::{Deed, Said, Word};

/// Who drives a run, for the record.
const HOST: &str = "a made-up world";

impl Play<'_, '_> {
    /// A gate opened: people say what the scenario has them say.
    pub(super) fn opened(&mut self, task: &str) {
        let Some(index) = self.played.run.find(task) else {
            return;
        };
        let Phase::Gate(gate) = &self.played.run.task(index).phase else {
            return;
        };
        let digest = gate.digest.clone();
        let spec = self.played.run.program().tasks[index.get()].gate.clone();
        let said = self.scenario.gates.get(&index).map_or(&[][..], Vec::as_slice);
        let (approvals, approvers) = spec.map_or((1, Vec::new()), |gate| (gate.approvals, gate.approvers));
        let person = |number: usize| match approvers.get(number) {
            Some(name) => name.clone(),
            None if number == 0 => "approver".to_owned(),
            None => format!("approver-{}", number + 1),
        };
        for (number, Said { word, by, after, comment, set }) in said.iter().enumerate() {
            let approved = match word {
                Word::Approve => true,
                Word::Reject => false,
                Word::Nobody | Word::Open => continue,
            };
            // One word stands for as many people as it takes.
            let people = if approved && by.is_none() && said.len() == 1 { approvals as usize } else { 1 };
            for one in 0..people {
                let by = by.clone().unwrap_or_else(|| person(number + one));
                let (task, comment, digest) = (task.to_owned(), comment.clone(), digest.clone());
                let decision = GateDecision { task, approved, by, comment, digest, set: set.clone() };
                self.due.push(Due { at: self.now.after(*after), deed: Act::Decide(Box::new(decision)) });
            }
        }
    }

    /// Whatever people and the world do by now.
    pub(super) fn people(&mut self) {
        loop {
            let ripe = (0..self.due.len()).filter(|place| self.due[*place].at <= self.now);
            let Some(place) = ripe.min_by_key(|place| self.due[*place].at) else {
                return;
            };
            match self.due.remove(place).deed {
                Act::Decide(decision) => {
                    let (task, by) = (decision.task.clone(), decision.by.clone());
                    match self.played.run.decided(self.now, *decision) {
                        Ok(events) => self.saw(events),
                        Err(refusal) => self.note(format!("{task:<10} {by} is not heard: {refusal}")),
                    }
                }
                Act::Deed(deed, by) => self.act(deed, &by),
            }
        }
    }

    pub(super) fn act(&mut self, deed: Deed, by: &str) {
        match deed {
            Deed::Crash { down } => {
                self.note("the runner is killed".to_owned());
                self.jobs.clear();
                let mut run = Run::new(self.scenario.program.clone());
                for (at, event) in &self.played.events {
                    if let Err(illegal) = run.apply(*at, event) {
                        self.played.log.push((self.now, format!("BUG: what happened cannot happen again: {illegal}")));
                    }
                }
                self.played.run = run;
                self.now = self.now.after(down);
                self.take_up(by);
            }
            Deed::Resume => self.take_up(by),
            Deed::Cancel => match self.played.run.cancel(self.now, by) {
                Ok(events) => self.saw(events),
                Err(refusal) => self.note(format!("{by} cannot cancel it: {refusal}")),
            },
            Deed::Rerun(task) => {
                let is_idle = self.jobs.is_empty();
                if is_idle {
                    self.take_up(by);
                }
                self.orders.push((task, by.to_owned()));
                self.go_on();
                self.order();
            }
            Deed::Rollback => {
                let is_over = self.played.run.ending().is_some();
                if !is_over {
                    self.jobs.clear();
                    let events = self.played.run.take_over(self.now, 2, HOST, by).unwrap_or_default();
                    self.saw(events);
                }
                let undoable = self.played.run.undoable();
                let tasks = undoable.iter().map(|index| self.blueprint.task(*index).id.to_string()).collect();
                match self.played.run.roll_back(self.now, by, tasks) {
                    Ok(events) => self.saw(events),
                    Err(refusal) => self.note(format!("{by} cannot roll it back: {refusal}")),
                }
                if is_over {
                    let events = self.played.run.take_over(self.now, 2, HOST, by).unwrap_or_default();
                    self.saw(events);
                }
            }
        }
    }

    fn take_up(&mut self, by: &str) {
        let events = taken_up(&mut self.played.run, self.now, (2, HOST), by);
        let said = if events.is_empty() { "has nothing to go on with" } else { "goes on with it" };
        self.note(format!("{by} {said}"));
        self.saw(events);
    }

    /// Orders to start a task again, as soon as it is clear how it stands.
    pub(super) fn order(&mut self) {
        if self.played.run.mode() != Mode::Going {
            return;
        }
        for (task, by) in std::mem::take(&mut self.orders) {
            let phase = self.played.run.find(&task).map(|index| &self.played.run.task(index).phase);
            let is_too_early = matches!(
                phase,
                Some(
                    Phase::Interrupted { .. }
                        | Phase::Unknown { running: Some(_), .. }
                        | Phase::Unknown { next: Some(_), .. }
                )
            );
            if is_too_early {
                self.orders.push((task, by));
                continue;
            }
            // Whoever took the run up has ordered again what was blocked.
            if matches!(phase, Some(Phase::Waiting | Phase::Working { .. })) {
                continue;
            }
            match self.played.run.ordered_again(self.now, &task, &by) {
                Ok(events) => self.saw(events),
                Err(refusal) => self.note(format!("{task:<10} {by} cannot order it again: {refusal}")),
            }
        }
    }
}
