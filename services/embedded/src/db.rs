//! The database file and the threads that wait for it, so that no async thread does.
//!
//! ```text
//! callers ──► queue ──► one writer:    takes all that waits, one transaction, one sync to disk, then answers all
//!         └─► queue ──► some readers:  one at a time each, of the last state that was committed
//! ```
//! Each piece of work decides for itself whether it changes anything; one that fails in the database takes nothing of the
//! others with it: they are done again without it. An answer comes after the sync. Other processes may write to the same
//! file: a transaction waits for theirs, up to five seconds.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use outpost_core::ports::Clock;
use outpost_core::store::{Pending, Problem};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use crate::schema;

/// Work that may wait: what comes on top is told that the store is busy.
const WAITING: usize = 4096;
/// Work in one transaction, so that the first of many does not wait for the last.
const BATCH: usize = 256;
const READERS: usize = 3;
/// How long a transaction waits for one of another process, a millisecond at a time.
const PATIENCE_MS: i32 = 5_000;
/// How often what has expired is thrown away: some at a time, the sooner again if that was not all.
const SWEEP: Duration = Duration::from_secs(60);
const SWEEP_ON: Duration = Duration::from_millis(250);
const SWEPT: usize = 500;
/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 64;

/// What is done in the database, and may be done again if it was undone.
type Run<T> = dyn FnMut(&Connection) -> rusqlite::Result<T> + Send;

/// A piece of work on its way through a thread.
trait Work: Send {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, problem: Option<Problem>);
}

struct Asked<T> {
    run: Box<Run<T>>,
    done: Option<T>,
    to: oneshot::Sender<Result<T, Problem>>,
}

impl<T: Send> Work for Asked<T> {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.done = Some((self.run)(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, problem: Option<Problem>) {
        let answer = match (problem, self.done) {
            (None, Some(done)) => Ok(done),
            (Some(problem), _) => Err(problem),
            (None, None) => Err(Problem::Broken("the work was not done".into())),
        };
        // Who asked may have gone: what was done stays done.
        let _ = self.to.send(answer);
    }
}

/// The database, open. Dropped, it waits for its threads, and they for the work that was accepted.
pub(crate) struct Database {
    path: PathBuf,
    write: Option<SyncSender<Box<dyn Work>>>,
    read: Option<SyncSender<Box<dyn Work>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Database {
    pub(crate) fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, Problem> {
        let open = || connect(path).map_err(|error| problem(&error));
        let writer = open()?;
        schema::prepare(&writer)?;
        let (write, asked) = sync_channel(WAITING);
        let begun = |error: std::io::Error| Problem::Broken(format!("no thread for the database: {error}"));
        let writing = thread::Builder::new().name("outpost-write".into());
        let mut threads = vec![writing.spawn(move || writes(writer, &asked, &*clock)).map_err(begun)?];
        let (read, asked) = sync_channel(WAITING);
        let asked = Arc::new(Mutex::new(asked));
        for _ in 0..READERS {
            let (connection, asked) = (open()?, Arc::clone(&asked));
            let reading = thread::Builder::new().name("outpost-read".into());
            threads.push(reading.spawn(move || reads(&connection, &asked)).map_err(begun)?);
        }
        Ok(Self { path: path.to_owned(), write: Some(write), read: Some(read), threads })
    }

    /// Does it in a transaction that may hold the work of others too; answers when that is on disk.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        run: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Pending<'static, Result<T, Problem>> {
        ask(self.write.as_ref(), Box::new(run))
    }

    /// Does it in a transaction of its own that changes nothing.
    pub(crate) fn read<T: Send + 'static>(
        &self,
        run: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Pending<'static, Result<T, Problem>> {
        ask(self.read.as_ref(), Box::new(run))
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        (self.write, self.read) = (None, None);
        for thread in self.threads.drain(..) {
            // A thread that panicked has told so already.
            let _ = thread.join();
        }
    }
}

fn ask<T: Send + 'static>(
    thread: Option<&SyncSender<Box<dyn Work>>>,
    run: Box<Run<T>>,
) -> Pending<'static, Result<T, Problem>> {
    let (to, answer) = oneshot::channel();
    let sent = thread.map(|thread| thread.try_send(Box::new(Asked { run, done: None, to })));
    Box::pin(async move {
        let gone = || Problem::Broken("the thread of the database has ended; start the service again".into());
        match sent {
            Some(Ok(())) => answer.await.unwrap_or_else(|_| Err(gone())),
            Some(Err(TrySendError::Full(_))) => Err(Problem::Busy),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(gone()),
        }
    })
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Its own locks would guard a connection that one thread has for itself; names are no URIs.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A lock of another process tells nobody that it is gone, and SQLite's own waiting soon takes 100 ms at a time.
    connection.busy_handler(Some(|times| {
        thread::sleep(Duration::from_millis(1));
        times < PATIENCE_MS
    }))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // With `full`, the log is synced at each commit: what was answered outlives the machine.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", "fast")?;
    connection.pragma_update(None, "cache_size", -8_192)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(connection)
}

fn reads(connection: &Connection, asked: &Mutex<Receiver<Box<dyn Work>>>) {
    loop {
        let next = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(mut work) = next else { return };
        let done = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)
            .and_then(|transaction| work.run(&transaction));
        work.answer(done.err().map(|error| problem(&error)));
    }
}

fn writes(mut connection: Connection, asked: &Receiver<Box<dyn Work>>, clock: &dyn Clock) {
    let mut sweep = Instant::now() + SWEEP;
    loop {
        let first = match asked.recv_timeout(sweep.saturating_duration_since(Instant::now())) {
            Ok(work) => Some(work),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if let Some(first) = first {
            let mut batch = vec![first];
            batch.extend(asked.try_iter().take(BATCH - 1));
            match together(&mut connection, &mut batch) {
                Ok(()) => batch.into_iter().for_each(|work| work.answer(None)),
                // Each by itself: one of them is the cause.
                Err(Failed::One(_)) if batch.len() > 1 => {
                    for work in batch {
                        let mut alone = [work];
                        let done = together(&mut connection, &mut alone);
                        let [work] = alone;
                        work.answer(done.err().map(Failed::problem));
                    }
                }
                Err(failed) => {
                    let problem = failed.problem();
                    batch.into_iter().for_each(|work| work.answer(Some(problem.clone())));
                }
            }
        }
        if sweep <= Instant::now() {
            // What is not thrown away now is so later; nobody sees it meanwhile.
            let all = schema::sweep(&connection, clock.now(), SWEPT).unwrap_or(true);
            sweep = Instant::now() + if all { SWEEP } else { SWEEP_ON };
        }
    }
}

/// Why a transaction did not happen.
enum Failed {
    /// One piece of work could not be done.
    One(Problem),
    /// It could not begin, or not end.
    All(Problem),
}

impl Failed {
    fn problem(self) -> Problem {
        match self {
            Self::One(problem) | Self::All(problem) => problem,
        }
    }
}

/// One transaction. Where it fails, nothing of it has happened, unless it failed at its very end.
fn together(connection: &mut Connection, batch: &mut [Box<dyn Work>]) -> Result<(), Failed> {
    let all = |error: rusqlite::Error| Failed::All(problem(&error));
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(all)?;
    schema::check(&transaction).map_err(Failed::All)?;
    for work in batch {
        work.run(&transaction).map_err(|error| Failed::One(problem(&error)))?;
    }
    transaction.commit().map_err(all)
}

/// What a fault of SQLite means to who asked.
pub(crate) fn problem(error: &rusqlite::Error) -> Problem {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Problem::Busy,
        Some(ErrorCode::DiskFull) => {
            Problem::Broken("the disk of the data folder is full: free some space, nothing else is needed".into())
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Problem::Broken(format!("`outpost.db` cannot be written: {error}; look at the rights of the data folder"))
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Problem::Broken(format!("`outpost.db` is damaged: {error}; put back a copy of the data folder"))
        }
        _ => Problem::Broken(format!("`outpost.db`: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outpost_here::SystemClock;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
    }

    #[test]
    fn work_that_fails_takes_no_other_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let database =
            Database::open(&folder.path().join("outpost.db"), Arc::new(SystemClock::default())).expect("open");
        let put = |name: String, fails: bool| {
            database.write(move |connection| {
                let values = (name.clone(), 0, i64::MAX);
                connection.execute("INSERT INTO throttles (name, count, expires) VALUES (?1, ?2, ?3)", values)?;
                if fails { connection.execute("DROP TABLE no_such_table", ()).map(drop) } else { Ok(()) }
            })
        };
        // All are asked before any is waited for: they meet in few transactions.
        let asked: Vec<_> = (0..200).map(|at| (at, put(format!("n{at}"), at % 7 == 3))).collect();
        runtime().block_on(async {
            for (at, answer) in asked {
                assert_eq!(answer.await.is_err(), at % 7 == 3, "{at}");
            }
            let names = database.read(|connection| {
                let mut all = connection.prepare("SELECT name FROM throttles")?;
                all.query_map((), |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()
            });
            let names = names.await.expect("names");
            let expected: Vec<String> = (0..200).filter(|at| at % 7 != 3).map(|at| format!("n{at}")).collect();
            assert_eq!(names.len(), expected.len());
            assert!(expected.iter().all(|name| names.contains(name)));
        });
    }

    #[test]
    fn what_was_accepted_is_done_before_it_closes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("outpost.db");
        let open = || Database::open(&path, Arc::new(SystemClock::default())).expect("open");
        let database = open();
        let answers: Vec<_> = (0..50)
            .map(|at| {
                database.write(move |connection| {
                    connection.execute("INSERT INTO throttles VALUES (?1, 1, 1)", (at.to_string(),))
                })
            })
            .collect();
        drop(database);
        let again = open();
        runtime().block_on(async {
            for answer in answers {
                assert_eq!(answer.await, Ok(1));
            }
            let count = again.read(|connection| {
                connection.query_row("SELECT count(*) FROM throttles", (), |row| row.get::<_, i64>(0))
            });
            assert_eq!(count.await, Ok(50));
        });
    }
}
