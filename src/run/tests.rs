//! Runs told event by event, where a rule is easier told than played in a made-up world.

mod fallbacks;
mod gates;
mod runners;
mod undoing;

use std::collections::BTreeSet;

use super::{
    Amounts, Chore, Event, Failure, FailureCode, FailurePhase, GateMoment, KeptPort, Moment, Phase, Program, Run,
    RunStarted, StageReport, World,
};
use crate::blueprint::{TaskIndex, read};
use crate::document::Source;
use crate::plan::Plan;

/// Nobody else wants a lock; it counts what it gives.
#[derive(Default)]
struct Alone {
    held: BTreeSet<u32>,
}

impl World for Alone {
    fn keep_locks(&mut self, working: &BTreeSet<u32>) {
        self.held.retain(|index| working.contains(index));
    }

    fn take_locks(&mut self, task: TaskIndex) -> bool {
        assert!(self.held.insert(task.0), "locks are taken once");
        true
    }

    fn gate_digest(&mut self, _: TaskIndex, _: GateMoment, _: &[KeptPort]) -> String {
        "d".to_owned()
    }

    fn failure_digest(&mut self, _: TaskIndex, attempt: u32, _: &Failure) -> String {
        format!("f{attempt}")
    }
}

struct Story {
    run: Run,
    world: Alone,
    now: Moment,
    /// What the last decisions were.
    events: Vec<Event>,
}

impl Story {
    fn of(text: &str) -> Self {
        let mut run = Run::new(program(text));
        let started = RunStarted {
            run: "r".to_owned(),
            blueprint: "b".to_owned(),
            file: "b.md".to_owned(),
            root: "/".to_owned(),
            digest: String::new(),
            by: "ann".to_owned(),
            tasks: run.program().tasks.len(),
            selection: Vec::new(),
            rerun: Vec::new(),
            environment: None,
            jobs: None,
            fail_fast: false,
            traceparent: None,
        };
        run.apply(Moment(0), &Event::RunStarted(Box::new(started))).expect("a beginning");
        let mut story = Self { run, world: Alone::default(), now: Moment(0), events: Vec::new() };
        story.resume();
        story
    }

    fn resume(&mut self) {
        self.world.held.clear();
        self.run.take_over(self.now, 1, "h", "ann").expect("a runner");
    }

    fn decide(&mut self) -> &mut Self {
        self.now = self.now.after(1);
        self.events = self.run.decide(self.now, &mut self.world);
        self
    }

    fn index(&self, task: &str) -> TaskIndex {
        self.run.find(task).expect("a task")
    }

    fn phase(&self, task: &str) -> &Phase {
        &self.run.task(self.index(task)).phase
    }

    /// The stage of a task that was started last ends.
    fn ends(&mut self, task: &str, failure: Option<Failure>) -> &mut Self {
        let index = self.index(task);
        let attempt = self.run.task(index).attempts;
        let report = StageReport {
            attempt,
            stage: "run".to_owned(),
            milliseconds: 1,
            failure: failure.map(Box::new),
            outputs: Vec::new(),
        };
        self.run.stage_ended(self.now, index, report).expect("a report in time");
        self
    }

    fn works(&mut self, task: &str) -> &mut Self {
        self.ends(task, None).decide()
    }

    fn fails(&mut self, task: &str) -> &mut Self {
        self.ends(task, Some(failure())).decide()
    }

    fn chore_ends(&mut self, chore: Chore, failure: Option<Failure>) -> &mut Self {
        self.run.chore_ended(self.now, chore, 1, failure.map(Box::new)).expect("a report in time");
        self.decide()
    }

    fn is_started(&self, task: &str) -> bool {
        self.events.iter().any(|event| matches!(event, Event::StageStarted { task: started, .. } if started == task))
    }

    fn started_chores(&self) -> Vec<&'static str> {
        let word = |event: &Event| match event {
            Event::ChoreStarted { chore, .. } => Some(chore.word()),
            _ => None,
        };
        self.events.iter().filter_map(word).collect()
    }
}

fn failure() -> Failure {
    Failure::new(FailureCode::ExecutionFailed, FailurePhase::Execution, "it did not work")
}

fn rollback(task: &str) -> Chore {
    Chore::Rollback { task: task.to_owned() }
}

/// Each line is a task.
fn program(text: &str) -> Program {
    let block = |line: &str| match line.trim() {
        execution if execution.starts_with("execution") => format!("```yaml\n{execution}\n```\n"),
        task => format!("```yaml\n{{{task}, name: n}}\n```\n"),
    };
    let document: String = text.lines().filter(|line| !line.trim().is_empty()).map(block).collect();
    let (source, _) = Source::from_bytes("t.md", document.into_bytes());
    let (blueprint, problems) = read(&source, false).into_blueprint();
    let blueprint = blueprint.unwrap_or_else(|| panic!("{problems:?}"));
    let plan = Plan::of(&blueprint, &[]).expect("a plan");
    Program::of(&blueprint, &plan, None, Amounts::default())
}
