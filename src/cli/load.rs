//! Files → sources, with a clear word for everything that is no document.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::diagnostic::{Code, Diagnostic};
use crate::document::Source;
use crate::document::source::MAX_BYTES;

/// Why a file is no document.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) path: String,
    pub(super) reason: String,
    pub(super) hint: &'static str,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "failed to read `{}`: {}", self.path, self.reason)
    }
}

/// A source, and the diagnostic of bytes that are no text.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) source: Source,
    pub(super) refusal: Option<Diagnostic>,
}

/// Reads a file, or standard input for `-`.
pub(super) fn load(path: &str) -> Result<Loaded, Unreadable> {
    let refuse = |reason: String, hint| Unreadable { path: path.to_owned(), reason, hint };
    let bytes = if path == "-" {
        bounded(io::stdin().lock(), 0)
            .map_err(|error| refuse(error.to_string(), "pipe a blueprint into the command"))?
    } else {
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                refuse("there is no such file".to_owned(), "check the path; it is relative to the working directory")
            }
            io::ErrorKind::PermissionDenied => {
                refuse("permission denied".to_owned(), "make the file readable for this user")
            }
            _ => refuse(error.to_string(), "check the path"),
        })?;
        if metadata.is_dir() {
            return Err(refuse("it is a directory".to_owned(), "name a blueprint inside it"));
        }
        if !metadata.is_file() {
            return Err(refuse("it is not a regular file".to_owned(), "write `-` to read standard input"));
        }
        if metadata.len() > MAX_BYTES {
            return Err(too_large(path));
        }
        let file = File::open(Path::new(path))
            .map_err(|error| refuse(error.to_string(), "make the file readable for this user"))?;
        bounded(file, metadata.len()).map_err(|error| refuse(error.to_string(), "check the file and its disk"))?
    };
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large(path));
    }
    let name = if path == "-" { "<stdin>" } else { path };
    let (source, refusal) = Source::from_bytes(name, bytes);
    let refusal = refusal.map(|mut refusal| {
        refusal.code = Code::Unreadable;
        refusal
    });
    Ok(Loaded { source, refusal })
}

fn too_large(path: &str) -> Unreadable {
    Unreadable {
        path: path.to_owned(),
        reason: format!("it is larger than {} MiB, the most that is read", MAX_BYTES >> 20),
        hint: "split the blueprint; 100,000 tasks with all their fields are about 110 MB",
    }
}

fn bounded(reader: impl Read, expected: u64) -> io::Result<Vec<u8>> {
    // `expected` is at most MAX_BYTES: a buffer that need not grow is not doubled.
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
    reader.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
