//! What became of work that an earlier runner started.
//!
//! Work of this machine ends with its runner, so its end is waited for. Work on other machines goes on: it is taken up
//! where it is, and nothing else waits for it; where the run is not to go on, it is ended.

use std::sync::Arc;
use std::time::Duration;

use outpost_executor::{Executor, Handle, NotStarted, Outcome, Report, Standing, Trace};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Driver, Piece, sound};
use crate::blueprint::TaskIndex;
use crate::blueprint::site;
use crate::engine::error::Broken;
use crate::engine::hands::Owner;
use crate::engine::moment::now;
use crate::run::{self, Mode, Phase, Stage, World as _};

/// Who waits is told what for after so long.
const SILENT: Duration = Duration::from_secs(2);

/// What its executor says.
enum Heard {
    /// It goes on, and may be taken up.
    Going(Arc<dyn Executor>, Handle),
    Ended(Option<Box<Report>>),
}

impl Driver<'_> {
    /// Asks what became of work that an earlier runner started, and waits for what does not go on without it.
    pub(super) async fn look_back(&mut self) -> Result<(), Broken> {
        self.forget_fetching();
        let goes_on = self.run.mode() == Mode::Going && !self.run.is_rolling_back();
        let mut asked = JoinSet::new();
        for (piece, token, log, handle) in self.interrupted() {
            let site = match &piece {
                Piece::Stage(index, _, word) => self.bench.site_of(*index, self.stage(*index, word)?),
                Piece::Chore(chore) => self.bench.site_of_chore(&self.run, chore),
            };
            let task = match &piece {
                Piece::Stage(index, ..) => Some(*index),
                Piece::Chore(chore) => chore.task().and_then(|task| self.run.find(task)),
            };
            let owner = Owner { bench: self.bench, task: task.map(|index| (index, self.began(index))) };
            let executor = self.hands.past(&site, owner, handle.as_ref()).await;
            let outlives = site::outlives(&site);
            let is_taken_up = outlives && goes_on && matches!(piece, Piece::Stage(..));
            asked.spawn(async move {
                let Some(executor) = executor else {
                    return (piece, Heard::Ended(None));
                };
                let trace = Trace { token: &token, log: &log, handle: handle.as_ref() };
                let report = match executor.reattach(trace).await {
                    Standing::Running(handle) if is_taken_up => return (piece, Heard::Going(executor, handle)),
                    Standing::Running(handle) => {
                        if outlives && matches!(piece, Piece::Stage(..)) {
                            executor.cancel(&handle).await;
                        }
                        Some(Box::new(executor.wait(&handle).await))
                    }
                    Standing::Ended(report) => Some(report),
                    Standing::Unknown => None,
                };
                (piece, Heard::Ended(report))
            });
        }
        let mut is_told = asked.is_empty();
        loop {
            let answer = if is_told {
                asked.join_next().await
            } else if let Ok(answer) = timeout(SILENT, asked.join_next()).await {
                answer
            } else {
                is_told = true;
                let many = asked.len();
                let what = if many == 1 { "one that ran".to_owned() } else { format!("{many} that ran") };
                self.watcher.remark(&format!("waiting to hear what became of {what} when this run was last driven"));
                continue;
            };
            let Some(answer) = answer else {
                break;
            };
            let (piece, heard) = sound(answer);
            match heard {
                Heard::Ended(report) => self.heard(piece, report.map(|report| *report)).await?,
                Heard::Going(executor, handle) => self.take_up(piece, executor, handle).await?,
            }
        }
        for told in self.hands.clear(self.bench).await {
            self.watcher.remark(&told);
        }
        Ok(())
    }

    /// Work that was only fetching what it needs never began.
    fn forget_fetching(&mut self) {
        let is_fetching = |index: &TaskIndex| {
            matches!(self.run.task(*index).phase, Phase::Interrupted { .. }) && self.was_fetching(*index)
        };
        let fetching: Vec<TaskIndex> = self.bench.blueprint.indices().filter(is_fetching).collect();
        for index in fetching {
            let events = self.run.never_started(now(), index).unwrap_or_default();
            self.happened(events);
        }
    }

    /// All that is interrupted, and what the journal tells of it.
    fn interrupted(&self) -> Vec<(Piece, outpost_executor::Token, std::path::PathBuf, Option<Handle>)> {
        let tasks = self.bench.blueprint.indices();
        let stages = tasks.filter_map(|index| {
            let state = self.run.task(index);
            let Phase::Interrupted { stage } = &state.phase else {
                return None;
            };
            let stage = self.run.program().tasks[index.get()].stages[*stage];
            let piece = Piece::Stage(index, state.attempts, stage.word());
            let at = state.stage_started.unwrap_or(self.run.latest());
            let token = self.bench.token(index, state.attempts, stage, at);
            Some((piece, token, stage.word(), state.handle.clone()))
        });
        let chores = self.run.chores().filter(|(_, state)| state.standing == run::Standing::Interrupted);
        let chores = chores.map(|(chore, state)| {
            let token = self.bench.chore_token(chore, state.attempts);
            (Piece::Chore(chore.clone()), token, chore.word(), state.handle.clone())
        });
        let whole = stages.chain(chores).map(|(piece, token, word, handle)| {
            let log = self.bench.files.log(&token.task, token.attempt, word);
            (piece, token, log, handle.map(Handle))
        });
        whole.collect()
    }

    /// Work that goes on is waited for like what was started here, with the locks that it had, if nobody else has them.
    async fn take_up(&mut self, piece: Piece, executor: Arc<dyn Executor>, handle: Handle) -> Result<(), Broken> {
        let Piece::Stage(index, _, word) = piece else {
            return Ok(());
        };
        let Ok(events) = self.run.started(now(), index, handle.0.clone()) else {
            // There is no room for it any more: the document was edited.
            let report = executor.wait(&handle).await;
            return self.heard(piece, Some(report)).await;
        };
        self.happened(events);
        if self.bench.task(index).all_locks().next().is_some() && !self.outside.take_locks(index) {
            let id = &self.bench.task(index).id;
            self.watcher.remark(&format!("`{id}` goes on without its locks: somebody else holds them"));
        }
        // How much of its time is left is known where it runs.
        let limit = self.bench.limit(index, self.stage(index, word)?, Duration::ZERO);
        self.wait_for(piece, executor, handle, limit);
        Ok(())
    }

    /// What became of something, if anybody knows.
    async fn heard(&mut self, piece: Piece, report: Option<Report>) -> Result<(), Broken> {
        if let Piece::Stage(index, attempt, word) = piece {
            self.take_last_checkpoint(index, attempt);
            // Also of what nobody saw end.
            if word == Stage::Run.word() {
                self.count_usage(index, attempt);
            }
        }
        match (piece, report) {
            (Piece::Stage(index, ..), Some(Report { outcome: Outcome::NotStarted(NotStarted::Cancelled), .. })) => {
                let events = self.run.never_started(now(), index).unwrap_or_default();
                self.happened(events);
            }
            // Ended by the death of its runner, or nobody knows: it stays interrupted.
            (_, None | Some(Report { outcome: Outcome::Interrupted | Outcome::Cancelled | Outcome::Lost(_), .. })) => {}
            // How much of the attempt's time was left to it then is not known any more: the whole of it is told.
            (Piece::Stage(index, attempt, word), Some(report)) => {
                let stage = self.stage(index, word)?;
                let limit = self.bench.limit(index, stage, Duration::ZERO);
                if !self.ended(index, attempt, stage, &report, limit)? {
                    self.await_transfer().await?;
                }
            }
            (Piece::Chore(chore), Some(report)) => {
                let limit = self.bench.chore_limit(&self.run, &chore);
                self.chore_ended(&chore, &report, limit)?;
            }
        }
        Ok(())
    }
}
