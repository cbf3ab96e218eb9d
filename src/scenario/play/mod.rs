//! A scenario, played: the real run decides, and what it asks of the world is answered by scripts, at the scripted time.
//!
//! The loop is the driver's, with a clock that jumps to whatever comes next. A crash forgets all but the events, as the
//! end of a process does. Two plays of one scenario are the same, event by event.

mod people;
mod work;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use outpost_executor::Outcome as Ended;

use super::script::{Attempt, Deed, Happening, Scenario, Trigger, Word};
use crate::blueprint::{Blueprint, TaskIndex, secret};
use crate::engine::bench::{Capabilities, Limit};
use crate::engine::inputs;
use crate::engine::output::Values;
use crate::report::progress::line;
use crate::run::{Chore, Event, GateDecision, Moment, Phase, Run, RunStarted, Stage};
use world::{Outside, needed};

/// When every play begins: 2000-01-01, so that nothing depends on the day.
const BEGINNING: Moment = Moment(946_684_800_000);
/// Turns of a play, far above what any scenario needs.
const MOST_TURNS: usize = 1_000_000;

/// What came of a scenario.
#[derive(Debug)]
pub struct Played {
    pub run: Run,
    pub started: RunStarted,
    pub events: Vec<(Moment, Event)>,
    /// The events for people, and what people and scripts did in vain.
    pub log: Vec<(Moment, String)>,
    /// Why the run did not begin.
    pub refused: Vec<String>,
    /// What the scenario says and never came about.
    pub idle: Vec<String>,
    /// What the last attempt of a task was given.
    pub(super) inputs: BTreeMap<TaskIndex, Values>,
    /// Tasks with an attempt under way, whenever these were others.
    pub(super) together: Vec<BTreeSet<TaskIndex>>,
}

impl Played {
    /// How long it took.
    pub fn duration(&self) -> u64 {
        self.run.latest().0.saturating_sub(BEGINNING.0)
    }
}

/// Time since the beginning, as `1:02:03`, and milliseconds where there are any.
pub fn elapsed(at: Moment) -> String {
    let all = at.0.saturating_sub(BEGINNING.0);
    let (seconds, rest) = (all / 1000, all % 1000);
    let rest = if rest == 0 { String::new() } else { format!(".{rest:03}") };
    format!("{}:{:02}:{:02}{rest}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A piece of work under way.
struct Job {
    what: Piece,
    began: Moment,
    ends: Moment,
    ended: Ended,
    limit: Limit,
    script: Attempt,
}

enum Piece {
    Stage(TaskIndex, u32, Stage),
    Chore(Chore),
}

/// What people and processes outside of the run do, and when.
struct Due {
    at: Moment,
    deed: Act,
}

enum Act {
    Decide(Box<GateDecision>),
    Deed(Deed, String),
}

/// A scenario on its way.
pub struct Play<'p, 'd> {
    scenario: &'p Scenario<'p>,
    blueprint: &'p Blueprint<'d>,
    environment: Vec<(String, String)>,
    tools: Capabilities,
    now: Moment,
    /// In the order in which they began.
    jobs: Vec<Job>,
    due: Vec<Due>,
    /// What has not come about yet.
    happens: Vec<Happening>,
    /// Orders for tasks of which nobody knows yet whether they are unknown.
    orders: Vec<(String, String)>,
    /// What tasks left, by attempt.
    left: BTreeMap<(TaskIndex, u32), Values>,
    played: Played,
}

impl std::fmt::Debug for Play<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Play").field("scenario", &self.scenario.name).finish_non_exhaustive()
    }
}

impl<'p, 'd> Play<'p, 'd> {
    /// A run of the scenario that has not begun.
    pub fn new(scenario: &'p Scenario<'p>, blueprint: &'p Blueprint<'d>) -> Self {
        let chosen = scenario.environment.as_deref();
        let found = blueprint.execution.environments.iter().find(|one| Some(one.name.as_str()) == chosen);
        let environment = found.map_or_else(Vec::new, |environment| {
            environment.variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        });
        let started = RunStarted {
            run: "scenario".to_owned(),
            blueprint: blueprint.name().to_owned(),
            file: String::new(),
            root: String::new(),
            digest: String::new(),
            by: scenario.by.clone(),
            tasks: blueprint.tasks.len(),
            selection: Vec::new(),
            rerun: Vec::new(),
            environment: scenario.environment.clone(),
            jobs: None,
            fail_fast: scenario.program.fail_fast,
            traceparent: None,
        };
        Self {
            scenario,
            blueprint,
            environment,
            tools: scenario.world.tools(needed(blueprint, scenario).into_iter().map(|(name, _)| name)),
            now: BEGINNING,
            jobs: Vec::new(),
            due: Vec::new(),
            happens: scenario.happens.clone(),
            orders: Vec::new(),
            left: BTreeMap::new(),
            played: Played {
                run: Run::new(scenario.program.clone()),
                started,
                events: Vec::new(),
                log: Vec::new(),
                refused: Vec::new(),
                idle: Vec::new(),
                inputs: BTreeMap::new(),
                together: Vec::new(),
            },
        }
    }

    /// Plays it to its end.
    pub fn play(mut self) -> Result<Played, String> {
        self.played.refused = self.lacking();
        if !self.played.refused.is_empty() {
            return Ok(self.played);
        }
        for happening in std::mem::take(&mut self.happens) {
            match happening.trigger {
                Trigger::At(at) => {
                    self.due.push(Due { at: BEGINNING.after(at), deed: Act::Deed(happening.deed, happening.by) });
                }
                Trigger::On { .. } | Trigger::End => self.happens.push(happening),
            }
        }
        let started = Event::RunStarted(Box::new(self.played.started.clone()));
        self.played.run.apply(self.now, &started).map_err(|illegal| illegal.to_string())?;
        self.saw(vec![started]);
        let events = self.played.run.take_over(self.now, 1, "a made-up world", &self.scenario.by).unwrap_or_default();
        self.saw(events);
        for _ in 0..MOST_TURNS {
            self.go_on();
            let Some(next) = self.next() else {
                let end = self.happens.iter().position(|happening| happening.trigger == Trigger::End);
                let Some(end) = end else {
                    self.played.idle = self.idle();
                    return Ok(self.played);
                };
                let Happening { deed, by, .. } = self.happens.remove(end);
                self.act(deed, &by);
                continue;
            };
            self.now = self.now.max(next);
            self.answer();
            self.people();
            self.played.run.retry_outside();
        }
        Err(format!("it comes to no end within {MOST_TURNS} turns"))
    }

    /// What the planned tasks need for certain and is not there.
    fn lacking(&self) -> Vec<String> {
        let missing = needed(self.blueprint, self.scenario)
            .into_iter()
            .filter(|(name, index)| !self.tools.contains_key(*name) && self.blueprint.task(*index).when().is_none());
        let mut lines: Vec<String> = missing
            .map(|(name, index)| {
                format!("E_CAPABILITY_MISSING: `{name}` is not here ({})", self.blueprint.task(index).id)
            })
            .collect();
        let secrets = self.scenario.plan.running().filter_map(|index| {
            let skips = secret::may_skip(&self.blueprint.execution, self.blueprint.task(index));
            let name = self.lacking_secret(index).filter(|_| !skips)?;
            Some(format!("E_SECRET_MISSING: no source has `{name}` ({})", self.blueprint.task(index).id))
        });
        lines.extend(secrets);
        lines.dedup();
        lines
    }

    /// A secret that a task needs and nobody has.
    fn lacking_secret(&self, index: TaskIndex) -> Option<String> {
        let uses = secret::of_task(self.blueprint.task(index));
        let missing = &self.scenario.world.no_secrets;
        uses.into_iter().find(|one| one.default.is_none() && missing.contains(&one.name)).map(|one| one.name)
    }

    /// What the scenario says and never came about.
    fn idle(&self) -> Vec<String> {
        let attempts = self.scenario.scripts.iter().filter_map(|(index, script)| {
            let (scripted, had) = (script.attempts.len(), self.played.run.task(*index).attempts as usize);
            let id = &self.blueprint.task(*index).id;
            (scripted > had.max(1)).then(|| format!("{id} has a script for {scripted} attempts, and had {had}"))
        });
        let happens = self.happens.iter().filter_map(|happening| match &happening.trigger {
            Trigger::On { task, stage, attempt } => {
                let stage = stage.as_deref().unwrap_or("a stage");
                Some(format!("what happens on {stage} of attempt {attempt} of {task} never came about"))
            }
            Trigger::At(_) | Trigger::End => None,
        });
        let due = self.due.iter().filter(|due| matches!(due.deed, Act::Deed(..)));
        let due = due.map(|due| format!("what happens at {} never came about", elapsed(due.at)));
        attempts.chain(happens).chain(due).collect()
    }

    fn note(&mut self, text: String) {
        self.played.log.push((self.now, text));
    }

    /// Keeps what happened, for the next runner and for people; then acts on it.
    fn saw(&mut self, events: Vec<Event>) {
        for event in &events {
            if let Some(told) = line(event, &self.played.run, self.blueprint) {
                let text = if told.task.is_empty() { told.text } else { format!("{:<10} {}", told.task, told.text) };
                self.note(text);
            }
            self.played.events.push((self.now, event.clone()));
        }
        let working: BTreeSet<TaskIndex> = self.played.run.working().collect();
        if self.played.together.last() != Some(&working) {
            self.played.together.push(working);
        }
        let mut occasions = Vec::new();
        for event in events {
            match event {
                Event::StageStarted { task, attempt, stage } => {
                    self.start(&task, attempt, &stage);
                    occasions.extend(self.occasion(&task, attempt, &stage));
                }
                Event::ChoreStarted { chore, .. } => self.start_chore(&chore),
                Event::GateOpened { task, .. } => self.opened(&task),
                Event::Stopping { .. } | Event::CancelRequested { .. } => {
                    for job in &mut self.jobs {
                        (job.ends, job.ended) = (self.now, Ended::Cancelled);
                    }
                }
                _ => {}
            }
        }
        for happening in occasions {
            self.act(happening.deed, &happening.by);
        }
    }

    /// What is to happen when this stage has just started.
    fn occasion(&mut self, started: &str, nth: u32, now: &str) -> Option<Happening> {
        let is_meant = |happening: &Happening| match &happening.trigger {
            Trigger::On { task, stage, attempt } => {
                task == started && *attempt == nth && stage.as_deref().is_none_or(|stage| stage == now)
            }
            Trigger::At(_) | Trigger::End => false,
        };
        let place = self.happens.iter().position(is_meant)?;
        Some(self.happens.remove(place))
    }

    /// Decides until nothing follows any more.
    fn go_on(&mut self) {
        loop {
            let questions: Vec<TaskIndex> = self.played.run.questions().collect();
            for task in questions {
                let holds = inputs::holds(self, &self.played.run, &self.tools, task);
                let answer = inputs::judged(self.blueprint, task, holds, self.lacking_secret(task).as_deref());
                let events = self.played.run.condition(self.now, task, answer).unwrap_or_default();
                self.saw(events);
            }
            let since = self.now.0.saturating_sub(BEGINNING.0);
            let held = self.scenario.world.locks.iter().filter(|(_, until)| **until > since);
            let mut outside =
                Outside { blueprint: self.blueprint, held: held.map(|(name, _)| name.as_str()).collect() };
            let events = self.played.run.decide(self.now, &mut outside);
            // To ask whether a condition holds is no event.
            if events.is_empty() && self.played.run.questions().next().is_none() {
                return;
            }
            self.saw(events);
            self.order();
        }
    }

    /// When something comes next. The play ends before the deadline of a gate that
    /// stays open: what happens behind it would not be what the scenario means.
    fn next(&self) -> Option<Moment> {
        if self.played.run.ending().is_some() {
            // Only these take up what is over.
            let takes_up =
                |due: &&Due| matches!(due.deed, Act::Deed(Deed::Resume | Deed::Rerun(_) | Deed::Rollback, _));
            return self.due.iter().filter(takes_up).map(|due| due.at).min();
        }
        let since = self.now.0.saturating_sub(BEGINNING.0);
        let waits = self.played.run.indices().any(|index| self.played.run.waits_outside(index));
        let unlocked = self.scenario.world.locks.values().filter(|until| waits && **until > since).min();
        let jobs = self.jobs.iter().map(|job| job.ends);
        let others = self.due.iter().map(|due| due.at).chain(unlocked.map(|until| BEGINNING.after(*until)));
        let first = jobs.chain(others).min();
        match self.played.run.next_timer(self.now) {
            Some(timer) if self.is_deadline_of_open_gate(timer) => first.filter(|first| *first < timer),
            timer => first.into_iter().chain(timer).min(),
        }
    }

    fn is_deadline_of_open_gate(&self, at: Moment) -> bool {
        self.scenario.gates.iter().any(|(index, said)| {
            said.iter().any(|one| one.word == Word::Open)
                && matches!(&self.played.run.task(*index).phase, Phase::Gate(gate) if gate.deadline == at)
        })
    }
}
