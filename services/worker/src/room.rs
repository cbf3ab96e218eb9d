//! How much room a job takes on the disk, looked at again and again.
//!
//! Blocks are counted as the file system gives them out, each file once however many names it has. No link is followed.
//! The more there is to look at, the more rarely it is looked at: a tenth of the time at most.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep};

use crate::reins::{Cause, Reins};

/// Looks until it is dropped.
#[derive(Debug)]
pub(crate) struct Room(JoinHandle<()>);

impl Room {
    pub(crate) fn watch(folder: PathBuf, most: u64, pause: Duration, reins: Reins) -> Self {
        Self(tokio::spawn(async move {
            loop {
                let begun = Instant::now();
                let looked = folder.clone();
                match spawn_blocking(move || taken(&looked, most)).await {
                    Ok(bytes) if bytes > most => return reins.pull(Cause::DiskFull),
                    _ => sleep(pause.max(begun.elapsed() * 9)).await,
                }
            }
        }))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Bytes below a folder; it stops counting when there is too much.
fn taken(folder: &Path, most: u64) -> u64 {
    let mut folders = vec![folder.to_owned()];
    let mut linked = HashSet::new();
    let mut bytes = 0_u64;
    while let Some(folder) = folders.pop() {
        // What is gone by now, or closed to us, takes what its entry says.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            if found.is_dir() {
                folders.push(entry.path());
            } else if found.nlink() > 1 && !linked.insert((found.dev(), found.ino())) {
                continue;
            }
            bytes = bytes.saturating_add(found.blocks().saturating_mul(512));
            if bytes > most {
                return bytes;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::taken;

    #[test]
    fn files_count_once_and_links_are_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("a/b");
        fs::create_dir_all(&inner).expect("room");
        fs::write(inner.join("file"), vec![7; 1 << 20]).expect("room");
        fs::hard_link(inner.join("file"), folder.path().join("again")).expect("a name");
        std::os::unix::fs::symlink("/usr", folder.path().join("usr")).expect("a link");
        let bytes = taken(folder.path(), u64::MAX);
        assert!((1 << 20..1 << 21).contains(&bytes), "{bytes}");
        assert!(taken(folder.path(), 4096) > 4096);
    }
}
