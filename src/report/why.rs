//! Why a task ran, ran again, waits, was skipped or is blocked: one line, and the command that makes it go on.
//!
//! It reads a run and what its journal says of the task. What only the machine knows (the time, whether
//! somebody drives the run, who holds a lock) it is told.

use std::time::Duration;

use super::progress::{short, tasks};
use super::table::one_line;
use crate::blueprint::{Blueprint, TaskIndex};
use crate::run::{Completion, Ending, Event, GateMoment, Mode, Moment, OnTimeout, OpenGate, Permit, Phase, Run};

/// Tasks that are named in a line at most.
const MOST: usize = 5;

/// What is known about a run.
#[derive(Debug)]
pub struct Facts<'a> {
    pub run: &'a Run,
    pub blueprint: &'a Blueprint<'a>,
    pub id: &'a str,
    pub events: &'a [(Moment, Event)],
    pub now: Moment,
    /// Whether somebody drives it.
    pub is_driven: bool,
    /// Who holds the locks of the project.
    pub holders: &'a [Holder],
}

/// Somebody who holds a lock.
#[derive(Clone, Debug)]
pub struct Holder {
    pub lock: String,
    pub run: String,
    pub task: String,
    pub pid: u32,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    pub text: String,
    /// What makes it go on, if anything does.
    pub command: Option<String>,
}

impl Why {
    fn new(text: impl Into<String>) -> Self {
        Self { text: one_line(&text.into()), command: None }
    }

    fn with(self, command: String) -> Self {
        Self { command: Some(command), ..self }
    }
}

/// Why the task stands where it does.
pub fn why(facts: &Facts<'_>, index: TaskIndex) -> Why {
    let state = facts.run.task(index);
    let spec = &facts.run.program().tasks[index.get()];
    if spec.settled {
        let status = facts.blueprint.task(index).status;
        return Why::new(if status.is_terminal() {
            format!("did not run: the document says that it is {status}")
        } else {
            "did not run: it was not selected".to_owned()
        });
    }
    let why = match &state.phase {
        Phase::Waiting => facts.waits(index),
        Phase::Gate(gate) => facts.gate(index, gate),
        Phase::Working { stage, .. } if facts.is_driven => {
            let word = spec.stages[*stage].word();
            let time = facts.since(state.attempt_started);
            Why::new(format!("runs now: `{word}`, attempt {}{time}{}", state.attempts, facts.again(index)))
        }
        Phase::Working { stage, running: false } | Phase::Paused { stage } => {
            let word = spec.stages[*stage].word();
            facts.resumes(format!("its runner ended before `{word}`, which is next"))
        }
        Phase::Working { stage, running: true } | Phase::Interrupted { stage } => {
            let stage = spec.stages[*stage];
            let word = stage.word();
            let next = if stage.is_repeatable() {
                "a verification is started again".to_owned()
            } else if spec.idempotent {
                "the document says that twice does no harm, so it is started again".to_owned()
            } else if spec.stages.iter().any(|stage| stage.is_repeatable()) {
                "its verification will tell whether it is done".to_owned()
            } else {
                "unless its process left word, a person will have to say what became of it".to_owned()
            };
            facts.resumes(format!("its runner ended while `{word}` ran; {next}"))
        }
        Phase::Finished | Phase::Failing(_) => facts.resumes("its work is over and what follows is not decided yet"),
        Phase::Retrying { at } => {
            let reason = state.last_failure.as_ref().map(|last| last.message.clone()).unwrap_or_default();
            let next = state.attempts + 1;
            let failed = format!("attempt {} failed: {reason}", state.attempts);
            if facts.is_driven {
                Why::new(format!("waits for attempt {next}, in {}, because {failed}", between(facts.now, *at)))
            } else {
                facts.resumes(format!("would run again as attempt {next}, because {failed}"))
            }
        }
        Phase::Unknown { running: Some(_), .. } if facts.is_driven => {
            Why::new("nobody knows how its work ended; its verification runs now and will tell")
        }
        Phase::Unknown { next: Some(_), .. } | Phase::Unknown { running: Some(_), .. } => {
            facts.resumes("nobody knows how its work ended; its verification is next and will tell")
        }
        Phase::Unknown { stage, .. } => {
            let word = spec.stages[*stage].word();
            Why::new(format!(
                "waits for a person: `{word}` ran when its runner ended, and nobody knows how far it came"
            ))
            .with(format!("outpost-bp resume {} --rerun {}", facts.id, spec.id))
        }
        Phase::Complete(how) => Why::new(facts.complete(index, *how)),
        Phase::Skipped(reason) => Why::new(format!("was skipped: {reason}")),
        Phase::Blocked(failure) => facts.blocked(index, &failure.message, failure.is_rejection()),
    };
    // Where the run is over for good, nothing makes a task go on.
    match facts.run.ending() {
        Some(ending) if ending != Ending::Failed => Why { command: None, ..why },
        _ => why,
    }
}

impl Facts<'_> {
    fn name(&self, index: TaskIndex) -> &str {
        &self.run.program().tasks[index.get()].id
    }

    /// Something that the next runner goes on with; one that is there does so by itself.
    fn resumes(&self, text: impl Into<String>) -> Why {
        let why = Why::new(text);
        if self.is_driven { why } else { why.with(format!("outpost-bp resume {}", self.id)) }
    }

    fn since(&self, began: Option<Moment>) -> String {
        began.map_or_else(String::new, |began| format!(", for {}", between(began, self.now)))
    }

    /// Why it is not the first attempt.
    fn again(&self, index: TaskIndex) -> String {
        self.reason_again(self.name(index)).map_or_else(String::new, |reason| format!("; again, because {reason}"))
    }

    /// What the journal says last about why the task was started once more.
    fn reason_again(&self, task: &str) -> Option<String> {
        let (mut reason, mut failed) = (None, None);
        for (_, event) in self.events {
            match event {
                Event::StageEnded { task: of, attempt, failure: Some(failure), .. } if of == task => {
                    failed = Some(format!("attempt {attempt} failed: {}", failure.message));
                }
                Event::RetryScheduled { task: of, .. } if of == task => reason.clone_from(&failed),
                Event::RepeatAllowed { task: of, by } if of == task => {
                    reason = Some(match by {
                        Permit::Idempotent => "its runner ended, and the document says that twice does no harm".into(),
                        Permit::NeverStarted => "its runner ended before it began".into(),
                        Permit::Ordered { by } => format!("{by} ordered it"),
                    });
                }
                Event::EditAccepted { by, again, .. } if again.iter().any(|of| of == task) => {
                    reason = Some(format!("{by} accepted an edit of the document that touches it"));
                }
                _ => {}
            }
        }
        reason
    }

    fn complete(&self, index: TaskIndex, how: Completion) -> String {
        let state = self.run.task(index);
        let needs = &self.run.program().tasks[index.get()].needs;
        match how {
            Completion::Collected => "is complete: all below it is".to_owned(),
            Completion::Verified => "is complete: its verification passes; it does not run again".to_owned(),
            Completion::Done => {
                let because = if needs.is_empty() {
                    "it needs no other task".to_owned()
                } else {
                    format!("{} {} complete", self.names(needs), if needs.len() == 1 { "was" } else { "were" })
                };
                let again = match (state.attempts, self.reason_again(self.name(index))) {
                    (0 | 1, _) => "it is complete and".to_owned(),
                    (many, None) => format!("it took {many} attempts; it"),
                    (many, Some(reason)) => format!("it took {many} attempts, because {reason}; it"),
                };
                format!("ran, because {because}; {again} does not run again")
            }
        }
    }

    fn blocked(&self, index: TaskIndex, message: &str, is_rejection: bool) -> Why {
        let attempts = match self.run.task(index).attempts {
            0 | 1 => String::new(),
            many => format!(", after {many} attempts"),
        };
        let why = Why::new(format!("is blocked{attempts}: {message}"));
        if is_rejection {
            return why;
        }
        if self.is_driven {
            return why.with(format!("outpost-bp logs {} --run {}", self.name(index), self.id));
        }
        let text = format!("{}; mend it, and `resume` runs it again", why.text);
        Why { text, ..why }.with(format!("outpost-bp resume {}", self.id))
    }

    fn gate(&self, index: TaskIndex, gate: &OpenGate) -> Why {
        let task = self.blueprint.task(index);
        let spec = self.run.program().tasks[index.get()].gate.as_ref();
        let action = task.gate.as_deref().map(|gate| gate.action.to_string()).filter(|action| !action.is_empty());
        let action = action.unwrap_or_else(|| "to approve it".to_owned());
        let when = if gate.moment == GateMoment::After { "its work is done and " } else { "" };
        if gate.deadline <= self.now {
            let then = match spec.map(|spec| spec.on_timeout) {
                Some(OnTimeout::Skip) => "it is skipped",
                Some(OnTimeout::Continue) => "it goes on without",
                _ => "the run ends",
            };
            return self.resumes(format!("{when}waited for a person ({action}), and nobody decided in time: {then}"));
        }
        let needed = spec.map_or(1, |spec| spec.approvals.max(1));
        let so_far = match needed {
            1 => String::new(),
            many => format!(", {} of {many} approved", gate.approved_by.len()),
        };
        let left = between(self.now, gate.deadline);
        Why::new(format!("{when}waits for a person: {action} ({left} left{so_far})"))
            .with(format!("outpost-bp approve {} --run {}", task.id, self.id))
    }

    fn waits(&self, index: TaskIndex) -> Why {
        let unmet: Vec<TaskIndex> = self.run.unmet(index).collect();
        if !unmet.is_empty() {
            return self.waits_for_tasks(&unmet);
        }
        let spec = &self.run.program().tasks[index.get()];
        if let Some(over) = self.over() {
            return self.resumes(format!("did not start: {over}"));
        }
        if !self.is_driven {
            return self.resumes("is next: all it needs is complete, and nobody drives the run");
        }
        if self.run.mode() != Mode::Going {
            return Why::new("does not start: the run is coming to its end");
        }
        if let Some((lock, holder)) = self.run.lock_holder(index) {
            return Why::new(format!("waits for the lock `{lock}`, which {} of this run holds", self.name(holder)));
        }
        let locks = spec.locks.iter().map(|(lock, _)| self.run.program().locks[*lock].name.as_str());
        let mut held =
            locks.filter_map(|lock| self.holders.iter().find(|held| held.lock == lock && held.run != self.id));
        if let Some(Holder { lock, run, task, pid }) = held.next() {
            return Why::new(format!("waits for the lock `{lock}`, which {task} of run {run} holds (process {pid})"))
                .with("outpost-bp locks".to_owned());
        }
        let working = self.run.working().count() as u64;
        if working >= u64::from(self.run.program().slots) {
            let them: Vec<TaskIndex> = self.run.working().collect();
            return Why::new(format!(
                "waits for a slot: {} of {working} are in use, by {}",
                working,
                self.names(&them)
            ));
        }
        if working > 0 {
            return Why::new("waits for processors, memory or disk that others use, or is about to start");
        }
        Why::new("is about to start: all it needs is complete")
    }

    /// What ended the run, if it is over.
    fn over(&self) -> Option<&'static str> {
        Some(match self.run.ending()? {
            Ending::Cancelled => "the run was cancelled",
            Ending::Rejected => "a gate ended the run",
            Ending::Done | Ending::Failed => "the run ended",
        })
    }

    /// Who is waited for, and what the first cause of it is.
    fn waits_for_tasks(&self, unmet: &[TaskIndex]) -> Why {
        let with_phase = |index: &TaskIndex| {
            let word = self.word(*index);
            format!("{} ({word})", self.name(*index))
        };
        let shown: Vec<String> = unmet.iter().take(MOST).map(with_phase).collect();
        let more = if unmet.len() > MOST { format!(" and {} more", unmet.len() - MOST) } else { String::new() };
        let text = format!("waits for {}{more}", shown.join(", "));
        // What it waits for may itself wait: what a person can do is at the end of that chain.
        let Some(cause) = self.cause(unmet) else {
            return self.resumes(match self.over() {
                Some(over) => format!("did not start: {over} while it {}", text.replacen("waits", "waited", 1)),
                None => text,
            });
        };
        let first = why(self, cause);
        if unmet.contains(&cause) && unmet.len() == 1 {
            return Why { text: format!("waits for {}, which {}", self.name(cause), first.text), ..first };
        }
        Why { text: format!("{text}; {} {}", self.name(cause), first.text), ..first }
    }

    /// The word for where another task stands; where nobody drives the run, nothing runs.
    fn word(&self, index: TaskIndex) -> &'static str {
        match &self.run.task(index).phase {
            Phase::Working { running: true, .. } if !self.is_driven => "interrupted",
            phase => phase.word(),
        }
    }

    /// A task behind these that does not go on by itself: blocked, a gate, unknown.
    fn cause(&self, unmet: &[TaskIndex]) -> Option<TaskIndex> {
        let mut open: Vec<TaskIndex> = unmet.to_vec();
        let mut seen = vec![false; tasks(self.run).count()];
        while let Some(index) = open.pop() {
            if std::mem::replace(&mut seen[index.get()], true) {
                continue;
            }
            match self.run.task(index).phase {
                Phase::Blocked(_) | Phase::Gate(_) | Phase::Unknown { running: None, next: None, .. } => {
                    return Some(index);
                }
                _ => open.extend(self.run.unmet(index)),
            }
        }
        None
    }

    fn names(&self, indices: &[TaskIndex]) -> String {
        let mut names: Vec<String> = indices.iter().take(MOST).map(|index| self.name(*index).to_owned()).collect();
        if indices.len() > MOST {
            names.push(format!("{} more", indices.len() - MOST));
        }
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => names.concat(),
        }
    }
}

fn between(from: Moment, to: Moment) -> String {
    short(Duration::from_millis(to.0.saturating_sub(from.0)))
}

#[cfg(test)]
mod tests {
    use super::{Facts, Holder, why};
    use crate::blueprint::read;
    use crate::document::Source;
    use crate::plan::Plan;
    use crate::run::{
        Amounts, Completion, Ending, Event, Failure, FailureCode, FailurePhase, GateDecision, GateMoment, Moment,
        Permit, Program, Run,
    };

    const DOCUMENT: &str = "\
```yaml
execution:
  max_parallel_tasks: 1
  resource_locks: [{name: db, type: exclusive}]
```

```yaml
task_id: a
name: a
run: x
resources: {locks: [db]}
on_failure: {max_retries: 3}
```

```yaml
task_id: b
name: b
dependencies: [a]
human_required: {action: look, timeout: PT1H}
run: x
```

```yaml
task_id: c
name: c
dependencies: [b]
run: x
```

```yaml
task_id: d
name: d
run: x
resources: {locks: [db]}
```

```yaml
task_id: e
name: e
run: x
verification: {unit: {command: y}}
```

```yaml
task_id: s
name: s
status: skipped
run: x
```
";

    /// What is said about a task after these events, an hour after the beginning of time. Each event happens a
    /// second after the one before.
    fn said(task: &str, is_driven: bool, events: Vec<Event>) -> (String, Option<String>) {
        let (source, _) = Source::from_bytes("t.md", DOCUMENT.as_bytes().to_vec());
        let blueprint = read(&source, false).into_blueprint().0.expect("no errors");
        let plan = Plan::of(&blueprint, &[]).expect("a plan");
        let mut run = Run::new(Program::of(&blueprint, &plan, None, Amounts::default()));
        let events: Vec<(Moment, Event)> =
            events.into_iter().zip(1..).map(|(event, second)| (Moment(second * 1000), event)).collect();
        for (at, event) in &events {
            run.apply(*at, event).expect("it can happen");
        }
        let holders = [Holder { lock: "db".to_owned(), run: "other".to_owned(), task: "x".to_owned(), pid: 7 }];
        let holders = if run.working().count() == 0 { &holders[..] } else { &[] };
        let now = Moment(60_000);
        let facts = Facts { run: &run, blueprint: &blueprint, id: "R", events: &events, now, is_driven, holders };
        let answer = why(&facts, run.find(task).expect("a task"));
        (answer.text, answer.command)
    }

    #[track_caller]
    fn check(task: &str, is_driven: bool, events: Vec<Event>, text: &str, command: Option<&str>) {
        assert_eq!(said(task, is_driven, events), (text.to_owned(), command.map(str::to_owned)));
    }

    fn failure(message: &str) -> Box<Failure> {
        Box::new(Failure::new(FailureCode::ExecutionFailed, FailurePhase::Execution, message))
    }

    fn started(task: &str, attempt: u32, stage: &str) -> Event {
        Event::StageStarted { task: task.to_owned(), attempt, stage: stage.to_owned() }
    }

    fn ended(task: &str, attempt: u32, failure: Option<Box<Failure>>) -> Event {
        let (task, stage) = (task.to_owned(), "run".to_owned());
        Event::StageEnded { task, attempt, stage, milliseconds: 5, failure, outputs: Vec::new() }
    }

    fn blocked(task: &str, failure: Box<Failure>) -> Event {
        Event::TaskBlocked { task: task.to_owned(), failure }
    }

    fn done(task: &str) -> Vec<Event> {
        let complete = Event::TaskCompleted { task: task.to_owned(), how: Completion::Done };
        vec![started(task, 1, "run"), ended(task, 1, None), complete]
    }

    fn gate() -> Event {
        let deadline = Moment(3_600_000);
        Event::GateOpened { task: "b".to_owned(), time: GateMoment::Before, digest: "d".to_owned(), deadline }
    }

    fn took_over() -> Event {
        Event::RunnerTookOver { pid: 1, host: "h".to_owned(), by: "ada".to_owned() }
    }

    #[test]
    fn what_has_not_started_waits_for_something_that_has_a_name() {
        let waits = "waits for a (waiting)";
        check("b", true, vec![], waits, None);
        check("b", false, vec![], waits, Some("outpost-bp resume R"));
        check(
            "d",
            true,
            vec![],
            "waits for the lock `db`, which x of run other holds (process 7)",
            Some("outpost-bp locks"),
        );
        check("d", true, vec![started("a", 1, "run")], "waits for the lock `db`, which a of this run holds", None);
        check("e", true, vec![started("a", 1, "run")], "waits for a slot: 1 of 1 are in use, by a", None);
        check("e", true, vec![], "is about to start: all it needs is complete", None);
        check(
            "e",
            false,
            vec![],
            "is next: all it needs is complete, and nobody drives the run",
            Some("outpost-bp resume R"),
        );
        let draining = Event::Draining { reason: "x".to_owned(), ends: true };
        check("e", true, vec![draining], "does not start: the run is coming to its end", None);
        check("s", true, vec![], "did not run: the document says that it is skipped", None);
    }

    #[test]
    fn the_first_cause_is_named_with_what_helps_against_it() {
        let at_gate = [done("a"), vec![gate()]].concat();
        let text = "waits for a person: look (59 min 00 s left)";
        check("b", true, at_gate.clone(), text, Some("outpost-bp approve b --run R"));
        check("c", false, at_gate, &format!("waits for b, which {text}"), Some("outpost-bp approve b --run R"));
        let failed = vec![started("a", 1, "run"), ended("a", 1, Some(failure("no"))), blocked("a", failure("no"))];
        check(
            "c",
            false,
            failed,
            "waits for b (waiting); a is blocked: no; mend it, and `resume` runs it again",
            Some("outpost-bp resume R"),
        );
    }

    #[test]
    fn a_gate_says_how_long_and_a_late_one_what_comes_of_it() {
        let late = Event::GateOpened {
            task: "b".to_owned(),
            time: GateMoment::Before,
            digest: "d".to_owned(),
            deadline: Moment(30_000),
        };
        check(
            "b",
            false,
            [done("a"), vec![late]].concat(),
            "waited for a person (look), and nobody decided in time: the run ends",
            Some("outpost-bp resume R"),
        );
    }

    #[test]
    fn what_runs_again_says_why() {
        let again = [
            vec![started("a", 1, "run"), ended("a", 1, Some(failure("no")))],
            vec![Event::RetryScheduled { task: "a".to_owned(), attempt: 2, at: Moment(3000) }],
        ]
        .concat();
        let waiting = "attempt 1 failed: no";
        check(
            "a",
            false,
            again.clone(),
            &format!("would run again as attempt 2, because {waiting}"),
            Some("outpost-bp resume R"),
        );
        check("a", true, again.clone(), &format!("waits for attempt 2, in 0.0 s, because {waiting}"), None);
        let running = [again, vec![started("a", 2, "run")]].concat();
        check(
            "a",
            true,
            running.clone(),
            "runs now: `run`, attempt 2, for 56 s; again, because attempt 1 failed: no",
            None,
        );
        let complete = Event::TaskCompleted { task: "a".to_owned(), how: Completion::Done };
        check(
            "a",
            true,
            [running, vec![ended("a", 2, None), complete]].concat(),
            "ran, because it needs no other task; it took 2 attempts, because attempt 1 failed: no; it does not run again",
            None,
        );
        let ordered = Event::RepeatAllowed { task: "a".to_owned(), by: Permit::Ordered { by: "ada".to_owned() } };
        let ordered = [
            vec![started("a", 1, "run"), ended("a", 1, Some(failure("no"))), blocked("a", failure("no"))],
            vec![ordered, started("a", 2, "run")],
        ]
        .concat();
        check("a", true, ordered, "runs now: `run`, attempt 2, for 55 s; again, because ada ordered it", None);
    }

    #[test]
    fn a_runner_that_died_leaves_what_resume_will_ask() {
        let resume = Some("outpost-bp resume R");
        let running = |task: &str| vec![started(task, 1, "run")];
        check(
            "a",
            false,
            running("a"),
            "its runner ended while `run` ran; unless its process left word, a person will have to say what became of it",
            resume,
        );
        let text = "its runner ended while `run` ran; its verification will tell whether it is done";
        check("e", false, running("e"), text, resume);
        check("e", false, [running("e"), vec![took_over()]].concat(), text, resume);
        let unknown = Event::TaskUnknown { task: "a".to_owned(), attempt: 1, stage: "run".to_owned() };
        check(
            "a",
            false,
            [running("a"), vec![took_over(), unknown]].concat(),
            "waits for a person: `run` ran when its runner ended, and nobody knows how far it came",
            Some("outpost-bp resume R --rerun a"),
        );
        check(
            "e",
            false,
            [running("e"), vec![ended("e", 1, None)]].concat(),
            "its runner ended before `verify:unit`, which is next",
            resume,
        );
    }

    #[test]
    fn where_a_run_is_over_no_command_helps() {
        let cancelled =
            vec![Event::CancelRequested { by: "ada".to_owned() }, Event::RunEnded { state: Ending::Cancelled }];
        check("e", false, cancelled.clone(), "did not start: the run was cancelled", None);
        check("b", false, cancelled, "did not start: the run was cancelled while it waited for a (waiting)", None);
        let no = GateDecision {
            task: "b".to_owned(),
            approved: false,
            by: "eve".to_owned(),
            comment: "not\n\u{1b}[31mnow".to_owned(),
            digest: "d".to_owned(),
            set: Vec::new(),
        };
        let rejection = Failure {
            lasting: true,
            ..Failure::new(FailureCode::GateRejected, FailurePhase::Preflight, "eve rejected it: not\n\u{1b}[31mnow")
        };
        let events = [
            done("a"),
            vec![gate(), Event::GateDecided(Box::new(no)), blocked("b", Box::new(rejection))],
            vec![Event::RunEnded { state: Ending::Rejected }],
        ]
        .concat();
        check("b", false, events, "is blocked: eve rejected it: not now", None);
    }
}
