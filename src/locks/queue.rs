//! Tickets: who waits, in the order in which they came.
//!
//! A ticket is a numbered file that its owner keeps locked. A ticket that is not locked belongs to a
//! process that died; whoever meets it behind the door removes it. Tickets are the only files that are
//! ever removed here: a number is not given again while a later one waits, so no two waiters can hold
//! locks on two files of one name.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::holders::is_held;
use super::place::{make_private, options};
use super::record::{Record, read_text, write_record};

/// A place in the queue. Dropping it gives the place up.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) number: u64,
    path: PathBuf,
    file: File,
}

/// A ticket of somebody alive.
pub(super) struct Waiting {
    pub(super) path: PathBuf,
    pub(super) text: Vec<u8>,
    pub(super) record: Record,
}

impl Ticket {
    /// Takes the place at the end. Only behind the door.
    pub(super) fn draw(dir: &Path, record: &Record) -> io::Result<Self> {
        let folder = folder(dir);
        make_private(&folder)?;
        let number = numbers(&folder)?.last().map_or(1, |last| last + 1);
        let path = path(&folder, number);
        let file = options().read(true).write(true).create_new(true).open(&path)?;
        let ticket = Self { number, path, file };
        // It is new and nobody else holds it; a prober may hold it for a microsecond.
        ticket.file.lock()?;
        write_record(&ticket.file, record)?;
        Ok(ticket)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Removed before it is unlocked: afterwards the name may be somebody else's. If either fails, the
        // next one behind the door finds a ticket without an owner and removes it.
        let _ = fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

/// Everybody who waits and came before number `mine`, or everybody. Only behind the door.
pub(super) fn waiting(dir: &Path, mine: Option<u64>) -> io::Result<Vec<Waiting>> {
    let folder = folder(dir);
    let mut waiting = Vec::new();
    for number in numbers(&folder)?.into_iter().take_while(|number| mine.is_none_or(|mine| *number < mine)) {
        let path = path(&folder, number);
        let file = match options().read(true).open(&path) {
            Ok(file) => file,
            // Its owner gave up since the folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if !is_held(&file)? {
            fs::remove_file(&path)?;
            continue;
        }
        // One that cannot be read is a later program's; it cannot be honoured, and the kernel still keeps
        // its holders apart from ours.
        let text = read_text(&file).unwrap_or_default();
        if let Ok(record) = serde_json::from_slice(&text) {
            waiting.push(Waiting { path, text, record });
        }
    }
    Ok(waiting)
}

fn folder(dir: &Path) -> PathBuf {
    dir.join("queue")
}

fn path(folder: &Path, number: u64) -> PathBuf {
    // As wide as the largest number, so that a directory listing is in order.
    folder.join(format!("{number:020}"))
}

fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
