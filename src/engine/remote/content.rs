//! What a file holds, however large: read once from the beginning to the end, no link followed.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{MOST_BYTES, Problem, local, too_large};
use crate::engine::fence::Fence;

/// What a file holds: size and SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub sha256: String,
    pub bytes: u64,
}

/// What a file holds.
pub fn measure(fence: &Fence, path: &Path) -> Result<Content, Problem> {
    let told = |error: io::Error| Problem::lasting(format!("`{}` cannot be read: {error}", path.display()));
    measured(fence.open(path).map_err(told)?, path)
}

/// What an open file holds.
pub fn measured(file: File, path: &Path) -> Result<Content, Problem> {
    let told = |error: io::Error| Problem::lasting(format!("`{}` cannot be read: {error}", path.display()));
    let mut file = file.take(MOST_BYTES + 1);
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(told)? {
            0 => break,
            count => hasher.add(&buffer[..count]),
        }
    }
    let content = hasher.content();
    if content.bytes > MOST_BYTES { Err(too_large(MOST_BYTES)) } else { Ok(content) }
}

/// Digest and size of bytes that pass by.
#[derive(Default)]
pub(super) struct Hasher {
    sha256: Sha256,
    pub(super) bytes: u64,
}

impl Hasher {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(super) fn content(self) -> Content {
        let sha256 = self.sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Content { sha256, bytes: self.bytes }
    }
}

/// Begins a file anew: an earlier attempt may have left the first half of it.
pub(super) fn rewind(mut file: &File) -> Result<(), Problem> {
    file.set_len(0).and_then(|()| file.rewind()).map_err(|error| local(&error))
}
