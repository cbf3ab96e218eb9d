//! Runners that die, and those that come after them.

use outpost_bp::blueprint::TaskIndex;
use outpost_bp::run::{Chore, Ending, Event, Mode, Phase, Run, StageReport, Standing};

use super::Simulation;

impl Simulation {
    /// The run as its journal tells it.
    pub(crate) fn replayed(&self) -> Run {
        let mut run = Run::new(self.program.clone());
        for (at, event) in &self.journal {
            run.apply(*at, event).expect("what happened can happen again");
            if let Event::EditAccepted { again, .. } = event {
                run = run.carry_over(self.program.clone(), again);
            }
        }
        run
    }

    /// The runner dies. What it had started dies with it; only the journal is left.
    pub(crate) fn die(&mut self) {
        self.machine.figures.killed += 1;
        self.outside.running.clear();
        self.outside.chores.clear();
        self.outside.locked.clear();
        let (replayed, now) = (self.replayed(), self.outside.now);
        let live = std::mem::replace(&mut self.run, replayed);
        for index in 0..self.program.tasks.len() {
            let index = TaskIndex::new(index);
            assert_eq!(self.run.task(index), live.task(index), "a replayed task is the task");
        }
        if live.ending().is_none_or(|ending| ending == Ending::Failed) {
            // Whatever a runner knew beside its journal is of no use to the next one.
            let taken = |run: &Run| {
                let mut run = run.clone();
                run.take_over(now, 2, "h", "me").expect("a next runner");
                whole(&run)
            };
            assert_eq!(taken(&self.run), taken(&live), "a replayed run is the run");
        }
    }

    /// The next runner takes the run up.
    pub(crate) fn resume(&mut self) {
        let events = self.run.take_over(self.outside.now, 2, "h", "me").expect("a next runner");
        self.write(events);
        if self.run.mode() == Mode::Going && !self.run.is_rolling_back() {
            for index in 0..self.program.tasks.len() {
                let id = &self.program.tasks[index].id.clone();
                let is_blocked = matches!(self.run.task(TaskIndex::new(index)).phase, Phase::Blocked(_));
                if is_blocked && let Ok(events) = self.run.ordered_again(self.outside.now, id, "p0") {
                    self.write(events);
                }
            }
        }
        if self.outside.chance.one_in(4) && !self.run.is_rolling_back() {
            self.edit();
        }
        self.look_back();
    }

    pub(crate) fn crash(&mut self) {
        self.die();
        self.resume();
    }

    /// Executors tell what became of what the last runner had started, where they know.
    pub(crate) fn look_back(&mut self) {
        let now = self.outside.now;
        for index in 0..self.program.tasks.len() {
            let task = TaskIndex::new(index);
            let Phase::Interrupted { stage } = self.run.task(task).phase else {
                continue;
            };
            match self.outside.chance.below(6) {
                0 => {
                    let events = self.run.never_started(now, task).expect("it was interrupted");
                    self.write(events);
                }
                1 => {
                    let (attempt, stage) =
                        (self.run.task(task).attempts, self.program.tasks[index].stages[stage].word().to_owned());
                    let failure = self.outside.failure();
                    let report = StageReport { attempt, stage, milliseconds: 1, failure, outputs: Vec::new() };
                    let events = self.run.stage_ended(now, task, report).expect("it was interrupted");
                    self.write(events);
                }
                _ => {}
            }
        }
        let chores: Vec<Chore> = self
            .run
            .chores()
            .filter(|(_, state)| state.standing == Standing::Interrupted)
            .map(|(chore, _)| chore.clone())
            .collect();
        for chore in chores {
            if self.outside.chance.one_in(3) {
                let failure = self.outside.failure();
                let events = self.run.chore_ended(now, chore, 1, failure).expect("it was interrupted");
                self.write(events);
            }
        }
    }
}

/// All of a run but the index of its ids, which has no order.
fn whole(run: &Run) -> String {
    let text = format!("{run:?}");
    let (before, rest) = text.split_once("ids: {").expect("the ids of tasks");
    let (_, after) = rest.split_once('}').expect("an end of the ids");
    before.to_owned() + after
}
