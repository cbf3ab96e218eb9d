//! The data folder: ours alone, and files in it that are there whole or not at all.
//!
//! Names are looked up one folder at a time from a folder that is open, and a symbolic link is never followed: whoever could
//! put one there gains nothing by it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use outpost_core::store::Problem;
use rustix::fs::{AtFlags, Mode, OFlags, fsync, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);
/// How often a folder is made again that somebody took away meanwhile.
const TRIES: usize = 16;

/// The data folder, made if it is not there; refused if others may change what is in it.
pub(crate) fn prepare(path: &Path) -> Result<(), Problem> {
    let shown = path.display();
    let refused = |why: io::Error| {
        Problem::Broken(format!(
            "the data folder `{shown}` cannot be used: {why}; name another one, or look at its rights"
        ))
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(refused)?;
    let found = fs::metadata(path).map_err(refused)?;
    if !found.is_dir() {
        return Err(refused(io::ErrorKind::NotADirectory.into()));
    }
    if let Some(kind) = remote(path).map_err(refused)? {
        let why = format!("it is on {kind}, where locks and synced files cannot be relied on");
        return Err(refused(io::Error::other(why)));
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        // Only its owner can take these rights away, and only its owner should use it.
        fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)).map_err(|why| {
            let why =
                io::Error::new(why.kind(), format!("others have rights on it (mode {mode:o}) and they stay: {why}"));
            refused(why)
        })?;
    }
    // Whether files can be made is best known by making one.
    tempfile_in(path).map_err(refused)
}

/// What serves the folder, if that is another machine. Told on Linux only: others name file systems in other ways.
fn remote(path: &Path) -> io::Result<Option<&'static str>> {
    #[cfg(target_os = "linux")]
    return Ok(named(i128::from(rustix::fs::statfs(path)?.f_type)));
    #[cfg(not(target_os = "linux"))]
    return path.metadata().map(|_| None);
}

/// The magic numbers of `statfs(2)`; a number above 2^31 may come as a negative one.
#[cfg(target_os = "linux")]
fn named(magic: i128) -> Option<&'static str> {
    match magic & 0xffff_ffff {
        0x0000_6969 => Some("NFS"),
        0xff53_4d42 | 0xfe53_4d42 | 0x0000_517b => Some("a share of SMB"),
        0x0102_1997 => Some("a share of 9P"),
        0x6573_5546 => Some("FUSE"),
        0x00c3_6400 => Some("Ceph"),
        _ => None,
    }
}

fn tempfile_in(path: &Path) -> io::Result<()> {
    let folder = open_folder(path)?;
    let (name, file) = scratch(&folder)?;
    drop(file);
    Ok(unlinkat(&folder, name, AtFlags::empty())?)
}

pub(crate) fn open_folder(path: &Path) -> io::Result<File> {
    Ok(File::from(rustix::fs::open(path, FOLDER, Mode::empty())?))
}

/// A folder below another one; made, and on disk, if that is wanted.
pub(crate) fn below(folder: &File, name: &str, make: bool) -> io::Result<File> {
    match openat(folder, name, FOLDER, Mode::empty()) {
        Err(Errno::NOENT) if make => {
            match mkdirat(folder, name, Mode::RWXU) {
                Ok(()) => fsync(folder)?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            Ok(File::from(openat(folder, name, FOLDER, Mode::empty())?))
        }
        found => Ok(File::from(found?)),
    }
}

/// The folder of a path of plain segments, and the last of these.
pub(crate) fn lookup<'a>(root: &File, path: &'a str, make: bool) -> io::Result<(File, &'a str)> {
    let mut folder = root.try_clone()?;
    let mut rest = path;
    while let Some((name, below_it)) = rest.split_once('/') {
        folder = below(&folder, name, make)?;
        rest = below_it;
    }
    Ok((folder, rest))
}

/// A plain file, open for reading; none if there is none, or something else.
pub(crate) fn open_plain(folder: &File, name: &str) -> io::Result<Option<File>> {
    // Something that is no file must not keep who opens it waiting.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match openat(folder, name, flags, Mode::empty()) {
        Ok(found) => {
            let file = File::from(found);
            Ok(if file.metadata()?.is_file() { Some(file) } else { None })
        }
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A new file under a name that nobody asks for.
fn scratch(folder: &File) -> io::Result<(String, File)> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let name = format!("{:032x}.part", u128::from_be_bytes(random));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, &name, flags, Mode::RUSR | Mode::WUSR)?;
    Ok((name, File::from(file)))
}

/// Puts a file in its place, whole: written elsewhere, synced, renamed, and the name synced too.
pub(crate) fn replace(
    root: &File,
    path: &str,
    parts: &File,
    mut write: impl FnMut(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let (part, mut file) = scratch(parts)?;
    let mut put = || {
        write(&mut file)?;
        file.flush()?;
        file.sync_all()?;
        for _ in 0..TRIES {
            // Who removes files takes empty folders with them, and may be at it.
            let placed = lookup(root, path, true).and_then(|(folder, name)| {
                renameat(parts, &part, &folder, name)?;
                Ok(fsync(&folder)?)
            });
            match placed {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                placed => return placed,
            }
        }
        Err(io::Error::other("its folder was taken away again and again"))
    };
    put().inspect_err(|_| {
        // What is left of it is thrown away at the next start, if not now.
        let _ = unlinkat(parts, &part, AtFlags::empty());
    })
}

/// Who owns an open file, and what others may do with it.
pub(crate) fn is_ours_alone(file: &File) -> io::Result<bool> {
    let found = file.metadata()?;
    Ok(found.mode() & 0o077 == 0 && found.uid() == rustix::process::geteuid().as_raw())
}

/// A file that only we may read, there from now on; what is in it is another's to know.
pub(crate) fn private(data: &Path, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(openat(open_folder(data)?, name, flags, Mode::RUSR | Mode::WUSR)?))
}

/// Keeps other processes from opening the folder until it is dropped.
pub(crate) fn locked(data: &Path) -> Result<File, Problem> {
    let lock = || {
        let file = private(data, "opening.lock")?;
        file.lock()?;
        Ok(file)
    };
    lock().map_err(|error: io::Error| {
        Problem::Broken(format!("`opening.lock` in the data folder `{}` cannot be locked: {error}", data.display()))
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn disks_of_other_machines_are_told_from_ours() {
        assert_eq!(
            [0x6969, 0xff53_4d42, -0x00ac_b2be, 0xef53, 0x0102_1994].map(named),
            [Some("NFS"), Some("a share of SMB"), Some("a share of SMB"), None, None]
        );
        assert_eq!(remote(Path::new("/proc")).ok(), Some(None));
    }
}
