//! The driver: the one place that waits, writes the journal and acts on what is written.
//!
//! Every turn of its loop asks the run what follows, writes it down, and only then acts. Whatever
//! happens outside (an executor is done, a person left a note, a signal came) becomes events the same
//! way. It decides nothing: that is the work of `run`.

mod attempt;
mod chore;
mod depot;
mod handoff;
mod leaving;
mod look_back;
mod notes;
mod notices;
mod record;
mod signals;
mod tidy;
mod transfer;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outpost_executor::{Executor, Handle, Report};
use tokio::task::{JoinError, JoinSet};
use tracing::{Instrument as _, Span, debug_span};

use self::handoff::Watch;
use super::bench::{Bench, Capabilities, Limit};
use super::cleanup::{Ledger, Tidied};
use super::error::Broken;
use super::hands::Hands;
use super::inputs;
use super::moment::{now, timestamp};
use super::notice::Told;
use super::outside::Outside;
use crate::blueprint::TaskIndex;
use crate::document::Source;
use crate::journal::{Journal, Local};
use crate::locks::Locks;
use crate::run::{Checkpoint, Chore, Ending, Event, Mode, Moment, Run};
use depot::{Arrival, Depot};
pub use notices::Counts;
use notices::Notices;
use record::Record;
use signals::Signals;
use tidy::Tidy;
use transfer::{Transfer, Transfers};

/// How often notes are looked for.
const INBOX: Duration = Duration::from_millis(150);

/// How a driver came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    Ended(Ending),
    /// Only people can make it go on.
    Waiting,
    /// A signal ended the driver, not the run.
    Interrupted(i32),
}

/// Sees what happens to a run. It is told, never asked.
pub trait Watcher {
    /// Something was written down.
    fn saw(&mut self, at: Moment, event: &Event, run: &Run);

    /// That was all for now: what was kept back to be shown together is shown.
    fn shown(&mut self) {}

    /// Something a person should know that changes nothing.
    fn remark(&mut self, text: &str);

    /// A person is wanted, in lines of the document's own words.
    fn call(&mut self, text: &str) {
        self.remark(text);
    }

    /// Time passed; called several times a second.
    fn tick(&mut self, run: &Run);

    /// What the other watchers should tell: this one has nobody to talk to.
    fn trouble(&mut self) -> Option<String> {
        None
    }
}

/// What a driver needs.
#[expect(missing_debug_implementations, reason = "a bundle of arguments")]
pub struct Parts<'a> {
    pub run: Run,
    pub bench: &'a Bench<'a>,
    pub source: &'a Source,
    pub journal: Local,
    /// Who carries out commands.
    pub hands: Hands,
    pub locks: Locks,
    pub watcher: &'a mut dyn Watcher,
    /// Tools by name, for conditions.
    pub capabilities: Capabilities,
    /// Whether to go on waiting when only people can act.
    pub patient: bool,
    /// What happened before, as far as clean-ups depend on it.
    pub ledger: Ledger,
}

/// What an executor was asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Piece {
    Stage(TaskIndex, u32, &'static str),
    Chore(Chore),
}

/// What an executor answered.
type Answer = (Piece, Report);

/// Drives a run until it ends, waits for people, or is told to stop.
pub struct Driver<'a> {
    run: Run,
    bench: &'a Bench<'a>,
    source: &'a Source,
    journal: Local,
    hands: Hands,
    outside: Outside<'a>,
    /// Work under way.
    jobs: HashMap<Piece, Job>,
    answers: JoinSet<Answer>,
    transfers: Transfers,
    depot: Depot,
    /// By task, the checkpoint before its last one.
    spare: HashMap<u32, Checkpoint>,
    /// Secrets that are looked for in what attempts left.
    sweeps: JoinSet<()>,
    watcher: &'a mut dyn Watcher,
    capabilities: Capabilities,
    notices: Notices,
    tidy: Tidy,
    patient: bool,
    looked: Option<Instant>,
    /// The time of this turn.
    clock: Moment,
    record: Record,
}

/// What wakes the driver.
enum Occasion {
    Signal(i32),
    Answer(Result<Answer, JoinError>),
    Told(Told),
    Transfer(Result<Transfer, JoinError>),
    Arrival(Arrival),
    Tidied(io::Result<Option<Vec<Tidied>>>),
    Time,
}

/// Work under way.
struct Job {
    executor: Arc<dyn Executor>,
    handle: Handle,
    limit: Limit,
    watch: Option<Watch>,
}

impl std::fmt::Debug for Driver<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("run", &self.bench.files.id())
            .field("jobs", &self.jobs.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Driver<'a> {
    pub fn new(parts: Parts<'a>) -> Self {
        let Parts { run, bench, source, journal, hands, locks, watcher, capabilities, patient, ledger } = parts;
        Self {
            run,
            bench,
            source,
            journal,
            hands,
            outside: Outside::new(bench, source, locks),
            jobs: HashMap::new(),
            answers: JoinSet::new(),
            transfers: Transfers::new(),
            depot: Depot::new(),
            spare: HashMap::new(),
            sweeps: JoinSet::new(),
            watcher,
            capabilities,
            notices: Notices::new(bench, source),
            tidy: Tidy::new(bench, ledger),
            patient,
            looked: None,
            clock: now(),
            record: Record::default(),
        }
    }

    /// Drives, and leaves nothing running behind.
    pub async fn drive(&mut self) -> Result<Outlook, Broken> {
        let outlook = self.turn().await;
        self.show();
        if let Err(broken) = &outlook {
            // The journal is the product: without it nothing goes on. What ends now keeps its record
            // with its keeper, where `resume` finds it.
            self.cancel_all();
            while self.answers.join_next().await.is_some() {}
            let reason = Event::Halted { reason: broken.to_string() };
            if let Ok(payload) = serde_json::to_string(&reason) {
                let at = now();
                // The reason is told anyway.
                if self.journal.halt(timestamp(at), &payload).is_ok() {
                    self.watcher.saw(at, &reason, &self.run);
                }
            }
        }
        while let Some(swept) = self.sweeps.join_next().await {
            sound(swept);
        }
        outlook
    }

    async fn turn(&mut self) -> Result<Outlook, Broken> {
        self.look_back().await?;
        self.deposit_again();
        let mut signals = Signals::listen()?;
        let mut has_listened = false;
        self.clock = now();
        loop {
            self.take_notes()?;
            self.take_checkpoints();
            self.go_on().await?;
            while self.read_variables()? {
                self.go_on().await?;
            }
            self.tell();
            self.tidy();
            self.watcher.tick(&self.run);
            if let Some(outlook) = self.outlook() {
                // Somebody may have decided a moment ago, and believes to be heard.
                if outlook == Outlook::Waiting && !std::mem::replace(&mut has_listened, true) {
                    self.looked = None;
                    continue;
                }
                if !self.notices.desk.is_idle() {
                    self.see_off(&mut signals).await?;
                    (has_listened, self.clock) = (false, now());
                    continue;
                }
                if !self.tidy.is_idle() {
                    self.finish_tidying(&mut signals).await?;
                    self.clock = now();
                    continue;
                }
                if !self.depot.is_idle() {
                    self.finish_depositing(&mut signals, false).await;
                    self.clock = now();
                    continue;
                }
                self.flush()?;
                self.journal.sync()?;
                return Ok(outlook);
            }
            has_listened = false;
            let pause = self.pause();
            let occasion = tokio::select! {
                biased;
                number = signals.next() => Occasion::Signal(number),
                Some(answer) = self.answers.join_next() => Occasion::Answer(answer),
                Some(told) = self.notices.desk.told() => Occasion::Told(told),
                Some(transfer) = self.transfers.next() => Occasion::Transfer(transfer),
                Some(arrival) = self.depot.arrived() => Occasion::Arrival(arrival),
                Some(tidied) = self.tidy.done() => Occasion::Tidied(tidied),
                () = tokio::time::sleep(pause) => Occasion::Time,
            };
            // What happens in one turn happens at once, and is one record's time.
            self.clock = now();
            match occasion {
                Occasion::Signal(number) => {
                    if number != 2 || self.run.mode() >= Mode::Draining {
                        return self.leave(number, &mut signals).await;
                    }
                    let events = self.run.drain(self.clock, "Ctrl-C; once more ends what runs").unwrap_or_default();
                    self.happened(events);
                }
                Occasion::Answer(answer) => {
                    self.answered(answer)?;
                    while let Some(answer) = self.answers.try_join_next() {
                        self.answered(answer)?;
                    }
                }
                Occasion::Told(told) => self.told(told),
                Occasion::Transfer(transfer) => self.transferred(transfer).await?,
                Occasion::Arrival(arrival) => self.deposited(arrival),
                Occasion::Tidied(tidied) => {
                    let tidied = tidied.map_err(|error| Broken::Io("a clean-up".to_owned(), error))?;
                    self.tidied(tidied.unwrap_or_default());
                }
                Occasion::Time => self.run.retry_outside(),
            }
        }
    }

    /// Whether there is nothing left to drive.
    fn outlook(&self) -> Option<Outlook> {
        if let Some(ending) = self.run.ending() {
            return Some(Outlook::Ended(ending));
        }
        if self.run.is_pausing() && self.jobs.is_empty() && self.transfers.is_empty() {
            return Some(Outlook::Interrupted(2));
        }
        (self.run.waiting().is_some() && self.jobs.is_empty() && !self.patient).then_some(Outlook::Waiting)
    }

    /// Decides until nothing follows any more, and acts on it.
    async fn go_on(&mut self) -> Result<(), Broken> {
        loop {
            let questions: Vec<TaskIndex> = self.run.questions().collect();
            for task in questions {
                let answer = inputs::condition(self.bench, &self.run, &self.capabilities, task);
                let events = self.run.condition(self.clock, task, answer).unwrap_or_default();
                self.happened(events);
            }
            let events = self.run.decide(self.clock, &mut self.outside);
            if let Some(problem) = self.outside.take_problem() {
                return Err(problem.into());
            }
            let is_settled = events.is_empty();
            let is_act = |event: &&Event| {
                matches!(event, Event::StageStarted { .. } | Event::ChoreStarted { .. } | Event::Stopping { .. })
            };
            let acts: Vec<Event> = events.iter().filter(is_act).cloned().collect();
            self.happened(events);
            self.write_down()?;
            if is_settled {
                self.show();
                return Ok(());
            }
            for act in acts {
                match act {
                    Event::StageStarted { task, attempt, stage } => {
                        let span = span(&task, attempt, &stage);
                        self.start(&task, attempt, &stage).instrument(span).await?;
                    }
                    Event::ChoreStarted { chore, attempt } => {
                        let span = span(chore.owner(), attempt, chore.word());
                        self.start_chore(chore, attempt).instrument(span).await?;
                    }
                    _ => self.cancel(),
                }
            }
        }
    }

    fn pause(&self) -> Duration {
        let now = now();
        let timer = self.run.next_timer(now).map(|at| Duration::from_millis(at.0.saturating_sub(now.0) + 1));
        [timer, self.outside.poll_after(), self.next_checkpoint()].into_iter().flatten().fold(INBOX, Duration::min)
    }

    /// The run as it stands.
    pub fn into_run(self) -> Run {
        self.run
    }
}

/// Where a stage belongs, for who looks for a fault. It costs nothing while nobody does.
fn span(task: &str, attempt: u32, stage: &str) -> Span {
    let task = debug_span!("task", id = task);
    let attempt = debug_span!(parent: &task, "attempt", number = attempt);
    debug_span!(parent: &attempt, "stage", word = stage)
}

/// An answer of a task of ours. One that panicked takes the driver along.
fn sound<T>(answer: Result<T, JoinError>) -> T {
    match answer {
        Ok(answer) => answer,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => panic!("BUG: nobody aborts the driver's tasks: {error}"),
        },
    }
}
