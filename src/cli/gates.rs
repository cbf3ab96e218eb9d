//! `outpost-bp gates`: what waits for a person, in all runs of the project that are not over.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::kept::{Kept, look, look_back, store};
use super::{Exit, Failure, Output, remind};
use crate::blueprint::TaskIndex;
use crate::blueprint::model::Channel;
use crate::engine::inbox::{self, Note};
use crate::engine::moment::{now, timestamp};
use crate::engine::store::RunFiles;
use crate::report::progress::{plain, short};
use crate::report::status::NoticeStatus;
use crate::report::table::{one_line, wrapped};
use crate::run::{Asked, Event, GateDecision, Moment, OpenGate};

#[derive(Args, Debug)]
pub(super) struct GatesArgs {
    /// Also what was decided, in runs that are over as well
    #[arg(long)]
    all: bool,
    /// Tell people what they were not told: notices, reminders and escalations of runs that nobody drives
    #[arg(long, conflicts_with_all = ["all", "json"])]
    remind: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A gate that is open.
struct Gate {
    run: String,
    task: String,
    asked: Asked,
    starter: String,
    is_driven: bool,
    /// Decisions that nobody took yet.
    left: Vec<GateDecision>,
    /// Variables that a decision may stand in.
    variables: Vec<String>,
    /// Who was told, and who could not be.
    notices: Vec<NoticeStatus>,
}

/// A decision in the journal.
struct Decided {
    run: String,
    at: Moment,
    what: GateDecision,
}

pub(super) fn run(args: &GatesArgs, output: &mut Output) -> Result<Exit, Failure> {
    if args.remind {
        return remind::run(output);
    }
    let (mut gates, mut decided) = (Vec::new(), Vec::new());
    for files in store()?.runs()? {
        let found = look_back(&files, |kept, history| {
            gates.extend(open(&files, kept));
            let events = history.events.iter().filter(|_| args.all);
            decided.extend(events.filter_map(|(at, event)| match event {
                Event::GateDecided(what) => {
                    Some(Decided { run: files.id().to_owned(), at: *at, what: (**what).clone() })
                }
                _ => None,
            }));
            Ok(())
        });
        if let Err(failure) = found {
            output.note(&format!("warning: the run {} cannot be read: {}\n", files.id(), plain(&failure.message)));
        }
    }
    let now = now();
    if args.json {
        let mut found = json!({ "gates": gates.iter().map(|gate| gate.json(now)).collect::<Vec<_>>() });
        if args.all {
            found["decisions"] = decided.iter().map(Decided::json).collect();
        }
        output.json(&found)?;
        return Ok(Exit::Done);
    }
    if gates.is_empty() {
        output.note("nothing waits for a person\n");
    }
    let columns = output.columns();
    let blocks = gates.iter().map(|gate| gate.text(now, columns)).chain(decided.iter().map(Decided::text));
    output.data(&blocks.collect::<Vec<_>>().join("\n"))?;
    Ok(Exit::Done)
}

/// What waits for a person in one run, as `--json` tells it.
pub(super) fn waiting(files: &RunFiles) -> Result<Vec<Value>, Failure> {
    look(files, |kept| Ok(open(files, kept).iter().map(|gate| gate.json(now())).collect()))
}

fn open(files: &RunFiles, kept: &Kept<'_>) -> Vec<Gate> {
    if kept.run.ending().is_some() {
        return Vec::new();
    }
    let notes = inbox::waiting(&files.inbox()).unwrap_or_default();
    let gate = |index: TaskIndex| {
        let task = kept.blueprint.task(index);
        let asked = kept.run.asked(index, task)?;
        let written = task.gate.as_deref();
        let notices = kept.run.notices_of(&task.id, &asked.open);
        let left = notes.iter().filter_map(|left| match &left.note {
            Note::Decision(decision) if decision.task == *task.id => Some(decision.clone()),
            _ => None,
        });
        Some(Gate {
            run: files.id().to_owned(),
            task: task.id.to_string(),
            starter: kept.run.starter().to_owned(),
            is_driven: kept.glance.held_by.is_some(),
            left: left.collect(),
            variables: written
                .iter()
                .flat_map(|gate| &gate.notify)
                .filter(|notice| notice.to.channel == Channel::Env)
                .filter_map(|notice| notice.to.variable.as_ref().map(ToString::to_string))
                .collect(),
            notices: notices.iter().map(|(channel, notice)| NoticeStatus::new(None, channel, notice)).collect(),
            asked,
        })
    };
    kept.run.indices().filter_map(gate).collect()
}

impl Gate {
    fn command(&self) -> String {
        format!("outpost-bp approve {} --run {}", self.task, self.run)
    }

    fn text(&self, now: Moment, columns: Option<usize>) -> String {
        let mut text = wrapped(&format!("{} of run {}: ", self.task, self.run), self.asked.what(), columns);
        let mut say = |heading: &str, what: &str| text += &wrapped(heading, what, columns);
        if let Some(reason) = &self.asked.reason {
            say("  because: ", reason);
        }
        let OpenGate { opened, deadline, .. } = &self.asked.open;
        say("  since:   ", &format!("{} ({} ago)", clock(*opened), between(*opened, now)));
        let left = if *deadline > now { format!("{} left", between(now, *deadline)) } else { "over".to_owned() };
        say("  until:   ", &format!("{} ({left}), then {}", clock(*deadline), self.asked.then()));
        say("  who:     ", &self.who());
        if !self.variables.is_empty() {
            let names = self.variables.join(" or ");
            say("  or:      ", &format!("{names} set to `approve` or `reject` where it is resumed"));
        }
        let told: Vec<&str> =
            self.notices.iter().filter(|one| one.error.is_none()).map(|one| one.channel.as_str()).collect();
        if !told.is_empty() {
            say("  told:    ", &told.join(", "));
        }
        for notice in &self.notices {
            if let Some(error) = &notice.error {
                say("  untold:  ", &format!("{}: {error}", notice.channel));
            }
        }
        for word in &self.left {
            let said = if word.approved { "approved" } else { "rejected" };
            say("  left:    ", &format!("{said} by {}, not yet taken by the run", word.by));
        }
        // Not wrapped: it is there to be copied.
        if self.left.is_empty() || self.is_driven {
            text += &format!("  {}    (or: reject)\n", self.command());
        } else {
            text += &format!("  outpost-bp resume {}\n", self.run);
        }
        text
    }

    fn who(&self) -> String {
        let Asked { open, approvals, approvers, by_starter, .. } = &self.asked;
        let mut who = if approvers.is_empty() { "anybody".to_owned() } else { approvers.join(", ") };
        if !by_starter {
            who += &format!(", but not {}, who began the run", self.starter);
        }
        if *approvals > 1 {
            let so_far: Vec<&str> = open.approved_by.iter().map(String::as_str).collect();
            who += &format!("; {} of {approvals} approved", so_far.len());
            if !so_far.is_empty() {
                who += &format!(" ({})", so_far.join(", "));
            }
        }
        who
    }

    fn json(&self, now: Moment) -> Value {
        let Asked { open, action, reason, approvals, approvers, by_starter, .. } = &self.asked;
        json!({
            "run": self.run,
            "task": self.task,
            "action": action,
            "reason": reason,
            "when": open.moment,
            "requested_at": timestamp(open.opened).to_string(),
            "deadline": timestamp(open.deadline).to_string(),
            "left_ms": open.deadline.0.saturating_sub(now.0),
            "digest": open.digest,
            "approvers": approvers,
            "self_approval": by_starter,
            "approvals": open.approved_by,
            "approvals_needed": approvals,
            "left": self.left,
            "variables": self.variables,
            "notices": self
                .notices
                .iter()
                .map(|one| json!({ "channel": one.channel, "at": one.at, "error": one.error }))
                .collect::<Vec<_>>(),
            "command": self.command(),
        })
    }
}

impl Decided {
    fn text(&self) -> String {
        let GateDecision { task, approved, by, comment, .. } = &self.what;
        let word = if *approved { "approved" } else { "rejected" };
        let comment = if comment.is_empty() { String::new() } else { format!(": {}", one_line(comment)) };
        format!("{task} of run {}: {word} by {}, {}{comment}\n", self.run, one_line(by), clock(self.at))
    }

    fn json(&self) -> Value {
        json!({
            "run": self.run,
            "task": self.what.task,
            "approved": self.what.approved,
            "by": self.what.by,
            "comment": self.what.comment,
            "decided_at": timestamp(self.at).to_string(),
        })
    }
}

fn between(from: Moment, to: Moment) -> String {
    short(Duration::from_millis(to.0.saturating_sub(from.0)))
}

fn clock(at: Moment) -> String {
    timestamp(at).to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}
