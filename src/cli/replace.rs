//! Writing a file that a person cares about: as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::Failure;

/// Replaces the text of a file, keeping its permissions. A crash leaves the old text or the new.
pub(super) fn replace(path: &str, text: &str) -> Result<(), Failure> {
    write(Path::new(path), text).map_err(|error| {
        Failure::new(format!("failed to write `{path}`: {error}"), "check the permissions and the space on its disk")
    })
}

/// Writes a file, whether there is one or not. One that is there is replaced as a whole or not at all.
pub(super) fn put(path: &str, text: &str) -> Result<(), Failure> {
    if Path::new(path).is_file() {
        return replace(path, text);
    }
    // What is no file, such as a pipe or a terminal, cannot be replaced.
    fs::write(path, text).map_err(|error| {
        Failure::new(format!("failed to write `{path}`: {error}"), "name a file in a directory that is there")
    })
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    // Through a link, the file it leads to is replaced and not the link.
    let path = fs::canonicalize(path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(fs::metadata(&path)?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    // The new name is durable only with its folder.
    File::open(folder)?.sync_all()
}
