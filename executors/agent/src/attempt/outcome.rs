//! How an attempt ended: `outcome.json`, the last thing that is written.
//!
//! It appears as a whole or not at all. A folder without one belongs to an attempt that was killed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::classify::Class;
use crate::contract::Answer;
use crate::session::{Fingerprint, Past};
use crate::stream::Spent;

pub const FILE: &str = "outcome.json";
/// What was used so far, while there is no outcome.
pub(super) const SPENT: &str = "spent.json";
pub const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub version: u32,
    pub class: Class,
    /// For a person.
    pub message: String,
    /// Seconds that the provider asked to wait.
    pub retry_after: Option<u64>,
    pub agent: String,
    pub versions: Versions,
    /// To go on with it.
    pub session_id: Option<String>,
    pub resumed: bool,
    pub spent: Spent,
    pub turns: Option<u64>,
    /// Of `prompt.md`.
    pub prompt_sha256: String,
    /// Milliseconds since the epoch.
    pub started_ms: u64,
    pub ended_ms: u64,
    /// The exit status of the agent, as a shell tells it; none if it did not start, or was ended when it had said its last
    /// word.
    pub exit: Option<i32>,
    /// What the agent says of its work.
    pub answer: Option<Answer>,
    /// Its last words.
    pub text: String,
    /// The layers it ran behind, and what they left open: lines for people. Empty where there were none.
    #[serde(default)]
    pub sandbox: Vec<String>,
    /// What is missing in the transcripts.
    pub cut: u64,
    pub record_error: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    pub outpost: String,
    /// What the agent says of itself.
    pub agent: Option<String>,
    /// SHA-256 of the definition.
    pub definition: String,
}

impl Outcome {
    /// Writes it into the folder of the attempt.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let mut draft = tempfile::NamedTempFile::new_in(folder)?;
        draft.write_all(&serde_json::to_vec_pretty(self)?)?;
        draft.as_file().sync_all()?;
        draft.persist(folder.join(FILE)).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    }

    /// The outcome in the folder of an attempt; none if it was killed before it could write one.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read(folder.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let outcome: Self = serde_json::from_slice(&text)?;
        if outcome.version != VERSION {
            let what = format!("`{FILE}` has version {}, and this program knows {VERSION}", outcome.version);
            return Err(io::Error::other(what));
        }
        Ok(Some(outcome))
    }

    /// What an attempt without an outcome is known to have used. Where the power failed, it may be unreadable: then it
    /// is not known.
    pub fn spent_so_far(folder: &Path) -> io::Result<Option<Spent>> {
        match fs::read(folder.join(SPENT)) {
            Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// For [`crate::session::next`]; `failure` is what the verification found.
    pub fn past(&self, failure: Option<Fingerprint>) -> Past {
        Past {
            class: self.class,
            session_id: self.session_id.clone(),
            retry_after: self.retry_after,
            failure,
            message: self.message.clone(),
        }
    }
}
