//! Notes for the runner of a run: what people decide while it runs, or while nobody runs it.
//!
//! A note is a file that appears whole (written aside, synced, renamed) and is removed once the
//! journal has what it says. Notes are taken in the order they were left. Only the runner writes the
//! journal; a note is how everybody else speaks to it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::run::GateDecision;

/// What a person wants of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    Decision(GateDecision),
    /// One more attempt of a task that is unknown or blocked.
    Again {
        task: String,
        by: String,
    },
    Cancel {
        by: String,
    },
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Decision(GateDecision { task, approved: true, by, .. }) => write!(f, "{by} approves {task}"),
            Self::Decision(GateDecision { task, by, .. }) => write!(f, "{by} rejects {task}"),
            Self::Again { task, by } => write!(f, "{by} orders {task} again"),
            Self::Cancel { by } => write!(f, "{by} cancels the run"),
        }
    }
}

/// A note and the file it stands in.
#[derive(Clone, Debug)]
pub struct Left {
    pub note: Note,
    path: PathBuf,
}

/// Leaves a note. When this returns, it survives a crash of the machine.
pub fn leave(inbox: &Path, note: &Note) -> io::Result<PathBuf> {
    let text = serde_json::to_vec(note).map_err(io::Error::other)?;
    let number = 1 + numbers(inbox)?.last().copied().unwrap_or(0);
    let mut draft = tempfile::Builder::new().prefix(".note-").tempfile_in(inbox)?;
    draft.write_all(&text)?;
    draft.as_file().sync_all()?;
    // Two people may leave a note at once: whoever comes second takes the next number.
    let mut number = number;
    let path = loop {
        let path = inbox.join(format!("{number:010}.json"));
        match draft.persist_noclobber(&path) {
            Ok(_) => break path,
            Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => {
                draft = taken.file;
                number += 1;
            }
            Err(other) => return Err(other.error),
        }
    };
    File::open(inbox)?.sync_all()?;
    Ok(path)
}

/// All notes that wait, in the order they were left. A file that is no note is left alone.
pub fn waiting(inbox: &Path) -> io::Result<Vec<Left>> {
    let mut notes = Vec::new();
    for number in numbers(inbox)? {
        let path = inbox.join(format!("{number:010}.json"));
        match fs::read(&path) {
            Ok(text) => notes.extend(serde_json::from_slice(&text).ok().map(|note| Left { note, path })),
            // Its runner was quicker.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(notes)
}

impl Left {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the note away: the journal has it, or it was refused.
    pub fn take(self) -> io::Result<()> {
        fs::remove_file(self.path)
    }
}

fn numbers(inbox: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(inbox)? {
        let name = entry?.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(|name| name.parse::<u64>().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::{Note, leave, waiting};

    #[test]
    fn notes_are_taken_in_the_order_they_were_left() {
        let inbox = tempfile::tempdir().expect("a folder");
        let cancel = |by: &str| Note::Cancel { by: by.to_owned() };
        for by in ["a", "b", "c"] {
            leave(inbox.path(), &cancel(by)).expect("left");
        }
        std::fs::write(inbox.path().join("0000000002.txt"), "no note").expect("write");
        std::fs::write(inbox.path().join("0000000009.json"), "{}").expect("write");
        let notes = waiting(inbox.path()).expect("notes");
        assert_eq!(notes.iter().map(|left| left.note.clone()).collect::<Vec<_>>(), ["a", "b", "c"].map(cancel));
        notes.into_iter().next().expect("a note").take().expect("taken");
        assert_eq!(waiting(inbox.path()).expect("notes").len(), 2);
        leave(inbox.path(), &cancel("d")).expect("left");
        let last = waiting(inbox.path()).expect("notes").pop().expect("a note");
        assert_eq!(last.note, cancel("d"), "numbers are not used again while later ones are there");
    }

    #[test]
    fn people_who_leave_notes_at_once_lose_none() {
        let inbox = tempfile::tempdir().expect("a folder");
        std::thread::scope(|scope| {
            for person in 0..8 {
                let inbox = inbox.path();
                scope.spawn(move || {
                    for turn in 0..20 {
                        leave(inbox, &Note::Cancel { by: format!("{person}-{turn}") }).expect("left");
                    }
                });
            }
        });
        let notes = waiting(inbox.path()).expect("notes");
        assert_eq!(notes.len(), 160);
        for person in 0..8 {
            let own: Vec<String> = notes
                .iter()
                .filter_map(|left| match &left.note {
                    Note::Cancel { by } if by.starts_with(&format!("{person}-")) => Some(by.clone()),
                    _ => None,
                })
                .collect();
            assert_eq!(own, (0..20).map(|turn| format!("{person}-{turn}")).collect::<Vec<_>>());
        }
    }
}
