//! Secrets, and what keeps them out of everything that is written down.
//!
//! [`Secrets`] holds names and values, shows names only, and overwrites the values when the last copy goes.
//! [`Redaction`] knows the forms in which they may turn up (`forms`), [`Redactor`] replaces them in a stream by `***`,
//! whatever the borders of its chunks (`stream`). What a program does to a secret beyond these forms (compresses it,
//! encrypts it, spells it backwards) is not found: this guards against accidents, not against the program.

mod forms;
mod stream;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

pub use stream::{Redaction, Redactor, TooMany};

/// What stands where a secret stood. It has no name: many secrets may meet in one place, and a name would break
/// whatever reads the text.
pub const MARK: &str = "***";

/// Values with fewer characters, blanks not counted, are not redacted. Logs are full of words of five letters: to
/// replace each of them would hide the log and show, by where the marks stand, what the secret is.
pub const SHORTEST: usize = 6;

/// A line or a part of a secret that is long enough to be one by itself, wherever it turns up.
pub const TELLING: usize = 32;

/// The largest value that is taken: the forms of a secret are many times its size, in the memory of each keeper.
pub const LONGEST: usize = 16 << 10;

/// Names and values, shared by all copies. It has no serialised form: nobody writes it down by mistake.
#[derive(Clone, Default)]
pub struct Secrets(Arc<[Secret]>);

struct Secret {
    name: String,
    value: Vec<u8>,
}

impl Secrets {
    /// Of two values with one name the first counts.
    pub fn new(pairs: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let mut secrets: Vec<Secret> = Vec::new();
        for (name, value) in pairs {
            let secret = Secret { name, value };
            if secrets.iter().all(|known| known.name != secret.name) {
                secrets.push(secret);
            }
        }
        Self(secrets.into())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|secret| secret.name == name).map(|secret| secret.value.as_slice())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|secret| secret.name.as_str())
    }

    /// For whoever passes them on.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|secret| (secret.name.as_str(), secret.value.as_slice()))
    }

    /// The names of those that are too short to be redacted.
    pub fn exposed(&self) -> impl Iterator<Item = &str> {
        let exposed = self.0.iter().filter(|secret| forms::squeezed(&secret.value).len() < SHORTEST);
        exposed.map(|secret| secret.name.as_str())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.value.fill(0);
        // Otherwise the compiler sees that nobody reads it again.
        black_box(&self.value);
    }
}
