//! Runs in a made-up world: seeded schedules, failures, crashes and people, judged by [`rules`]
//! that know nothing of how decisions are made.
//!
//! `OUTPOST_SEEDS=1000000` plays more of them, `OUTPOST_SEED=73` plays one and tells it.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a seed that breaks a rule has to be told")]

mod rules;

use std::collections::{BTreeMap, BTreeSet};

use outpost_bp::blueprint::TaskIndex;
use outpost_bp::blueprint::model::Stage as Verification;
use outpost_bp::report::stream::{Told, schema};
use outpost_bp::run::{
    Amounts, Event, Failure, FailureCode, FailurePhase, GateDecision, GateMoment, GateSpec, GateTime, KeptPort,
    LockSpec, Mode, Moment, OnFailure, OnTimeout, Phase, Program, Run, RunStarted, Stage, StageReport, TaskSpec, World,
};
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

fn program(chance: &mut Chance) -> Program {
    let count = 1 + chance.below(9) as usize;
    let locks: Vec<LockSpec> = (0..chance.below(3))
        .map(|index| LockSpec { name: format!("l{index}"), holders: 1 + chance.below(3) as u32 })
        .collect();
    let tasks = (0..count)
        .map(|index| {
            let mut needs: Vec<TaskIndex> = (0..index).filter(|_| chance.one_in(3)).map(TaskIndex::new).collect();
            needs.truncate(3);
            let smoke = Stage::Verify { tier: Verification::Smoke, optional: chance.one_in(4) };
            let unit = Stage::Verify { tier: Verification::Unit, optional: false };
            let stages = match chance.below(6) {
                0 => vec![],
                1 => vec![smoke],
                2 => vec![Stage::Run],
                3 => vec![Stage::Setup, Stage::Run, smoke, unit],
                _ => vec![Stage::Run, unit],
            };
            TaskSpec {
                id: format!("T{index}"),
                needs,
                stages,
                locks: (0..locks.len())
                    .map(|lock| (lock, chance.below(6)))
                    .filter(|(_, draw)| *draw < 2)
                    .map(|(lock, draw)| (lock, draw == 0))
                    .collect(),
                lock_timeout: chance.one_in(4).then(|| 1 + chance.below(60)),
                amounts: Amounts { memory: chance.below(3), ..Amounts::default() },
                gate: chance.one_in(4).then(|| GateSpec {
                    time: if chance.one_in(2) { GateTime::Before } else { GateTime::After },
                    timeout: 1 + chance.below(400),
                    on_timeout: [OnTimeout::Abort, OnTimeout::Skip, OnTimeout::Continue][chance.below(3) as usize],
                    approvals: 1 + chance.below(2) as u32,
                    approvers: if chance.one_in(4) { vec!["p0".to_owned(), "p1".to_owned()] } else { Vec::new() },
                    by_starter: !chance.one_in(4),
                }),
                max_retries: chance.below(3) as u32,
                retry_delay: chance.below(50),
                on_failure: match chance.below(8) {
                    0 => OnFailure::Abort,
                    1 | 2 => OnFailure::Skip,
                    _ => OnFailure::Block,
                },
                fallback: None,
                stands_in_for: Vec::new(),
                undo: None,
                undone_on_failure: false,
                on_success: false,
                handoff: None,
                idempotent: chance.one_in(2),
                conditional: chance.one_in(6),
                weight: chance.below(4) as u32,
                settled: chance.one_in(12),
            }
        })
        .collect();
    Program {
        tasks,
        locks,
        slots: 1 + chance.below(4) as u32,
        capacity: Amounts { memory: 3, ..Amounts::default() },
        fail_fast: chance.one_in(6),
        hooks: BTreeSet::new(),
        undoes: false,
    }
}

/// What runs in the world, and what people may still do.
struct Outside {
    chance: Chance,
    now: Moment,
    /// Stages under way: attempt, stage, and when they end.
    running: BTreeMap<u32, (u32, String, Moment)>,
    /// Tasks that were given their locks, until they hold no room any more.
    locked: BTreeSet<u32>,
    /// How often somebody else holds the locks that are asked for.
    contended: bool,
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
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let program = program(&mut chance);
        let contended = chance.one_in(3);
        let outside =
            Outside { chance, now: Moment(1_000), running: BTreeMap::new(), locked: BTreeSet::new(), contended };
        let mut simulation = Self {
            run: Run::new(program.clone()),
            rules: Rules::new(program.clone()),
            program,
            outside,
            journal: Vec::new(),
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
            if let Event::StageStarted { task, attempt, stage } = event {
                let index = self.run.find(&task).expect("a task").0;
                let needs_locks = !self.program.tasks[index as usize].locks.is_empty();
                assert!(!needs_locks || self.outside.locked.contains(&index), "{task} starts without its locks");
                let end = now.after(1 + self.outside.chance.below(30));
                self.outside.running.insert(index, (attempt, stage, end));
            }
        }
    }

    /// The runner dies. What it had started dies with it; only the journal is left.
    fn crash(&mut self) {
        self.outside.running.clear();
        self.outside.locked.clear();
        let live = self.run.clone();
        let mut run = Run::new(self.program.clone());
        for (at, event) in &self.journal {
            run.apply(*at, event).expect("what happened can happen again");
            if let Event::EditAccepted { again, .. } = event {
                run = run.carry_over(self.program.clone(), again);
            }
        }
        for index in 0..self.program.tasks.len() {
            let index = TaskIndex::new(index);
            assert_eq!(run.task(index), live.task(index), "a replayed task is the task");
        }
        self.run = run;
        let events = self.run.take_over(self.outside.now, 2, "h", "me").expect("a next runner");
        self.write(events);
        if self.outside.chance.one_in(4) {
            self.edit();
        }
    }

    /// Somebody edited a few tasks: these and all that need them run again.
    fn edit(&mut self) {
        let mut again: Vec<String> = Vec::new();
        for spec in self.program.tasks.iter().filter(|spec| !spec.settled) {
            let inherits = spec.needs.iter().any(|need| again.contains(&self.program.tasks[need.get()].id));
            if inherits || self.outside.chance.one_in(4) {
                again.push(spec.id.clone());
            }
        }
        let event = Event::EditAccepted { by: "p0".to_owned(), digest: String::new(), again: again.clone() };
        self.run.apply(self.outside.now, &event).expect("an edit at the beginning");
        self.write(vec![event]);
        self.run = self.run.clone().carry_over(self.program.clone(), &again);
    }

    fn step(&mut self) {
        let questions: Vec<TaskIndex> = self.run.questions().collect();
        for task in questions {
            let holds = !self.outside.chance.one_in(3);
            let events = self.run.condition(self.outside.now, task, Ok(holds)).expect("an answer to a question");
            self.write(events);
        }
        if self.outside.chance.one_in(2) {
            self.run.retry_outside();
        }
        let ended: Vec<u32> = self
            .outside
            .running
            .iter()
            .filter(|(_, (.., end))| *end <= self.outside.now)
            .map(|(index, _)| *index)
            .collect();
        for index in ended {
            let (attempt, stage, _) = self.outside.running.remove(&index).expect("it runs");
            let failed = self.outside.chance.one_in(4) || self.run.mode() == Mode::Stopping;
            let failure = failed.then(|| {
                let phase = FailurePhase::Execution;
                let mut failure = Failure::new(FailureCode::ExecutionFailed, phase, "it did not work");
                failure.lasting = self.outside.chance.one_in(6);
                Box::new(failure)
            });
            let report = StageReport { attempt, stage, milliseconds: 1, failure, outputs: Vec::new() };
            let events = self.run.stage_ended(self.outside.now, TaskIndex(index), report).expect("a report in time");
            self.write(events);
        }
        self.people();
        let events = self.run.decide(self.outside.now, &mut self.outside);
        self.write(events);
    }

    fn people(&mut self) {
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
            || self.run.next_timer().is_some()
            || (0..self.program.tasks.len()).any(|index| self.run.waits_outside(TaskIndex::new(index)))
            || self.run.questions().next().is_some()
    }

    fn play(mut self, crashes: u64) -> Vec<(Moment, Event)> {
        let mut left = crashes;
        for _ in 0..3_000 {
            self.step();
            if self.run.ending().is_some() {
                self.rules.ended(&self.run);
                return self.journal;
            }
            let wait_for_people = self.run.waiting().is_some();
            assert!(self.is_alive() || wait_for_people, "stuck: {:#?}\n{:#?}", self.run, self.journal);
            if left > 0 && self.outside.chance.one_in(15) {
                left -= 1;
                self.crash();
            }
            let pause = 1 + self.outside.chance.below(20);
            self.outside.now = self.outside.now.after(pause);
        }
        panic!("it never ends: {:#?}\n{:#?}", self.run, self.journal);
    }
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
