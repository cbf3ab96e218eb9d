//! The status of a task and its life: which status may follow which.
//!
//! ```text
//!                  start              interrupt
//! not_started ───────────▶ in_progress ───────▶ checkpointed
//!   │    ▲                  │   │  ▲ │ ▲ ▲          │  │
//!   │    └──────────────────┼───┼──┼─┼─┼─┼──restart─┘  │
//!   │ skip       complete ◀─┘   │  │ │ │ └────resume───┘
//!   └─────▶ skipped ◀───────────┘  │ └─┼─▶ blocked ─skip─▶ skipped
//!                                  └───┘ unblocked
//! ```

use std::fmt;

/// Where a task stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    #[default]
    NotStarted,
    InProgress,
    Complete,
    Blocked,
    Skipped,
    Checkpointed,
}

/// The words of the format, in the order of its table.
pub const WORDS: &[&str] = &["not_started", "in_progress", "complete", "blocked", "skipped", "checkpointed"];

impl Status {
    pub const ALL: [Self; 6] =
        [Self::NotStarted, Self::InProgress, Self::Complete, Self::Blocked, Self::Skipped, Self::Checkpointed];

    pub const fn word(self) -> &'static str {
        WORDS[self as usize]
    }

    /// Nothing follows a terminal status.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Complete | Self::Skipped)
    }

    /// Whether the format lets a task go from `self` to `next`.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::NotStarted, Self::InProgress | Self::Skipped)
                | (Self::InProgress, Self::Complete | Self::Blocked | Self::Checkpointed | Self::Skipped)
                | (Self::Checkpointed, Self::InProgress | Self::NotStarted)
                | (Self::Blocked, Self::InProgress | Self::Skipped)
        )
    }

    /// Whether a task that was worked on may stand at `next` after `self`: by the table, over `in_progress`.
    pub const fn leads_to(self, next: Self) -> bool {
        self as u8 == next as u8
            || self.may_become(next)
            || ((matches!(self, Self::InProgress) || self.may_become(Self::InProgress))
                && Self::InProgress.may_become(next))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Reads a status; the flag says that it is a v1 spelling such as `✅ COMPLETE`.
pub fn read(text: &str) -> Option<(Status, bool)> {
    let text = text.trim();
    let at = |word: &str| WORDS.iter().position(|known| *known == word).map(|index| Status::ALL[index]);
    if let Some(status) = at(text) {
        return Some((status, false));
    }
    if text == "pending" {
        return Some((Status::NotStarted, false));
    }
    let bare: String = text
        .trim_start_matches(|c: char| !c.is_ascii_alphabetic())
        .trim()
        .to_ascii_lowercase()
        .replace([' ', '-'], "_");
    let word = match bare.as_str() {
        "completed" | "done" => "complete",
        "pending" | "todo" | "planned" => "not_started",
        "" => match text {
            "🔲" => "not_started",
            "🔄" => "in_progress",
            "✅" => "complete",
            "⛔" => "blocked",
            "⏭️" => "skipped",
            "💾" => "checkpointed",
            _ => return None,
        },
        other => other,
    };
    at(word).map(|status| (status, true))
}

#[cfg(test)]
mod tests {
    use super::{Status, read};

    #[test]
    fn f_11_every_spelling_of_a_status_is_read() {
        for (text, status, legacy) in [
            ("not_started", Status::NotStarted, false),
            ("pending", Status::NotStarted, false),
            ("✅ COMPLETE", Status::Complete, true),
            ("🔲 NOT_STARTED", Status::NotStarted, true),
            ("IN PROGRESS", Status::InProgress, true),
            ("⛔", Status::Blocked, true),
            ("checkpointed", Status::Checkpointed, false),
            ("complete\n", Status::Complete, false),
        ] {
            assert_eq!(read(text), Some((status, legacy)), "{text}");
        }
        assert_eq!(read("finished?"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn f_11_the_transition_table_is_the_one_of_the_text() {
        use Status::{Blocked, Checkpointed, Complete, InProgress, NotStarted, Skipped};
        let allowed = [
            (NotStarted, InProgress),
            (NotStarted, Skipped),
            (InProgress, Complete),
            (InProgress, Blocked),
            (InProgress, Checkpointed),
            (InProgress, Skipped),
            (Checkpointed, InProgress),
            (Checkpointed, NotStarted),
            (Blocked, InProgress),
            (Blocked, Skipped),
        ];
        for from in Status::ALL {
            for to in Status::ALL {
                assert_eq!(from.may_become(to), allowed.contains(&(from, to)), "{from} → {to}");
            }
            let stuck = Status::ALL.iter().all(|&to| !from.may_become(to));
            assert_eq!(from.is_terminal(), stuck, "{from}");
            // Work makes anything of what is not over, except that it never happened.
            for to in Status::ALL {
                let back = to == NotStarted && from != Checkpointed;
                assert_eq!(from.leads_to(to), from == to || !(from.is_terminal() || back), "{from} … {to}");
            }
        }
    }
}
