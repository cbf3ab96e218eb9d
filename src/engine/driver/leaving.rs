//! Ending what runs: because the run ends, or because its driver leaves and somebody else goes on.

use std::sync::Arc;

use outpost_executor::{NotStarted, Outcome};

use super::signals::Signals;
use super::{Answer, Driver, Outlook, Piece};
use crate::engine::error::Broken;
use crate::journal::Journal as _;
use crate::run::Chore;

impl Driver<'_> {
    /// Asks the work of a run that is to end to end, without waiting for it. What is being undone is undone.
    pub(super) fn cancel(&self) {
        self.end(|piece| !matches!(piece, Piece::Chore(Chore::Rollback { .. })));
    }

    /// Asks all work to end, without waiting for it.
    pub(super) fn cancel_all(&self) {
        self.end(|_| true);
    }

    fn end(&self, is_meant: impl Fn(&Piece) -> bool) {
        self.transfers.stop();
        for (_, job) in self.jobs.iter().filter(|(piece, _)| is_meant(piece)) {
            let (executor, handle) = (Arc::clone(&job.executor), job.handle.clone());
            tokio::spawn(async move { executor.cancel(&handle).await });
        }
    }

    /// A signal ends the driver: what runs is ended, and stays interrupted for `resume`.
    pub(super) async fn leave(&mut self, signal: i32, signals: &mut Signals) -> Result<Outlook, Broken> {
        self.watcher.remark("ending what runs; once more, and its keepers are left to do it");
        self.cancel_all();
        self.tidy.stop();
        let is_patient = loop {
            let answer = tokio::select! {
                biased;
                _ = signals.next() => break false,
                answer = self.answers.join_next() => answer,
            };
            let Some(answer) = answer else {
                break true;
            };
            // Work that ended by itself before it was told to has a result worth keeping.
            let is_told = |(_, report): &Answer| {
                matches!(report.outcome, Outcome::Cancelled | Outcome::NotStarted(NotStarted::Cancelled))
            };
            match &answer {
                Ok((Piece::Stage(index, attempt, _), _)) if answer.as_ref().is_ok_and(is_told) => {
                    self.take_last_checkpoint(*index, *attempt);
                }
                Ok((Piece::Chore(_), _)) if answer.as_ref().is_ok_and(is_told) => {}
                _ => self.answered(answer)?,
            }
        };
        if is_patient {
            self.close_desk(signals).await;
        }
        self.flush()?;
        self.journal.sync()?;
        // Whoever goes on may do so on another machine.
        self.finish_depositing(signals, true).await;
        Ok(Outlook::Interrupted(signal))
    }
}
