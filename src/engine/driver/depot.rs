//! Checkpoints in the store: a copy that was taken over goes there beside the work, one of a task at a time, the newest
//! next. What does not arrive is told and fails nothing: the run has the copy, and whoever takes it up sends it again.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::signals::Signals;
use super::{Driver, sound};
use crate::blueprint::TaskIndex;
use crate::engine::remote::Problem;
use crate::engine::remote::errand::{STOPPED, apart};

/// How long a runner that has to go waits for what is on its way.
const LEAVE: Duration = Duration::from_secs(10);

/// What became of a copy: nothing is known of one that was broken off.
pub(super) type Arrival = (TaskIndex, io::Result<Option<Result<(), Problem>>>);

/// Copies on their way.
pub(super) struct Depot {
    going: JoinSet<Arrival>,
    /// By task whose copy is on its way, whether a newer one waits for it.
    busy: HashMap<u32, bool>,
    stop: watch::Sender<bool>,
}

impl Depot {
    pub(super) fn new() -> Self {
        Self { going: JoinSet::new(), busy: HashMap::new(), stop: watch::Sender::new(false) }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.going.is_empty()
    }

    /// The next copy that is no longer on its way.
    pub(super) async fn arrived(&mut self) -> Option<Arrival> {
        self.going.join_next().await.map(sound)
    }
}

impl Driver<'_> {
    /// Sends the checkpoint of a task to the store, where the document has one for it.
    pub(super) fn deposit(&mut self, index: TaskIndex) {
        let Some(kept) = &self.run.task(index).checkpoint else {
            return;
        };
        if let Some(waits) = self.depot.busy.get_mut(&index.0) {
            *waits = true;
            return;
        }
        let copies = match self.bench.copies(index, kept) {
            None => return,
            Some(Ok(copies)) => copies,
            Some(Err(why)) => return self.tell_undeposited(index, &why),
        };
        self.depot.busy.insert(index.0, false);
        let stop = self.depot.stop.subscribe();
        self.depot.going.spawn(async move { (index, apart(move || copies.send(), stop).await) });
    }

    /// What earlier runners took over of work that is not done goes again: nobody knows whether it arrived.
    pub(super) fn deposit_again(&mut self) {
        for index in self.bench.blueprint.indices() {
            let task = self.run.task(index);
            if task.checkpoint.is_some() && !task.satisfies() {
                self.deposit(index);
            }
        }
    }

    /// A copy arrived, or did not: the next one of its task goes.
    pub(super) fn deposited(&mut self, (index, end): Arrival) {
        match end {
            Ok(None | Some(Ok(()))) => {}
            // It was put away while it was on its way, because the next one is here.
            Ok(Some(Err(_))) if self.depot.busy.get(&index.0) == Some(&true) => {}
            Ok(Some(Err(problem))) => self.tell_undeposited(index, &problem.text),
            Err(error) => self.tell_undeposited(index, &error.to_string()),
        }
        let waits = self.depot.busy.remove(&index.0).unwrap_or_default();
        if waits && !*self.depot.stop.borrow() {
            self.deposit(index);
        }
    }

    fn tell_undeposited(&mut self, index: TaskIndex, why: &str) {
        let why = self.bench.secrets.clean(why.to_owned());
        let task = &self.bench.task(index).id;
        self.watcher.remark(&format!("`{task}`: its checkpoint is with the run only (E_CHECKPOINT_FAILED): {why}"));
    }

    /// Waits for what is on its way: at the end of a run for all of it, else for as long as somebody may wait who has
    /// to go. A signal ends the wait.
    pub(super) async fn finish_depositing(&mut self, signals: &mut Signals, is_leaving: bool) {
        let patience = sleep(if is_leaving { LEAVE } else { Duration::MAX });
        tokio::pin!(patience);
        loop {
            tokio::select! {
                biased;
                arrival = self.depot.arrived() => match arrival {
                    Some(arrival) => self.deposited(arrival),
                    None => return,
                },
                _ = signals.next() => break,
                () = &mut patience => break,
            }
        }
        self.depot.stop.send_replace(true);
        while let Ok(Some(arrival)) = timeout(STOPPED, self.depot.arrived()).await {
            self.deposited(arrival);
        }
    }
}
