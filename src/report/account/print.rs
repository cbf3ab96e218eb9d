//! What stages printed, taken into an account in the order of what it matters for: failures first, then what
//! verified, then the rest, until there is enough of it. What is left out is said.

use super::{Account, Printed, StagePart};

/// Lines of a failed stage, of a verification, and of anything else.
const FAILED: usize = 40;
const VERIFIED: usize = 12;
const OTHER: usize = 6;
/// Bytes that all of it may have.
const MOST: usize = 1 << 20;

/// The end of what a stage printed, so many lines of it: whose it is, attempt, stage, lines.
pub type Logs<'a> = dyn FnMut(&str, u32, &str, usize) -> Option<Printed> + 'a;

/// Adds what stages printed, until there is enough of it.
pub(super) fn print(account: &mut Account, logs: &mut Logs<'_>) {
    let mut room = MOST;
    let mut without = 0;
    for (lines, matters) in [
        (FAILED, (|stage| stage.result == "failed" || stage.result == "interrupted") as fn(&StagePart) -> bool),
        (VERIFIED, |stage| stage.is_verification()),
        (OTHER, |_| true),
    ] {
        let of_tasks = account.tasks.iter_mut().map(|task| (task.id.as_str(), &mut task.attempts));
        let of_chores = account.aside.chores.iter_mut().map(|chore| (chore.owner.as_str(), &mut chore.attempts));
        for (owner, attempt) in
            of_tasks.chain(of_chores).flat_map(|(owner, all)| all.iter_mut().map(move |one| (owner, one)))
        {
            // A stage that was started again in the same attempt has the log of its last time.
            let last: Vec<bool> = attempt
                .stages
                .iter()
                .enumerate()
                .map(|(place, stage)| attempt.stages[place + 1..].iter().all(|later| later.stage != stage.stage))
                .collect();
            for (stage, is_last) in attempt.stages.iter_mut().zip(last) {
                if !is_last || stage.is_read || !matters(stage) {
                    continue;
                }
                stage.is_read = true;
                if room == 0 {
                    without += 1;
                    continue;
                }
                let printed = logs(owner, attempt.number, &stage.stage, lines).or_else(|| stage.tail.take());
                let size = printed.iter().flat_map(|printed| &printed.lines).map(|line| line.text.len() + 32).sum();
                room = room.saturating_sub(size);
                stage.printed = printed.filter(|printed| !printed.lines.is_empty());
            }
        }
    }
    if without > 0 {
        let all = format!("`outpost-bp logs TASK --run {}`", account.run.id);
        account.left_out.push(format!("what {without} stages printed; all of it: {all}"));
    }
}
