//! Group commit: the thread `journal` makes durable what was written.
//!
//! It syncs at most every 20 ms while something is not durable, at once when somebody waits for it, and
//! sleeps otherwise. It never syncs again after a failed sync: the kernel may have marked the pages clean,
//! so that a second one would succeed and mean nothing.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use tracing::trace;

use super::error::JournalError;
use super::frame::Number;

/// The shortest time between two syncs that nobody waits for.
const PAUSE: Duration = Duration::from_millis(20);

/// Told whenever more became durable, and when syncing failed.
type Listener = Box<dyn Fn() + Send + Sync>;

/// The thread, from the writer's side.
#[derive(Debug)]
pub(super) struct Committer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    file: Arc<File>,
    path: PathBuf,
    state: Mutex<State>,
    /// For the thread: there is something to do.
    work: Condvar,
    /// For who waits: something was done.
    done: Condvar,
}

#[derive(Default)]
struct State {
    written: Number,
    durable: Number,
    /// Somebody waits for this one.
    wanted: Number,
    failure: Option<JournalError>,
    stop: bool,
    listener: Option<Arc<Listener>>,
}

impl fmt::Debug for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} of {} durable, failure: {:?}", self.durable, self.written, self.failure)
    }
}

impl Committer {
    /// Starts the thread for a file whose records up to `durable` are on the disk.
    pub(super) fn start(file: Arc<File>, path: PathBuf, durable: Number) -> io::Result<Self> {
        let state = Mutex::new(State { written: durable, durable, ..State::default() });
        let shared = Arc::new(Shared { file, path, state, work: Condvar::new(), done: Condvar::new() });
        let its = Arc::clone(&shared);
        let thread = Builder::new().name("journal".to_owned()).spawn(move || its.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(super) fn listen(&self, listener: Listener) {
        self.shared.lock().listener = Some(Arc::new(listener));
    }

    /// Records up to `number` have been written.
    pub(super) fn written(&self, number: Number) {
        let mut state = self.shared.lock();
        if state.written == state.durable {
            self.shared.work.notify_one();
        }
        state.written = number;
    }

    pub(super) fn durable(&self) -> Number {
        self.shared.lock().durable
    }

    pub(super) fn failure(&self) -> Option<JournalError> {
        self.shared.lock().failure.clone()
    }

    /// Nothing is written or synced from now on; the first failure stays.
    pub(super) fn fail(&self, failure: JournalError) -> JournalError {
        let mut state = self.shared.lock();
        self.shared.work.notify_one();
        state.failure.get_or_insert(failure).clone()
    }

    /// Asks for a sync of everything written, now.
    pub(super) fn hasten(&self) {
        let mut state = self.shared.lock();
        state.wanted = state.written;
        self.shared.work.notify_one();
    }

    /// Returns when everything written is durable.
    pub(super) fn wait(&self) -> Result<(), JournalError> {
        self.hasten();
        let mut state = self.shared.lock();
        let wanted = state.wanted;
        loop {
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            if state.durable >= wanted {
                return Ok(());
            }
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Makes durable what can be, and ends the thread.
    pub(super) fn stop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // Only the listener can have panicked, and then it has said so.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// A panic cannot leave the state half changed: it is numbers.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut last: Option<Instant> = None;
        while let Some(target) = self.next_target(last) {
            let began = Instant::now();
            let result = self.sync();
            last = Some(Instant::now());
            trace!(record = %target, took = ?began.elapsed(), is_durable = result.is_ok(), "synced the journal");
            let mut state = self.lock();
            match result {
                Ok(()) => state.durable = target,
                Err(error) => {
                    let (file, error) = (self.path.clone(), Arc::new(error));
                    state.failure.get_or_insert(JournalError::Broken { doing: "sync", file, error });
                }
            }
            let listener = state.listener.clone();
            drop(state);
            self.done.notify_all();
            if let Some(listener) = listener {
                listener();
            }
        }
    }

    /// Sleeps until it is time to sync, and answers what will be durable then; none at the end.
    fn next_target(&self, last: Option<Instant>) -> Option<Number> {
        let mut state = self.lock();
        loop {
            if state.failure.is_some() || (state.stop && state.written == state.durable) {
                return None;
            }
            let rest = last.map_or(Duration::ZERO, |last| PAUSE.saturating_sub(last.elapsed()));
            let hurry = state.stop || state.wanted > state.durable;
            state = if state.written == state.durable {
                self.work.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else if hurry || rest.is_zero() {
                return Some(state.written);
            } else {
                self.work.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        // A file without a name can be synced as often as one likes and is lost all the same.
        if self.file.metadata()?.nlink() == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file was removed"));
        }
        Ok(())
    }
}
