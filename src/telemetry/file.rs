//! A file that is only ever added to, in whole lines.
//!
//! It may lie in a directory that others can write into, such as `/tmp`. So it is readable for its user only, no link
//! that another user made is followed on the way to it, and a file of another user is refused.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::engine::store::private;

/// Links followed on the way to a file, as many as the kernel would.
const MOST_LINKS: u32 = 40;

/// A file that lines are appended to.
#[derive(Debug)]
pub struct Appended {
    file: File,
    /// Whether its last line has no end: a disk was full, or somebody was killed.
    torn: bool,
}

impl Appended {
    /// Opens the file; it and the directories above it are made where they are missing.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = resolved(path)?;
        if let Some(folder) = path.parent() {
            private(folder)?;
        }
        let flags = OFlags::APPEND | OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW
            // Opening a pipe that nobody reads would wait.
            | OFlags::NONBLOCK;
        let mode = Mode::RUSR | Mode::WUSR;
        // What was no link a moment ago may be one now.
        let opened = match fs::openat2(fs::CWD, &path, flags, mode, ResolveFlags::NO_SYMLINKS) {
            Err(Errno::NOSYS | Errno::PERM) => fs::open(&path, flags, mode),
            other => other,
        };
        let file = File::from(opened?);
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        if !is_trusted(found.uid()) {
            return Err(io::Error::other("it belongs to another user"));
        }
        let mut last = [b'\n'];
        if found.len() > 0 {
            file.read_exact_at(&mut last, found.len() - 1)?;
        }
        Ok(Self { file, torn: last != [b'\n'] })
    }

    /// Appends whole lines. What could not be written whole is ended by the next ones.
    pub fn append(&mut self, lines: &str) -> io::Result<()> {
        let text = if self.torn { format!("\n{lines}") } else { lines.to_owned() };
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.torn = written < rest.len() && rest[written - 1] != b'\n';
                    rest = &rest[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// This user and the system may put links anywhere.
fn is_trusted(owner: u32) -> bool {
    owner == 0 || owner == rustix::process::geteuid().as_raw()
}

/// The same place without a link in its path. Links of other users are refused.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut ahead = Vec::new();
    push(&mut ahead, &std::path::absolute(path)?);
    let mut behind = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = ahead.pop() {
        if part == ".." {
            behind.pop();
            continue;
        }
        let next = behind.join(&part);
        let entry = match fs::open(&next, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Ok(entry) => entry,
            Err(Errno::NOENT) => {
                behind = next;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let found = fs::fstat(&entry)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Symlink {
            behind = next;
            continue;
        }
        if !is_trusted(found.st_uid) {
            return Err(io::Error::other(format!("`{}` is a link of another user", next.display())));
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        let target = fs::readlinkat(&entry, c"", Vec::new())?;
        let target = PathBuf::from(OsString::from(target.to_string_lossy().into_owned()));
        if target.is_absolute() {
            behind = PathBuf::from("/");
        }
        push(&mut ahead, &target);
    }
    Ok(behind)
}

/// Puts the parts of a path on the pile, the first one on top.
fn push(ahead: &mut Vec<OsString>, path: &Path) {
    ahead.extend(path.components().rev().filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    }));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::{Appended, is_trusted, resolved};

    #[test]
    fn lines_are_added_to_a_private_file_behind_links_of_our_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = fs::canonicalize(folder.path()).expect("a path");
        symlink("far/away", root.join("here")).expect("a link");
        let path = root.join("here/../away/run.log");
        assert_eq!(resolved(&path).expect("a path"), root.join("far/away/run.log"));
        Appended::open(&path).expect("a file").append("one\n").expect("room");
        Appended::open(&path).expect("a file").append("two\n").expect("room");
        assert_eq!(fs::read_to_string(root.join("far/away/run.log")).expect("a file"), "one\ntwo\n");
        let mode = fs::metadata(root.join("far/away/run.log")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_line_that_was_cut_short_is_ended_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run.log");
        fs::write(&path, "whole\nhal").expect("a file");
        let mut file = Appended::open(&path).expect("a file");
        file.append("one\n").expect("room");
        file.append("two\n").expect("room");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "whole\nhal\none\ntwo\n");
    }

    #[test]
    fn links_of_this_user_and_of_the_system_are_followed_and_no_others() {
        let own = rustix::process::geteuid().as_raw();
        assert!(is_trusted(own) && is_trusted(0) && !is_trusted(own + 1));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Appended::open(folder.path()).is_err());
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        symlink(&two, &one).expect("a link");
        symlink(&one, &two).expect("a link");
        assert!(Appended::open(&one).is_err());
        // Nobody reads it: to wait for somebody would be to wait for ever.
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
            .expect("a pipe");
        assert_eq!(Appended::open(&pipe).expect_err("no file").to_string(), "it is not a file");
    }
}
