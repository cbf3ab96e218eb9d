//! A run that this process may drive: begun, or opened again.

use std::path::PathBuf;
use std::sync::Arc;

use outpost_executor::Executor;
use outpost_shell::{Keepers, Shell, become_subreaper, raise_open_files};
use tracing::{Instrument as _, debug, debug_span};

use super::agent;
use super::bench::{Bench, Capabilities};
use super::cleanup::Ledger;
use super::driver::{Counts, Driver, Outlook, Parts, Watcher};
use super::error::Broken;
use super::hands::Hands;
use super::history::History;
use super::moment::{now, timestamp};
use super::secret::Resolved;
use super::store::{RunFiles, Store};
use crate::blueprint::{Blueprint, TaskIndex};
use crate::document::Source;
use crate::journal::{Journal as _, Local, Torn};
use crate::locks::Locks;
use crate::run::{Event, Mode, Moment, Phase, Program, Refusal, Run, RunStarted, Trail};

/// The journal of a run and its state, for the only process that may write it.
#[derive(Debug)]
pub struct Session {
    pub files: RunFiles,
    pub started: RunStarted,
    pub run: Run,
    /// When the run began.
    pub began: Moment,
    /// What happened under other runners. Who watches may want to know.
    pub past: Vec<(Moment, Event)>,
    journal: Local,
    by: String,
    /// Written before anybody could watch.
    unseen: Vec<(Moment, Event)>,
}

/// A run that was opened, its document not yet understood.
#[derive(Debug)]
pub struct Opened {
    files: RunFiles,
    journal: Local,
    pub history: History,
    /// What was cut off the journal's end.
    pub torn: Option<Torn>,
}

/// What driving needs beside the session.
#[expect(missing_debug_implementations, reason = "a bundle of arguments")]
pub struct Driving<'a> {
    pub store: &'a Store,
    pub blueprint: &'a Blueprint<'a>,
    pub source: &'a Source,
    /// Variables of the chosen environment.
    pub environment: Vec<(String, String)>,
    pub secrets: Resolved,
    /// Tools by name, for conditions.
    pub capabilities: Capabilities,
    pub watcher: &'a mut dyn Watcher,
    pub patient: bool,
    /// What commands are told of it, where somebody collects traces.
    pub trail: Option<Trail>,
}

impl Session {
    /// Begins a run: its directory, its copy of the document, its first record.
    pub fn begin(store: &Store, document: &[u8], started: RunStarted, program: Program) -> Result<Self, Broken> {
        let at = now();
        let files = store.create(&started.run, document).map_err(|error| Broken::Io(".outpost".to_owned(), error))?;
        let journal = Local::create(files.folder(), timestamp(at))?;
        let started = RunStarted { run: files.id().to_owned(), ..started };
        let by = started.by.clone();
        let (run, began) = (Run::new(program), at);
        let (past, unseen) = (Vec::new(), Vec::new());
        let mut session = Self { files, run, began, past, journal, by, started, unseen };
        session.happens(Event::RunStarted(Box::new(session.started.clone())))?;
        session.began = session.run.latest();
        session.take_over()?;
        Ok(session)
    }

    /// Takes a run up. A torn end of its journal is cut off.
    pub fn open(files: RunFiles) -> Result<Opened, Broken> {
        let mut history = History::default();
        let (journal, torn) = Local::open(files.folder(), timestamp(now()), |record| history.add(&record))?;
        Ok(Opened { files, journal, history: history.checked()?, torn })
    }

    /// Writes one event down and lets it happen.
    fn happens(&mut self, event: Event) -> Result<(), Broken> {
        self.run.apply(now().max(self.run.latest()), &event).map_err(|error| Broken::History(error.to_string()))?;
        self.written(&[event])
    }

    fn written(&mut self, events: &[Event]) -> Result<(), Broken> {
        let payloads: Result<Vec<String>, _> = events.iter().map(serde_json::to_string).collect();
        let payloads = payloads.map_err(|error| Broken::History(error.to_string()))?;
        let at = self.run.latest();
        self.journal.append(timestamp(at), &payloads)?;
        self.unseen.extend(events.iter().map(|event| (at, event.clone())));
        Ok(())
    }

    /// Goes on with an edited document: `again` and what it makes necessary runs again.
    pub fn accept_edit(
        &mut self,
        document: &[u8],
        digest: &str,
        program: Program,
        again: &[String],
    ) -> Result<(), Broken> {
        self.files
            .keep_edited(digest, document)
            .map_err(|error| Broken::Io("the edited document".to_owned(), error))?;
        let event = Event::EditAccepted { by: self.by.clone(), digest: digest.to_owned(), again: again.to_vec() };
        self.happens(event)?;
        self.run = self.run.clone().carry_over(program, again);
        Ok(())
    }

    /// The distributed trace that the run belongs to.
    pub fn trail(&self) -> Option<Trail> {
        Trail::of(self.past.iter().chain(&self.unseen).map(|(at, event)| (*at, event)))
    }

    /// Drives the run until it ends, waits for people, or is interrupted.
    pub fn drive(self, driving: Driving<'_>) -> Result<(Outlook, Run), Broken> {
        self.with_driver(driving, async |driver| {
            let outlook = driver.drive().await;
            debug!(outlook = ?outlook.as_ref().ok(), "nothing is left to drive");
            outlook
        })
    }

    /// Tells people what they were not told, and does nothing else.
    pub fn remind(self, driving: Driving<'_>) -> Result<Counts, Broken> {
        self.with_driver(driving, async |driver| driver.remind().await).map(|(counts, _)| counts)
    }

    /// Puts away what the document wants put away by now, and does nothing else.
    pub fn put_away(self, driving: Driving<'_>) -> Result<Run, Broken> {
        self.with_driver(driving, async |driver| driver.put_away().await).map(|((), run)| run)
    }

    fn with_driver<T>(
        mut self,
        driving: Driving<'_>,
        go: impl AsyncFnOnce(&mut Driver<'_>) -> Result<T, Broken>,
    ) -> Result<(T, Run), Broken> {
        let Driving { store, blueprint, source, environment, secrets, capabilities, watcher, patient, trail } = driving;
        let mut ledger = Ledger::of(&self.past);
        for (at, event) in std::mem::take(&mut self.unseen) {
            ledger.saw(at, &event);
            watcher.saw(at, &event, &self.run);
        }
        let locks = Locks::open(store.locks())?;
        let root = PathBuf::from(&self.started.root);
        let name = self.started.blueprint_id();
        let own = |name: &str| std::env::var_os(name);
        let (definitions, trees) = (agent::definitions(own), agent::trees(&root, own));
        let document = self.started.file.clone();
        let bench = Bench {
            blueprint,
            files: self.files,
            root,
            name,
            document,
            definitions,
            trees,
            environment,
            secrets,
            trail,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Broken::Io("the event loop".to_owned(), error))?;
        // Without it, daemons of a keeper that was killed would go unnoticed; the run itself is none the worse.
        let _ = become_subreaper();
        let keepers = Keepers { open_files: raise_open_files(), ..Keepers::default() };
        let span = debug_span!("run", id = bench.files.id());
        let driven = async {
            let shell = Arc::new(Shell::new(keepers));
            let executor: Arc<dyn Executor> = Arc::clone(&shell) as _;
            let hands = Hands::new(executor, store.root().to_owned(), bench.secrets.hidden().clone());
            let (run, journal) = (self.run, self.journal);
            let parts =
                Parts { run, bench: &bench, source, journal, hands, locks, watcher, capabilities, patient, ledger };
            let mut driver = Driver::new(parts);
            let outcome = go(&mut driver).await;
            let run = driver.into_run();
            if let Some(shell) = Arc::into_inner(shell) {
                shell.close().await;
            }
            Ok((outcome?, run))
        };
        let outcome = runtime.block_on(driven.instrument(span));
        // Errands that were told to stop and did not hear it end with the process.
        runtime.shutdown_background();
        outcome
    }

    /// A run that is over is opened by the order; one that is not is taken over first, which ends what ran.
    fn roll_back(&mut self, tasks: Vec<String>) -> Result<(), Broken> {
        let refused = |refusal: Refusal| Broken::History(refusal.to_string());
        let is_over = self.run.ending().is_some();
        let mut events = if is_over { Vec::new() } else { self.taken_over() };
        events.extend(self.run.roll_back(now(), &self.by, tasks).map_err(refused)?);
        if is_over {
            events.extend(self.taken_over());
        }
        self.written(&events)
    }

    fn taken_over(&mut self) -> Vec<Event> {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        self.run.take_over(now(), std::process::id(), &host, &self.by).unwrap_or_default()
    }

    /// Every runner is in the journal. Whoever takes a run up orders what failed again.
    fn take_over(&mut self) -> Result<(), Broken> {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let events = taken_up(&mut self.run, now(), (std::process::id(), &host), &self.by);
        self.written(&events)
    }
}

/// A process takes a run up: what ran under the last one is interrupted, and what failed is ordered again.
pub fn taken_up(run: &mut Run, at: Moment, (pid, host): (u32, &str), by: &str) -> Vec<Event> {
    let mut events = run.take_over(at, pid, host, by).unwrap_or_default();
    // A run that was told to end and did not come to it ends now.
    let goes_on = run.mode() == Mode::Going && !run.is_rolling_back();
    let is_blocked =
        |index: &TaskIndex| matches!(&run.task(*index).phase, Phase::Blocked(failure) if !failure.is_rejection());
    let blocked: Vec<TaskIndex> = run.indices().filter(|index| goes_on && is_blocked(index)).collect();
    for index in blocked {
        let task = run.program().tasks[index.get()].id.clone();
        events.extend(run.ordered_again(at, &task, by).unwrap_or_default());
    }
    events
}

impl Opened {
    pub const fn files(&self) -> &RunFiles {
        &self.files
    }

    /// Takes the run over. `program` is that of the document that it went on with last.
    pub fn into_session(self, program: Program, by: String) -> Result<Session, Broken> {
        let mut session = self.replayed(program, by)?;
        session.take_over()?;
        Ok(session)
    }

    /// Takes the run up only to tell people: what ran is left to who drives it next.
    pub fn into_reminder(self, program: Program, by: String) -> Result<Session, Broken> {
        self.replayed(program, by)
    }

    /// Takes the run over to undo what these tasks did, in this order.
    pub fn into_rollback(self, program: Program, by: String, tasks: Vec<String>) -> Result<Session, Broken> {
        let mut session = self.replayed(program, by)?;
        session.roll_back(tasks)?;
        Ok(session)
    }

    fn replayed(self, program: Program, by: String) -> Result<Session, Broken> {
        let started = self.history.glance.started()?.clone();
        let run = self.history.replay(&self.files, program)?;
        let began = self.history.glance.began.unwrap_or(run.latest());
        let (past, unseen) = (self.history.events, Vec::new());
        Ok(Session { files: self.files, started, run, began, past, journal: self.journal, by, unseen })
    }
}
