//! Notes that people left for the run: into the journal, then out of the inbox.

use std::time::Instant;

use tracing::debug;

use super::{Driver, INBOX};
use crate::engine::error::Broken;
use crate::engine::inbox::{self, Note};
use crate::engine::moment::now;
use crate::journal::Journal as _;
use crate::run::{Event, GateDecision, Phase, Refusal};

impl Driver<'_> {
    /// Takes what people left in the inbox: into the journal, then out of the inbox.
    pub(super) fn take_notes(&mut self) -> Result<(), Broken> {
        if self.looked.is_some_and(|last| last.elapsed() < INBOX) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let fault = |error| Broken::Io("the run's inbox".to_owned(), error);
        for left in inbox::waiting(&self.bench.files.inbox()).map_err(fault)? {
            if self.is_too_early(&left.note) {
                continue;
            }
            debug!(note = %left.note, "somebody left a note");
            if let Some(why) = self.holds_secret(&left.note) {
                self.watcher.remark(&format!("{}: {why}", left.note));
                left.take().map_err(fault)?;
                continue;
            }
            let told = match &left.note {
                Note::Decision(decision) => {
                    let comment = self.bench.secrets.clean(decision.comment.clone());
                    self.run.decided(now(), GateDecision { comment, ..decision.clone() })
                }
                Note::Again { task, by } => self.run.ordered_again(now(), task, by),
                Note::Cancel { by } => self.run.cancel(now(), by),
            };
            match told {
                Ok(events) => {
                    let stops = events.iter().any(|event| matches!(event, Event::CancelRequested { .. }));
                    self.happened(events);
                    self.flush()?;
                    // Acknowledged only when it survives the end of the machine.
                    self.journal.sync()?;
                    if stops {
                        self.cancel();
                    }
                }
                Err(Refusal::Repeated(_)) => {}
                Err(refusal) => self.watcher.remark(&format!("{}: {refusal}", left.note)),
            }
            left.take().map_err(fault)?;
        }
        Ok(())
    }

    /// Why a decision is not taken: what it sets would be kept as it is.
    fn holds_secret(&self, note: &Note) -> Option<String> {
        let Note::Decision(GateDecision { set, .. }) = note else {
            return None;
        };
        set.iter().find_map(|(name, value)| {
            let secret = self.bench.secrets.find(value.as_bytes())?;
            Some(format!(
                "what it sets as `{name}` holds the secret `{secret}`, and inputs are kept: decide without it, and let the command refer to `${{secrets.{secret}}}`"
            ))
        })
    }

    /// An order to start a task again waits until it is clear that nobody knows how it ended.
    fn is_too_early(&self, note: &Note) -> bool {
        let Note::Again { task, .. } = note else {
            return false;
        };
        let phase = self.run.find(task).map(|index| &self.run.task(index).phase);
        matches!(
            phase,
            Some(
                Phase::Interrupted { .. }
                    | Phase::Unknown { running: Some(_), .. }
                    | Phase::Unknown { next: Some(_), .. }
            )
        )
    }
}
