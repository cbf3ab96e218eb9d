//! A run as it goes: a line for each event a person cares about, and the board that shows now.

use std::time::Duration;

use super::table::one_line;
use crate::blueprint::{Blueprint, TaskIndex};
use crate::run::{Chore, Completion, Event, Failure, GateMoment, Moment, OnTimeout, Permit, Phase, Run, Stage};

/// How much an event matters to somebody who looks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It goes on.
    Step,
    Good,
    /// A person has to do something, or will wonder.
    Notice,
    Bad,
}

/// What happened, for people, in one line that does nothing to a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Empty where it is about the whole run.
    pub task: String,
    pub text: String,
    pub weight: Weight,
}

/// The line of an event; some say nothing to people.
pub fn line(event: &Event, run: &Run, blueprint: &Blueprint<'_>) -> Option<Line> {
    let line = |task: &str, text: String, weight| Some(Line { task: task.to_owned(), text: one_line(&text), weight });
    match event {
        Event::StageStarted { task, attempt, stage } => {
            let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            line(task, format!("{stage}{again}"), Weight::Step)
        }
        Event::StageEnded { task, stage, failure: Some(failure), .. } => {
            let index = run.find(task)?;
            let is_optional = run.program().tasks[index.get()]
                .stages
                .iter()
                .any(|known| known.word() == stage && matches!(known, Stage::Verify { optional: true, .. }));
            if is_optional {
                line(task, format!("{stage} failed and is optional: {}", failure.message), Weight::Notice)
            } else if matches!(run.task(index).phase, Phase::Unknown { .. }) {
                line(task, format!("{stage} does not pass, which tells nothing of what was done"), Weight::Notice)
            } else {
                line(task, format!("{stage} failed: {}", failure.message), Weight::Bad)
            }
        }
        Event::RetryScheduled { task, attempt, at } => {
            let wait = Duration::from_millis(at.0.saturating_sub(run.latest().0));
            line(task, format!("attempt {attempt} in {}", short(wait)), Weight::Notice)
        }
        Event::TaskCompleted { task, how } => {
            let took = run.find(task).and_then(|index| took(run.task(index).attempt_started, run.task(index).ended));
            let took = took.map_or_else(String::new, |took| format!(" ({})", short(took)));
            let how = match how {
                Completion::Done => "complete",
                Completion::Verified => "complete: its verification passes",
                Completion::Collected => "complete: all below it is",
            };
            line(task, format!("{how}{took}"), Weight::Good)
        }
        Event::TaskSkipped { task, reason } => line(task, format!("skipped: {reason}"), Weight::Notice),
        Event::TaskBlocked { task, failure } => {
            let is_told = run.find(task).is_some_and(|index| run.task(index).last_failure.as_ref() == Some(failure));
            let why = if is_told { String::new() } else { format!(": {}", failure.message) };
            line(task, format!("blocked{why}"), Weight::Bad)
        }
        Event::TaskUnknown { task, stage, .. } => {
            line(task, format!("unknown: `{stage}` ran when its runner ended"), Weight::Notice)
        }
        Event::RepeatAllowed { task, by } => {
            let why = match by {
                Permit::Idempotent => "may start again: the document says that twice does no harm".to_owned(),
                Permit::NeverStarted => "starts again: it never began".to_owned(),
                Permit::HandedOff => {
                    let kept = run.find(task).and_then(|index| run.task(index).checkpoint.as_ref());
                    kept.map_or_else(
                        || "starts again from the beginning, as the document says".to_owned(),
                        |kept| format!("goes on from checkpoint {}", kept.version),
                    )
                }
                Permit::Ordered { by } => format!("starts again: {by} ordered it"),
            };
            line(task, why, Weight::Notice)
        }
        Event::GateOpened { task, time: GateMoment::Budget, .. } => {
            let told = run.program().budget.told(run.used());
            line(
                task,
                format!("waits for a person, and other agents with it: {told} are spent. Go on?"),
                Weight::Notice,
            )
        }
        Event::GateOpened { task, .. } => {
            let gate = run.find(task).and_then(|index| blueprint.task(index).gate.as_deref());
            let action = gate.map(|gate| gate.action.to_string()).filter(|action| !action.is_empty());
            line(task, format!("waits for a person: {}", action.as_deref().unwrap_or("to approve it")), Weight::Notice)
        }
        Event::GateDecided(decision) => {
            let word = if decision.approved { "approved" } else { "rejected" };
            let comment = if decision.comment.is_empty() { String::new() } else { format!(": {}", decision.comment) };
            line(&decision.task, format!("{word} by {}{comment}", decision.by), Weight::Notice)
        }
        Event::GateExpired { task, consequence, unset } => {
            let why = unset.as_ref().map_or_else(
                || "nobody decided in time".to_owned(),
                |variable| format!("nobody decided, `{variable}` is not set"),
            );
            let then = match consequence {
                OnTimeout::Abort => "the run ends",
                OnTimeout::Skip => "it is skipped",
                OnTimeout::Continue => "it goes on without a decision, as the document says",
            };
            line(task, format!("{why}: {then}"), Weight::Notice)
        }
        Event::Draining { reason, .. } => line("", format!("nothing more is started: {reason}"), Weight::Notice),
        Event::Stopping { reason } => line("", format!("what runs is ended: {reason}"), Weight::Notice),
        Event::CancelRequested { by } => line("", format!("cancelled by {by}"), Weight::Notice),
        Event::EditAccepted { by, again, .. } => {
            line("", format!("{by} accepted the edited document; {} tasks run again", again.len()), Weight::Notice)
        }
        Event::FallbackCalled { task, fallback } => {
            line(task, format!("failed for good: its fallback {fallback} does its work"), Weight::Notice)
        }
        Event::CheckpointKept { task, version, .. } => line(task, format!("checkpoint {version}"), Weight::Step),
        Event::ChoreStarted { chore, attempt } => {
            let is_again = *attempt > 1 && chore.task().is_some();
            let again = if is_again { format!(", attempt {attempt}") } else { String::new() };
            let hook = if chore.task().is_none() { "hook " } else { "" };
            line(chore.task().unwrap_or_default(), format!("{hook}{}{again}", chore.word()), Weight::Step)
        }
        Event::ChoreEnded { chore, failure: Some(failure), .. } => {
            let retry = run.chore(chore).and_then(|state| state.retry);
            let retry = retry.map(|at| short(Duration::from_millis(at.0.saturating_sub(run.latest().0))));
            let retry = retry.map_or_else(String::new, |wait| format!("; tried again in {wait}"));
            line(chore.task().unwrap_or_default(), format!("{}{retry}", failure.message), Weight::Bad)
        }
        Event::ChoreEnded { chore: Chore::Rollback { task }, failure: None, .. } => {
            line(task, "rolled back".to_owned(), Weight::Good)
        }
        Event::ChoreUnknown { chore, .. } => {
            let text = format!("`{}` ran when its runner ended: nobody knows how far it came", chore.word());
            line(chore.task().unwrap_or_default(), text, Weight::Notice)
        }
        Event::RollbackOrdered { by, tasks } => {
            let who = by.as_deref().map_or_else(|| "the document says so".to_owned(), |by| format!("{by} ordered it"));
            let many = if tasks.len() == 1 { "1 task".to_owned() } else { format!("{} tasks", tasks.len()) };
            line("", format!("rolling back {many}, the last first: {who}"), Weight::Notice)
        }
        Event::NoticeFailed { notice, channel, reason } => {
            let task = notice.split(':').nth(1).unwrap_or_default();
            let task = if run.find(task).is_some() { task } else { "" };
            line(task, format!("nobody was told by {channel}: {reason}"), Weight::Notice)
        }
        Event::CleanedUp { task, action, what, problem } => {
            let word = action.word();
            match problem {
                None => line(task, format!("{word}: {what}"), Weight::Step),
                Some(problem) => line(task, format!("cannot be {word}: {what}: {problem}"), Weight::Notice),
            }
        }
        Event::RunStarted(_)
        | Event::UsageCounted { .. }
        | Event::ChoreHandle { .. }
        | Event::ChoreEnded { failure: None, .. }
        | Event::NoticeSent { .. }
        | Event::RunnerTookOver { .. }
        | Event::StageHandle { .. }
        | Event::StageEnded { failure: None, .. }
        | Event::ConditionHeld { .. }
        | Event::RunWaiting { .. }
        | Event::RunEnded { .. }
        | Event::Halted { .. } => None,
    }
}

/// Time between two moments, if both are known.
pub fn took(from: Option<Moment>, to: Option<Moment>) -> Option<Duration> {
    Some(Duration::from_millis(to?.0.saturating_sub(from?.0)))
}

/// `3.2 s`, `4 min 05 s`, `2 h 10 min`.
pub fn short(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 10..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        seconds @ 3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        seconds => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Tasks by where they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub total: usize,
    pub complete: usize,
    pub skipped: usize,
    pub blocked: usize,
    pub running: usize,
    /// For a person.
    pub people: usize,
    pub retrying: usize,
}

impl Tally {
    pub fn of(run: &Run) -> Self {
        let mut tally = Self::default();
        for index in run.indices().filter(|index| !run.program().tasks[index.get()].settled) {
            tally.total += 1;
            match run.task(index).phase {
                Phase::Complete(_) => tally.complete += 1,
                Phase::Skipped(_) => tally.skipped += 1,
                Phase::Blocked(_) => tally.blocked += 1,
                Phase::Working { .. } | Phase::Unknown { running: Some(_), .. } => tally.running += 1,
                Phase::Gate(_) | Phase::Unknown { running: None, next: None, .. } => tally.people += 1,
                Phase::Retrying { .. } => tally.retrying += 1,
                _ => {}
            }
        }
        tally
    }

    pub const fn settled(&self) -> usize {
        self.complete + self.skipped + self.blocked
    }
}

/// The first of some tasks, and how many more there are.
pub fn ids(blueprint: &Blueprint<'_>, tasks: &[TaskIndex], most: usize) -> String {
    let mut ids: Vec<&str> = tasks.iter().take(most).map(|index| blueprint.task(*index).id.as_str()).collect();
    let more = format!("and {} more", tasks.len().saturating_sub(most));
    if tasks.len() > most {
        ids.push(&more);
    }
    ids.join(", ")
}

/// What goes on now, in at most so many lines: progress, tiers, then what runs and what waits.
pub fn board(run: &Run, blueprint: &Blueprint<'_>, now: Moment, began: Moment, height: usize) -> Vec<String> {
    let tally = Tally::of(run);
    let elapsed = Duration::from_millis(now.0.saturating_sub(began.0));
    let mut head = format!("{}/{} tasks, {}", tally.settled(), tally.total, short(elapsed));
    for (count, word) in [(tally.blocked, "blocked"), (tally.skipped, "skipped")] {
        if count > 0 {
            head += &format!(", {count} {word}");
        }
    }
    if let Some(left) = estimate(&tally, elapsed) {
        head += &format!(", about {} left", short(left));
    }
    let mut lines = vec![head];
    lines.extend(tiers(run, blueprint));
    let mut rows = Vec::new();
    for index in run.indices() {
        let state = run.task(index);
        let id = &run.program().tasks[index.get()].id;
        let row = match &state.phase {
            Phase::Working { stage, .. } => {
                let word = run.program().tasks[index.get()].stages[*stage].word();
                let time = took(state.attempt_started, Some(now)).unwrap_or_default();
                Some((0, format!("{id:<10} {word}, {}", short(time))))
            }
            Phase::Retrying { at } => {
                let left = Duration::from_millis(at.0.saturating_sub(now.0));
                Some((1, format!("{id:<10} attempt {} in {}", state.attempts + 1, short(left))))
            }
            Phase::Gate(gate) => {
                let left = Duration::from_millis(gate.deadline.0.saturating_sub(now.0));
                Some((2, format!("{id:<10} waits for a person, {} left", short(left))))
            }
            Phase::Waiting | Phase::Paused { .. } if run.waits_outside(index) => {
                let locks: Vec<&str> = run.program().tasks[index.get()]
                    .locks
                    .iter()
                    .map(|(lock, _)| run.program().locks[*lock].name.as_str())
                    .collect();
                let what = if locks.is_empty() { "a slot".to_owned() } else { format!("lock {}", locks.join(", ")) };
                Some((3, format!("{id:<10} waits for {what}")))
            }
            _ => run.lock_holder(index).map(|(lock, holder)| {
                (3, format!("{id:<10} waits for lock {lock}, which {} has", run.program().tasks[holder.get()].id))
            }),
        };
        rows.extend(row);
    }
    // What runs comes first, whatever else has to go.
    rows.sort_by_key(|(rank, _)| *rank);
    let room = height.saturating_sub(lines.len()).max(1);
    let hidden = rows.len().saturating_sub(room);
    let shown = if hidden > 0 { room.saturating_sub(1) } else { room };
    lines.extend(rows.iter().take(shown).map(|(_, row)| row.clone()));
    if hidden > 0 {
        lines.push(format!("… and {} more", rows.len() - shown));
    }
    lines
}

/// `T0 ████░░ 4/6` for each tier that has something to do.
fn tiers(run: &Run, blueprint: &Blueprint<'_>) -> Option<String> {
    let mut tiers: Vec<(u32, usize, usize)> = Vec::new();
    for index in run.indices().filter(|index| !run.program().tasks[index.get()].settled) {
        let tier = blueprint.task(index).tier?;
        let done = usize::from(run.task(index).is_final());
        match tiers.iter_mut().find(|(known, ..)| *known == tier) {
            Some((_, finished, all)) => (*finished, *all) = (*finished + done, *all + 1),
            None => tiers.push((tier, done, 1)),
        }
    }
    tiers.sort_unstable();
    let names = tiers.iter().filter(|(_, done, all)| done < all).take(6).map(|(tier, done, all)| {
        let number = blueprint.tiers.get(*tier as usize).and_then(|tier| tier.number).unwrap_or(*tier);
        format!("tier {number}: {done}/{all}")
    });
    let text = names.collect::<Vec<_>>().join("   ");
    (tiers.len() > 1 && !text.is_empty()).then_some(text)
}

/// How long the rest takes if it goes on as it went.
fn estimate(tally: &Tally, elapsed: Duration) -> Option<Duration> {
    let (done, left) = (tally.settled(), tally.total - tally.settled());
    if done < 3 || done * 10 < tally.total || left == 0 || tally.running == 0 {
        return None;
    }
    Some(elapsed.mul_f64(left as f64 / done as f64))
}

/// The end of what a failed command printed.
pub fn last_words(failure: &Failure, lines: usize) -> Vec<String> {
    let mut words = Vec::new();
    for (name, text) in [("stdout", &failure.stdout), ("stderr", &failure.stderr)] {
        let all: Vec<&str> = text.lines().collect();
        for line in &all[all.len().saturating_sub(lines)..] {
            words.push(format!("{name} | {}", plain(line)));
        }
    }
    words
}

/// A line without what could move the cursor or change colours.
pub fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => {
                // A control sequence ends with a letter; other escapes are one character long.
                if rest.next_if_eq(&'[').is_some() {
                    while rest.next_if(|c| !('@'..='~').contains(c)).is_some() {}
                }
                rest.next();
            }
            '\t' => out.push('\t'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{plain, short};

    #[test]
    fn times_are_short() {
        let cases = [
            (0.0, "0.0 s"),
            (3.24, "3.2 s"),
            (59.0, "59 s"),
            (245.0, "4 min 05 s"),
            (7800.0, "2 h 10 min"),
            (90_000.0, "1 d 01 h"),
        ];
        for (seconds, text) in cases {
            assert_eq!(short(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn what_moves_the_cursor_is_gone() {
        for (line, text) in [
            ("\u{1b}[31mred\u{1b}[0m\tand", "red\tand"),
            ("\u{1b}[2J\u{1b}[1;1Hx", "x"),
            ("a\u{1b}(Bb", "aBb"),
            ("bell\u{7}", "bell\u{fffd}"),
            ("cut\u{1b}[3", "cut"),
        ] {
            assert_eq!(plain(line), text, "{line:?}");
        }
    }
}
