//! Reads the files of a tree that an agent may have done anything to.
//!
//! Every part of a path is opened by itself and never through a link, so nothing outside of the tree is read, also
//! when somebody changes it meanwhile. Nothing that waits (a pipe, a device) is opened to be read. Ids are computed
//! here: git is not asked to look at these files.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, readlinkat, statat};
use rustix::io::Errno;
use sha1::Digest as _;

use crate::names::ObjectId;
use crate::{Error, TreePath};

/// What is found at a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    File {
        executable: bool,
        length: u64,
    },
    Link,
    Folder,
    /// A pipe, a socket or a device.
    Special,
    Missing,
}

/// A tree, by its descriptors.
pub(crate) struct Files {
    at: PathBuf,
    root: OwnedFd,
    /// The folder that was looked at last: paths come in their order.
    last: Option<(Vec<u8>, Option<OwnedFd>)>,
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Files {
    pub(crate) fn open(at: &Path) -> Result<Self, Error> {
        let root = openat(CWD, at, FOLDER, Mode::empty()).map_err(|errno| Error::file(at)(errno.into()))?;
        Ok(Self { at: at.to_owned(), root, last: None })
    }

    fn fault(&self, path: &TreePath, errno: Errno) -> Error {
        Error::file(&self.at.join(path.as_path()))(errno.into())
    }

    /// The folder of a path; none where something else, or nothing, is in its way.
    fn folder(&mut self, path: &TreePath) -> Result<Option<&OwnedFd>, Error> {
        let wanted = path.folder();
        if wanted.is_empty() {
            return Ok(Some(&self.root));
        }
        if self.last.as_ref().is_none_or(|(last, _)| last != wanted) {
            let mut open: Option<OwnedFd> = None;
            for part in wanted.split(|byte| *byte == b'/') {
                let from = open.as_ref().unwrap_or(&self.root);
                match openat(from, std::ffi::OsStr::from_bytes(part), FOLDER, Mode::empty()) {
                    Ok(folder) => open = Some(folder),
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                        open = None;
                        break;
                    }
                    Err(errno) => return Err(self.fault(path, errno)),
                }
            }
            self.last = Some((wanted.to_vec(), open));
        }
        Ok(self.last.as_ref().and_then(|(_, folder)| folder.as_ref()))
    }

    pub(crate) fn look(&mut self, path: &TreePath) -> Result<Entry, Error> {
        let name = TreePath::new(path.file_name());
        let Some(folder) = self.folder(path)? else { return Ok(Entry::Missing) };
        match statat(folder, name.as_path(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(match FileType::from_raw_mode(found.st_mode) {
                FileType::RegularFile => Entry::File {
                    executable: found.st_mode & 0o100 != 0,
                    length: u64::try_from(found.st_size).unwrap_or_default(),
                },
                FileType::Symlink => Entry::Link,
                FileType::Directory => Entry::Folder,
                _ => Entry::Special,
            }),
            Err(Errno::NOENT) => Ok(Entry::Missing),
            Err(errno) => Err(self.fault(path, errno)),
        }
    }

    /// A file's bytes, and how many there are.
    pub(crate) fn read(&mut self, path: &TreePath) -> Result<(File, u64), Error> {
        let name = TreePath::new(path.file_name());
        let at = self.at.join(path.as_path());
        let restless = || Error::Restless(at.clone());
        let folder = self.folder(path)?.ok_or_else(restless)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(folder, name.as_path(), flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Err(restless()),
            Err(errno) => return Err(self.fault(path, errno)),
        };
        let found = fstat(&file).map_err(|errno| self.fault(path, errno))?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(restless());
        }
        Ok((File::from(file), u64::try_from(found.st_size).unwrap_or_default()))
    }

    pub(crate) fn target(&mut self, path: &TreePath) -> Result<Vec<u8>, Error> {
        let name = TreePath::new(path.file_name());
        let restless = Error::Restless(self.at.join(path.as_path()));
        let Some(folder) = self.folder(path)? else { return Err(restless) };
        match readlinkat(folder, name.as_path(), Vec::new()) {
            Ok(target) => Ok(target.into_bytes()),
            Err(Errno::INVAL | Errno::NOENT) => Err(restless),
            Err(errno) => Err(self.fault(path, errno)),
        }
    }

    /// The id of a file, and its length; each chunk of it goes to `each` as well.
    pub(crate) fn hash(
        &mut self,
        path: &TreePath,
        like: &ObjectId,
        mut each: impl FnMut(&[u8]) -> Result<(), Error>,
        begin: impl FnOnce(u64) -> Vec<u8>,
    ) -> Result<(ObjectId, u64), Error> {
        let (mut file, length) = self.read(path)?;
        let at = self.at.join(path.as_path());
        let mut hasher = Hasher::of_blob(like, length);
        each(&begin(length))?;
        let (mut left, mut chunk) = (length, vec![0; 64 << 10]);
        while left > 0 {
            let most = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let got = match file.read(chunk.get_mut(..most).unwrap_or_default()) {
                Ok(0) => return Err(Error::Restless(at)),
                Ok(got) => got,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::File { path: at, error }),
            };
            let bytes = chunk.get(..got).unwrap_or_default();
            hasher.push(bytes);
            each(bytes)?;
            left -= got as u64;
        }
        Ok((hasher.finish(), length))
    }
}

/// The id that git gives to a blob, in either of its formats.
pub(crate) enum Hasher {
    Short(sha1::Sha1),
    Long(sha2::Sha256),
}

impl Hasher {
    /// `like` is any id of the same repository.
    pub(crate) fn of_blob(like: &ObjectId, length: u64) -> Self {
        let mut hasher = if like.as_str().len() == 40 {
            Self::Short(sha1::Sha1::default())
        } else {
            Self::Long(sha2::Sha256::default())
        };
        hasher.push(format!("blob {length}\0").as_bytes());
        hasher
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Short(hasher) => hasher.update(bytes),
            Self::Long(hasher) => hasher.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> ObjectId {
        match self {
            Self::Short(hasher) => ObjectId::of(&hasher.finalize()),
            Self::Long(hasher) => ObjectId::of(&hasher.finalize()),
        }
    }
}
