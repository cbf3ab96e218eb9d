//! How far links may lead: what a document names by a path of its project is reached without leaving the project.
//!
//! On the way to a file that a task left may lie links, and whoever lays them may exchange them at any time. So a path is
//! not looked at and then used: it is walked once, from the project's root, and what follows happens in the directory that
//! was reached, by its descriptor. Links within the project count as what they lead to. Below `/tmp/blueprint`, where
//! others may write, and where something is removed, no link on the way is followed at all; the last part of a path never is.
//!
//! What a document names outside of its project, and the run's own directory, is found by its path as it is.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, renameat, statat, unlinkat};

/// Where documents of the format leave their outputs.
const EXCHANGE: &str = "/tmp/blueprint";

#[cfg(target_os = "linux")]
const WALK: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const WALK: OFlags = OFlags::RDONLY;

/// The directories of a run.
#[derive(Clone, Debug, Default)]
pub struct Fence {
    /// The project's. Nothing is a path of no project.
    root: PathBuf,
    /// The run's own.
    own: PathBuf,
}

/// Whether a path lies where documents of the format exchange files, and nowhere else.
pub(super) fn is_exchanged(path: &Path) -> bool {
    path.starts_with(EXCHANGE) && !path.components().any(|part| part == Component::ParentDir)
}

impl Fence {
    pub fn new(root: &Path, own: &Path) -> Self {
        Self { root: root.to_owned(), own: own.to_owned() }
    }

    /// Opens a regular file. No device is waited for.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        open_in(&self.folder(path, None)?, name(path)?)
    }

    /// Puts a file in the place of another as a whole, or not at all; missing directories are made.
    pub fn replace(&self, path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (folder, name) = (self.folder(path, Some(Mode::RWXU))?, name(path)?);
        let made = OsString::from(format!(".made-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&folder, &made, flags, Mode::RUSR | Mode::WUSR)?);
        let written = write(&mut file).and_then(|()| file.sync_all());
        let placed = written.and_then(|()| Ok(renameat(&folder, &made, &folder, name)?));
        if let Err(error) = placed {
            // It is in nobody's way.
            let _ = unlinkat(&folder, &made, AtFlags::empty());
            return Err(error);
        }
        File::from(openat(&folder, ".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?).sync_all()
    }

    /// Gives a file another name in its directory.
    pub fn rename(&self, path: &Path, to: &OsStr) -> io::Result<()> {
        let folder = self.folder(path, None)?;
        Ok(renameat(&folder, name(path)?, &folder, to)?)
    }

    /// Makes the directory of a file.
    pub fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.folder(path, Some(Mode::RWXU | Mode::RWXG | Mode::RWXO)).map(|_| ())
    }

    /// Removes a file to which no link leads, if whoever looks into it wants that. The error says why it is left; whether
    /// there was anything to remove.
    pub fn remove(&self, path: &Path, is_meant: impl FnOnce(File) -> Result<(), String>) -> Result<bool, String> {
        let told = |error: io::Error| error.to_string();
        let folder = if self.is_own(path) { self.folder(path, None) } else { straight(parent(path)) };
        let folder = match folder {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) if is_link(&error) => return Err("a link leads to it".to_owned()),
            other => other.map_err(told)?,
        };
        let name = name(path).map_err(told)?;
        let file = match open_in(&folder, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) if is_link(&error) || error.kind() == io::ErrorKind::Other => {
                return Err("it is no regular file any more".to_owned());
            }
            other => other.map_err(told)?,
        };
        let looked_at = file.metadata().map_err(told)?;
        is_meant(file)?;
        let now = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| told(error.into()))?;
        if (now.st_dev, now.st_ino) != (looked_at.dev(), looked_at.ino()) {
            return Err("it was replaced meanwhile".to_owned());
        }
        unlinkat(&folder, name, AtFlags::empty()).map(|()| true).map_err(|error| told(error.into()))
    }

    /// Removes whatever has this name but a directory, unless a link leads to it.
    pub fn clear(&self, path: &Path) -> io::Result<()> {
        let folder = if self.is_own(path) { self.folder(path, None)? } else { straight(parent(path))? };
        Ok(unlinkat(&folder, name(path)?, AtFlags::empty())?)
    }

    fn is_own(&self, path: &Path) -> bool {
        !self.own.as_os_str().is_empty() && path.starts_with(&self.own)
    }

    /// The directory of a file; with a mode, missing ones are made.
    fn folder(&self, path: &Path, make: Option<Mode>) -> io::Result<OwnedFd> {
        let folder = parent(path);
        if self.is_own(path) {
            return found(folder, make);
        }
        if is_exchanged(path) {
            return walk(Path::new("/tmp"), folder.strip_prefix("/tmp").unwrap_or(folder), make);
        }
        if self.root.as_os_str().is_empty() || self.root == Path::new("/") || !folder.starts_with(&self.root) {
            return found(folder, make);
        }
        // Where it leads now. Whatever it leads to a moment later, the walk meets no link.
        let (root, (there, missing)) = (fs::canonicalize(&self.root)?, there(folder, make)?);
        let rest = there.strip_prefix(&root).map_err(|_| io::Error::other("a link leads out of the project"))?;
        walk(&root, &rest.join(missing), make)
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn name(path: &Path) -> io::Result<&OsStr> {
    path.file_name().ok_or_else(|| io::Error::other("it is the name of no file"))
}

fn is_link(error: &io::Error) -> bool {
    let link = [rustix::io::Errno::LOOP, rustix::io::Errno::NOTDIR];
    link.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn open_in(folder: impl AsFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(folder, name, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(file)
}

/// A directory by its path.
fn found(folder: &Path, make: Option<Mode>) -> io::Result<OwnedFd> {
    if let Some(mode) = make {
        DirBuilder::new().recursive(true).mode(mode.as_raw_mode()).create(folder)?;
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    Ok(openat(CWD, folder, WALK | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// A directory to which no link leads.
fn straight(folder: &Path) -> io::Result<OwnedFd> {
    let tmp = Path::new("/tmp");
    let base = if is_exchanged(folder) { tmp } else { Path::new("/") };
    walk(base, folder.strip_prefix(base).unwrap_or(folder), None)
}

/// Where a directory is, and what of it is still to be made.
fn there(folder: &Path, make: Option<Mode>) -> io::Result<(PathBuf, PathBuf)> {
    for known in folder.ancestors() {
        match fs::canonicalize(known) {
            Err(error) if make.is_some() && error.kind() == io::ErrorKind::NotFound => {}
            other => return Ok((other?, folder.strip_prefix(known).unwrap_or(Path::new("")).to_owned())),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Goes down from a directory part by part, and meets no link.
fn walk(base: &Path, rest: &Path, make: Option<Mode>) -> io::Result<OwnedFd> {
    let flags = WALK | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = openat(CWD, base, flags, Mode::empty())?;
    for part in rest.components() {
        let name = match part {
            Component::Normal(name) => name,
            Component::CurDir | Component::RootDir => continue,
            Component::ParentDir | Component::Prefix(_) => {
                return Err(io::Error::other("it leads upwards"));
            }
        };
        if let Some(mode) = make {
            match mkdirat(&at, name, mode) {
                Err(error) if error != rustix::io::Errno::EXIST => return Err(error.into()),
                _ => {}
            }
        }
        at = openat(&at, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(at)
}
