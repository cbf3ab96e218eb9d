//! `outpost-bp approve`, `reject` and `cancel`: a person's word, left for the run's driver.
//!
//! Only the driver writes the journal. With one alive, the command waits until the word is in the journal
//! and says what became of it; without one, the word waits for `resume`.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::kept::{Kept, look, store, user};
use super::resume::{open_run, refuse_over};
use super::run::drive_to_end;
use super::{Exit, Failure, Output, complete};
use crate::engine::error::Broken;
use crate::engine::inbox::{self, Note};
use crate::engine::moment::now;
use crate::engine::store::RunFiles;
use crate::journal::holder;
use crate::run::{Ending, GateDecision, GateMoment, Phase, Refusal};

/// How long a driver that is alive may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Args, Debug)]
pub(super) struct DecideArgs {
    /// The task whose gate is open
    #[arg(add = ArgValueCandidates::new(complete::gates))]
    task: String,
    /// How the run's id begins, or its document; the latest run that is not over without it
    #[arg(long, value_name = "RUN", add = ArgValueCandidates::new(complete::runs))]
    run: Option<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
    /// Decide as this person; the user's name without it
    #[arg(long = "as", value_name = "NAME")]
    by: Option<String>,
    /// Decide only on what has this digest, as `status --json` shows it
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    decide: DecideArgs,
    /// Give the task a value, as its input KEY
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

#[derive(Args, Debug)]
pub(super) struct CancelArgs {
    /// How the run's id begins, or its document; the latest run that is not over without it
    #[arg(add = ArgValueCandidates::new(complete::runs))]
    run: Option<String>,
    /// Cancel as this person; the user's name without it
    #[arg(long = "as", value_name = "NAME")]
    by: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

/// A decision before it is known what exactly is decided on.
pub(super) struct Word<'a> {
    pub(super) task: &'a str,
    pub(super) approved: bool,
    pub(super) by: &'a str,
    pub(super) comment: &'a str,
    pub(super) set: &'a [(String, String)],
    /// What the person saw; what is there now without it.
    pub(super) digest: Option<&'a str>,
}

pub(super) fn approve(args: &ApproveArgs, output: &mut Output) -> Result<Exit, Failure> {
    decide(&args.decide, true, &args.set, output)
}

pub(super) fn reject(args: &DecideArgs, output: &mut Output) -> Result<Exit, Failure> {
    decide(args, false, &[], output)
}

fn decide(args: &DecideArgs, approved: bool, set: &[(String, String)], output: &mut Output) -> Result<Exit, Failure> {
    let files = open_run(&store()?, args.run.as_deref())?;
    let by = person(args.by.as_deref())?;
    let word =
        Word { task: &args.task, approved, by: &by, comment: &args.comment, set, digest: args.digest.as_deref() };
    let said = match leave_word(&files, &word)? {
        Left::Known => format!("{} was {} by {by} already\n", args.task, past(approved)),
        Left::Waits => format!(
            "{} is {} by {by}; nobody drives the run now, it counts with: outpost-bp resume {}\n",
            args.task,
            past(approved),
            files.id()
        ),
        Left::Counts => format!("{} is {} by {by}\n", args.task, past(approved)),
    };
    output.note(&said);
    Ok(Exit::Done)
}

/// Who decides. Blanks around a name make no other person.
fn person(named: Option<&str>) -> Result<String, Failure> {
    match named.map(str::trim) {
        None => Ok(user()),
        Some("") => Err(Failure::new("`--as` names nobody", "write a name, or leave it out")),
        Some(name) => Ok(name.to_owned()),
    }
}

const fn past(approved: bool) -> &'static str {
    if approved { "approved" } else { "rejected" }
}

/// What became of a word.
pub(super) enum Left {
    /// The same was said before.
    Known,
    /// It is in the journal.
    Counts,
    /// It is kept until somebody drives the run.
    Waits,
}

/// Leaves a decision for the run's driver and waits for it, if there is one.
pub(super) fn leave_word(files: &RunFiles, word: &Word<'_>) -> Result<Left, Failure> {
    let decision = look(files, |kept| judged(kept, word))?;
    let Some(decision) = decision else {
        return Ok(Left::Known);
    };
    let is_driven = holder(files.folder()).map_err(Broken::from)?.is_some();
    let note = left(&files.inbox(), &Note::Decision(decision.clone()))?;
    if !is_driven || !taken(files, &note)? {
        // Two may have decided at once: the one whose note comes first is heard.
        let is_first = look(files, |kept| Ok(stands(kept, word, &note)));
        return match is_first? {
            Ok(_) => Ok(Left::Waits),
            Err(refusal) => {
                // What would be refused anyway need not wait.
                let _ = std::fs::remove_file(&note);
                Err(refused(word.task, &refusal))
            }
        };
    }
    look(files, |kept| {
        let known = kept.run.decisions(&decision.task);
        // Of its words, secrets were taken out.
        let is_it = |one: &GateDecision| GateDecision { comment: decision.comment.clone(), ..one.clone() } == decision;
        if known.iter().any(is_it) {
            return Ok(Left::Counts);
        }
        Err(match kept.run.clone().decided(now(), decision.clone()) {
            Err(refusal) => refused(&decision.task, &refusal),
            Ok(_) => Failure::new(
                format!("the word on `{}` was not taken", decision.task),
                if decision.set.is_empty() {
                    "`outpost-bp status` shows where the run stands"
                } else {
                    "what it sets may hold a secret of the run, and inputs are kept: its runner says so"
                },
            ),
        })
    })
}

fn left(inbox: &Path, note: &Note) -> Result<std::path::PathBuf, Failure> {
    Ok(inbox::leave(inbox, note).map_err(|error| Broken::Io(inbox.display().to_string(), error))?)
}

/// Whether the driver took a note, before it ended or lost patience with it.
fn taken(files: &RunFiles, note: &Path) -> Result<bool, Failure> {
    let deadline = Instant::now() + PATIENCE;
    while note.exists() {
        if Instant::now() > deadline || holder(files.folder()).map_err(Broken::from)?.is_none() {
            // It may have been taken between the two looks.
            return Ok(!note.exists());
        }
        // The driver is another process: that the note is gone is all that it says.
        thread::sleep(Duration::from_millis(20));
    }
    Ok(true)
}

/// The decision, if the run as it stands would take it; nothing if it has it.
fn judged(kept: &Kept<'_>, word: &Word<'_>) -> Result<Option<GateDecision>, Failure> {
    let is_review = kept.run.find(word.task).is_some_and(
        |index| matches!(&kept.run.task(index).phase, Phase::Gate(gate) if gate.moment == GateMoment::After),
    );
    if is_review && !word.set.is_empty() {
        return Err(Failure::new(
            format!("`{}` has done its work: nothing can be set for it any more", word.task),
            "approve it without `--set`, or reject it",
        ));
    }
    match stands(kept, word, Path::new("")) {
        Ok(decision) => Ok(Some(decision)),
        Err(Refusal::Repeated(_)) => Ok(None),
        Err(refusal) => Err(refused(word.task, &refusal)),
    }
}

/// The decision, if the run takes it after all notes that wait before `note`, or after all of them.
fn stands(kept: &Kept<'_>, word: &Word<'_>, note: &Path) -> Result<GateDecision, Refusal> {
    let mut run = kept.run.clone();
    let waiting = inbox::waiting(&kept.files.inbox()).unwrap_or_default();
    for left in waiting.iter().take_while(|left| left.path() != note) {
        if let Note::Decision(earlier) = &left.note {
            // One that will be refused changes nothing.
            let _ = run.decided(now(), earlier.clone());
        }
    }
    let digest = match run.find(word.task).map(|index| &run.task(index).phase) {
        Some(Phase::Gate(gate)) => gate.digest.clone(),
        _ => run.decisions(word.task).last().map(|last| last.digest.clone()).unwrap_or_default(),
    };
    let decision = GateDecision {
        task: word.task.to_owned(),
        approved: word.approved,
        by: word.by.to_owned(),
        comment: word.comment.to_owned(),
        digest: word.digest.map_or(digest, str::to_owned),
        set: word.set.to_vec(),
    };
    run.decided(now(), decision.clone()).map(|_| decision)
}

fn refused(task: &str, refusal: &Refusal) -> Failure {
    let hint = match refusal {
        Refusal::NoSuchTask(_) | Refusal::NotOpen(_) => "`outpost-bp gates` lists what waits for a person",
        Refusal::Decided(_) | Refusal::Repeated(_) => {
            "the first decision stands; `outpost-bp status` shows what came of it"
        }
        Refusal::Expired { .. } => "what happens now is what the document's `on_timeout` says",
        Refusal::NotApprover(_) => "ask one of them, or decide `--as` one of them if that is you",
        Refusal::Own => "ask somebody else: the document does not allow it (`self_approval: false`)",
        Refusal::Contradicts(_) => "agree on the value; what was approved first stands",
        Refusal::Changed => "look again with `outpost-bp status`, then decide",
        Refusal::RunOver => "begin another with `outpost-bp run`",
        Refusal::RollingBack | Refusal::Illegal(_) => "`outpost-bp status` shows where the run stands",
    };
    Failure { exit: Exit::Failed, ..Failure::new(format!("`{task}` cannot be decided: {refusal}"), hint) }
}

pub(super) fn cancel(args: &CancelArgs, output: &mut Output) -> Result<Exit, Failure> {
    let store = store()?;
    let files = open_run(&store, args.run.as_deref())?;
    let by = person(args.by.as_deref())?;
    let id = files.id().to_owned();
    look(&files, |kept| match kept.run.ending() {
        Some(_) => Err(Failure::new(format!("the run `{id}` is over"), "`outpost-bp runs` lists those that are not")),
        None if kept.run.is_rolling_back() => Err(Failure::new(
            format!("what the run `{id}` did is being undone, which cannot be cancelled"),
            "Ctrl-C ends its runner; `outpost-bp resume` goes on with it",
        )),
        None => Ok(()),
    })?;
    let is_driven = holder(files.folder()).map_err(Broken::from)?.is_some();
    let note = left(&files.inbox(), &Note::Cancel { by: by.clone() })?;
    if is_driven && taken(&files, &note)? {
        // It may have come to its end a moment before.
        look(&files, |kept| match kept.run.ending() {
            Some(Ending::Cancelled) | None => Ok(()),
            Some(_) => refuse_over(kept.glance, &id),
        })?;
        output.note(&format!("run {id} is cancelled by {by}; what runs is ended now\n"));
        return Ok(Exit::Done);
    }
    // Nobody drives it: this process does, for as long as it takes to write the end down.
    let exit = drive_to_end(&store, files, &note, output)?;
    if matches!(exit, Exit::Signal(_)) {
        return Ok(exit);
    }
    output.note(&format!("run {id} is cancelled by {by}\n"));
    Ok(Exit::Done)
}
