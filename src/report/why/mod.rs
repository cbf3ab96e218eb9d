//! Why a task ran, ran again, waits, was skipped or is blocked: one line, and the command that makes it go on.
//!
//! It reads a run and what its journal says of the task. What only the machine knows (the time, whether
//! somebody drives the run, who holds a lock) it is told.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::blueprint::{Blueprint, TaskIndex};
use crate::report::progress::short;
use crate::report::table::one_line;
use crate::run::{
    Chore, Completion, Ending, Event, GateDecision, GateMoment, Mode, Moment, Permit, Phase, Run, Standing, Undo,
};

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
    /// Decisions that people left and no runner took yet.
    pub left: &'a [GateDecision],
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
        Phase::Waiting | Phase::Retrying { .. } if let Some(asked) = facts.run.awaited_answer(index) => {
            let asked = facts.name(asked);
            Why::new(format!("waits for what a person says of the agents' budget, who is asked at {asked}"))
                .with(format!("outpost-bp approve {asked} --run {}", facts.id))
        }
        Phase::Waiting => facts.waits(index),
        Phase::Gate(_) => facts.gate(index),
        Phase::Working { stage, .. } if facts.is_driven => {
            let word = spec.stages[*stage].word();
            let time = facts.since(state.attempt_started);
            Why::new(format!("runs now: `{word}`, attempt {}{time}{}", state.attempts, facts.again(index)))
        }
        Phase::Working { stage, running: false } | Phase::Paused { stage } => {
            let word = spec.stages[*stage].word();
            facts.resumes(format!("was interrupted: its runner ended before `{word}`, which is next"))
        }
        Phase::Working { stage, running: true } | Phase::Interrupted { stage } => {
            let stage = spec.stages[*stage];
            let word = stage.word();
            let next = if stage.is_repeatable() {
                format!("a {} is started again", if stage.is_verification() { "verification" } else { "landing" })
            } else if spec.idempotent {
                "the document says that twice does no harm, so it is started again".to_owned()
            } else if spec.stages.iter().any(|stage| stage.is_verification()) {
                "its verification will tell whether it is done".to_owned()
            } else {
                "unless its process left word, a person will have to say what became of it".to_owned()
            };
            facts.resumes(format!("was interrupted: its runner ended while `{word}` ran; {next}"))
        }
        Phase::Finished | Phase::Failing(_) => facts.resumes("has run, and what follows is not decided yet"),
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
        Phase::Replaced { failure, by } => {
            Why::new(format!("failed for good ({}), and waits for its fallback {by}", failure.message))
        }
        Phase::Unknown { running: Some(_), .. } if facts.is_driven => {
            Why::new("is unknown: its verification runs now and will tell how its work ended")
        }
        Phase::Unknown { next: Some(_), .. } | Phase::Unknown { running: Some(_), .. } => {
            facts.resumes("is unknown: its verification is next and will tell how its work ended")
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
    let why = match facts.run.undo(index) {
        Undo::Undone => Why::new("is rolled back"),
        Undo::Running => Why::new("is being rolled back"),
        Undo::Failed | Undo::Unknown => facts.rollback(index),
        Undo::Nothing | Undo::Irreversible | Undo::Due => why,
    };
    // Where the run is over for good, nothing makes a task go on.
    let is_to_be_undone = matches!(facts.run.undo(index), Undo::Failed | Undo::Unknown);
    match facts.run.ending() {
        Some(Ending::RollbackFailed) if is_to_be_undone => why,
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
                        Permit::HandedOff => "its runner ended, and the document says how it goes on".into(),
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
        let is_over = self.run.ending().is_some_and(|ending| ending != Ending::Failed);
        if is_rejection || is_over {
            return why;
        }
        if self.is_driven {
            return why.with(format!("outpost-bp logs {} --run {}", self.name(index), self.id));
        }
        let text = format!("{}; mend it, and `resume` runs it again", why.text);
        Why { text, ..why }.with(format!("outpost-bp resume {}", self.id))
    }

    fn gate(&self, index: TaskIndex) -> Why {
        let task = self.blueprint.task(index);
        let Some(asked) = self.run.asked(index, task) else {
            return Why::new("waits for nobody");
        };
        let (gate, action, then) = (&asked.open, asked.what(), asked.then());
        let when = match (gate.moment, &asked.reason) {
            (GateMoment::Before, _) | (GateMoment::Failed | GateMoment::Budget, None) => String::new(),
            (GateMoment::After, _) => "its work is done and ".to_owned(),
            (GateMoment::Failed, Some(reason)) => format!("it failed ({reason}) and "),
            (GateMoment::Budget, Some(reason)) => format!("{reason}, and it "),
        };
        if gate.deadline <= self.now {
            return self.resumes(format!("{when}waited for a person ({action}), and nobody decided in time: {then}"));
        }
        let left = self.left.iter().find(|word| word.task == *task.id && word.digest == gate.digest);
        if let Some(GateDecision { approved, by, .. }) = left {
            let word = if *approved { "approved" } else { "rejected" };
            return self
                .resumes(format!("{when}waited for a person ({action}); {by} {word} it, and no runner knows yet"));
        }
        let so_far = match asked.approvals {
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

    /// Its rollback did not go well.
    fn rollback(&self, index: TaskIndex) -> Why {
        let task = &self.run.program().tasks[index.get()].id;
        let chore = Chore::Rollback { task: task.clone() };
        let why = match self.run.chore(&chore).map(|state| &state.standing) {
            Some(Standing::Failed(failure)) => format!("could not be rolled back: {}", failure.message),
            _ => "may be rolled back or not: its rollback ran when its runner ended".to_owned(),
        };
        Why::new(why).with(format!("outpost-bp rollback {} {task}", self.id))
    }

    /// What ended the run, if it is over.
    fn over(&self) -> Option<&'static str> {
        Some(match self.run.ending()? {
            Ending::Cancelled => "the run was cancelled",
            Ending::Rejected => "a gate ended the run",
            Ending::RolledBack | Ending::RollbackFailed => "the run was rolled back",
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
        let mut seen = vec![false; self.run.indices().count()];
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
