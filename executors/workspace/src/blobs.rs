//! Blobs to and from the object store, in one dialogue each.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::ChildStdout;

use crate::Error;
use crate::git::{Call, Talk};
use crate::names::ObjectId;

/// Takes blobs. All of them go into one pack, or a few loose objects; which, git decides.
pub(crate) struct Writer(Talk);

impl Writer {
    pub(crate) fn start(call: Call) -> Result<Self, Error> {
        Ok(Self(call.args(["fast-import", "--quiet", "--done", "--date-format=raw"]).start()?))
    }

    /// What announces a blob of so many bytes.
    pub(crate) fn header(length: u64) -> Vec<u8> {
        format!("blob\ndata {length}\n").into_bytes()
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.0.say(bytes)
    }

    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.0.say(b"done\n")?;
        self.0.end()
    }
}

/// Gives blobs.
pub(crate) struct Reader {
    talk: Talk,
    answers: BufReader<ChildStdout>,
}

impl Reader {
    pub(crate) fn start(call: Call) -> Result<Self, Error> {
        let mut talk = call.args(["cat-file", "--batch"]).start()?;
        let answers = talk.child.stdout.take().ok_or_else(|| talk.broken())?;
        Ok(Self { talk, answers: BufReader::with_capacity(64 << 10, answers) })
    }

    /// An object, up to so many bytes of it, and its whole length.
    pub(crate) fn read(&mut self, id: &ObjectId, most: u64) -> Result<(Vec<u8>, u64), Error> {
        self.talk.say(format!("{id}\n").as_bytes())?;
        let mut header = String::new();
        self.answers.read_line(&mut header).map_err(|_| self.talk.broken())?;
        let length = header.trim_end().rsplit(' ').next().and_then(|length| length.parse::<u64>().ok());
        let length = length.ok_or_else(|| self.talk.broken())?;
        let mut bytes = Vec::new();
        let taken = (&mut self.answers).take(length.min(most)).read_to_end(&mut bytes);
        // The rest, and the line break behind it.
        let rest = length - length.min(most) + 1;
        let skipped = std::io::copy(&mut (&mut self.answers).take(rest), &mut std::io::sink());
        match (taken, skipped) {
            (Ok(_), Ok(skipped)) if skipped == rest => Ok((bytes, length)),
            _ => Err(self.talk.broken()),
        }
    }
}
