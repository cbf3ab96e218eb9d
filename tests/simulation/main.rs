//! Runs in a made-up world: seeded schedules, failures, crashes and people, judged by [`rules`]
//! that know nothing of how decisions are made.
//!
//! `OUTPOST_SEEDS=1000000` plays more of them, from `OUTPOST_FIRST_SEED` on; `OUTPOST_SEED=73` plays one and tells it.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a seed that breaks a rule has to be told")]

mod chores;
mod every;
mod machine;
mod outside;
mod people;
mod programs;
mod rules;
mod runners;

use std::collections::{BTreeMap, BTreeSet};

use machine::{Figures, Machine};
use outpost_bp::blueprint::TaskIndex;
use outpost_bp::report::stream::{Told, schema};
use outpost_bp::run::{Chore, Condition, Ending, Event, Moment, Program, Run};
use outside::Outside;
use programs::{beginning, program};
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

struct Simulation {
    program: Program,
    run: Run,
    outside: Outside,
    journal: Vec<(Moment, Event)>,
    rules: Rules,
    machine: Machine,
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
            passed: Moment(0),
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
            machine: Machine::default(),
            journal: Vec::new(),
            is_watched: seed.is_multiple_of(16),
        };
        simulation.rules.contended = contended;
        let started = beginning(&simulation.program);
        simulation.run.apply(simulation.outside.now, &started).expect("a beginning");
        simulation.write(vec![started]);
        let events = simulation.run.take_over(simulation.outside.now, 1, "h", "me").expect("a first runner");
        simulation.write(events);
        simulation
    }

    /// Journals events and acts on them. A crash may come between the two, and in the middle of the first.
    fn write(&mut self, events: Vec<Event>) {
        // The time of a run does not go back, whatever its clock says.
        let now = self.outside.now.max(self.run.latest());
        let (kept, dies) = self.machine.writes(&mut self.outside.chance, events.len());
        for event in events.into_iter().take(kept) {
            self.rules.saw(now, &event);
            self.journal.push((now, event.clone()));
            let end = self.outside.passed.after(1 + self.outside.chance.below(30));
            match event {
                Event::StageStarted { .. } | Event::ChoreStarted { .. } if dies => self.machine.figures.lost += 1,
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

    fn step(&mut self) {
        let now = self.outside.now;
        let questions: Vec<TaskIndex> = self.run.questions().collect();
        for task in questions {
            let answer = match self.outside.chance.below(9) {
                0 => Condition::Unclear("so".to_owned()),
                1 | 2 => Condition::Fails("so".to_owned()),
                _ => Condition::Holds,
            };
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

    /// Whether anything is left that could happen without a person.
    fn is_alive(&self) -> bool {
        !self.outside.running.is_empty()
            || !self.outside.chores.is_empty()
            || self.run.next_timer(self.outside.now).is_some()
            || (0..self.program.tasks.len()).any(|index| self.run.waits_outside(TaskIndex::new(index)))
            || self.run.questions().next().is_some()
    }

    fn over(self) -> (Vec<(Moment, Event)>, Figures) {
        (self.journal, self.machine.figures)
    }

    fn play(mut self, crashes: u64) -> (Vec<(Moment, Event)>, Figures) {
        self.machine = Machine::new(&mut self.outside.chance, crashes);
        self.played(crashes)
    }

    fn played(mut self, crashes: u64) -> (Vec<(Moment, Event)>, Figures) {
        let mut left = crashes;
        let mut encores = 3;
        for turn in 0..4_000 {
            self.step();
            let is_new = self.bury();
            if self.is_watched {
                assert_eq!(view(&self.replayed()), view(&self.run), "a replayed run is the run");
            }
            if let Some(ending) = self.run.ending() {
                self.rules.ended(ending);
                let events = self.run.decide(self.outside.now, &mut self.outside);
                assert!(events.is_empty(), "nothing follows an end: {events:?}");
                encores -= 1;
                self.machine.synced = self.journal.len();
                if encores == 0 {
                    return self.over();
                }
                match self.outside.chance.below(3) {
                    0 if ending == Ending::Failed => self.crash(),
                    1 => self.roll_back(),
                    _ => return self.over(),
                }
                self.bury();
                // People are answered when it is on the disk.
                self.machine.synced = self.journal.len();
                if self.run.ending().is_some() {
                    return self.over();
                }
                continue;
            }
            if is_new {
                // Nothing was decided yet by whoever goes on.
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
            self.bury();
            let pause = 1 + self.outside.chance.below(20);
            self.outside.now = self.outside.now.after(pause);
            self.outside.passed = self.outside.passed.after(pause);
            self.machine(turn);
        }
        panic!("it never ends: {:?}", self.run);
    }
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
    let begin = number("OUTPOST_FIRST_SEED").unwrap_or_default();
    if let Some(seed) = number("OUTPOST_SEED") {
        let mut simulation = Simulation::new(seed);
        eprintln!("{:#?}", simulation.program);
        simulation.rules.loud = true;
        simulation.play(seed % 4);
        return;
    }
    let seeds = number("OUTPOST_SEEDS").unwrap_or(4_000);
    let (mut events, mut figures) = (0, Figures::default());
    for seed in begin..begin + seeds {
        let played = std::panic::catch_unwind(|| Simulation::new(seed).play(seed % 4));
        match played {
            Ok((journal, its)) => {
                events += journal.len();
                figures.add(its);
            }
            Err(panic) => {
                eprintln!("seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    eprintln!("{seeds} worlds, {events} events, 0 violations, {figures:?}");
    assert!(events > 10_000);
    let each = [figures.torn, figures.killed, figures.lost, figures.power_cuts, figures.unsynced, figures.clock];
    assert!(each.iter().all(|count| *count > 0), "{figures:?}");
}

/// The runner is killed in any of its writes, and the next one in any of its own: `OUTPOST_PAIRS=20000` of such pairs,
/// spread over worlds. `OUTPOST_SEED=7 OUTPOST_KILLS=24,6` plays one and tells it.
#[test]
fn two_runners_die_in_any_two_of_their_writes() {
    const EACH: u64 = 40;
    if let (Some(seed), Ok(kills)) = (number("OUTPOST_SEED"), std::env::var("OUTPOST_KILLS")) {
        let mut simulation = Simulation::new(seed);
        simulation.machine.kills = kills.split(',').map(|kill| kill.parse().expect("a number")).collect();
        eprintln!("{:#?}", simulation.program);
        simulation.rules.loud = true;
        simulation.played(0);
        return;
    }
    let pairs = number("OUTPOST_PAIRS").unwrap_or(1_000);
    let (mut done, mut seed, mut figures) = (0, 1_000_000_000, Figures::default());
    while done < pairs {
        seed += 1;
        let writes = Simulation::new(seed).played(0).1.writes;
        for pair in 0..EACH.min(writes * 2) {
            // The first anywhere, the second soon after: also in the very write that takes the run over.
            let (first, second) = (pair * writes / EACH, pair * 7 % 11);
            let killed = std::panic::catch_unwind(|| {
                let mut simulation = Simulation::new(seed);
                simulation.machine.kills = [first, second].into();
                simulation.played(0).1
            });
            let killed = killed.unwrap_or_else(|panic| {
                eprintln!("seed {seed}, killed in write {first} and {second} later");
                std::panic::resume_unwind(panic)
            });
            done += u64::from(killed.torn == 2);
            figures.add(killed);
        }
    }
    eprintln!("{done} pairs, 0 violations, {figures:?}");
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 0..50 {
        assert_eq!(Simulation::new(seed).play(2).0, Simulation::new(seed).play(2).0);
    }
}

#[test]
fn events_survive_their_json_and_fit_the_published_schema() {
    let schema = jsonschema::validator_for(&schema()).expect("a schema");
    for seed in 0..200 {
        for (number, (at, event)) in (1..).zip(Simulation::new(seed).play(1).0) {
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
