//! What a notice says: for people in a line and some more, for machines as JSON.
//!
//! It is made of the run as it stands. A notice which was sent before a crash and is sent again has the same id, by which
//! whoever got both knows them for one; its words are those of the run by then. Text of the document cannot leave its line.

use std::path::PathBuf;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::due::{About, Due, Turn, ended};
use crate::blueprint::TaskIndex;
use crate::blueprint::model::Draft;
use crate::engine::moment::timestamp;
use crate::run::{Asked, Moment, Phase, Run};

/// The version of the payload: fields are only ever added to one.
const VERSION: u32 = 1;
/// Failed tasks that are named.
const MOST: usize = 20;

/// What is the same in every notice of a run.
#[derive(Clone, Debug)]
pub struct Facts {
    pub run: String,
    pub file: String,
    pub directory: PathBuf,
    pub host: String,
}

/// A notice, ready to be sent.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The same in every attempt, and after a crash: who receives it twice can tell.
    pub id: String,
    /// `gate.opened`, `run.failed` …
    pub kind: String,
    pub run: String,
    /// The task it is about, if it is about one.
    pub task: Option<String>,
    pub title: String,
    pub lines: Vec<String>,
    /// What a person may copy.
    pub commands: Vec<String>,
    pub payload: Vec<u8>,
}

impl Letter {
    pub fn of(facts: &Facts, draft: &Draft<'_>, run: &Run, due: &Due<'_>) -> Self {
        let id = id(facts, due);
        let told = match due.about {
            About::Gate(index, turn) => gate(facts, draft, run, index, turn, due),
            About::Waiting | About::Ended(_) => news(facts, draft, run, due),
        };
        let Content { kind, task, title, mut lines, commands, body } = told;
        lines.push(format!(
            "Run {} of {}, in {} on {}",
            facts.run,
            line(&facts.file),
            facts.directory.display(),
            facts.host
        ));
        let mut payload = json!({
            "version": VERSION,
            "id": id,
            "type": kind,
            "timestamp": due.at.to_string(),
            "message": title,
            "run": {
                "id": facts.run,
                "blueprint": draft.name(),
                "file": facts.file,
                "directory": facts.directory,
                "host": facts.host,
            },
        });
        if let Some(fields) = payload.as_object_mut() {
            fields.extend(body);
        }
        let payload = payload.to_string().into_bytes();
        Self { id, kind, run: facts.run.clone(), task, title, lines, commands, payload }
    }
}

/// What the notice is, whoever it goes to: where the run is kept, what about, and whose turn it is.
fn id(facts: &Facts, due: &Due<'_>) -> String {
    let mut hasher = Sha256::new();
    for part in [&*facts.directory.to_string_lossy(), &facts.run, &due.key, &due.channel] {
        hasher.update(part);
        hasher.update([0]);
    }
    let digits: String = hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("msg_{digits}")
}

struct Content {
    kind: String,
    task: Option<String>,
    title: String,
    lines: Vec<String>,
    commands: Vec<String>,
    body: Map<String, Value>,
}

fn gate(facts: &Facts, draft: &Draft<'_>, run: &Run, index: TaskIndex, turn: Turn, due: &Due<'_>) -> Content {
    let task = draft.task(index);
    let id = task.id.to_string();
    // What is due is about gates that are open.
    let asked = run.asked(index, task);
    let asked = asked.as_ref();
    let open = asked.map(|asked| &asked.open);
    let reason = asked.and_then(|asked| asked.reason.as_deref());
    let digest = open.map(|open| open.digest.as_str()).unwrap_or_default();
    let command = |word: &str| format!("outpost-bp {word} {id} --run {} --digest {digest}", facts.run);
    let commands = vec![command("approve"), command("reject")];
    let mut gate = json!({
        "task": id,
        "name": task.name.as_str(),
        "action": asked.map(|asked| &asked.action),
        "reason": reason,
        "when": open.map(|open| open.moment),
        "opened": open.map(|open| open.opened.to_string()),
        "deadline": open.map(|open| open.deadline.to_string()),
        "on_timeout": asked.map(|asked| asked.on_timeout),
        "digest": digest,
        "approvers": asked.map_or(&[][..], |asked| &asked.approvers),
        "approvals_needed": asked.map_or(1, |asked| asked.approvals),
        "approvals": open.map(|open| &open.approved_by),
        "approve": commands[0],
        "reject": commands[1],
    });
    let mut lines = Vec::new();
    if let Some(reason) = reason {
        lines.push(format!("Because: {}", line(reason)));
    }
    let mut since = String::new();
    if let Some(asked) = asked {
        let open = &asked.open;
        since = format!(" since {}", clock(open.opened));
        lines.push(format!("Until: {}, then {}", clock(open.deadline), asked.then()));
        if !open.approved_by.is_empty() {
            let by: Vec<&str> = open.approved_by.iter().map(String::as_str).collect();
            lines.push(format!("Approved by: {}", line(&by.join(", "))));
        }
    }
    let (kind, how) = match turn {
        Turn::Opened => ("gate.opened", "waits for a person".to_owned()),
        Turn::Escalated => ("gate.escalated", format!("waits for a person{since}, and nobody decided")),
        Turn::Reminder(_) => ("gate.reminder", "still waits for a person".to_owned()),
    };
    if let Turn::Reminder(number) = turn {
        gate["reminder"] = number.into();
    }
    let written = due.to.message.as_deref().filter(|message| !message.is_empty());
    let what = written.or(asked.map(Asked::what)).unwrap_or_default();
    let title = line(&format!("{id} {how}: {what}"));
    let mut body = Map::new();
    body.insert("gate".to_owned(), gate);
    Content { kind: kind.to_owned(), task: Some(id), title, lines, commands, body }
}

fn news(facts: &Facts, draft: &Draft<'_>, run: &Run, due: &Due<'_>) -> Content {
    let (mut lines, mut commands, mut body) = (Vec::new(), Vec::new(), Map::new());
    let (mut total, mut complete, mut skipped) = (0_u32, 0_u32, 0_u32);
    let mut failures = Vec::new();
    for index in run.indices().filter(|index| !run.program().tasks[index.get()].settled) {
        total += 1;
        match &run.task(index).phase {
            Phase::Complete(_) => complete += 1,
            Phase::Skipped(_) => skipped += 1,
            Phase::Blocked(failure) => failures.push((draft.task(index).id.to_string(), failure)),
            _ => {}
        }
    }
    body.insert(
        "tasks".to_owned(),
        json!({ "total": total, "complete": complete, "skipped": skipped, "blocked": failures.len() }),
    );
    lines.push(format!("{complete} of {total} tasks complete"));
    let word = match due.about {
        About::Ended(ending) => ended(ending).0,
        About::Waiting | About::Gate(..) => "waiting",
    };
    if word == "waiting" {
        let tasks = run.waiting().unwrap_or_default();
        lines.push(format!("Waits for a person: {}", tasks.join(", ")));
        commands.push("outpost-bp gates".to_owned());
        body.insert("waiting_for".to_owned(), json!(tasks));
    }
    for (task, failure) in failures.iter().take(MOST) {
        lines.push(format!("{task}: {}", line(&failure.message)));
    }
    if failures.len() > MOST {
        lines.push(format!("and {} more", failures.len() - MOST));
    }
    let named = failures.iter().take(MOST);
    let named: Vec<Value> = named
        .map(|(task, failure)| json!({ "task": task, "code": failure.code, "message": failure.message }))
        .collect();
    body.insert("failures".to_owned(), named.into());
    if word == "failed" {
        commands.push(format!("outpost-bp resume {}", facts.run));
    }
    let how = match word {
        "waiting" => "waits for a person",
        "rejected" => "was ended by a gate",
        "cancelled" => "was cancelled",
        "rolled_back" => "was rolled back",
        "rollback_failed" => "could not be rolled back",
        "done" => "is done",
        _ => "failed",
    };
    let message = due.to.message.as_deref().map_or_else(String::new, |message| format!(": {message}"));
    let title = line(&format!("{} {how}{message}", draft.name()));
    Content { kind: format!("run.{word}"), task: None, title, lines, commands, body }
}

/// When, for people wherever they are.
fn clock(at: Moment) -> String {
    timestamp(at).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Text on one line, without what moves a cursor or ends a header.
fn line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
