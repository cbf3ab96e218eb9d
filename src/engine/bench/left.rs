//! What an attempt leaves, and what it is left: files that are judged, and those that are only exchanged.

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Bench, unusable};
use crate::blueprint::TaskIndex;
use crate::blueprint::model::Transfer;
use crate::engine::fence::{Fence, is_exchanged};
use crate::engine::output::{self, Places, Values};
use crate::run::{Failure, Moment};

impl Bench<'_> {
    /// Judges what an attempt left: the files it promised, and its ports.
    pub fn left(&self, index: TaskIndex, attempt: u32, at: Moment) -> Result<Values, String> {
        let (task, variables) = (self.task(index), self.variables(index, at));
        let missing: Vec<String> = task
            .files_to_create
            .iter()
            // In documents these are paths of the project; commands may work in a directory of it.
            .filter(|path| !variables.path(path).exists() && !variables.root.join(variables.replace(path)).exists())
            .map(|path| format!("`{path}`"))
            .collect();
        if !missing.is_empty() {
            return Err(format!("it did not create {}", missing.join(", ")));
        }
        let places = self.places(index, attempt, at);
        if let Some(path) = places.declared.as_deref().filter(|path| is_exchanged(path) && !places.offered.exists()) {
            are_own(path, false).map_err(|why| {
                format!("its output is not trusted: {why}; leave it in the file that `OUTPOST_OUTPUT` names")
            })?;
        }
        output::collect(task, &places, &self.secrets)
    }

    /// Where the output of an attempt may be.
    pub(in crate::engine) fn places(&self, index: TaskIndex, attempt: u32, at: Moment) -> Places {
        let (task, variables) = (self.task(index), self.variables(index, at));
        let declared = task.output.as_ref().and_then(|output| output.path.as_deref()).map(|path| variables.path(path));
        let file = |name| self.files.of_attempt(&task.id, attempt, name);
        let is_exchanged = declared.as_deref().is_some_and(is_exchanged);
        Places { offered: file("output"), declared, printed: file("stdout"), is_exchanged, fence: self.fence() }
    }

    /// Whether what an attempt printed is all that it left.
    pub fn prints_output(&self, index: TaskIndex, attempt: u32) -> bool {
        let task = self.task(index);
        let is_printed = task.output.as_ref().is_some_and(|output| output.location == Transfer::Stdout);
        is_printed
            && task.ports().iter().any(|port| port.value.is_none())
            && !self.files.of_attempt(&task.id, attempt, "output").exists()
    }

    /// Remembers what stands in the place of an output before the work begins.
    pub(super) fn note_before(&self, index: TaskIndex, attempt: u32, at: Moment) -> Result<(), Failure> {
        let note = self.files.of_attempt(&self.task(index).id, attempt, "before");
        let before = self.places(index, attempt, at).declared.as_deref().and_then(look_of).unwrap_or_default();
        fs::write(&note, before).map_err(|error| unusable(&note, &error))
    }

    /// Whether an attempt wrote the file that it left in the place of its output. Where nobody looked before it, nobody
    /// knows, and it did not.
    pub(in crate::engine) fn wrote(&self, index: TaskIndex, attempt: u32, path: &Path) -> bool {
        let before = fs::read_to_string(self.files.of_attempt(&self.task(index).id, attempt, "before"));
        before.is_ok_and(|before| look_of(path).is_some_and(|now| now != before))
    }
}

/// What changes when a file is written, moved or replaced.
fn look_of(path: &Path) -> Option<String> {
    let found = fs::symlink_metadata(path).ok()?;
    let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
    Some(format!("{} {} {} {times:?}", found.dev(), found.ino(), found.len()))
}

/// Leaves a value for a task in a file, over whatever was there; a link is replaced, not followed.
pub(in crate::engine) fn hand_over(fence: &Fence, path: &Path, value: &Value) -> io::Result<()> {
    if is_exchanged(path) {
        are_own(path, true).map_err(io::Error::other)?;
    }
    fence.replace(path, |file| file.write_all(value.to_string().as_bytes()))
}

/// Makes room for an output in `/tmp/blueprint`, so that nothing that was there before passes for it. Elsewhere
/// nothing is touched: it may be a file of the project. Directories of others are left alone: the task may
/// leave its output in the file that it is offered, and what it leaves there is refused.
pub(super) fn clear(fence: &Fence, path: &Path) -> Result<(), Failure> {
    if !is_exchanged(path) || are_own(path, true).is_err() {
        return Ok(());
    }
    match fence.clear(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(path, &error)),
        _ => Ok(()),
    }
}

/// Makes sure that the directories of an exchanged path are this user's: whoever made one first could put links into
/// it. Missing ones are made if `make` says so.
pub(super) fn are_own(path: &Path, make: bool) -> Result<(), String> {
    let own = rustix::process::getuid().as_raw();
    let mut folder = PathBuf::from("/tmp");
    for part in path.parent().unwrap_or(path).strip_prefix("/tmp").unwrap_or(Path::new("")).components() {
        folder.push(part);
        if make {
            match DirBuilder::new().mode(0o700).create(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(format!("`{}` cannot be made: {error}", folder.display()));
                }
                _ => {}
            }
        }
        match fs::symlink_metadata(&folder) {
            Ok(found) if found.is_dir() && found.uid() == own => {}
            Ok(_) => return Err(format!("`{}` is not a directory of this user", folder.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(format!("`{}`: {error}", folder.display())),
        }
    }
    Ok(())
}
