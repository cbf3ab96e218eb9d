//! Removing a run for good.
//!
//! Whoever removes a run has its runner's lock, so that nobody drives it meanwhile. It is renamed aside before
//! anything in it goes: a crash leaves a whole run or none, and the next removal finishes the work.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use jiff::Timestamp;

use super::error::Broken;
use super::store::{RunFiles, Store, private};
use crate::journal::{JournalError, Runner};

/// Removes a run, if nobody drives it and `may` says so when nobody can drive it any more.
pub fn remove(store: &Store, files: &RunFiles, may: impl FnOnce() -> bool) -> Result<bool, Broken> {
    let runner = match Runner::take(files.folder(), Timestamp::now()) {
        Ok(runner) => runner,
        Err(JournalError::Held { .. }) => return Ok(false),
        // Somebody else removed it.
        Err(_) if !files.folder().exists() => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    if !may() {
        return Ok(false);
    }
    let told = |path: &Path| {
        let path = path.display().to_string();
        |error| Broken::Io(path, error)
    };
    let place = store.removed();
    private(&place).map_err(told(&place))?;
    let aside = place.join(format!("{}-{}", files.id(), std::process::id()));
    fs::rename(files.folder(), &aside).map_err(told(files.folder()))?;
    let synced = [Some(place.as_path()), files.folder().parent()]
        .into_iter()
        .flatten()
        .try_for_each(|folder| File::open(folder).and_then(|folder| folder.sync_all()).map_err(told(folder)));
    synced?;
    // Under this name it is no run, so that the lock has done its work.
    drop(runner);
    clear(&aside).map_err(told(&aside))?;
    Ok(true)
}

/// Finishes what earlier removals did not.
pub fn finish(store: &Store) -> Result<(), Broken> {
    let place = store.removed();
    let told = |error| Broken::Io(place.display().to_string(), error);
    let entries = match fs::read_dir(&place) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(told(error)),
    };
    for entry in entries {
        clear(&entry.map_err(told)?.path()).map_err(told)?;
    }
    Ok(())
}

/// Somebody else may be removing the same.
fn clear(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The room that a directory takes on the disk. What cannot be looked at counts nothing.
pub fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            // Not the length: logs have holes.
            Ok(found) => found.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::Timestamp;

    use super::{finish, remove, size};
    use crate::engine::store::Store;
    use crate::journal::{Journal as _, Local};

    #[test]
    fn a_run_that_is_driven_is_not_removed() {
        let project = tempfile::tempdir().expect("a folder");
        let store = Store::around(project.path());
        let files = store.create("2026", b"text").expect("a run");
        let mut journal = Local::create(files.folder(), Timestamp::UNIX_EPOCH).expect("a journal");
        journal.append(Timestamp::UNIX_EPOCH, &["{}".to_owned()]).expect("written");
        assert!(!remove(&store, &files, || true).expect("an answer"));
        assert!(files.blueprint().exists());
        drop(journal);
        assert!(!remove(&store, &files, || false).expect("an answer"));
        assert!(size(files.folder()) > 0);
        assert!(remove(&store, &files, || true).expect("an answer"));
        assert!(!files.folder().exists());
        assert_eq!(fs::read_dir(store.removed()).expect("a folder").count(), 0);
        assert!(!remove(&store, &files, || true).expect("it is gone already"));
    }

    #[test]
    fn what_was_not_finished_is_finished_and_is_no_run() {
        let project = tempfile::tempdir().expect("a folder");
        let store = Store::around(project.path());
        finish(&store).expect("there is nothing to do");
        let files = store.create("2026", b"text").expect("a run");
        fs::create_dir(store.removed()).expect("a folder");
        fs::rename(files.folder(), store.removed().join("2026-1")).expect("renamed");
        assert_eq!(store.runs().expect("runs").len(), 0);
        finish(&store).expect("done");
        assert_eq!(fs::read_dir(store.removed()).expect("a folder").count(), 0);
    }
}
