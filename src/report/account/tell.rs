//! Events that were folded, the state they lead to, and the document → the account.
//!
//! Where a task stands and why is asked of those who know; here it is put together.

use super::fold::{Told, ending};
use super::held::Holders;
use super::print::{Logs, print};
use super::{
    Account, At, AttemptPart, ChorePart, Counts, DocumentPart, FORMAT, FailurePart, Fold, Metrics, OutputPart, RunPart,
    StagePart, TaskPart, VERSION,
};
use crate::blueprint::model::{Stage as Verification, Task};
use crate::blueprint::{TaskIndex, executor};
use crate::document::{Carrier, Source};
use crate::report::progress::Tally;
use crate::report::status::Status;
use crate::report::why;
use crate::run::{Ending, Moment, Phase, RunStarted, Stage, TaskState, Undo};

/// Tasks that merely wait and whose reason is told; the reason of one may be at the end of a long chain.
const REASONS: usize = 1_000;

/// What is known of a run beside its events.
#[derive(Debug)]
pub struct Facts<'a> {
    pub why: &'a why::Facts<'a>,
    pub status: &'a Status,
    pub started: &'a RunStarted,
    /// The document that is run now, and its digest.
    pub source: &'a Source,
    pub digest: &'a str,
    /// The tool and its version.
    pub made_by: &'a str,
}

impl Fold<'_> {
    /// The account of the run that was seen.
    pub fn account(mut self, facts: &Facts<'_>, logs: &mut Logs<'_>) -> Account {
        let run = facts.why.run;
        let mut reasons = REASONS;
        for chore in &mut self.aside.chores {
            chores_evidence(facts, chore);
        }
        let held = std::mem::take(&mut self.tasks);
        let holders = Holders::of(run.program(), &held);
        let tasks: Vec<TaskPart> = held
            .into_iter()
            .enumerate()
            .map(|(place, told)| {
                if place < facts.why.blueprint.tasks.len() {
                    task(facts, TaskIndex::new(place), told, &holders, &mut reasons)
                } else {
                    removed(told)
                }
            })
            .collect();
        let latest = self.latest();
        let until = match (self.ended, facts.why.is_driven) {
            (Some(at), _) => at,
            (None, true) => facts.why.now.max(latest),
            (None, false) => latest,
        };
        let mut account = Account {
            format: FORMAT,
            version: VERSION,
            made_by: facts.made_by.to_owned(),
            made_at: At(facts.why.now),
            counts: counts(&tasks, &Tally::of(run)),
            run: RunPart {
                id: facts.why.id.to_owned(),
                state: facts.status.state,
                ending: run.ending().map(ending),
                began_by: facts.started.by.clone(),
                began_at: At(facts.why.events.first().map_or(latest, |(at, _)| *at)),
                ended_at: self.ended.map(At),
                latest_at: At(latest),
                milliseconds: 0,
                driver: facts.status.driver.clone(),
                root: facts.started.root.clone(),
                environment: facts.started.environment.clone(),
                selection: facts.started.selection.clone(),
                rerun: facts.started.rerun.clone(),
                jobs: facts.started.jobs,
                fail_fast: facts.started.fail_fast,
                runners: self.runners,
                edits: self.edits,
                next: next(facts),
            },
            document: document(facts),
            tasks,
            gates: self.gates,
            aside: self.aside,
            happened: self.happened,
            pauses: self.pauses,
            left_out: Vec::new(),
        };
        account.run.milliseconds = account.run.began_at.until(At(until));
        if reasons == 0 {
            account.left_out.push(format!(
                "why tasks wait is told for {REASONS} of them; of any other: `outpost-bp why TASK --run {}`",
                facts.why.id
            ));
        }
        print(&mut account, logs);
        account
    }
}

/// What makes the run go on, where nobody drives it.
fn next(facts: &Facts<'_>) -> Option<String> {
    let goes_on = match facts.why.run.ending() {
        None => !facts.why.is_driven,
        Some(ending) => ending == Ending::Failed && !facts.why.is_driven,
    };
    goes_on.then(|| format!("outpost-bp resume {}", facts.why.id))
}

fn document(facts: &Facts<'_>) -> DocumentPart {
    let blueprint = facts.why.blueprint;
    let mut rows = blueprint.metrics.clone();
    // A table has its headings in the first row; a YAML document has none.
    let has_headings = blueprint.carrier == Carrier::Markdown && rows.len() > 1;
    let headings = if has_headings { rows.remove(0) } else { Vec::new() };
    DocumentPart {
        title: blueprint.name().to_owned(),
        file: facts.started.file.clone(),
        digest: facts.digest.to_owned(),
        began_with: facts.started.digest.clone(),
        banner: blueprint.banner.clone(),
        vision: blueprint.vision.clone(),
        metrics: Metrics { headings, rows },
    }
}

fn counts(tasks: &[TaskPart], tally: &Tally) -> Counts {
    let stages = || tasks.iter().flat_map(|task| &task.attempts).flat_map(|attempt| &attempt.stages);
    let verifications = |result| stages().filter(|stage| stage.is_verification() && stage.result == result).count();
    Counts {
        tasks: tally.total,
        complete: tally.complete,
        blocked: tally.blocked,
        skipped: tally.skipped,
        waiting_for_people: tally.people,
        open: tally.total - tally.settled(),
        attempts: tasks.iter().map(|task| task.attempts.len()).sum(),
        verifications_passed: verifications("passed"),
        verifications_failed: verifications("failed"),
    }
}

fn task(facts: &Facts<'_>, index: TaskIndex, mut told: Told, holders: &Holders, reasons: &mut usize) -> TaskPart {
    let (run, blueprint) = (facts.why.run, facts.why.blueprint);
    let (written, spec, state) = (blueprint.task(index), &run.program().tasks[index.get()], run.task(index));
    let status = &facts.status.tasks[index.get()];
    let own = executor(blueprint, index);
    for attempt in &mut told.attempts {
        finish(attempt, facts.why.is_driven);
        if attempt.of_earlier_document {
            continue;
        }
        for stage in &mut attempt.stages {
            evidence(stage, written, own);
        }
    }
    for wait in told.waits.iter_mut().filter(|wait| wait.what == "queue") {
        wait.locks = holders.of_wait(&spec.locks, index, wait);
    }
    let why = reason(facts, index, state, reasons);
    let tier = written.tier.and_then(|tier| blueprint.tiers.get(tier as usize));
    let lock = |(lock, alone): &(usize, bool)| {
        let name = &run.program().locks[*lock].name;
        if *alone { name.clone() } else { format!("{name} (shared)") }
    };
    let ended = state.ended.filter(|_| state.is_final());
    TaskPart {
        id: told.id,
        name: written.name.to_string(),
        tier: tier.and_then(|tier| tier.number),
        tier_title: tier.map(|tier| tier.title.clone()).unwrap_or_default(),
        line: facts.source.position(written.span.start).line,
        executor: own.to_owned(),
        status: status.status,
        settled: spec.settled,
        completed: completed(state).filter(|_| !spec.settled),
        why: why.as_ref().map(|why| why.text.clone()),
        command: why.and_then(|why| why.command),
        needs: spec.needs.iter().map(|need| run.program().tasks[need.get()].id.clone()).collect(),
        locks: spec.locks.iter().map(lock).collect(),
        criteria: written.criteria.iter().map(ToString::to_string).collect(),
        started_at: state.started.map(At),
        ended_at: ended.map(At),
        milliseconds: worked(&told.attempts, At(facts.why.now)),
        failure: match &state.phase {
            Phase::Blocked(failure) => Some(FailurePart::of(failure)),
            _ => None,
        },
        attempts: told.attempts,
        waits: told.waits,
        outputs: state.kept.iter().flat_map(|(_, ports)| ports).map(output).collect(),
        again: told.again,
        fallback: told.fallback,
        checkpoints: told.checkpoints,
        undo: match run.undo(index) {
            Undo::Nothing => None,
            Undo::Irreversible => Some("irreversible"),
            Undo::Due => Some("due"),
            Undo::Running => Some("running"),
            Undo::Undone => Some("undone"),
            Undo::Failed => Some("failed"),
            Undo::Unknown => Some("unknown"),
        },
    }
}

fn output(kept: &crate::run::KeptPort) -> OutputPart {
    OutputPart { port: kept.port.clone(), digest: kept.digest.clone() }
}

/// A task that an edit took out of the document: only what happened to it is known.
fn removed(mut told: Told) -> TaskPart {
    for attempt in &mut told.attempts {
        finish(attempt, false);
        attempt.of_earlier_document = true;
    }
    TaskPart {
        name: told.id.clone(),
        id: told.id,
        tier: None,
        tier_title: String::new(),
        line: 1,
        executor: String::new(),
        status: "removed",
        settled: true,
        completed: None,
        why: Some("an edit took it out of the document".to_owned()),
        command: None,
        needs: Vec::new(),
        locks: Vec::new(),
        criteria: Vec::new(),
        started_at: told.attempts.first().map(|first| first.started_at),
        ended_at: told.attempts.last().and_then(|last| last.ended_at),
        milliseconds: worked(&told.attempts, At(Moment::default())),
        failure: None,
        attempts: told.attempts,
        waits: told.waits,
        outputs: Vec::new(),
        again: told.again,
        fallback: told.fallback,
        checkpoints: told.checkpoints,
        undo: None,
    }
}

/// What the stages of a task took so far; nothing where none was started.
fn worked(attempts: &[AttemptPart], now: At) -> Option<u64> {
    let stages = attempts.iter().flat_map(|attempt| &attempt.stages);
    let so_far = |stage: &StagePart| if stage.result == "running" { stage.started_at.until(now) } else { 0 };
    let took = stages.map(|stage| stage.milliseconds.unwrap_or_else(|| so_far(stage))).reduce(u64::saturating_add);
    took.filter(|_| !attempts.is_empty())
}

const fn completed(state: &TaskState) -> Option<&'static str> {
    match state.phase {
        Phase::Complete(how) => Some(how.word()),
        _ => None,
    }
}

fn reason(facts: &Facts<'_>, index: TaskIndex, state: &TaskState, reasons: &mut usize) -> Option<why::Why> {
    let is_settled = facts.why.run.program().tasks[index.get()].settled;
    if is_settled {
        return Some(why::why(facts.why, index));
    }
    match state.phase {
        _ if matches!(facts.why.run.undo(index), Undo::Failed | Undo::Unknown) => Some(why::why(facts.why, index)),
        Phase::Complete(_) => None,
        Phase::Waiting if *reasons == 0 => None,
        _ => {
            *reasons -= usize::from(state.phase == Phase::Waiting);
            Some(why::why(facts.why, index))
        }
    }
}

/// How an attempt ended, from how its stages did.
fn finish(attempt: &mut AttemptPart, is_driven: bool) {
    for stage in attempt.stages.iter_mut().filter(|stage| stage.result == "running" && !is_driven) {
        stage.result = "interrupted";
    }
    attempt.ended_at = attempt.stages.last().and_then(|last| last.ended_at);
    let has = |result| attempt.stages.iter().any(|stage| stage.result == result && !stage.optional);
    let last = attempt.stages.last().map_or("running", |last| last.result);
    attempt.result = match last {
        "running" | "interrupted" => last,
        _ if has("failed") => "failed",
        _ => "passed",
    };
}

/// What a chore ran. Its command is that of the document as it is now.
fn chores_evidence(facts: &Facts<'_>, chore: &mut ChorePart) {
    let blueprint = facts.why.blueprint;
    let task = chore.task.as_deref().and_then(|task| facts.why.run.find(task)).map(|index| blueprint.task(index));
    let command = match chore.kind {
        "rollback" => task.and_then(|task| task.rollback.as_ref()?.command.as_ref()),
        "on_success" => task.and_then(Task::on_success),
        _ => blueprint.execution.hook(chore.name).map(|hook| &hook.command),
    };
    for attempt in &mut chore.attempts {
        finish(attempt, facts.why.is_driven);
        for stage in &mut attempt.stages {
            stage.command = command.map(ToString::to_string);
            stage.expected_exit_code = Some(0);
            stage.exit_code = stage.exit_code.or((stage.result == "passed").then_some(0));
        }
    }
}

/// What a stage ran, and with which exit codes.
fn evidence(stage: &mut StagePart, task: &Task<'_>, executor: &str) {
    let verification = Verification::ALL
        .into_iter()
        .find(|tier| Stage::Verify { tier: *tier, optional: false }.word() == stage.stage)
        .and_then(|tier| task.verification.iter().find(|stage| stage.stage == tier));
    let command = match stage.stage.as_str() {
        "setup" => task.context.as_ref().and_then(|context| context.setup_command.as_ref()),
        "run" => task.run.as_ref(),
        _ => verification.map(|verification| &verification.command),
    };
    stage.command = command.map(ToString::to_string);
    // Work that is not a command of ours has no exit code that anybody expects.
    if stage.stage == "run" && executor != "shell" {
        return;
    }
    let expected = verification.map_or(0, |verification| i32::from(verification.expected_exit_code));
    stage.expected_exit_code = Some(expected);
    if stage.result == "passed" {
        stage.exit_code = Some(expected);
    }
}
