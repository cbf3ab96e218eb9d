//! The words, marks and times that all reports for people share.
//!
//! Each standing has a word and a mark of its own: no report tells anything by colour alone.

use std::time::Duration;

use super::{Account, At, ChorePart, GatePart, StagePart, TaskPart, WaitPart};
use crate::report::progress::short;

/// What reports tell apart. Order is that of what a reader looks for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Failed,
    Unknown,
    Asked,
    Running,
    Waiting,
    Skipped,
    /// What it did is undone.
    Undone,
    Complete,
    /// It was not this run's to do.
    Left,
}

impl Standing {
    pub const ALL: [Self; 9] = [
        Self::Failed,
        Self::Unknown,
        Self::Asked,
        Self::Running,
        Self::Waiting,
        Self::Skipped,
        Self::Undone,
        Self::Complete,
        Self::Left,
    ];

    pub const fn mark(self) -> char {
        match self {
            Self::Failed => '✘',
            Self::Unknown => '?',
            Self::Asked => '◐',
            Self::Running => '▶',
            Self::Waiting => '○',
            Self::Skipped => '»',
            Self::Undone => '↶',
            Self::Complete => '✔',
            Self::Left => '·',
        }
    }

    /// A name for style classes and filters.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Asked => "asked",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Skipped => "skipped",
            Self::Undone => "undone",
            Self::Complete => "complete",
            Self::Left => "left",
        }
    }

    /// What a choice of all tasks that stand so is called.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Unknown => "unknown or interrupted",
            Self::Asked => "waiting for a person",
            Self::Running => "running",
            Self::Waiting => "not started",
            Self::Skipped => "skipped",
            Self::Undone => "rolled back",
            Self::Complete => "complete",
            Self::Left => "left alone",
        }
    }
}

impl TaskPart {
    pub fn standing(&self) -> Standing {
        let waits_for =
            |what| matches!(self.waits.last(), Some(WaitPart { what: last, to: None, .. }) if *last == what);
        match self.status {
            _ if self.settled => Standing::Left,
            "blocked" | "rollback_failed" => Standing::Failed,
            "unknown" | "interrupted" | "checkpointed" | "rollback_unknown" => Standing::Unknown,
            "rolled_back" => Standing::Undone,
            "rolling_back" => Standing::Running,
            "complete" => Standing::Complete,
            "skipped" => Standing::Skipped,
            _ if waits_for("gate") => Standing::Asked,
            "in_progress" => Standing::Running,
            _ => Standing::Waiting,
        }
    }

    /// The word for where it stands.
    pub fn word(&self) -> &'static str {
        match (self.standing(), self.status) {
            (Standing::Asked, _) => "waits for a person",
            (_, "not_started") if self.settled => "not selected",
            (_, "not_started") => "not started",
            (_, "in_progress") => "running",
            (_, "rolled_back") => "rolled back",
            (_, "rolling_back") => "is rolled back",
            (_, "rollback_failed") => "rollback failed",
            (_, "rollback_unknown") => "rollback unknown",
            (_, other) => other,
        }
    }

    /// What it took: `3.2 s`.
    pub fn took(&self) -> Option<String> {
        self.milliseconds.map(took)
    }

    /// What says best why it stands there.
    pub fn reason(&self) -> Option<&str> {
        let failed = self.failure.as_ref().map(|failure| failure.message.as_str());
        // That it could not be undone matters more; and what stands behind the word needs not say it again.
        let failed = failed.filter(|_| !matches!(self.undo, Some("failed" | "unknown")));
        failed.or_else(|| self.why.as_deref().map(|why| why.strip_prefix("was skipped: ").unwrap_or(why)))
    }
}

impl StagePart {
    pub fn standing(&self) -> Standing {
        match self.result {
            "passed" => Standing::Complete,
            "failed" if self.optional => Standing::Skipped,
            "failed" => Standing::Failed,
            "running" => Standing::Running,
            _ => Standing::Unknown,
        }
    }

    pub const fn mark(&self) -> char {
        match self.result.as_bytes() {
            b"passed" => '✔',
            b"failed" => '✘',
            b"running" => '▶',
            _ => '?',
        }
    }

    /// `failed, which is optional`.
    pub fn word(&self) -> String {
        match self.result {
            "failed" if self.optional => "failed, and is optional".to_owned(),
            other => other.to_owned(),
        }
    }

    /// `exit 1, 0 expected`; nothing where no command ended.
    pub fn exit(&self) -> Option<String> {
        match (self.exit_code, self.expected_exit_code) {
            (Some(found), Some(expected)) if found != expected => Some(format!("exit {found}, {expected} expected")),
            (Some(found), _) => Some(format!("exit {found}")),
            _ => None,
        }
    }
}

impl ChorePart {
    /// How it came out, as a mark and a word.
    pub fn word(&self) -> (char, &'static str) {
        match (self.result(), self.kind) {
            ("passed", "rollback") => ('↶', "undone"),
            ("passed", _) => ('✔', "done"),
            ("failed", _) => ('✘', "failed"),
            ("running", _) => ('▶', "running"),
            _ => ('?', "unknown"),
        }
    }
}

impl GatePart {
    pub fn word(&self) -> &'static str {
        match (self.outcome, self.consequence) {
            ("expired", Some("continue")) => "expired: went on without a decision",
            ("expired", Some("skip")) => "expired: skipped",
            ("expired", _) => "expired: the run ended",
            ("dropped", _) => "asked anew after an edit",
            ("open", _) => "waits for a person",
            (other, _) => other,
        }
    }

    pub const fn mark(&self) -> char {
        match self.outcome.as_bytes() {
            b"approved" => '✔',
            b"rejected" => '✘',
            b"open" => '◐',
            _ => '»',
        }
    }
}

impl Account {
    /// How the run stands, with a mark and a word.
    pub fn standing(&self) -> (Standing, char, &'static str) {
        match (self.run.state, self.run.ending) {
            ("done", _) => (Standing::Complete, '✔', "done"),
            ("rolled_back", _) => (Standing::Undone, '↶', "rolled back"),
            ("rollback_failed", _) => (Standing::Failed, '✘', "rollback failed"),
            (_, Some("rejected")) => (Standing::Failed, '✘', "ended by a gate"),
            ("failed", _) => (Standing::Failed, '✘', "failed"),
            ("waiting", _) => (Standing::Asked, '◐', "waits for a person"),
            ("running", _) => (Standing::Running, '▶', "running"),
            ("interrupted", _) => (Standing::Unknown, '?', "interrupted"),
            ("cancelled", _) => (Standing::Failed, '✘', "cancelled"),
            (other, _) => (Standing::Failed, '·', other),
        }
    }

    /// The stage that says best why a task needs attention: that of its rollback if that did not go well, else the last of
    /// its own that did not.
    pub(super) fn trouble<'a>(&'a self, task: &'a TaskPart) -> Option<&'a StagePart> {
        let is_its = |chore: &&ChorePart| chore.kind == "rollback" && chore.task.as_deref() == Some(task.id.as_str());
        let is_undone_badly = matches!(task.undo, Some("failed" | "unknown"));
        let rollback = self.aside.chores.iter().find(is_its).filter(|_| is_undone_badly);
        if let Some(last) = rollback.and_then(|chore| chore.attempts.last()) {
            return last.stages.last();
        }
        let mut stages = task.attempts.iter().flat_map(|attempt| &attempt.stages);
        stages.rfind(|stage| matches!(stage.result, "failed" | "interrupted"))
    }

    /// `5 of 6 tasks complete, 1 blocked`.
    pub fn tally(&self) -> String {
        let counts = &self.counts;
        let mut text = format!("{} of {} tasks complete", counts.complete, counts.tasks);
        for (count, word) in [
            (counts.blocked, "failed"),
            (counts.waiting_for_people, "waiting for a person"),
            (counts.skipped, "skipped"),
        ] {
            if count > 0 {
                text += &format!(", {count} {word}");
            }
        }
        text
    }
}

/// `4 min 05 s`.
pub fn took(milliseconds: u64) -> String {
    short(Duration::from_millis(milliseconds))
}

/// `2026-11-21 10:20:00`, in UTC.
pub fn clock(at: At) -> String {
    let text = at.0.to_string();
    let seconds = text.split(['.', 'Z']).next().unwrap_or_default();
    seconds.replace('T', " ")
}

/// The first characters of a digest: enough to recognise it by.
pub fn brief(digest: &str) -> &str {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.get(..12).unwrap_or(hex)
}
