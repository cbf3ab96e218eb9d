//! What travels while a run is driven: outputs before their end is written down, inputs and a
//! checkpoint before a stage starts.
//!
//! A transfer holds the slot and the locks of its task, as the work does. The loop never waits for one; only what an earlier
//! runner left to be sent is waited for, before the loop begins. One that is broken
//! off leaves nothing in the journal: who drives the run next finds the work's report with its executor and sends again, or
//! knows by a mark that the stage was not begun and fetches again.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::{Driver, Piece, sound};
use crate::blueprint::TaskIndex;
use crate::engine::error::Broken;
use crate::engine::output::Values;
use crate::engine::remote::Problem;
use crate::engine::remote::errand::{Arrivals, apart, fetch};
use crate::engine::verdict::unresumed;
use crate::run::{Failure, FailureCode, FailurePhase, Mode, Stage};

/// Transfers under way, and what has arrived for attempts under way.
pub(super) struct Transfers {
    going: JoinSet<Transfer>,
    stop: watch::Sender<bool>,
    /// By task, with the attempt that it is for.
    arrived: HashMap<u32, (u32, Result<Arrivals, Failure>)>,
}

/// A transfer that is over: for which stage, and what came of it.
pub(super) struct Transfer {
    index: TaskIndex,
    attempt: u32,
    stage: Stage,
    end: io::Result<Option<End>>,
}

enum End {
    /// After so many milliseconds of work.
    Sent(u64, Result<Values, Problem>),
    Fetched(Result<Arrivals, Failure>),
}

impl Transfers {
    pub(super) fn new() -> Self {
        Self { going: JoinSet::new(), stop: watch::Sender::new(false), arrived: HashMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.going.is_empty()
    }

    /// The next one that is over.
    pub(super) async fn next(&mut self) -> Option<Result<Transfer, JoinError>> {
        self.going.join_next().await
    }

    /// Breaks all of them off, and whatever else would begin.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl Driver<'_> {
    /// What the task left has to go somewhere before its end counts: whether that was begun.
    pub(super) fn send(
        &mut self,
        (index, attempt, stage): (TaskIndex, u32, Stage),
        milliseconds: u64,
        values: &Values,
    ) -> Result<bool, Failure> {
        if !self.bench.wants_record(index) {
            return Ok(false);
        }
        let sending = self.bench.sending(index, attempt, self.began(index), values);
        let Some(sending) = sending.map_err(|reason| unsent(reason, true))? else {
            return Ok(false);
        };
        let stop = self.transfers.stop.subscribe();
        self.transfers.going.spawn(async move {
            let end = apart(move || sending.carry_out(), stop).await;
            let end = end.map(|end| end.map(|sent| End::Sent(milliseconds, sent)));
            Transfer { index, attempt, stage, end }
        });
        Ok(true)
    }

    /// What a stage needs from elsewhere, once it is here; until then nothing.
    pub(super) fn arrivals(
        &mut self,
        index: TaskIndex,
        attempt: u32,
        stage: Stage,
    ) -> Result<Option<Arrivals>, Failure> {
        if let Some((_, arrivals)) = self.transfers.arrived.get(&index.0).filter(|(of, _)| *of == attempt) {
            return arrivals.clone().map(Some);
        }
        let fetching = self.bench.fetching(&self.run, index, attempt).map_err(|reason| unfetched(&reason))?;
        let checkpoint = self.bench.resumes_from(index, self.run.task(index).checkpoint.as_ref());
        let checkpoint = checkpoint.and_then(|kept| self.bench.copies(index, kept));
        let checkpoint =
            checkpoint.transpose().map_err(|reason| unresumed(&reason))?.filter(|copies| !copies.are_here());
        if fetching.is_empty() && checkpoint.is_none() {
            return Ok(Some(Arrivals::new()));
        }
        let mark = self.mark(index, attempt);
        fs::write(&mark, "").map_err(|error| unfetched(&format!("`{}`: {error}", mark.display())))?;
        let stop = self.transfers.stop.subscribe();
        self.transfers.going.spawn(async move {
            let errand = async move || {
                if let Some(checkpoint) = checkpoint {
                    checkpoint.fetch().await.map_err(|problem| unresumed(&problem.text))?;
                }
                Ok(fetch(fetching).await)
            };
            let end = apart(errand, stop).await;
            Transfer { index, attempt, stage, end: end.map(|end| end.map(End::Fetched)) }
        });
        Ok(None)
    }

    /// There while a stage is written down as started and its executor was not asked.
    fn mark(&self, index: TaskIndex, attempt: u32) -> PathBuf {
        self.bench.files.of_attempt(&self.bench.task(index).id, attempt, "fetching")
    }

    /// Whether the last runner was gone before it asked anybody to start the stage.
    pub(super) fn was_fetching(&self, index: TaskIndex) -> bool {
        let state = self.run.task(index);
        state.handle.is_none() && self.mark(index, state.attempts).exists()
    }

    /// A transfer is over: go on with its stage where it left off.
    pub(super) async fn transferred(&mut self, transfer: Result<Transfer, JoinError>) -> Result<(), Broken> {
        let Transfer { index, attempt, stage, end } = sound(transfer);
        let end = end.map_err(|error| Broken::Io("a transfer".to_owned(), error))?;
        match end {
            // The run was told to stop, and is not left to somebody else.
            None | Some(End::Fetched(_)) if self.run.mode() == Mode::Stopping => {
                let failure = Failure::new(FailureCode::Cancelled, FailurePhase::Execution, "a transfer was stopped");
                self.report(index, attempt, stage, 0, Err(Failure { lasting: true, ..failure }))?;
                self.is_over(&Piece::Stage(index, attempt, stage.word()));
                Ok(())
            }
            Some(End::Fetched(arrivals)) => {
                let mark = self.mark(index, attempt);
                unmark(&mark).map_err(|error| Broken::Io(mark.display().to_string(), error))?;
                self.transfers.arrived.insert(index.0, (attempt, arrivals));
                self.begin(index, attempt, stage).await
            }
            Some(End::Sent(milliseconds, sent)) => {
                let outputs = match sent {
                    Ok(values) => Ok(self.keep(index, attempt, &values)?),
                    Err(problem) => Err(unsent(problem.text, !problem.passing)),
                };
                self.report(index, attempt, stage, milliseconds, outputs)?;
                self.is_over(&Piece::Stage(index, attempt, stage.word()));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Waits for the transfer of a task that an earlier runner left.
    pub(super) async fn await_transfer(&mut self) -> Result<(), Broken> {
        match self.transfers.next().await {
            Some(transfer) => self.transferred(transfer).await,
            None => Ok(()),
        }
    }
}

/// On the disk, not only on its way there: a mark that came back would call work never begun that was done.
fn unmark(mark: &Path) -> io::Result<()> {
    fs::remove_file(mark)?;
    mark.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn unsent(message: String, lasting: bool) -> Failure {
    Failure { lasting, ..Failure::new(FailureCode::ExecutionFailed, FailurePhase::Execution, message) }
}

fn unfetched(reason: &str) -> Failure {
    let message = format!("its inputs cannot be fetched: {reason}");
    Failure { lasting: true, ..Failure::new(FailureCode::DependencyMissing, FailurePhase::Setup, message) }
}
