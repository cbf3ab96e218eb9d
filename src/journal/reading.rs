//! Reading a run's journal from outside: once, or on and on.

use std::fs::File;
use std::io;
use std::path::Path;

use super::FILE;
use super::error::{Damage, JournalError};
use super::frame::Record;
use super::reader::{Reader, Torn};
use super::runner::{self, Holder};
use crate::locks::options;

/// What a journal says.
#[derive(Debug)]
pub struct Reading {
    pub records: Vec<Record<'static>>,
    /// What follows the last record. While somebody drives the run it is a record on its way.
    pub torn: Option<Torn>,
    pub held_by: Option<Holder>,
    /// The format's version; one above [`VERSION`](super::VERSION) could be read and cannot be written.
    pub version: u32,
}

/// What can be said of a journal whatever its state.
#[derive(Debug)]
pub struct Examination {
    /// What it says, up to the damage.
    pub reading: Reading,
    pub damage: Option<Damage>,
}

/// Reads the records of the run in `dir` one by one, as they come: a reader that has come to the end
/// answers later what was added since.
pub fn follow(dir: &Path) -> Result<Reader<File>, JournalError> {
    let path = dir.join(FILE);
    let file = options().read(true).open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => JournalError::Missing { file: path.clone() },
        _ => JournalError::io("open", &path)(error),
    })?;
    Reader::new(file, &path)
}

/// Reads all records of the run in `dir`. Damage is an error.
pub fn read(dir: &Path) -> Result<Reading, JournalError> {
    let Examination { reading, damage } = examine(dir)?;
    damage.map_or(Ok(reading), |damage| Err(JournalError::Damaged(Box::new(damage))))
}

/// Reads as many records of the run in `dir` as there are before any damage.
pub fn examine(dir: &Path) -> Result<Examination, JournalError> {
    // Asked first: a holder that ends while the records are read has written all of them.
    let held_by = holder(dir)?;
    let mut reader = follow(dir)?;
    let mut reading = Reading { records: Vec::new(), torn: None, held_by, version: reader.version() };
    let mut damage = None;
    let mut rest = || -> Result<(), JournalError> {
        while let Some(record) = reader.next_record()? {
            reading.records.push(record.into_owned());
        }
        reading.torn = reader.torn()?;
        Ok(())
    };
    match rest() {
        Err(JournalError::Damaged(found)) => damage = Some(*found),
        other => other?,
    }
    Ok(Examination { reading, damage })
}

/// Who drives the run in `dir` now, if anybody does.
pub fn holder(dir: &Path) -> Result<Option<Holder>, JournalError> {
    runner::holder(dir)
}
