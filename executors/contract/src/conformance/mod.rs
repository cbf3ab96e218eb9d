//! What every executor does: one suite, run over each of them by the tests of its own crate.
//!
//! ```text
//! outpost_executor::conformance!(with);
//!
//! fn with(case: Case) { /* a runtime, a fresh subject */ case(&mut subject) }
//! ```
//! A case knows the trait, the files that its scripts leave in the subject's folder, and `/proc`: nothing of how work is
//! performed. What an executor cannot do is said in its [`Can`], and what it does instead is held to that. Cases wait for
//! what they need to see and give up after minutes; none measures time.
//!
//! `OUTPOST_CONFORMANCE_MB` is how many megabytes the large output has: 16 if it is not set, 1024 where that is wanted.

#![expect(clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod crash;
mod ending;
mod output;
mod start;
mod twice;

use std::fs;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::log::{Entry, Reader, Stream};
use crate::{Executor, Outcome, Pending, Report, Token, Trace, Work};

pub use crash::{
    an_end_that_was_not_settled_is_told_to_the_next_runner, nobody_knows_of_what_never_started,
    work_of_a_dead_runner_can_be_cancelled, work_of_a_dead_runner_is_found_again,
    work_whose_handle_was_lost_is_answered_for,
};
pub use ending::{
    a_cancel_ends_the_whole_tree, a_late_cancel_is_harmless, a_timeout_ends_the_whole_tree,
    what_outlives_its_program_is_ended,
};
pub use output::{
    a_file_takes_standard_output_as_it_is, both_streams_are_told_apart, large_output_is_bounded, secrets_are_hidden,
};
pub use start::{
    a_report_may_be_given_up_and_asked_for_again, a_signal_is_told, settling_changes_nothing_else, statuses_are_told,
    what_cannot_start_is_told, work_finds_its_arguments_environment_and_input,
};
pub use twice::{a_lost_connection_is_not_an_end, one_token_started_twice};

/// After so long a case is taken to hang.
const PATIENCE: Duration = Duration::from_secs(180);

/// An executor under test, and the world around it that a case may change.
pub trait Subject {
    fn executor(&self) -> &dyn Executor;

    /// Work for `bash` in [`Self::folder`], with a log below it that is not there yet, and a short grace.
    fn work(&self, script: &str, token: Token) -> Work;

    /// The runner dies without a word; from here on `executor` is what its next process sees.
    fn restart(&mut self);

    fn can(&self) -> Can;

    /// A folder of this subject's own, in which its work runs: it tells its processes from all others.
    fn folder(&self) -> &Path;

    /// Lets a moment pass, and others go on.
    fn pause(&self) -> Pending<'_, ()>;

    /// Takes the connection between executor and work away, or gives it back. `false` where there is none to lose.
    fn connect(&self, _up: bool) -> bool {
        false
    }
}

/// What an executor can do, where they differ.
#[derive(Clone, Copy, Debug)]
pub struct Can {
    /// Tells an end by a signal from a status; else it is `Exited(128 + signal)`, as a shell says it.
    pub tell_signals: bool,
    /// Ends processes that cleared their environment and left parent, session and streams.
    pub find_the_nameless: bool,
    /// Keeps a promise of [`crate::OnRunnerDeath::Kill`]; else work goes on until somebody asks.
    pub die_with_the_runner: bool,
    /// Performs one token once, whatever is asked how often; else each start is another.
    pub start_a_token_once: bool,
    /// Knows the secrets of work that an earlier runner started, or has kept that output clean.
    pub tell_old_output: bool,
    /// How much of a stream is kept at least, where that is less than the caps of the work.
    pub keep: u64,
}

impl Default for Can {
    fn default() -> Self {
        Self {
            tell_signals: true,
            find_the_nameless: true,
            die_with_the_runner: true,
            start_a_token_once: false,
            tell_old_output: true,
            keep: u64::MAX,
        }
    }
}

/// One promise, tried on a fresh subject.
pub type Case = for<'a> fn(&'a mut dyn Subject) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A test for each case, given to a function that takes a [`Case`].
#[macro_export]
macro_rules! conformance {
    ($with:path) => {
        $crate::conformance! { $with =>
            work_finds_its_arguments_environment_and_input what_cannot_start_is_told statuses_are_told a_signal_is_told
            a_report_may_be_given_up_and_asked_for_again settling_changes_nothing_else
            both_streams_are_told_apart large_output_is_bounded a_file_takes_standard_output_as_it_is secrets_are_hidden
            a_cancel_ends_the_whole_tree a_late_cancel_is_harmless a_timeout_ends_the_whole_tree
            what_outlives_its_program_is_ended
            work_of_a_dead_runner_is_found_again work_of_a_dead_runner_can_be_cancelled
            an_end_that_was_not_settled_is_told_to_the_next_runner work_whose_handle_was_lost_is_answered_for
            nobody_knows_of_what_never_started
            one_token_started_twice a_lost_connection_is_not_an_end
        }
    };
    ($with:path => $($case:ident)*) => {
        $(#[test]
        fn $case() {
            $with(|subject| Box::pin($crate::conformance::$case(subject)));
        })*
    };
}

fn token(subject: &dyn Subject, task: &str) -> Token {
    // Subjects run side by side, and none may find the work of another.
    let run = subject.folder().file_name().expect("a name").to_string_lossy().into_owned();
    Token { run, task: task.into(), attempt: 1, stage: "run".into() }
}

fn file(subject: &dyn Subject, name: &str) -> PathBuf {
    subject.folder().join(name)
}

fn has(subject: &dyn Subject, name: &str) -> bool {
    file(subject, name).exists()
}

fn text(subject: &dyn Subject, name: &str) -> String {
    fs::read_to_string(file(subject, name)).unwrap_or_default()
}

fn touch(subject: &dyn Subject, name: &str) {
    fs::write(file(subject, name), "").expect("a file");
}

/// Waits until something is so.
async fn until(subject: &dyn Subject, what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        subject.pause().await;
    }
}

/// Starts, waits, settles. Work that did not start is told as if its report said so.
async fn perform(subject: &dyn Subject, work: Work) -> Report {
    let executor = subject.executor();
    match executor.start(work).await {
        Ok(handle) => {
            let report = executor.wait(&handle).await;
            executor.settle(&handle);
            report
        }
        Err(reason) => Report::bare(Outcome::NotStarted(reason), 0),
    }
}

/// Does a little of something and gives it up.
async fn begin<T>(mut pending: Pending<'_, T>) -> Option<T> {
    poll_fn(|context| match pending.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Processes that have the subject's folder as their own.
fn processes(subject: &dyn Subject) -> Vec<String> {
    let folder = subject.folder().canonicalize().expect("a folder");
    let entries = fs::read_dir("/proc").expect("/proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let here = |pid: &u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder);
    let name = |pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    pids.filter(here).map(|pid| format!("{pid} {}", name(pid))).collect()
}

/// What a log holds of a stream, and how much of it was cut.
fn logged(log: &Path, wanted: Stream) -> (Vec<u8>, u64) {
    let mut reader = Reader::open(log).expect("a log");
    let (mut all, mut missing) = (Vec::new(), 0);
    while let Some(entry) = reader.next().expect("a whole log") {
        match entry {
            Entry::Output { stream, bytes, .. } if stream == wanted => all.extend(bytes),
            Entry::Output { .. } => {}
            Entry::Cut { stdout, stderr } => missing += if wanted == Stream::Stdout { stdout } else { stderr },
        }
    }
    (all, missing)
}

fn trace<'a>(token: &'a Token, log: &'a Path, handle: Option<&'a crate::Handle>) -> Trace<'a> {
    Trace { token, log, handle }
}
