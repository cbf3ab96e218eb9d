//! A chore: a command outside of attempts, started, waited for and judged like a stage.

use outpost_executor::Report;

use super::{Driver, Piece};
use crate::engine::bench::Limit;
use crate::engine::error::Broken;
use crate::engine::hands::Owner;
use crate::engine::verdict;
use crate::run::{Chore, Failure, Refusal};

impl Driver<'_> {
    pub(super) async fn start_chore(&mut self, chore: Chore, attempt: u32) -> Result<(), Broken> {
        let limit = self.bench.chore_limit(&self.run, &chore);
        let locks = match chore.task().and_then(|task| self.run.find(task)) {
            Some(index) if matches!(chore, Chore::Rollback { .. }) => self.outside.descriptors(index),
            _ => Ok(Vec::new()),
        };
        let work = locks
            .map_err(|error| verdict::chore(&chore, format!("its locks cannot be passed on: {error}")))
            .and_then(|locks| self.bench.prepare_chore(&self.run, &chore, attempt, limit.0, locks));
        let task = chore.task().and_then(|task| self.run.find(task)).map(|index| (index, self.began(index)));
        let owner = Owner { bench: self.bench, task };
        let failure = match work {
            Ok(work) => match self.set_going(work, &self.bench.site_of_chore(&self.run, &chore), owner).await {
                Ok((executor, handle)) => {
                    let events = self.run.chore_started(self.clock, chore.clone(), handle.0.clone());
                    self.happened(events.unwrap_or_default());
                    self.wait_for(Piece::Chore(chore), executor, handle, limit);
                    return Ok(());
                }
                Err(reason) => verdict::chore(&chore, format!("`{}` did not start: {reason}", chore.word())),
            },
            Err(failure) => failure,
        };
        self.tell_chore(&chore, 0, Some(failure))
    }

    pub(super) fn chore_ended(&mut self, chore: &Chore, report: &Report, limit: Limit) -> Result<(), Broken> {
        self.tell_leaked(chore.owner(), report);
        self.tell_chore(chore, report.elapsed_ms, verdict::on_chore(chore, report, limit))
    }

    fn tell_chore(&mut self, chore: &Chore, milliseconds: u64, failure: Option<Failure>) -> Result<(), Broken> {
        let failure = failure.map(|failure| Box::new(self.bench.secrets.clean_failure(failure)));
        match self.run.chore_ended(self.clock, chore.clone(), milliseconds, failure) {
            Ok(events) => {
                self.happened(events);
                Ok(())
            }
            Err(Refusal::Illegal(illegal)) => Err(Broken::History(illegal.to_string())),
            Err(_) => Ok(()),
        }
    }
}
