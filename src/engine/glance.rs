//! A run at a glance: which document it is of, whether it is over, who drives it.
//!
//! All of the journal is read and each checksum is checked, so damage is found wherever it is. Only the few
//! records that tell are looked into, and the first of each kind, by which a later program's are known.

use super::error::Broken;
use super::moment::moment;
use super::store::RunFiles;
use crate::journal::{self, Holder, Number, Record};
use crate::run::{Ending, Event, Moment, RunStarted};

/// Kinds of events that tell.
const TELLING: [&[u8]; 5] = [b"run_started", b"runner_took_over", b"edit_accepted", b"rollback_ordered", b"run_ended"];

/// What the records tell so far.
#[derive(Debug, Default)]
pub struct Glance {
    started: Option<RunStarted>,
    /// When the first event happened.
    pub began: Option<Moment>,
    /// Digest of the document that is run now, if it is not the first one.
    edited: Option<String>,
    /// How many edits were accepted.
    pub(super) edits: usize,
    /// How the run ended, if it did and nobody took it up since.
    pub ending: Option<Ending>,
    /// Whether what it did is being undone.
    pub is_rolling_back: bool,
    /// Who drives the run now.
    pub held_by: Option<Holder>,
    /// Whether something stands behind the last record.
    pub is_torn: bool,
    /// The last record that was read.
    pub(super) last: Number,
    problem: Option<String>,
}

impl Glance {
    /// Looks at a run while anybody may drive it.
    pub fn at(files: &RunFiles) -> Result<Self, Broken> {
        // Asked first: a holder that ends while the records are read has written all of them.
        let mut glance = Self::held_by(journal::holder(files.folder())?);
        let mut reader = journal::follow(files.folder())?;
        let mut known: Vec<Box<[u8]>> = Vec::new();
        let mut wanted = |payload: &[u8]| {
            let Some(kind) = kind(payload) else { return true };
            if known.iter().any(|known| **known == *kind) {
                return TELLING.contains(&kind);
            }
            known.push(kind.into());
            true
        };
        while let Some(record) = reader.next_wanted(&mut wanted)? {
            glance.take(&record);
        }
        glance.last = reader.last();
        glance.is_torn = reader.torn()?.is_some();
        glance.checked()
    }

    /// Before the first record.
    pub(super) fn held_by(held_by: Option<Holder>) -> Self {
        Self { held_by, ..Self::default() }
    }

    /// Takes a record of the journal, and answers what it says if that is understood.
    pub(super) fn take(&mut self, record: &Record<'_>) -> Option<(Moment, Event)> {
        self.last = record.number;
        let event = match serde_json::from_str(&record.payload) {
            Ok(event) => event,
            Err(error) => {
                self.problem
                    .get_or_insert_with(|| format!("record {} is of a later version: {error}", record.number.0));
                return None;
            }
        };
        let at = moment(record.at);
        self.began.get_or_insert(at);
        match &event {
            Event::RunStarted(started) => self.started = Some((**started).clone()),
            Event::EditAccepted { digest, .. } => {
                self.edited = Some(digest.clone());
                self.edits += 1;
            }
            Event::RunnerTookOver { .. } => self.ending = None,
            Event::RollbackOrdered { .. } => (self.ending, self.is_rolling_back) = (None, true),
            Event::RunEnded { state } => (self.ending, self.is_rolling_back) = (Some(*state), false),
            _ => {}
        }
        Some((at, event))
    }

    /// What was read, if all of it was understood.
    pub(super) fn checked(self) -> Result<Self, Broken> {
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

    /// Digest of the document that is run now, if it is not the first one.
    pub(super) fn edited(&self) -> Option<&str> {
        self.edited.as_deref()
    }
}

/// The word behind `{"event":"`, which is how events are written.
fn kind(payload: &[u8]) -> Option<&[u8]> {
    let word = payload.strip_prefix(b"{\"event\":\"")?;
    word.split(|byte| *byte == b'"').next()
}

/// How a run began. Nothing but its first record is read.
pub fn begun(files: &RunFiles) -> Result<RunStarted, Broken> {
    let mut reader = journal::follow(files.folder())?;
    let first = reader.next_record()?.ok_or(Broken::NeverBegan)?;
    match serde_json::from_str(&first.payload) {
        Ok(Event::RunStarted(started)) => Ok(*started),
        _ => Err(Broken::NeverBegan),
    }
}
