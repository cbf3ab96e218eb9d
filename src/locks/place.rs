//! Where locks and journals may live: a directory of one user on a disk of this machine.
//!
//! Kernel locks on a network file system may be emulated, ignored or block for ever, and a synced
//! file there is only as safe as a server that is not asked. Such a place is refused, not warned about.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// File systems whose files another machine or a user's program serves, by the magic number of
/// `statfs(2)`. Not all of them are slow or wrong with locks; none of them can be known to be right.
const REMOTE: &[(u32, &str)] = &[
    (0x0000_6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x0000_517b, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0000_564c, "NCP"),
    (0x0bd0_0bd0, "Lustre"),
    (0x7461_636f, "OCFS2"),
    (0x0116_1970, "GFS2"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x786f_4256, "a VirtualBox share"),
];

/// The name of the file system that serves `path`, if it is one of those that are refused.
pub fn remote_file_system(path: &Path) -> io::Result<Option<&'static str>> {
    #[cfg(target_os = "linux")]
    return Ok(named(rustix::fs::statfs(path)?.f_type as u32));
    // Other systems name file systems by text and in other structures: there the check is missing.
    #[cfg(not(target_os = "linux"))]
    return fs::metadata(path).map(|_| None);
}

fn named(magic: u32) -> Option<&'static str> {
    REMOTE.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

/// Makes a directory that only its owner may enter, unless it is there.
pub(crate) fn make_private(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Whether `dir` is a directory of this user that nobody else may enter.
pub(super) fn is_private(dir: &Path) -> io::Result<bool> {
    let found = fs::metadata(dir)?;
    Ok(found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o077 == 0)
}

/// How our files are opened: for their owner only, never through a link somebody laid there, and without waiting for
/// the other end of a pipe. For a file the last one means nothing.
pub(crate) fn options() -> OpenOptions {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(flags.bits().cast_signed());
    options
}

/// Whether `path` still names the file that was opened.
pub(super) fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    let identity = |found: Metadata| (found.dev(), found.ino());
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(identity(found) == identity(file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::{is_private, is_same, make_private, named, options, remote_file_system};

    #[test]
    fn local_file_systems_pass_and_network_ones_have_a_name() {
        assert_eq!(remote_file_system(Path::new("/proc")).expect("proc"), None);
        assert_eq!(remote_file_system(&std::env::temp_dir()).expect("a place for temporary files"), None);
        let ext4 = 0xef53;
        let found: Vec<_> = [0x6969, 0xff53_4d42, 0x6573_5546, ext4].into_iter().map(named).collect();
        assert_eq!(found, [Some("NFS"), Some("CIFS"), Some("FUSE"), None]);
    }

    #[test]
    fn a_directory_that_others_may_enter_is_not_private() {
        let home = tempfile::tempdir().expect("a directory");
        let dir = home.path().join("locks");
        make_private(&dir).expect("made");
        make_private(&dir).expect("it is there");
        assert!(is_private(&dir).expect("it is there"));
        fs::set_permissions(&dir, Permissions::from_mode(0o750)).expect("ours");
        assert!(!is_private(&dir).expect("it is there"));
    }

    #[test]
    fn a_link_is_not_followed_and_a_replaced_file_is_noticed() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("file");
        let file = options().read(true).write(true).create(true).truncate(false).open(&path).expect("created");
        assert!(is_same(&file, &path).expect("it is there"));
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        assert!(options().read(true).open(&link).is_err());
        fs::remove_file(&path).expect("ours");
        assert!(!is_same(&file, &path).expect("an answer"));
        fs::write(&path, "").expect("ours");
        assert!(!is_same(&file, &path).expect("an answer"));
    }
}
