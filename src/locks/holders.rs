//! Who holds a name: one file for the name, one for each who shares it.
//!
//! The name's file is locked exclusively by an exclusive holder and shared by the others, so that the
//! kernel keeps those two apart even if everything else here were wrong. Each who shares also locks the
//! first free slot, `HASH.1`, `HASH.2`, …, which counts them and says who they are. No file is removed.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::claim::{Claim, Entry, Mode, Standing};
use super::place::{is_same, options};
use super::record::{Record, read_text, write_record};

/// Somebody who holds a name, and the file that is locked as long as that is so.
pub(super) struct Holder {
    pub(super) path: PathBuf,
    /// What the file says.
    pub(super) text: Vec<u8>,
    pub(super) entry: Entry,
}

/// What was found out about a name, and the files with which to take it.
pub(super) struct Survey {
    main: (PathBuf, File),
    free_slot: PathBuf,
    pub(super) holders: Vec<Holder>,
}

impl Survey {
    /// Looks at the holders of the claim's name. Only behind the door.
    pub(super) fn of(dir: &Path, claim: &Claim) -> io::Result<Self> {
        let name = claim.file_name();
        let main = opened(dir.join(&name))?;
        let mut holders = Vec::new();
        if is_held(&main.1)? {
            holders.push(holder(&main, claim, Mode::Exclusive));
        }
        let mut free_slot = None;
        for path in slots(dir, &name) {
            if !path.try_exists()? {
                free_slot.get_or_insert(path);
                break;
            }
            let slot = opened(path)?;
            if is_held(&slot.1)? {
                holders.push(holder(&slot, claim, Mode::Shared { max_holders: None }));
            } else {
                free_slot.get_or_insert(slot.0);
            }
        }
        Ok(Self { main, free_slot: free_slot.unwrap_or_default(), holders })
    }

    /// Takes the name as the claim says; none if the kernel knows better than the survey.
    pub(super) fn take(self, claim: &Claim, record: &Record) -> io::Result<Option<Vec<File>>> {
        let (path, main) = self.main;
        let mut files = Vec::new();
        let taken = match claim.mode {
            Mode::Exclusive => {
                let taken = taken(main.try_lock())?;
                if taken {
                    write_record(&main, record)?;
                }
                taken
            }
            Mode::Shared { .. } => {
                let (_, slot) = opened(self.free_slot)?;
                let taken = taken(main.try_lock_shared())? && taken(slot.try_lock())?;
                if taken {
                    write_record(&slot, record)?;
                }
                files.push(slot);
                taken
            }
        };
        // Files that somebody removed by hand exclude nobody.
        let taken = taken && is_same(&main, &path)?;
        files.push(main);
        Ok(taken.then_some(files))
    }
}

/// The paths of the slots of a name. They are made one after the other: where one is missing they end.
fn slots<'a>(dir: &'a Path, name: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    (1_u32..).map(move |number| dir.join(format!("{name}.{number}")))
}

/// Everybody who holds the name whose file is called `name`, without knowing the name. Only behind the door.
pub(super) fn of_file(dir: &Path, name: &str) -> io::Result<Vec<Entry>> {
    let nameless = Claim::new("", "", Mode::Exclusive);
    let mut entries = Vec::new();
    let main = opened(dir.join(name))?;
    if is_held(&main.1)? {
        entries.push(holder(&main, &nameless, Mode::Exclusive).entry);
    }
    for path in slots(dir, name) {
        if !path.try_exists()? {
            break;
        }
        let slot = opened(path)?;
        if is_held(&slot.1)? {
            entries.push(holder(&slot, &nameless, Mode::Shared { max_holders: None }).entry);
        }
    }
    Ok(entries)
}

/// What the file says of its holder; if it cannot be read, what is known without it.
fn holder((path, file): &(PathBuf, File), claim: &Claim, mode: Mode) -> Holder {
    let text = read_text(file).unwrap_or_default();
    let record = serde_json::from_slice::<Record>(&text).ok();
    let said = record.as_ref().and_then(|record| Some(record.entry(record.claims.first()?, Standing::Holds)));
    let unsaid =
        || Entry { claim: Claim { mode, ..claim.clone() }, standing: Standing::Holds, party: None, since: None };
    Holder { path: path.clone(), entry: said.unwrap_or_else(unsaid), text }
}

fn opened(path: PathBuf) -> io::Result<(PathBuf, File)> {
    let file = options().read(true).write(true).create(true).truncate(false).open(&path)?;
    Ok((path, file))
}

/// Whether somebody has the file to itself. Who shares a name's file has a slot to itself, and a waiter its
/// ticket.
pub(super) fn is_held(file: &File) -> io::Result<bool> {
    let free = taken(file.try_lock_shared())?;
    if free {
        file.unlock()?;
    }
    Ok(!free)
}

fn taken(attempt: Result<(), TryLockError>) -> io::Result<bool> {
    match attempt {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
