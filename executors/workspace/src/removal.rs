//! Removes what agents and crashes leave behind.
//!
//! Follows no link. Folders without permission to write are given it; what still resists is named. It runs when the
//! agent's processes have ended.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;

use crate::Error;

/// A file, a link or a whole folder. That there is none is fine.
pub fn remove(path: &Path) -> Result<(), Error> {
    match once(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            unlock(path);
            once(path).map_err(Error::file(path))
        }
        other => other.map_err(Error::file(path)),
    }
}

fn once(path: &Path) -> std::io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes what git would open and wait at for ever: a pipe or a device that is called like a file which it reads to
/// learn what is new in a tree. What is not there, or cannot be listed, git does not open either.
pub(crate) fn unblock(tree: &Path) -> Result<(), Error> {
    let mut folders = vec![(tree.to_owned(), false)];
    while let Some((folder, is_git)) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let (path, name) = (entry.path(), entry.file_name());
            let is_read = is_git || name == ".gitignore";
            if kind.is_dir() {
                // The agent's own repository is not looked at.
                let is_own = name == ".git" && folder == tree;
                folders.extend((!is_own).then_some((path, is_git || name == ".git")));
            } else if is_read && (kind.is_fifo() || kind.is_char_device() || kind.is_block_device()) {
                remove(&path)?;
            }
        }
    }
    Ok(())
}

/// What cannot be changed shows when it is removed.
fn unlock(path: &Path) {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        if !fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir()) {
            continue;
        }
        drop(fs::set_permissions(&folder, Permissions::from_mode(0o700)));
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(
            entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::{remove, unlock};

    #[test]
    fn links_are_removed_and_not_followed() {
        let dir = tempfile::tempdir().expect("a folder");
        let (kept, tree) = (dir.path().join("kept"), dir.path().join("tree"));
        fs::create_dir_all(tree.join("a/b")).expect("folders");
        fs::create_dir(&kept).expect("a folder");
        fs::write(kept.join("file"), "x").expect("a file");
        symlink(&kept, tree.join("a/link")).expect("a link");
        fs::set_permissions(&kept, Permissions::from_mode(0o500)).expect("permissions");
        fs::set_permissions(tree.join("a/b"), Permissions::from_mode(0o000)).expect("permissions");
        unlock(&tree);
        let mode = |path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(tree.join("a/b")), mode(kept.clone())), (0o700, 0o500));
        remove(&tree).expect("removed");
        assert!(!tree.exists() && kept.join("file").exists());
        remove(&tree).expect("that there is none is fine");
    }
}
