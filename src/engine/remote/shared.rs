//! A directory that several machines see: files are copied there and back.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{Content, Fence, Hasher, Place, Problem, local, rewind, too_large};
use crate::engine::store::private;

fn path(place: &Place) -> &Path {
    Path::new(place.uri.strip_prefix("file://").unwrap_or(&place.uri))
}

pub(super) fn is(place: &Place, file: &Path) -> bool {
    let (there, here) = (fs::metadata(path(place)), fs::metadata(file));
    matches!((there, here), (Ok(there), Ok(here)) if (there.dev(), there.ino()) == (here.dev(), here.ino()))
}

pub(super) fn put(place: &Place, file: &Path) -> Result<(), Problem> {
    let to = path(place);
    let folder = to.parent().unwrap_or(to);
    if place.is_fenced {
        let copied = place.fence.replace(to, |made| io::copy(&mut place.fence.open(file)?, made).map(|_| ()));
        return copied.map_err(|error| local(&error));
    }
    let copied = || -> io::Result<()> {
        private(folder)?;
        let mut made = tempfile::Builder::new().prefix(".send-").tempfile_in(folder)?;
        io::copy(&mut place.fence.open(file)?, &mut made)?;
        made.as_file().sync_all()?;
        made.persist(to).map_err(|error| error.error)?;
        Ok(())
    };
    copied().map_err(|error| local(&error))
}

pub(super) fn get(place: &Place, mut to: &File, most: u64) -> Result<Content, Problem> {
    rewind(to)?;
    let mut from = match Fence::default().open(path(place)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Problem::lasting("there is nothing at this place"));
        }
        other => other.map_err(|error| local(&error))?,
    };
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut buffer).map_err(|error| local(&error))?;
        if count == 0 {
            return Ok(hasher.content());
        }
        hasher.add(&buffer[..count]);
        if hasher.bytes > most {
            return Err(too_large(most));
        }
        to.write_all(&buffer[..count]).map_err(|error| local(&error))?;
    }
}

pub(super) fn delete(place: &Place) -> Result<(), Problem> {
    match fs::remove_file(path(place)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(local(&error)),
        _ => Ok(()),
    }
}
