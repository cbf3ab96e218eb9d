//! Folders of jobs, and whose they are.
//!
//! ```text
//! WORKSPACES/wrk_….lock            held by a worker while it lives, and by its keepers until nothing of it runs
//! WORKSPACES/wrk_…/{user}-{job}/   a job: ours alone, gone when the job is
//!     tree/      what the job works on        home/   what it takes for its home
//!     io/        values in and out            own/    logs, repository, transcripts: nothing of it is for the job
//! ```
//! A folder whose lock nobody holds belonged to a worker that is dead, and its processes are gone too: it is wiped by any
//! worker that starts or looks later. Two workers never share a folder, not even for the same job.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use outpost_core::id::{JobId, TenantId, WorkerId};
use tracing::warn;

const LOCK: &str = "lock";

/// Where a worker has its jobs.
#[derive(Debug)]
pub(crate) struct House {
    root: PathBuf,
    own: PathBuf,
    lock: File,
}

impl House {
    /// Moves in, and wipes what dead workers left.
    pub(crate) fn open(root: &Path, worker: &WorkerId) -> io::Result<Self> {
        private(root)?;
        // What jobs are told of their places has to hold wherever they are.
        let root = root.canonicalize()?;
        let lock = locked(&root.join(format!("{worker}.{LOCK}")))?;
        let own = root.join(worker.as_str());
        private(&own)?;
        let house = Self { root, own, lock };
        house.sweep();
        Ok(house)
    }

    /// For keepers: the lock is held while one of them is there.
    pub(crate) fn lock(&self) -> io::Result<File> {
        self.lock.try_clone()
    }

    /// Wipes what dead workers left.
    pub(crate) fn sweep(&self) {
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_lock = path.extension().is_some_and(|ending| ending == LOCK);
            let worker = path.file_stem().and_then(|stem| stem.to_str()?.parse::<WorkerId>().ok());
            if let (true, Some(worker)) = (is_lock, worker)
                && self.own != self.root.join(worker.as_str())
            {
                self.bury(&path, &worker);
            }
        }
    }

    fn bury(&self, lock: &Path, worker: &WorkerId) {
        let Ok(file) = File::open(lock) else { return };
        if file.try_lock().is_err() {
            return;
        }
        let left = self.root.join(worker.as_str());
        match outpost_workspace::remove(&left) {
            // The lock goes last: until then, somebody knows that there is something to wipe.
            Ok(()) => {
                if let Err(error) = fs::remove_file(lock) {
                    warn!(lock = %lock.display(), %error, "the lock of a dead worker could not be removed");
                }
            }
            Err(error) => warn!(folder = %left.display(), %error, "what a dead worker left could not be wiped"),
        }
    }

    /// A folder for a job.
    pub(crate) fn place(&self, tenant: &TenantId, job: &JobId) -> io::Result<Place> {
        let place = Place { path: self.own.join(format!("{tenant}-{job}")) };
        // Of an attempt of ours that could not be wiped.
        outpost_workspace::remove(&place.path).map_err(|error| io::Error::other(error.to_string()))?;
        for folder in [place.path.clone(), place.tree(), place.home(), place.temporary(), place.io(), place.own()] {
            private(&folder)?;
        }
        Ok(place)
    }

    /// Moves out.
    pub(crate) fn close(self) {
        let lock = self.root.join(format!("{}.{LOCK}", self.own.file_name().unwrap_or_default().display()));
        match outpost_workspace::remove(&self.own) {
            Ok(()) => drop(fs::remove_file(lock)),
            Err(error) => warn!(folder = %self.own.display(), %error, "the worker's folder could not be wiped"),
        }
    }
}

/// A folder of a job. It is wiped when this goes.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
}

impl Place {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.path.join("tree")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path.join("home")
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        self.path.join("home/tmp")
    }

    pub(crate) fn io(&self) -> PathBuf {
        self.path.join("io")
    }

    pub(crate) fn own(&self) -> PathBuf {
        self.path.join("own")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = outpost_workspace::remove(&self.path) {
            warn!(folder = %self.path.display(), %error, "the folder of a job could not be wiped");
        }
    }
}

fn private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A lock file that is ours, and still the one that others look at.
fn locked(path: &Path) -> io::Result<File> {
    loop {
        let file = File::options().create(true).append(true).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            // Somebody looks whether it is a dead worker's.
            Err(TryLockError::WouldBlock) => file.lock()?,
            Err(TryLockError::Error(error)) => return Err(error),
        }
        match fs::metadata(path) {
            Ok(found) if found.ino() == file.metadata()?.ino() => return Ok(file),
            // It was taken for a dead worker's before it was locked.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use outpost_core::id::{JobId, TenantId, WorkerId};
    use outpost_core::moment::Moment;

    use super::House;

    #[test]
    fn what_a_dead_worker_left_is_wiped_and_what_a_living_one_has_is_not() {
        let root = tempfile::tempdir().expect("a folder");
        let worker = |number| WorkerId::new(Moment::from_millis(1), &[number; 10]);
        let (tenant, job) =
            (TenantId::new(Moment::from_millis(1), &[1; 10]), JobId::new(Moment::from_millis(1), &[2; 10]));
        let dead = House::open(root.path(), &worker(1)).expect("a house");
        let left = dead.place(&tenant, &job).expect("a place");
        let path = left.path().to_owned();
        assert!(path.ends_with(format!("{tenant}-{job}")));
        assert_eq!(fs::metadata(&path).expect("a folder").permissions().mode() & 0o777, 0o700);
        fs::write(left.tree().join("file"), "work").expect("room");
        fs::set_permissions(left.tree(), fs::Permissions::from_mode(0o500)).expect("ours");
        std::mem::forget(left);

        let living = House::open(root.path(), &worker(2)).expect("a house");
        assert!(path.exists(), "its worker lives");
        let keeper = dead.lock().expect("a lock");
        drop(dead);
        living.sweep();
        assert!(path.exists(), "its keeper lives");
        drop(keeper);
        let mine = living.place(&tenant, &job).expect("a place");
        living.sweep();
        assert!(!path.exists() && mine.path().exists());
        drop(mine);
        living.close();
        assert_eq!(fs::read_dir(root.path()).expect("a folder").count(), 0);
    }
}
