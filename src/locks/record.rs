//! The text inside lock files, for people and for `list`: who, what, since when.
//!
//! It means something only while the file is locked. Nobody clears it: a holder may have passed its
//! lock on, and a killed one clears nothing.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::claim::{Claim, Entry, Party, Standing};

/// The shape of the text; a reader of a later program knows by it what it reads.
const VERSION: u32 = 1;
/// No text of ours is longer; a longer one is not read.
const LONGEST: u64 = 1 << 20;

/// What a holder or a waiter says about itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    pub(super) claims: Vec<Claim>,
    pub(super) party: Party,
    pub(super) since: Timestamp,
}

impl Record {
    pub(super) fn new(claims: Vec<Claim>, party: Party, since: Timestamp) -> Self {
        Self { version: VERSION, claims, party, since }
    }

    pub(super) fn entry(&self, claim: &Claim, standing: Standing) -> Entry {
        Entry { claim: claim.clone(), standing, party: Some(self.party.clone()), since: Some(self.since) }
    }
}

/// Replaces what the file says by one line of JSON.
pub(crate) fn write_record(file: &File, record: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(record)?;
    text.push(b'\n');
    // Not emptied first: ext4 takes that for a replaced file and sends it to the disk when it is closed.
    // Whoever reads in between finds the new line and the end of the old one, and reads one line.
    file.write_all_at(&text, 0)?;
    if file.metadata()?.len() != text.len() as u64 { file.set_len(text.len() as u64) } else { Ok(()) }
}

/// What the file says, if it can be understood.
pub(crate) fn read_record<T: DeserializeOwned>(file: &File) -> Option<T> {
    serde_json::from_slice(&read_text(file)?).ok()
}

/// What the file says, if it can be read.
pub(super) fn read_text(file: &File) -> Option<Vec<u8>> {
    let length = file.metadata().ok()?.len();
    if length > LONGEST {
        return None;
    }
    let mut text = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut text, 0).ok()?;
    let end = text.iter().position(|byte| *byte == b'\n')?;
    text.truncate(end);
    Some(text)
}
