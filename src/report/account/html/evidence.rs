//! What shows that the work was done: every verification of each task's last attempt, one below the other.

use super::super::words::took;
use super::super::{Account, StagePart, TaskPart};
use super::parts::Table;
use super::{e, lines, link, marked};

/// Rows at most; those that passed go first.
const ROWS: usize = 300;

pub(super) fn evidence(account: &Account, left_out: &mut Vec<String>) -> String {
    let mut rows: Vec<(&TaskPart, &StagePart)> = Vec::new();
    for task in account.meant() {
        let stages = task.attempts.last().map(|attempt| &attempt.stages[..]).unwrap_or_default();
        rows.extend(stages.iter().filter(|stage| stage.is_verification()).map(|stage| (task, stage)));
    }
    if rows.is_empty() {
        return String::new();
    }
    let all = rows.len();
    if all > ROWS {
        let passed = rows.iter().filter(|(_, stage)| stage.result == "passed").count();
        let mut room = ROWS.saturating_sub(all - passed);
        rows.retain(|(_, stage)| {
            let has_room = room > 0;
            room -= usize::from(has_room && stage.result == "passed");
            stage.result != "passed" || has_room
        });
        left_out.push(format!("{} verifications that passed; all of them: `--format json`", all - rows.len()));
    }
    let mut table = Table::new(
        "Verifications of the last attempts",
        &["Task", "Stage", "Result", "Exit", "Expected", "Took", "Command"],
    );
    for (task, stage) in rows {
        let code = |code: Option<i32>| code.map(|code| code.to_string()).unwrap_or_default();
        table.row(&[
            link(&task.id),
            e(stage.stage.trim_start_matches("verify:")),
            marked(stage.standing(), stage.mark(), &stage.word()),
            code(stage.exit_code),
            code(stage.expected_exit_code),
            stage.milliseconds.map(|time| took(time).replace(' ', "&nbsp;")).unwrap_or_default(),
            stage
                .command
                .as_ref()
                .map(|command| format!("<code>{}</code>", lines(command.trim_end())))
                .unwrap_or_default(),
        ]);
    }
    table.finish()
}
