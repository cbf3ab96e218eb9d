//! What runs in the world: it is started, it ends, and it holds locks.

use std::collections::{BTreeMap, BTreeSet};

use outpost_bp::blueprint::TaskIndex;
use outpost_bp::run::{
    Chore, Course, Failure, FailureCode, FailurePhase, GateMoment, KeptPort, Mode, Moment, StageReport, Usage, World,
};

use super::{Chance, Simulation};

/// What runs in the world, and what people may still do.
pub(crate) struct Outside {
    pub(crate) chance: Chance,
    /// What the clock says.
    pub(crate) now: Moment,
    /// How much time has passed, whatever it says.
    pub(crate) passed: Moment,
    /// Stages under way: attempt, stage, and when they end.
    pub(crate) running: BTreeMap<u32, (u32, String, Moment)>,
    /// Chores under way, and when they end.
    pub(crate) chores: BTreeMap<Chore, Moment>,
    /// Tasks that were given their locks, until they hold no room any more.
    pub(crate) locked: BTreeSet<u32>,
    /// How often somebody else holds the locks that are asked for.
    pub(crate) contended: bool,
}

impl Outside {
    pub(crate) fn failure(&mut self) -> Option<Box<Failure>> {
        self.chance.one_in(4).then(|| {
            let failure = Failure::new(FailureCode::ExecutionFailed, FailurePhase::Execution, "it did not work");
            let course = match self.chance.below(12) {
                0 => Some(Course::Later { at: self.now.after(self.chance.below(60)) }),
                1 => Some(Course::Ask),
                _ => None,
            };
            Box::new(Failure { lasting: self.chance.one_in(6), course, ..failure })
        })
    }
}

impl World for Outside {
    fn keep_locks(&mut self, working: &BTreeSet<u32>) {
        self.locked.retain(|index| working.contains(index));
    }

    fn take_locks(&mut self, task: TaskIndex) -> bool {
        let free = !self.contended || !self.chance.one_in(3);
        if free {
            assert!(self.locked.insert(task.0), "locks are taken once");
        }
        free
    }

    fn gate_digest(&mut self, task: TaskIndex, moment: GateMoment, _: &[KeptPort]) -> String {
        format!("{}-{moment:?}", task.0)
    }

    fn failure_digest(&mut self, task: TaskIndex, attempt: u32, _: &Failure) -> String {
        format!("{}-{attempt}", task.0)
    }
}

impl Simulation {
    /// What was started comes to its end.
    pub(crate) fn executors(&mut self) {
        let (now, passed) = (self.outside.now, self.outside.passed);
        let checkpoints: Vec<u32> = self.outside.running.keys().copied().collect();
        for index in checkpoints {
            if self.program.tasks[index as usize].handoff.is_some() && self.outside.chance.one_in(6) {
                let last = self.run.task(TaskIndex(index)).checkpoint.as_ref().map_or(0, |kept| kept.version);
                let events = self.run.checkpoint_kept(now, TaskIndex(index), last + 1, "d".to_owned());
                self.write(events.expect("a checkpoint of an attempt"));
            }
        }
        let ended = |(index, (.., end)): (&u32, &(u32, String, Moment))| (*end <= passed).then_some(*index);
        let ended: Vec<u32> = self.outside.running.iter().filter_map(ended).collect();
        for index in ended {
            let (attempt, stage, _) = self.outside.running.remove(&index).expect("it runs");
            let is_agents = self.program.tasks[index as usize].is_agents;
            if is_agents && stage == "run" {
                let usage = Usage { tokens: Some(self.outside.chance.below(6)), micro_usd: None };
                let events = self.run.usage_counted(now, TaskIndex(index), attempt, usage).expect("of an attempt");
                self.write(events);
            }
            let failure = self.failure();
            let report = StageReport { attempt, stage, milliseconds: 1, failure, outputs: Vec::new() };
            let events = self.run.stage_ended(now, TaskIndex(index), report).expect("a report in time");
            self.write(events);
        }
        let ended = |(chore, end): (&Chore, &Moment)| (*end <= passed).then(|| chore.clone());
        let ended: Vec<Chore> = self.outside.chores.iter().filter_map(ended).collect();
        for chore in ended {
            self.outside.chores.remove(&chore);
            let failure = self.failure();
            let events = self.run.chore_ended(now, chore, 1, failure).expect("a report in time");
            self.write(events);
        }
    }

    /// How something ends: what is told to end fails.
    pub(crate) fn failure(&mut self) -> Option<Box<Failure>> {
        let failure = self.outside.failure();
        let is_told = self.run.mode() == Mode::Stopping;
        failure.or_else(|| {
            is_told.then(|| Box::new(Failure::new(FailureCode::Cancelled, FailurePhase::Execution, "told")))
        })
    }
}
