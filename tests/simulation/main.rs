//! Runs in a made-up world: seeded schedules, failures, crashes and people, judged by [`rules`]
//! that know nothing of how decisions are made.
//!
//! `OUTPOST_SEEDS=1000000` plays more of them, `OUTPOST_SEED=73` plays one and tells it.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a seed that breaks a rule has to be told")]

mod chores;
mod programs;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use outpost_bp::blueprint::TaskIndex;
use outpost_bp::report::stream::{Told, schema};
use outpost_bp::run::{
    Chore, Condition, Ending, Event, Failure, FailureCode, FailurePhase, GateDecision, GateMoment, KeptPort, Mode,
    Moment, OnTimeout, Phase, Program, Run, RunStarted, StageReport, Standing, Undo, World,
};
use programs::program;
use rules::Rules;

/// xorshift: a seed is a whole world.
struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound.max(1)
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// What runs in the world, and what people may still do.
struct Outside {
    chance: Chance,
    now: Moment,
    /// Stages under way: attempt, stage, and when they end.
    running: BTreeMap<u32, (u32, String, Moment)>,
    /// Chores under way, and when they end.
    chores: BTreeMap<Chore, Moment>,
    /// Tasks that were given their locks, until they hold no room any more.
    locked: BTreeSet<u32>,
    /// How often somebody else holds the locks that are asked for.
    contended: bool,
}

impl Outside {
    fn failure(&mut self) -> Option<Box<Failure>> {
        self.chance.one_in(4).then(|| {
            let failure = Failure::new(FailureCode::ExecutionFailed, FailurePhase::Execution, "it did not work");
            Box::new(Failure { lasting: self.chance.one_in(6), ..failure })
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
}

struct Simulation {
    program: Program,
    run: Run,
    outside: Outside,
    journal: Vec<(Moment, Event)>,
    rules: Rules,
    /// Whether the journal is replayed after each step.
    is_watched: bool,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let program = program(&mut chance);
        let contended = chance.one_in(3);
        let outside = Outside {
            chance,
            now: Moment(1_000),
            running: BTreeMap::new(),
            chores: BTreeMap::new(),
            locked: BTreeSet::new(),
            contended,
        };
        let mut simulation = Self {
            run: Run::new(program.clone()),
            rules: Rules::new(program.clone()),
            program,
            outside,
            journal: Vec::new(),
            is_watched: seed.is_multiple_of(16),
        };
        let started = Event::RunStarted(Box::new(RunStarted {
            run: "r".to_owned(),
            blueprint: "b".to_owned(),
            file: "b.md".to_owned(),
            root: "/".to_owned(),
            digest: String::new(),
            by: "p0".to_owned(),
            tasks: simulation.program.tasks.len(),
            selection: Vec::new(),
            rerun: Vec::new(),
            environment: None,
            jobs: None,
            fail_fast: simulation.program.fail_fast,
            traceparent: None,
        }));
        simulation.run.apply(simulation.outside.now, &started).expect("a beginning");
        simulation.write(vec![started]);
        let events = simulation.run.take_over(simulation.outside.now, 1, "h", "me").expect("a first runner");
        simulation.write(events);
        simulation
    }

    /// Journals events and acts on them. A crash may come between the two.
    fn write(&mut self, events: Vec<Event>) {
        let now = self.outside.now;
        for event in events {
            self.rules.saw(now, &event);
            self.journal.push((now, event.clone()));
            let end = now.after(1 + self.outside.chance.below(30));
            match event {
                Event::StageStarted { task, attempt, stage } => {
                    self.hold_locks(&task);
                    let index = self.run.find(&task).expect("a task").0;
                    self.outside.running.insert(index, (attempt, stage, end));
                }
                Event::ChoreStarted { chore, .. } => {
                    if let Chore::Rollback { task } = &chore {
                        self.hold_locks(task);
                    }
                    self.outside.chores.insert(chore, end);
                }
                _ => {}
            }
        }
    }

    fn hold_locks(&self, task: &str) {
        let index = self.run.find(task).expect("a task").0;
        let needs_locks = !self.program.tasks[index as usize].locks.is_empty();
        assert!(!needs_locks || self.outside.locked.contains(&index), "{task} starts without its locks");
    }

    /// The run as its journal tells it.
    fn replayed(&self) -> Run {
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
    fn die(&mut self) {
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
    fn resume(&mut self) {
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

    fn crash(&mut self) {
        self.die();
        self.resume();
    }

    /// Executors tell what became of what the last runner had started, where they know.
    fn look_back(&mut self) {
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

    /// Somebody edited a few tasks: these and all that need them run again.
    fn edit(&mut self) {
        let tasks = self.program.tasks.iter().filter(|spec| !spec.settled);
        let edited: BTreeSet<&str> =
            tasks.filter(|_| self.outside.chance.one_in(4)).map(|spec| spec.id.as_str()).collect();
        let again = self.run.stale(&self.program, |task| edited.contains(task));
        let event = Event::EditAccepted { by: "p0".to_owned(), digest: String::new(), again: again.clone() };
        self.run.apply(self.outside.now, &event).expect("an edit at the beginning");
        self.write(vec![event]);
        self.run = self.run.clone().carry_over(self.program.clone(), &again);
    }

    fn step(&mut self) {
        let now = self.outside.now;
        let questions: Vec<TaskIndex> = self.run.questions().collect();
        for task in questions {
            let fails = self.outside.chance.one_in(3);
            let answer = if fails { Condition::Fails("so".to_owned()) } else { Condition::Holds };
            let events = self.run.condition(now, task, answer).expect("an answer to a question");
            self.write(events);
        }
        if self.outside.chance.one_in(2) {
            self.run.retry_outside();
        }
        self.executors();
        self.people();
        let events = self.run.decide(now, &mut self.outside);
        self.write(events);
    }

    /// What was started comes to its end.
    fn executors(&mut self) {
        let now = self.outside.now;
        let checkpoints: Vec<u32> = self.outside.running.keys().copied().collect();
        for index in checkpoints {
            if self.program.tasks[index as usize].handoff.is_some() && self.outside.chance.one_in(6) {
                let last = self.run.task(TaskIndex(index)).checkpoint.as_ref().map_or(0, |kept| kept.version);
                let events = self.run.checkpoint_kept(now, TaskIndex(index), last + 1, "d".to_owned());
                self.write(events.expect("a checkpoint of an attempt"));
            }
        }
        let ended = |(index, (.., end)): (&u32, &(u32, String, Moment))| (*end <= now).then_some(*index);
        let ended: Vec<u32> = self.outside.running.iter().filter_map(ended).collect();
        for index in ended {
            let (attempt, stage, _) = self.outside.running.remove(&index).expect("it runs");
            let failure = self.failure();
            let report = StageReport { attempt, stage, milliseconds: 1, failure, outputs: Vec::new() };
            let events = self.run.stage_ended(now, TaskIndex(index), report).expect("a report in time");
            self.write(events);
        }
        let ended = |(chore, end): (&Chore, &Moment)| (*end <= now).then(|| chore.clone());
        let ended: Vec<Chore> = self.outside.chores.iter().filter_map(ended).collect();
        for chore in ended {
            self.outside.chores.remove(&chore);
            let failure = self.failure();
            let events = self.run.chore_ended(now, chore, 1, failure).expect("a report in time");
            self.write(events);
        }
    }

    /// How something ends: what is told to end fails.
    fn failure(&mut self) -> Option<Box<Failure>> {
        let failure = self.outside.failure();
        let is_told = self.run.mode() == Mode::Stopping;
        failure.or_else(|| {
            is_told.then(|| Box::new(Failure::new(FailureCode::Cancelled, FailurePhase::Execution, "told")))
        })
    }

    /// What a person may have undone: all of it, or a part.
    fn undoable(&mut self) -> Vec<String> {
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
    fn roll_back(&mut self) {
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

    fn people(&mut self) {
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

    /// Whether anything is left that could happen without a person.
    fn is_alive(&self) -> bool {
        !self.outside.running.is_empty()
            || !self.outside.chores.is_empty()
            || self.run.next_timer().is_some()
            || (0..self.program.tasks.len()).any(|index| self.run.waits_outside(TaskIndex::new(index)))
            || self.run.questions().next().is_some()
    }

    fn play(mut self, crashes: u64) -> Vec<(Moment, Event)> {
        let mut left = crashes;
        let mut encores = 3;
        for turn in 0..4_000 {
            self.step();
            if self.is_watched {
                assert_eq!(view(&self.replayed()), view(&self.run), "a replayed run is the run");
            }
            if let Some(ending) = self.run.ending() {
                self.rules.ended(ending);
                let events = self.run.decide(self.outside.now, &mut self.outside);
                assert!(events.is_empty(), "nothing follows an end: {events:?}");
                encores -= 1;
                if encores == 0 {
                    return self.journal;
                }
                match self.outside.chance.below(3) {
                    0 if ending == Ending::Failed => self.crash(),
                    1 => self.roll_back(),
                    _ => return self.journal,
                }
                if self.run.ending().is_some() {
                    return self.journal;
                }
                continue;
            }
            let is_idle = self.outside.running.is_empty() && self.outside.chores.is_empty();
            if self.run.is_pausing() && is_idle {
                // Whoever pressed Ctrl-C goes on, later.
                self.crash();
            } else if turn > 1_000 {
                // People lose patience in the end, but with a rollback, which comes to an end by itself.
                if let Ok(events) = self.run.cancel(self.outside.now, "p0") {
                    self.write(events);
                }
            } else if left > 0 && self.outside.chance.one_in(15) {
                left -= 1;
                if self.outside.chance.one_in(4) { self.roll_back() } else { self.crash() }
            } else {
                let waits_for_people = self.run.waiting().is_some();
                assert!(self.is_alive() || waits_for_people, "stuck: {:?}", self.run);
            }
            let pause = 1 + self.outside.chance.below(20);
            self.outside.now = self.outside.now.after(pause);
        }
        panic!("it never ends: {:?}", self.run);
    }
}

/// All of a run but the index of its ids, which has no order.
fn whole(run: &Run) -> String {
    let text = format!("{run:?}");
    let (before, rest) = text.split_once("ids: {").expect("the ids of tasks");
    let (_, after) = rest.split_once('}').expect("an end of the ids");
    before.to_owned() + after
}

/// What anybody can see of a run.
fn view(run: &Run) -> String {
    let tasks: Vec<_> = run.indices().map(|task| (run.task(task), run.undo(task), run.holds_room(task))).collect();
    let chores: Vec<_> = run.chores().collect();
    let words = (run.mode(), run.ending(), run.waiting(), run.is_rolling_back(), run.verdict(), run.is_pausing());
    format!("{tasks:?} {chores:?} {words:?} {:?} {:?}", run.working().collect::<Vec<_>>(), run.latest())
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn every_world_obeys_the_rules_and_ends() {
    if let Some(seed) = number("OUTPOST_SEED") {
        let mut simulation = Simulation::new(seed);
        eprintln!("{:#?}", simulation.program);
        simulation.rules.loud = true;
        simulation.play(seed % 4);
        return;
    }
    let mut events = 0;
    for seed in 0..number("OUTPOST_SEEDS").unwrap_or(4_000) {
        let journal = std::panic::catch_unwind(|| Simulation::new(seed).play(seed % 4));
        match journal {
            Ok(journal) => events += journal.len(),
            Err(panic) => {
                eprintln!("seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(events > 10_000);
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 0..50 {
        assert_eq!(Simulation::new(seed).play(2), Simulation::new(seed).play(2));
    }
}

#[test]
fn events_survive_their_json_and_fit_the_published_schema() {
    let schema = jsonschema::validator_for(&schema()).expect("a schema");
    for seed in 0..200 {
        for (number, (at, event)) in (1..).zip(Simulation::new(seed).play(1)) {
            let told = Told { number, at, event: event.clone() };
            let line = told.line().expect("JSON");
            assert_eq!(Told::read(&line).expect(&line), told);
            let line = serde_json::from_str(&line).expect("JSON");
            assert!(schema.is_valid(&line), "{:?}\n{line}", schema.iter_errors(&line).collect::<Vec<_>>());
            let text = serde_json::to_string(&event).expect("JSON");
            assert_eq!(serde_json::from_str::<Event>(&text).expect(&text), event);
        }
    }
}
