//! What an executor is asked, and what it answers.
//!
//! The engine knows executors by this trait alone: local processes, agents, remote commands and the fleet are
//! told apart only behind it. An executor performs one piece of [`Work`] at a time per [`Handle`] and answers
//! with one [`Report`]. It knows no tasks, no dependencies, no retries and no journal; it promises
//!
//! - that what it started is gone when it reports (`Outcome::Lost` says where it could not make sure),
//! - that a handle says to a later process, in text, where to ask what became of the work,
//! - that a report is kept until [`Executor::settle`] says it is in the journal.
//!
//! ```text
//! start ─► Handle ─► wait ─► Report ─► settle
//!            │        ▲
//!            │      cancel
//!            └─ (the runner dies) ─► reattach ─► Running(Handle) | Ended(Report) | Unknown
//! ```

#[cfg(feature = "conformance")]
pub mod conformance;
mod redact;
mod report;
mod tail;
mod work;

pub mod log;

use std::fmt;
use std::path::Path;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

pub use redact::{LONGEST, MARK, Redaction, Redactor, SHORTEST, Secrets, TELLING, TooMany};
pub use report::{Kept, NotStarted, Outcome, Output, Process, Report, Usage};
pub use tail::Tail;
pub use work::{Limit, LogCaps, OnRunnerDeath, Resource, StdoutFile, Token, Work};

/// An answer that is on its way. Boxed, because the engine holds executors of different kinds side by side.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where work in progress is found again, as text for the journal. Only its executor can read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Handle(pub String);

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the journal of a runner that is gone tells about a start.
#[derive(Clone, Copy, Debug)]
pub struct Trace<'a> {
    pub token: &'a Token,
    pub log: &'a Path,
    /// Missing when the runner died between starting the work and noting its handle.
    pub handle: Option<&'a Handle>,
}

/// What has become of work that an earlier runner started.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Still on its way: `wait` on this handle for its report, or `cancel` it.
    Running(Handle),
    Ended(Box<Report>),
    /// Nothing of it runs any more and nothing says how it ended.
    Unknown,
}

/// Performs work. One value serves all tasks of a runner.
pub trait Executor: fmt::Debug + Send + Sync {
    /// Sets work going. The intent must be in the journal already, the handle goes there next.
    fn start(&self, work: Work) -> Pending<'_, Result<Handle, NotStarted>>;

    /// The report, once the work has ended and nothing of it is left. May be asked again, and dropped half-way.
    fn wait<'a>(&'a self, handle: &'a Handle) -> Pending<'a, Report>;

    /// Asks for the end of the work, with its grace; `wait` tells when that has come. Late is harmless.
    fn cancel<'a>(&'a self, handle: &'a Handle) -> Pending<'a, ()>;

    /// The report is in the journal: what is kept to answer for this work may go. Until then it is kept, and
    /// outlives the runner.
    fn settle(&self, handle: &Handle);

    /// What became of work of a runner that is gone. Leaves nothing running that it cannot answer for.
    fn reattach<'a>(&'a self, trace: Trace<'a>) -> Pending<'a, Standing>;
}
