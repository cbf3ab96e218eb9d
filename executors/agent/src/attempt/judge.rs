//! Puts together what the process, the clocks, the gateway and the agent's answer say of an attempt.

use super::clocks::Late;
use super::follow::{Ended, Followed};
use super::job::{Job, Limits};
use super::outcome::Outcome;
use super::record::Record;
use super::{Around, now_ms};
use crate::classify::{Class, Evidence, Exit, Verdict, classify};
use crate::contract::{self, Answer, Status};
use crate::definition::Definition;
use crate::stream::spent;

/// The answer without secrets.
pub(super) fn concealed(answer: Answer, clean: &dyn Fn(&str) -> String) -> Answer {
    let text = serde_json::to_string(&answer).unwrap_or_default();
    let hidden = clean(&text);
    if hidden == text {
        return answer;
    }
    // A mark may stand where JSON wants something else.
    serde_json::from_str(&hidden).unwrap_or_else(|_| Answer {
        summary: "it held a secret and is not kept".to_owned(),
        outputs: serde_json::Map::new(),
        notes: String::new(),
        human_action: None,
        ..answer
    })
}

pub(super) fn judge(
    job: &Job,
    definition: &Definition,
    around: &Around<'_>,
    outcome: &mut Outcome,
    followed: &Followed,
    record: &Record,
    answer: Result<Option<Answer>, String>,
) {
    let (stdout, stderr) = (record.stdout.ends(), record.stderr.ends());
    let told = &followed.told;
    let evidence = Evidence { exit: followed.exit, told, stdout: &stdout, stderr: &stderr, now: now_ms() / 1000 };
    let breach = around.gate.as_ref().and_then(|gate| gate.breach());
    let verdict = match (&followed.ended, breach) {
        (Some(Ended::Breach(cap)), _) => Verdict { class: Class::Budget, message: cap.clone(), retry_after: None },
        (ended, breach) => {
            let verdict = stopped(ended.as_ref(), &job.limits).unwrap_or_else(|| classify(definition, &evidence));
            match breach {
                // The agent was told so in its own protocol, and says what it made of that.
                Some(cap) if verdict.class != Class::Done => {
                    Verdict { class: Class::Budget, message: cap, retry_after: None }
                }
                _ => verdict,
            }
        }
    };
    (outcome.class, outcome.message, outcome.retry_after) = (verdict.class, verdict.message, verdict.retry_after);
    outcome.session_id = told.session.clone().or_else(|| outcome.session_id.clone());
    let earlier = job.resume.as_ref().map(|resume| resume.totals);
    outcome.spent = spent(&definition.output, told, earlier);
    if let Some(exact) = around.gate.as_ref().and_then(|gate| gate.spent()) {
        outcome.spent.usage = exact.usage.or(outcome.spent.usage);
        outcome.spent.cost_usd = exact.cost_usd.or(outcome.spent.cost_usd);
        outcome.spent.unreported = exact.unreported;
    }
    outcome.turns = told.turns;
    outcome.exit = (followed.exit != Exit::AfterResult).then(|| followed.exit.code());
    outcome.text = told.text.clone();
    (outcome.cut, outcome.record_error) = record.missing();
    answered(job, outcome, answer);
}

/// What the agent says of its work counts where it ended well.
fn answered(job: &Job, outcome: &mut Outcome, answer: Result<Option<Answer>, String>) {
    let is_done = outcome.class == Class::Done;
    match answer {
        Ok(Some(answer)) => {
            let says = match answer.status {
                Status::Done => None,
                Status::Blocked => Some((Class::Blocked, answer.summary.clone())),
                Status::NeedsHuman => {
                    Some((Class::NeedsHuman, answer.human_action.clone().unwrap_or_else(|| answer.summary.clone())))
                }
            };
            if let (Some((class, message)), true) = (says, is_done) {
                (outcome.class, outcome.message) = (class, message);
            }
            outcome.answer = Some(answer);
        }
        Ok(None) if is_done && job.brief.ports.iter().any(|port| !port.optional) => {
            outcome.class = Class::NoResult;
            outcome.message =
                format!("it left no `{}/{}` with the outputs of the task", contract::FOLDER, contract::FILE);
        }
        Ok(None) => {}
        Err(message) if is_done => (outcome.class, outcome.message) = (Class::NoResult, message),
        Err(_) => {}
    }
}

/// What it means that we ended it; none where its own words count.
fn stopped(ended: Option<&Ended>, limits: &Limits) -> Option<Verdict> {
    let (class, message) = match ended? {
        Ended::Late(Late::AfterResult) => return None,
        Ended::Late(Late::Start) => (Class::Stalled, format!("it said nothing for {} s after its start", limits.start)),
        Ended::Late(Late::Idle) => (Class::Stalled, format!("nothing went on for {} s", limits.idle)),
        Ended::Late(Late::Tool) => {
            (Class::Stalled, format!("nothing came of its tool for {} s", limits.tool.max(limits.idle)))
        }
        Ended::Late(Late::Wall) => {
            (Class::TimedOut, format!("it was not done after {} s", limits.wall.unwrap_or_default()))
        }
        Ended::Circle(what) => (Class::Looping, what.clone()),
        Ended::Breach(cap) => (Class::Budget, cap.clone()),
        Ended::Asked => (Class::Killed, "it was asked to stop".to_owned()),
    };
    Some(Verdict { class, message, retry_after: None })
}
