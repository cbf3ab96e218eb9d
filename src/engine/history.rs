//! A run as its files tell it: the document, the events, and the state they fold into.
//!
//! Reading changes nothing and needs no lock, so that `status` may look at any time. A run whose
//! document was edited on the way keeps each version; an event is replayed on the one it happened to.

use std::fs;

use super::error::Broken;
use super::glance::Glance;
use super::store::RunFiles;
use crate::blueprint::{Blueprint, digest, read as read_blueprint};
use crate::document::Source;
use crate::journal::{self, Record};
use crate::plan::Plan;
use crate::run::{Amounts, Event, Moment, Program, Run, RunStarted};

/// Events of a run in their order.
#[derive(Debug, Default)]
pub struct History {
    pub events: Vec<(Moment, Event)>,
    pub glance: Glance,
}

impl History {
    /// Reads the history of a run while anybody may drive it.
    pub fn read(files: &RunFiles) -> Result<Self, Broken> {
        // Asked first: a holder that ends while the records are read has written all of them.
        let mut history = Self { glance: Glance::held_by(journal::holder(files.folder())?), ..Self::default() };
        let mut reader = journal::follow(files.folder())?;
        while let Some(record) = reader.next_record()? {
            history.add(&record);
        }
        reader.torn()?;
        history.checked()
    }

    /// Takes a record of the journal.
    pub fn add(&mut self, record: &Record<'_>) {
        self.events.extend(self.glance.take(record));
    }

    /// What was read, if all of it was understood.
    pub fn checked(self) -> Result<Self, Broken> {
        Ok(Self { glance: self.glance.checked()?, ..self })
    }

    /// Plays the events. `program` is that of the document that is run now.
    pub fn replay(&self, files: &RunFiles, program: Program) -> Result<Run, Broken> {
        self.replay_seen(files, program, |_, _, _| {})
    }

    /// Plays the events, each to `saw` with the run as it stands after it.
    pub fn replay_seen(
        &self,
        files: &RunFiles,
        program: Program,
        mut saw: impl FnMut(Moment, &Event, &Run),
    ) -> Result<Run, Broken> {
        let mut replay = Replay::begin(files, &self.glance, program)?;
        self.events.iter().try_for_each(|(at, event)| replay.play(*at, event, &mut saw))?;
        Ok(replay.run)
    }
}

impl Glance {
    /// The document that is run now, under the name of its file.
    pub fn document(&self, files: &RunFiles) -> Result<Source, Broken> {
        document(files, self.started()?, self.edited())
    }

    /// Plays the events up to where the glance went, as they are read. `program` is that of the document that is run
    /// now.
    pub fn replay(&self, files: &RunFiles, program: Program) -> Result<Run, Broken> {
        let mut replay = Replay::begin(files, self, program)?;
        let mut reader = journal::follow(files.folder())?;
        let mut read = Self::default();
        while reader.last() < self.last
            && let Some(record) = reader.next_record()?
        {
            match read.take(&record) {
                Some((at, event)) => replay.play(at, &event, &mut |_, _, _| {})?,
                None => break,
            }
        }
        read.checked()?;
        Ok(replay.run)
    }
}

/// A run that is being played from its events.
struct Replay<'a> {
    files: &'a RunFiles,
    started: &'a RunStarted,
    run: Run,
    /// The program of the document that is run now, until its edit is reached.
    latest: Option<Program>,
    /// Edits that are still to come.
    edits: usize,
}

impl<'a> Replay<'a> {
    fn begin(files: &'a RunFiles, glance: &'a Glance, latest: Program) -> Result<Self, Broken> {
        let (started, edits) = (glance.started()?, glance.edits);
        let (first, latest) =
            if edits == 0 { (latest, None) } else { (of_version(files, started, None)?, Some(latest)) };
        Ok(Self { files, started, run: Run::new(first), latest, edits })
    }

    fn play(&mut self, at: Moment, event: &Event, saw: &mut impl FnMut(Moment, &Event, &Run)) -> Result<(), Broken> {
        self.run.apply(at, event).map_err(|illegal| Broken::History(illegal.to_string()))?;
        saw(at, event, &self.run);
        if let Event::EditAccepted { digest, again, .. } = event {
            self.edits = self.edits.saturating_sub(1);
            let program = match self.latest.take_if(|_| self.edits == 0) {
                Some(latest) => latest,
                None => of_version(self.files, self.started, Some(digest))?,
            };
            self.run = self.run.clone().carry_over(program, again);
        }
        Ok(())
    }
}

/// The program of a version of the document.
fn of_version(files: &RunFiles, started: &RunStarted, edited: Option<&str>) -> Result<Program, Broken> {
    let source = document(files, started, edited)?;
    Ok(compile(&blueprint(&source)?, started)?.1)
}

/// The copy of the document with this digest, or the first one.
fn document(files: &RunFiles, started: &RunStarted, edited: Option<&str>) -> Result<Source, Broken> {
    let path = edited.map_or_else(|| files.blueprint(), |digest| files.edited(digest));
    let bytes = fs::read(&path).map_err(|error| Broken::Io(path.display().to_string(), error))?;
    let (source, _) = Source::from_bytes(&started.file, bytes);
    if digest(&source) != edited.unwrap_or(&started.digest) {
        return Err(Broken::Copy(path.display().to_string()));
    }
    Ok(source)
}

/// The blueprint of a copy, which had no errors when it was made.
pub fn blueprint(source: &Source) -> Result<Blueprint<'_>, Broken> {
    read_blueprint(source, false)
        .into_blueprint()
        .0
        .ok_or_else(|| Broken::History("this version finds errors in the copy of the blueprint".to_owned()))
}

/// The plan and the program of a run.
pub fn compile(blueprint: &Blueprint<'_>, started: &RunStarted) -> Result<(Plan, Program), Broken> {
    let plan = Plan::again(blueprint, &started.selection, &started.rerun)
        .map_err(|error| Broken::History(error.to_string()))?;
    let program = Program::of(blueprint, &plan, started.jobs, machine());
    Ok((plan, Program { fail_fast: started.fail_fast, ..program }))
}

/// What this machine has to give to attempts at once.
fn machine() -> Amounts {
    let processors = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    Amounts { cpu: processors * 1000, memory: memory.map_or(0, |kilobytes| kilobytes * 1024), disk: 0, gpu: 0 }
}
