//! What a job says while it runs: appended by its worker in pieces, read by its tenant from any line on.
//!
//! A line is known by its attempt and its place in it, as one number that grows: `epoch * 10^8 + place`. A piece is named by
//! the place of its last line, so that whoever has read up to a line finds the pieces behind it by their names alone.

use serde::{Deserialize, Serialize};

use super::{Caller, Claim, Desk, Error};
use crate::id::JobId;
use crate::job::Job;
use crate::key::Scope;
use crate::moment::Moment;

/// Lines of an attempt.
const LINES: u64 = 100_000_000;
/// Bytes of a piece.
const PIECE: usize = 1024 * 1024;
/// Pieces that are opened for one answer.
const PIECES: usize = 16;
/// Bytes of pieces after which no other one is opened for an answer: a front door may have to fit it into 6 MB.
const ANSWER: usize = 3 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// What the agent says.
    Out,
    Err,
    /// What the agent does, a line for each step.
    Event,
    /// What the worker says about it.
    Worker,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// From the worker: its place in this attempt, from 1 on. To the tenant: the number that grows over all attempts.
    pub seq: u64,
    pub at: Moment,
    pub stream: Stream,
    pub text: String,
    #[serde(default, skip_serializing_if = "Detail::is_nothing")]
    pub detail: Detail,
}

/// What the text of a line does not say, for those who want the bytes that were printed, or what the worker knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// The bytes in base64, where they are no UTF-8: the text is what can be read of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    /// No line end followed: the next line of the stream goes on with it, or there is none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlived: Option<Outlived>,
}

/// How many bytes of output were left out at this place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    pub stdout: u64,
    pub stderr: u64,
}

/// A process that outlived the program, and was ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlived {
    pub pid: u32,
    pub name: String,
}

impl Detail {
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Line {
    /// Which attempt said it, of a line as its tenant sees it.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        u32::try_from(self.seq / LINES).unwrap_or(u32::MAX)
    }
}

/// Some lines of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPage {
    pub lines: Vec<Line>,
    /// What to ask with for what comes after these.
    pub next: u64,
    /// Nothing comes any more: the job has ended, and this is the last of it. If not, and there are no lines, asking
    /// again a little later is how a tenant waits.
    pub done: bool,
}

fn folder(job: &JobId, epoch: u32) -> String {
    format!("{job}/a{epoch}/log/")
}

impl Desk {
    /// Adds lines to what this attempt has said. They follow each other, and those that were added before; added again after
    /// a failure, they are there once.
    pub async fn append_log(&self, claim: &Claim, lines: &[Line]) -> Result<(), Error> {
        let Some(last) = lines.last() else { return Ok(()) };
        let in_order = lines.windows(2).all(|pair| pair[0].seq < pair[1].seq);
        if !in_order || lines.iter().any(|line| !(1..LINES).contains(&line.seq)) {
            return Err(Error::invalid("/lines", format!("have to be numbered upwards from 1 to {}", LINES - 1)));
        }
        let mut piece = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut piece, line).map_err(|error| Error::Broken(error.to_string()))?;
            piece.push(b'\n');
        }
        if piece.len() > PIECE {
            return Err(Error::invalid("/lines", format!("have {} bytes; {PIECE} are allowed at once", piece.len())));
        }
        let path = format!("{}{:08}", folder(claim.id(), claim.epoch()), last.seq);
        Ok(self.ports.blobs.put(claim.owner(), &path, piece).await?)
    }

    /// Lines after this one, in their order: of all attempts, those of the last one last.
    pub async fn log(&self, caller: &Caller, id: &JobId, after: u64) -> Result<LogPage, Error> {
        caller.may(Scope::JobsRead)?;
        // The job first: what had ended before its log is looked at says nothing more.
        let job = self.read_job(caller.id(), id).await?;
        let mut page = LogPage { lines: Vec::new(), next: after, done: false };
        let first = u32::try_from(after / LINES).unwrap_or(u32::MAX).max(1);
        let mut room = Room { pieces: PIECES, bytes: ANSWER };
        for epoch in first..=job.epoch {
            self.attempt(&job, epoch, &mut room, &mut page).await?;
            if room.is_full() {
                return Ok(page);
            }
        }
        page.done = job.status.is_final();
        Ok(page)
    }

    async fn attempt(&self, job: &Job, epoch: u32, room: &mut Room, page: &mut LogPage) -> Result<(), Error> {
        let (folder, begin) = (folder(&job.id, epoch), u64::from(epoch) * LINES);
        let after = format!("{folder}{:08}", page.next.saturating_sub(begin));
        for path in self.ports.blobs.list(&job.tenant, &folder, Some(&after), room.pieces).await? {
            if room.is_full() {
                break;
            }
            room.pieces -= 1;
            let most = u64::try_from(PIECE).unwrap_or(u64::MAX);
            let Some(bytes) = self.ports.blobs.get(&job.tenant, &path, most).await? else { continue };
            room.bytes = room.bytes.saturating_sub(bytes.len());
            for text in bytes.split(|byte| *byte == b'\n').filter(|text| !text.is_empty()) {
                let line: Line = serde_json::from_slice(text)
                    .map_err(|error| Error::Broken(format!("a line in `{path}` is none: {error}")))?;
                let seq = begin + line.seq;
                // A piece whose answer was lost lies beside the one that was sent for it, and that may be longer.
                if seq > page.next {
                    page.next = seq;
                    page.lines.push(Line { seq, ..line });
                }
            }
        }
        Ok(())
    }
}

/// What one answer may still hold.
struct Room {
    pieces: usize,
    bytes: usize,
}

impl Room {
    fn is_full(&self) -> bool {
        self.pieces == 0 || self.bytes == 0
    }
}
