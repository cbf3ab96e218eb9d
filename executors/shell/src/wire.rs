//! What runner and keeper say to each other: a length (u32, little-endian), then JSON.
//!
//! Both ends are the same program file, so there is one version; `Ready` names it all the same, in case the file
//! was replaced under a runner that was told to start keepers by a path.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use outpost_executor::{Report, Token};

use crate::order::Order;
use crate::process::Identity;

pub(crate) const VERSION: u32 = 1;

/// A message is rarely longer.
const USUAL: usize = 2 * 1024;
/// What is read at once.
const PORTION: usize = 4 * 1024;

/// The most descriptors that travel with one message (the kernel takes 253).
pub(crate) const MOST_DESCRIPTORS: usize = 250;

/// From the runner.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// First of all. As many descriptors as `held` travel with it, to be kept open while the keeper lives.
    Hello {
        open_files: Option<u64>,
        held: usize,
    },
    /// Also says that the last report is in the journal.
    Start(Box<Order>),
    Cancel(Token),
    /// The last report is in the journal and there is nothing more to do.
    Bye,
}

/// From the keeper.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Ready { version: u32, identity: Identity },
    Ended(Box<Report>),
}

/// A message as it goes over the socket.
pub(crate) fn encode(message: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL);
    bytes.extend([0; 4]);
    serde_json::to_writer(&mut bytes, message)?;
    let length = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX);
    if let Some(place) = bytes.first_chunk_mut() {
        *place = length.to_le_bytes();
    }
    Ok(bytes)
}

/// Bytes that have come in, until they make up messages.
#[derive(Debug, Default)]
pub(crate) struct Inbox(Vec<u8>);

impl Inbox {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Takes what `read` puts into the place that it is given, and answers how much that was.
    pub(crate) fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        let filled = self.0.len();
        self.0.resize(filled + PORTION, 0);
        let result = read(&mut self.0[filled..]);
        self.0.truncate(filled + result.as_ref().map_or(0, |taken| *taken));
        result
    }

    /// The next message, if it is here as a whole.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Option<serde_json::Result<T>> {
        let length = usize::try_from(u32::from_le_bytes(*self.0.first_chunk()?)).ok()?;
        let message = serde_json::from_slice(self.0.get(4..)?.get(..length)?);
        self.0.drain(..4 + length);
        if self.0.is_empty() {
            // A long message is no reason to keep its room for ever.
            self.0.shrink_to(64 * 1024);
        }
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::{Inbox, Request, encode};

    #[test]
    fn messages_come_whole_however_they_arrive() {
        let mut bytes = encode(&Request::Bye).expect("a message");
        bytes.extend(encode(&Request::Hello { open_files: Some(7), held: 2 }).expect("a message"));
        let mut inbox = Inbox::default();
        let mut got = Vec::new();
        for byte in bytes {
            inbox.push(&[byte]);
            while let Some(message) = inbox.next::<Request>() {
                got.push(message.expect("a message"));
            }
        }
        assert!(matches!(got.as_slice(), [Request::Bye, Request::Hello { open_files: Some(7), held: 2 }]), "{got:?}");
    }
}
