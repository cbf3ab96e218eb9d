//! A run as its files tell it: the document, the events, and the state they fold into.
//!
//! Reading changes nothing and needs no lock, so that `status` may look at any time. A run whose
//! document was edited on the way keeps each version; an event is replayed on the one it happened to.

use std::fs;

use super::error::Broken;
use super::moment::moment;
use super::store::RunFiles;
use crate::blueprint::{Blueprint, digest, read as read_blueprint};
use crate::document::Source;
use crate::journal::{self, Holder, Record};
use crate::plan::Plan;
use crate::run::{Amounts, Event, Moment, Program, Run, RunStarted};

/// Events of a run in their order.
#[derive(Debug, Default)]
pub struct History {
    pub events: Vec<(Moment, Event)>,
    started: Option<RunStarted>,
    /// Digest of the document that is run now, if it is not the first one.
    edited: Option<String>,
    /// Who drives the run now.
    pub held_by: Option<Holder>,
    problem: Option<String>,
}

impl History {
    /// Reads the history of a run while anybody may drive it.
    pub fn read(files: &RunFiles) -> Result<Self, Broken> {
        let reading = journal::read(files.folder())?;
        let mut history = Self { held_by: reading.held_by, ..Self::default() };
        for record in &reading.records {
            history.add(record);
        }
        history.checked()
    }

    /// Takes a record of the journal.
    pub fn add(&mut self, record: &Record<'_>) {
        match serde_json::from_str::<Event>(&record.payload) {
            Ok(event) => {
                match &event {
                    Event::RunStarted(started) => self.started = Some((**started).clone()),
                    Event::EditAccepted { digest, .. } => self.edited = Some(digest.clone()),
                    _ => {}
                }
                self.events.push((moment(record.at), event));
            }
            Err(error) => {
                self.problem
                    .get_or_insert_with(|| format!("record {} is of a later version: {error}", record.number.0));
            }
        }
    }

    /// What was read, if all of it was understood.
    pub fn checked(self) -> Result<Self, Broken> {
        match self.problem {
            Some(problem) => Err(Broken::History(problem)),
            None => Ok(self),
        }
    }

    /// The first record of the run; a run that was killed before it has none.
    pub fn started(&self) -> Result<&RunStarted, Broken> {
        self.started.as_ref().ok_or(Broken::NeverBegan)
    }

    /// Digest of the document that is run now.
    pub fn digest(&self) -> Result<&str, Broken> {
        Ok(self.edited.as_ref().unwrap_or(&self.started()?.digest))
    }

    /// The document that is run now, under the name of its file.
    pub fn document(&self, files: &RunFiles) -> Result<Source, Broken> {
        document(files, self.started()?, self.edited.as_deref())
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
        let edits = self.events.iter().filter(|(_, event)| matches!(event, Event::EditAccepted { .. })).count();
        let started = self.started()?;
        let mut latest = Some(program);
        let mut next = |number: usize, digest: Option<&str>| -> Result<Program, Broken> {
            match latest.take_if(|_| number == edits) {
                Some(program) => Ok(program),
                None => {
                    let source = document(files, started, digest)?;
                    Ok(compile(&blueprint(&source)?, started)?.1)
                }
            }
        };
        let mut number = 0;
        let mut run = Run::new(next(number, None)?);
        for (at, event) in &self.events {
            run.apply(*at, event).map_err(|illegal| Broken::History(illegal.to_string()))?;
            saw(*at, event, &run);
            if let Event::EditAccepted { digest, again, .. } = event {
                number += 1;
                run = run.carry_over(next(number, Some(digest))?, again);
            }
        }
        Ok(run)
    }
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
