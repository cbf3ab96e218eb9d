//! Which notices are due, by what the run is and what time it is. Nothing is remembered here: whoever asks
//! again gets the same answer, and whoever asks late gets the latest reminder and not those before it.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::blueprint::TaskIndex;
use crate::blueprint::model::{Channel, Draft, GateNotice, Occasion, Recipient};
use crate::run::{Ending, Mode, Moment, OpenGate, Phase, Run};

/// For how long the end of a run is news, to who comes by later.
const NEWS: u64 = 24 * 3600 * 1000;

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Gate(TaskIndex, Turn),
    Waiting,
    Ended(Ending),
}

/// Which word about a gate it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Opened,
    /// For somebody else, because nobody decided.
    Escalated,
    Reminder(u64),
}

/// Somebody is to be told now.
#[derive(Clone, Debug)]
pub struct Due<'b> {
    /// Names the notice in the journal: what about, the task, since when, and which reminder.
    pub key: String,
    /// Names whom it goes to in the journal: by its place in the document.
    pub channel: String,
    pub about: About,
    /// When its time came.
    pub at: Moment,
    pub to: &'b Recipient<'b>,
}

/// Whether somebody is to be told something that they were not told.
pub fn is_due(draft: &Draft<'_>, run: &Run, now: Moment) -> bool {
    due(draft, run, now).iter().any(|due| !run.was_told(&due.key, &due.channel))
}

/// Everything whose time has come, told or not.
pub(super) fn due<'b>(draft: &'b Draft<'_>, run: &Run, now: Moment) -> Vec<Due<'b>> {
    let mut found = Vec::new();
    // Nobody needs to decide any more where the run ends.
    let is_going = run.ending().is_none() && run.mode() < Mode::Stopping;
    for (index, gate) in run.open_gates().filter(|(_, gate)| is_going && now < gate.deadline) {
        let id = &run.program().tasks[index.get()].id;
        let own = draft.task(index).gate.as_deref().map_or(&[][..], |gate| &gate.notify);
        for (place, notice) in own.iter().enumerate().filter(|(_, notice)| notice.to.channel != Channel::Env) {
            if let Some((turn, at)) = turn(notice, gate, now) {
                let key = match turn {
                    Turn::Opened => format!("gate:{id}:{}", gate.opened.0),
                    Turn::Escalated => format!("escalation:{id}:{}", gate.opened.0),
                    Turn::Reminder(number) => format!("reminder:{id}:{}:{number}", gate.opened.0),
                };
                let channel = label("", &notice.to, own[..place].iter().map(|notice| &notice.to));
                found.push(Due { key, channel, about: About::Gate(index, turn), at, to: &notice.to });
            }
        }
        for (channel, to) in listeners(draft, Occasion::Gate) {
            let key = format!("gate:{id}:{}", gate.opened.0);
            found.push(Due { key, channel, about: About::Gate(index, Turn::Opened), at: gate.opened, to });
        }
    }
    let at = run.rested();
    if now > at.after(NEWS) {
        return found;
    }
    if let Some(ending) = run.ending() {
        let (word, occasion) = ended(ending);
        for (channel, to) in listeners(draft, occasion) {
            let key = format!("{word}::{}", at.0);
            found.push(Due { key, channel, about: About::Ended(ending), at, to });
        }
    } else if let Some(gates) = run.waiting() {
        for (channel, to) in listeners(draft, Occasion::Waiting) {
            let key = format!("waiting::{}", what_for(run, gates));
            found.push(Due { key, channel, about: About::Waiting, at, to });
        }
    }
    found
}

/// The word for an end, and what of it people asked to be told.
pub(super) const fn ended(ending: Ending) -> (&'static str, Occasion) {
    match ending {
        Ending::Done => ("done", Occasion::Done),
        Ending::Failed => ("failed", Occasion::Failed),
        Ending::Rejected => ("rejected", Occasion::Failed),
        Ending::Cancelled => ("cancelled", Occasion::Cancelled),
        Ending::RolledBack => ("rolled_back", Occasion::RolledBack),
        Ending::RollbackFailed => ("rollback_failed", Occasion::RolledBack),
    }
}

/// Which word is due, and since when.
fn turn(notice: &GateNotice<'_>, gate: &OpenGate, now: Moment) -> Option<(Turn, Moment)> {
    let start = gate.opened.after(notice.after.map_or(0, milliseconds));
    let since = now.0.checked_sub(start.0)?;
    let first = if notice.after.is_some() { Turn::Escalated } else { Turn::Opened };
    // `check` refuses a reminder without time in between.
    let pause = notice.remind.map(milliseconds).filter(|pause| *pause > 0);
    Some(match pause.map(|pause| (since / pause, pause)) {
        None | Some((0, _)) => (first, start),
        Some((number, pause)) => (Turn::Reminder(number), start.after(pause.saturating_mul(number))),
    })
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Who asked to be told of this in the settings of the document.
fn listeners<'b>(draft: &'b Draft<'_>, occasion: Occasion) -> impl Iterator<Item = (String, &'b Recipient<'b>)> {
    let all = &draft.execution.notify;
    all.iter().enumerate().filter(move |(_, notice)| notice.on.contains(&occasion)).map(|(place, notice)| {
        let earlier = all[..place].iter().map(|notice| &notice.to);
        (label("execution/", &notice.to, earlier), &notice.to)
    })
}

/// `slack`, or `slack-2` for the second one among all that are told.
fn label<'b>(before: &str, to: &Recipient<'_>, earlier: impl Iterator<Item = &'b Recipient<'b>>) -> String {
    let word = to.channel.word();
    match earlier.filter(|other| other.channel == to.channel).count() {
        0 => format!("{before}{word}"),
        others => format!("{before}{word}-{}", others + 1),
    }
}

/// Waiting for the same people again, after a `resume` that changed nothing, is no news.
fn what_for(run: &Run, tasks: &[String]) -> String {
    let mut hasher = Sha256::new();
    for index in tasks.iter().filter_map(|task| run.find(task)) {
        let state = run.task(index);
        let since = if let Phase::Gate(gate) = &state.phase { gate.opened.0 } else { 0 };
        hasher.update(format!("{} {} {since}\n", run.program().tasks[index.get()].id, state.attempts));
    }
    hasher.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::due;
    use crate::blueprint::{Blueprint, read};
    use crate::document::Source;
    use crate::plan::Plan;
    use crate::run::{Amounts, Event, GateDecision, GateMoment, Moment, Program, Run};

    const MINUTE: u64 = 60_000;

    /// A run of a task with this gate, which opened at minute 0.
    fn waiting(notify: &str, settings: &str, check: impl Fn(&Blueprint<'_>, &mut Run)) {
        let text = format!(
            "```yaml\nexecution: {{{settings}}}\n```\n```yaml\ntask_id: a\nname: a\nrun: x\nhuman_required: {{action: look, timeout: PT1H, {notify}}}\n```\n"
        );
        let (source, _) = Source::from_bytes("t.md", text.into_bytes());
        let (blueprint, problems) = read(&source, false).into_blueprint();
        let blueprint = blueprint.unwrap_or_else(|| panic!("{problems:?}"));
        let plan = Plan::of(&blueprint, &[]).expect("a plan");
        let mut run = Run::new(Program::of(&blueprint, &plan, None, Amounts::default()));
        let opened = Event::GateOpened {
            task: "a".into(),
            time: GateMoment::Before,
            digest: "d".into(),
            deadline: Moment(60 * MINUTE),
        };
        run.apply(Moment(0), &opened).expect("a gate");
        check(&blueprint, &mut run);
    }

    fn told(blueprint: &Blueprint<'_>, run: &Run, minute: u64) -> Vec<String> {
        let found = due(blueprint, run, Moment(minute * MINUTE));
        let one = |due: super::Due<'_>| format!("{} {} @{}", due.key, due.channel, due.at.0 / MINUTE);
        found.into_iter().map(one).collect()
    }

    #[test]
    fn f_26_reminders_come_by_the_clock_and_only_the_latest_one_comes_late() {
        let notify = "notify: {channel: console, remind: PT10M, escalate: {after: PT25M, channel: slack}}";
        waiting(notify, "", |blueprint, run| {
            let (opened, escalated) = ("gate:a:0 console @0", "escalation:a:0 slack @25");
            let reminder = |number: u64| format!("reminder:a:0:{number} console @{}", number * 10);
            assert_eq!(told(blueprint, run, 0), [opened]);
            assert_eq!(told(blueprint, run, 9), [opened]);
            assert_eq!(told(blueprint, run, 10), [reminder(1)]);
            assert_eq!(told(blueprint, run, 24), [reminder(2)]);
            assert_eq!(told(blueprint, run, 55), [reminder(5), escalated.to_owned()]);
            assert_eq!(told(blueprint, run, 60), [""; 0], "its time is over");
            let decision = GateDecision {
                task: "a".into(),
                approved: true,
                by: "ada".into(),
                comment: String::new(),
                digest: "d".into(),
                set: Vec::new(),
            };
            run.apply(Moment(11 * MINUTE), &Event::GateDecided(Box::new(decision))).expect("decided");
            assert_eq!(told(blueprint, run, 12), [""; 0], "the decision ends them");
        });
    }

    #[test]
    fn f_26_a_run_tells_what_its_document_asks_for() {
        let settings = "notify: [{channel: console}, {on: [waiting, gate], channel: slack}]";
        waiting("notify: {channel: env, variable: OK}", settings, |blueprint, run| {
            let gates = ["gate:a:0 execution/console @0", "gate:a:0 execution/slack @0"];
            assert_eq!(told(blueprint, run, 1), gates);
            run.apply(Moment(2 * MINUTE), &Event::RunWaiting { gates: vec!["a".into()] }).expect("it waits");
            let waiting = told(blueprint, run, 3).pop().expect("a notice");
            assert!(waiting.starts_with("waiting::") && waiting.ends_with(" execution/slack @2"), "{waiting}");
            let again = Event::RunnerTookOver { pid: 1, host: "h".into(), by: "b".into() };
            run.apply(Moment(4 * MINUTE), &again).expect("taken over");
            assert_eq!(told(blueprint, run, 4), gates);
            run.apply(Moment(5 * MINUTE), &Event::RunWaiting { gates: vec!["a".into()] }).expect("it waits");
            let name = |notice: &str| notice.split(' ').next().map(str::to_owned);
            assert_eq!(name(&told(blueprint, run, 6)[2]), name(&waiting), "the same people, the same news");
        });
    }

    #[test]
    fn f_26_each_end_is_told_once() {
        use crate::run::Ending;
        waiting("notify: {channel: env, variable: OK}", "notify: {channel: console}", |blueprint, run| {
            run.apply(Moment(7 * MINUTE), &Event::RunEnded { state: Ending::Failed }).expect("ended");
            let end = |minute: u64| format!("failed::{} execution/console @{minute}", minute * MINUTE);
            assert_eq!(told(blueprint, run, 9), [end(7)], "nobody need decide any more");
            run.apply(Moment(8 * MINUTE), &Event::RunnerTookOver { pid: 1, host: "h".into(), by: "b".into() })
                .expect("on");
            run.apply(Moment(9 * MINUTE), &Event::RunEnded { state: Ending::Failed }).expect("ended");
            assert_eq!(told(blueprint, run, 9), [end(9)], "another end");
            assert_eq!(told(blueprint, run, 24 * 60 + 10), [""; 0], "no news any more");
        });
    }
}
