//! Every order in which anything can happen to small programs: an explicit search through all states.
//!
//! The world is true: what a task did counts in `effects`, its verification passes if and only if that was done, and a
//! person who orders a repetition has looked. In it may happen, in any order: a stage ends well or badly, a person
//! approves or rejects, the next timer rings, the runner decides, and it dies: between two writes, or in a write, of
//! which any beginning may be left and nothing was acted upon. Two ways that lead to one state are followed once; a
//! state is all of the run, all that the rules remember, and the world.
//!
//! `OUTPOST_STATES=3` searches all shapes of up to three tasks, and not only some of two; `OUTPOST_DEATHS=2` lets two
//! runners die in each.

mod shapes;

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{Hash as _, Hasher as _};
use std::rc::Rc;

use outpost_bp::blueprint::TaskIndex;
use outpost_bp::run::{
    Ending, Event, Failure, FailureCode, FailurePhase, GateDecision, GateMoment, KeptPort, Moment, Phase, Program, Run,
    StageReport, World,
};
use shapes::shapes;

use super::number;
use super::programs::beginning;
use super::rules::Rules;

/// The journal, its last record first.
struct Record {
    at: Moment,
    event: Event,
    before: Journal,
}
type Journal = Option<Rc<Record>>;

#[derive(Clone)]
struct State {
    run: Run,
    rules: Rules,
    journal: Journal,
    outside: Outside,
}

/// All that is true beside the run.
#[derive(Clone, Debug)]
struct Outside {
    now: Moment,
    /// Stages under way.
    running: BTreeMap<u32, (u32, String)>,
    /// Stages whose runner died, and whether they had begun.
    left: BTreeMap<u32, bool>,
    locked: BTreeSet<u32>,
    /// How often the work of each task was done.
    effects: Vec<u32>,
    /// Runners that may still die, and orders that people may still give.
    deaths: u32,
    orders: u32,
}

impl World for Outside {
    fn keep_locks(&mut self, working: &BTreeSet<u32>) {
        self.locked.retain(|index| working.contains(index));
    }

    fn take_locks(&mut self, task: TaskIndex) -> bool {
        assert!(self.locked.insert(task.0), "locks are taken once");
        true
    }

    fn gate_digest(&mut self, task: TaskIndex, _: GateMoment, _: &[KeptPort]) -> String {
        task.0.to_string()
    }

    fn failure_digest(&mut self, task: TaskIndex, attempt: u32, _: &Failure) -> String {
        format!("{}-{attempt}", task.0)
    }
}

fn failed() -> Option<Box<Failure>> {
    Some(Box::new(Failure::new(FailureCode::ExecutionFailed, FailurePhase::Execution, "it did not work")))
}

impl State {
    fn first(program: &Program, deaths: u32) -> Self {
        let outside = Outside {
            now: Moment(1_000),
            running: BTreeMap::new(),
            left: BTreeMap::new(),
            locked: BTreeSet::new(),
            effects: vec![0; program.tasks.len()],
            deaths,
            orders: 1,
        };
        let mut state =
            Self { run: Run::new(program.clone()), rules: Rules::new(program.clone()), journal: None, outside };
        let started = beginning(program);
        state.run.apply(state.outside.now, &started).expect("a beginning");
        state.keep(vec![started], true);
        state.succeed();
        state
    }

    /// What is written, and acted upon unless the runner died while it wrote.
    fn keep(&mut self, events: Vec<Event>, acts: bool) {
        let at = self.outside.now.max(self.run.latest());
        for event in events {
            self.rules.saw(at, &event);
            if let Event::StageStarted { task, attempt, stage } = &event {
                let index = self.run.find(task).expect("a task").0;
                if acts {
                    self.outside.running.insert(index, (*attempt, stage.clone()));
                } else {
                    self.outside.left.insert(index, false);
                }
            }
            self.journal = Some(Rc::new(Record { at, event, before: self.journal.take() }));
        }
    }

    /// The next runner knows the journal and nothing else.
    fn succeed(&mut self) {
        let mut records = Vec::new();
        let mut last = &self.journal;
        while let Some(record) = last {
            records.push((record.at, &record.event));
            last = &record.before;
        }
        let mut run = Run::new(self.run.program().clone());
        for (at, event) in records.into_iter().rev() {
            run.apply(at, event).expect("what happened can happen again");
        }
        self.run = run;
        self.outside.locked.clear();
        if self.run.ending().is_none() {
            let events = self.run.take_over(self.outside.now, 2, "h", "me").expect("a next runner");
            self.keep(events, true);
        }
    }

    fn die(&mut self) {
        self.outside.deaths -= 1;
        for index in std::mem::take(&mut self.outside.running).into_keys() {
            self.outside.left.insert(index, true);
        }
        self.succeed();
    }

    /// The states after something happened: its events were written, or some of them and the runner died.
    fn after(&self, happens: impl FnOnce(&mut Self) -> Option<Vec<Event>>, found: &mut Vec<Self>) {
        let mut state = self.clone();
        let Some(events) = happens(&mut state) else { return };
        if state.outside.deaths > 0 {
            for kept in 0..=events.len() {
                let mut dead = state.clone();
                dead.keep(events[..kept].to_vec(), false);
                dead.die();
                found.push(dead);
            }
        }
        state.keep(events, true);
        found.push(state);
    }

    /// All states that may come next.
    fn next(&self) -> Vec<Self> {
        let mut found = Vec::new();
        self.after(
            |state| {
                let (now, mut outside) = (state.outside.now, state.outside.clone());
                let events = state.run.decide(now, &mut outside);
                state.outside = outside;
                Some(events)
            },
            &mut found,
        );
        for index in 0..self.outside.effects.len() {
            let task = TaskIndex::new(index);
            self.ends(task, &mut found);
            self.is_looked_at(task, &mut found);
            self.is_decided(task, &mut found);
        }
        if let Some(at) = self.run.next_timer(self.outside.now) {
            let mut state = self.clone();
            state.outside.now = at;
            found.push(state);
        }
        found
    }

    /// The work or the verification of a task ends.
    fn ends(&self, task: TaskIndex, found: &mut Vec<Self>) {
        let Some((attempt, stage)) = self.outside.running.get(&task.0) else { return };
        let is_done = self.outside.effects[task.get()] > 0;
        let verifies = stage != "run";
        for works in [true, false].into_iter().filter(|works| !verifies || *works == is_done) {
            self.after(
                |state| {
                    state.outside.running.remove(&task.0);
                    state.outside.effects[task.get()] += u32::from(works && !verifies);
                    let (attempt, stage) = (*attempt, stage.clone());
                    let failure = if works { None } else { failed() };
                    let report = StageReport { attempt, stage, milliseconds: 1, failure, outputs: Vec::new() };
                    Some(state.run.stage_ended(state.outside.now, task, report).expect("a report in time"))
                },
                found,
            );
        }
    }

    /// Somebody knows, or nobody, what became of what a dead runner left.
    fn is_looked_at(&self, task: TaskIndex, found: &mut Vec<Self>) {
        let Some(began) = self.outside.left.get(&task.0).copied() else { return };
        let Phase::Interrupted { stage } = self.run.task(task).phase else { return };
        let stage = self.run.program().tasks[task.get()].stages[stage];
        let is_done = self.outside.effects[task.get()] > 0;
        let outcomes = if !began {
            vec![None]
        } else if stage.is_repeatable() {
            vec![Some(is_done)]
        } else {
            vec![Some(true), Some(false)]
        };
        for outcome in outcomes {
            let happened = |state: &mut Self| {
                state.outside.left.remove(&task.0);
                let works = outcome == Some(true) && !stage.is_repeatable();
                state.outside.effects[task.get()] += u32::from(works);
            };
            // Nobody knows.
            let mut state = self.clone();
            happened(&mut state);
            found.push(state);
            self.after(
                |state| {
                    happened(state);
                    let now = state.outside.now;
                    let Some(works) = outcome else {
                        return Some(state.run.never_started(now, task).expect("it was interrupted"));
                    };
                    let failure = if works { None } else { failed() };
                    let (attempt, stage) = (state.run.task(task).attempts, stage.word().to_owned());
                    let report = StageReport { attempt, stage, milliseconds: 1, failure, outputs: Vec::new() };
                    Some(state.run.stage_ended(now, task, report).expect("it was interrupted"))
                },
                found,
            );
        }
    }

    /// People say their word.
    fn is_decided(&self, task: TaskIndex, found: &mut Vec<Self>) {
        let id = self.run.program().tasks[task.get()].id.clone();
        if let Phase::Gate(gate) = &self.run.task(task).phase {
            for approved in [true, false] {
                let (task, by, digest) = (id.clone(), "p1".to_owned(), gate.digest.clone());
                let decision = GateDecision { task, approved, by, comment: String::new(), digest, set: Vec::new() };
                self.after(|state| state.run.decided(state.outside.now, decision).ok(), found);
            }
        }
        // Who orders it again has looked.
        let is_known = !self.outside.left.contains_key(&task.0) && self.outside.effects[task.get()] == 0;
        let waits = matches!(self.run.task(task).phase, Phase::Unknown { .. } | Phase::Blocked(_));
        if self.outside.orders > 0 && waits && is_known {
            self.after(
                |state| {
                    state.outside.orders -= 1;
                    state.run.ordered_again(state.outside.now, &id, "p1").ok()
                },
                found,
            );
        }
    }

    /// What has to be true of every state, beside the rules of its events.
    fn is_right(&self) {
        let tasks = &self.run.program().tasks;
        for (index, spec) in tasks.iter().enumerate() {
            let effects = self.outside.effects[index];
            assert!(spec.idempotent || effects <= 1, "{} was done {effects} times: {self}", spec.id);
            let is_complete = matches!(self.run.task(TaskIndex::new(index)).phase, Phase::Complete(_));
            assert!(!is_complete || effects > 0, "{} is complete and was never done: {self}", spec.id);
        }
        match self.run.ending() {
            Some(ending) => {
                self.rules.ended(ending);
                let is_done = self.outside.effects.iter().all(|effects| *effects > 0);
                assert!(ending != Ending::Done || is_done, "something was lost: {self}");
            }
            None => {
                // Something goes on by itself, or people are waited for and know it.
                let is_busy = !self.outside.running.is_empty() || self.run.next_timer(self.outside.now).is_some();
                if is_busy || self.run.waiting().is_some() {
                    return;
                }
                let mut next = self.clone();
                let mut outside = self.outside.clone();
                assert!(!next.run.decide(self.outside.now, &mut outside).is_empty(), "stuck: {self}");
            }
        }
    }

    fn key(&self) -> u128 {
        let run = format!("{:?}", self.run);
        // The program before it is the same in all states; the index of ids has no order.
        let (_, after) = run.split_once("ids: {").and_then(|(_, ids)| ids.split_once('}')).expect("the ids of tasks");
        let text = format!("{after} {} {:?}", self.rules.memory(), self.outside);
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, &text).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        half(0) << 64 | half(1)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:?}\nlast events first:", self.outside)?;
        let mut last = &self.journal;
        while let Some(record) = last {
            writeln!(f, "{:?} {:?}", record.at, record.event)?;
            last = &record.before;
        }
        write!(f, "{:#?}", self.run.program())
    }
}

/// All states that can be reached, and the ends among them.
fn search(program: &Program, deaths: u32) -> (usize, usize, usize) {
    let first = State::first(program, deaths);
    let mut seen: HashSet<u128> = [first.key()].into();
    let (mut open, mut ways, mut ends) = (vec![first], 0, 0);
    while let Some(state) = open.pop() {
        state.is_right();
        if state.run.ending().is_some() {
            ends += 1;
            continue;
        }
        for next in state.next() {
            ways += 1;
            if seen.insert(next.key()) {
                open.push(next);
            }
        }
    }
    (seen.len(), ways, ends)
}

#[test]
fn small_programs_are_right_in_every_state_they_can_reach() {
    let (most, part) = number("OUTPOST_STATES").map_or((2, 17), |most| (most as usize, 1));
    for count in 1..=most {
        let deaths = number("OUTPOST_DEATHS").unwrap_or(1) as u32;
        let (mut total, mut states, mut ways, mut ends) = (0, 0, 0, 0);
        for program in shapes(count).step_by(part) {
            let found = search(&program, deaths);
            total += 1;
            states += found.0;
            ways += found.1;
            ends += found.2;
        }
        eprintln!(
            "{count} tasks, {deaths} deaths: all {states} states of {total} shapes, {ways} ways, {ends} ends, 0 violations"
        );
        assert!(states > 50 * total && ends > total, "{states} {ends}");
    }
}
