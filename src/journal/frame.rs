//! Lines and their chain: how a record becomes a line, and whether a line is the next record.
//!
//! ```text
//! 5c3f0a1b {"format":"outpost-journal","version":1,"created":"2026-11-21T07:12:00.000Z"}
//! 9e01d2c4 {"n":1,"t":"2026-11-21T07:12:00.123Z","e":{"any":"JSON"}}
//! ```
//!
//! The checksum is the CRC-32C of the line before's checksum, as its eight characters, and this line's JSON;
//! the first line takes `00000000` for the one before. Pure: bytes in, bytes out.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::ops::Range;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::JournalError;

/// What the first line says the file is.
pub const FORMAT: &str = "outpost-journal";
/// The version of the format that this program writes.
pub const VERSION: u32 = 1;
/// The longest payload, in bytes.
pub const MOST_PAYLOAD: usize = 16 << 20;
/// The longest line: a payload and the words around it, and room for keys of later programs.
pub(super) const MOST_LINE: usize = MOST_PAYLOAD + (64 << 10);

/// Characters of a checksum.
const CHECKSUM: usize = 8;
/// Characters of a time to the millisecond.
const MOMENT: usize = "2026-11-21T07:12:00.123Z".len();
/// What stands before the first line.
const BEFORE: [u8; CHECKSUM] = *b"00000000";
/// How the JSON of a record begins. It cannot stand inside a payload behind eight characters and a blank.
const BEGINNING: &[u8] = b" {\"n\":";

/// The number of a record: 1 for the first, 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Number(pub u64);

impl Number {
    pub const NONE: Self = Self(0);

    pub(super) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// What was written down, when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub number: Number,
    /// To the millisecond.
    pub at: Timestamp,
    /// JSON, as it was given.
    pub payload: Cow<'a, str>,
}

impl Record<'_> {
    pub fn into_owned(self) -> Record<'static> {
        Record { number: self.number, at: self.at, payload: Cow::Owned(self.payload.into_owned()) }
    }
}

/// The first line. Keys that it does not have here are let be.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header<'a> {
    #[serde(borrow)]
    format: Cow<'a, str>,
    pub(super) version: u32,
    #[serde(borrow, default)]
    created: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    n: u64,
    t: Timestamp,
    #[serde(borrow)]
    e: &'a RawValue,
}

/// What a line holds: when, and the bytes of it that are the payload.
pub(super) struct Parts {
    pub(super) at: Timestamp,
    pub(super) payload: Range<usize>,
}

/// Why a line is not the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Checksum,
    Number { expected: Number, found: Number },
    Shape,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum => out.write_str("its checksum is wrong"),
            Self::Number { expected, found } => write!(out, "its number is {found} where {expected} comes next"),
            Self::Shape => out.write_str("it is not shaped like a record"),
        }
    }
}

/// The end of a row of lines: what the next one has to follow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    checksum: [u8; CHECKSUM],
    pub(super) last: Number,
}

impl Chain {
    /// Before the first line.
    pub(super) const EMPTY: Self = Self { checksum: BEFORE, last: Number::NONE };

    /// Writes the first line of a new file.
    pub(super) fn begin(at: Timestamp, out: &mut Vec<u8>) -> Self {
        let mut chain = Self::EMPTY;
        chain.line(out, |out| {
            // Not through serde: this way the line is the same for ever, byte by byte.
            let _ = write!(out, "{{\"format\":\"{FORMAT}\",\"version\":{VERSION},\"created\":\"{at:.3}\"}}");
        });
        chain
    }

    /// Writes the line of the next record. The payload has been [checked](check_payload).
    pub(super) fn record(&mut self, at: Timestamp, payload: &str, out: &mut Vec<u8>) {
        let number = self.last.next();
        self.line(out, |out| {
            let _ = write!(out, "{{\"n\":{number},\"t\":\"{at:.3}\",\"e\":");
            out.extend_from_slice(payload.as_bytes());
            out.push(b'}');
        });
        self.last = number;
    }

    fn line(&mut self, out: &mut Vec<u8>, json: impl FnOnce(&mut Vec<u8>)) {
        let start = out.len();
        out.extend_from_slice(&BEFORE);
        out.push(b' ');
        json(out);
        let (checksum, json) = out[start..].split_at_mut(CHECKSUM);
        self.checksum = self.of(&json[1..]);
        checksum.copy_from_slice(&self.checksum);
        out.push(b'\n');
    }

    /// The checksum of a line with this JSON here.
    fn of(&self, json: &[u8]) -> [u8; CHECKSUM] {
        hexadecimal(crc32c::crc32c_append(crc32c::crc32c(&self.checksum), json))
    }

    /// Reads the first line, without its end. What a later program wrote cannot be checked here: of that,
    /// only the version is certain.
    pub(super) fn check_header(line: &[u8]) -> Result<(Self, Header<'_>), Fault> {
        let (checksum, json) = split(line).ok_or(Fault::Shape)?;
        let header: Header<'_> = serde_json::from_str(text(json)?).map_err(|_| Fault::Shape)?;
        // Versions are counted from 1: nobody wrote what there is no version of.
        if header.format != FORMAT || header.version == 0 {
            return Err(Fault::Shape);
        }
        if header.version <= VERSION && checksum != Self::EMPTY.of(json) {
            return Err(Fault::Checksum);
        }
        Ok((Self { checksum, last: Number::NONE }, header))
    }

    /// Reads the next line, without its end.
    pub(super) fn check(&self, line: &[u8]) -> Result<(Self, Parts), Fault> {
        let (checksum, json) = split(line).ok_or(Fault::Shape)?;
        if checksum != self.of(json) {
            return Err(Fault::Checksum);
        }
        let envelope: Envelope<'_> = serde_json::from_str(text(json)?).map_err(|_| Fault::Shape)?;
        let (expected, found) = (self.last.next(), Number(envelope.n));
        if found != expected {
            return Err(Fault::Number { expected, found });
        }
        let payload = envelope.e.get();
        let start = payload.as_ptr().addr() - line.as_ptr().addr();
        let parts = Parts { at: envelope.t, payload: start..start + payload.len() };
        Ok((Self { checksum, last: found }, parts))
    }

    /// Steps over the next line if it is what this program writes, and answers what its payload begins with.
    /// Each byte counts for the checksum; what the JSON behind the number means is not looked at. Nothing for
    /// any other line: [`check`](Self::check) judges it.
    pub(super) fn pass<'l>(&self, line: &'l [u8]) -> Option<(Self, &'l [u8])> {
        let (checksum, json) = split(line)?;
        let behind = line.strip_prefix(&checksum)?.strip_prefix(BEGINNING)?;
        let digits = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, behind) = behind.split_at(digits);
        let number = Number(str::from_utf8(number).ok()?.parse().ok()?);
        let (_, behind) = behind.strip_prefix(b",\"t\":\"")?.split_at_checked(MOMENT)?;
        let payload = behind.strip_prefix(b"\",\"e\":")?;
        let is_next = number == self.last.next() && checksum == self.of(json);
        is_next.then_some((Self { checksum, last: number }, payload))
    }

    /// Whether `tail`, which is not the next line, begins with the whole next record nonetheless: then it
    /// is the line's end that is damaged.
    pub(super) fn begins_whole(&self, tail: &[u8]) -> bool {
        let Some((checksum, json)) = split(tail) else { return false };
        let mut running = crc32c::crc32c(&self.checksum);
        let mut checked = 0;
        memchr::memchr_iter(b'}', json).any(|brace| {
            running = crc32c::crc32c_append(running, &json[checked..=brace]);
            checked = brace + 1;
            // A record that only lacks its line's end was cut off there.
            checked < json.len() && hexadecimal(running) == checksum
        })
    }
}

/// Whether another record begins inside `line`.
pub(super) fn holds_another(line: &[u8]) -> bool {
    memchr::memmem::find_iter(line, BEGINNING)
        .any(|at| at > CHECKSUM && line[at - CHECKSUM..at].iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

/// Refuses what would not be read back as the same payload.
pub(super) fn check_payload(payload: &str) -> Result<(), JournalError> {
    let refuse = |reason: String| Err(JournalError::Payload { reason });
    if payload.len() > MOST_PAYLOAD {
        return refuse(format!("it has {} bytes, {MOST_PAYLOAD} are the most", payload.len()));
    }
    if memchr::memchr(b'\n', payload.as_bytes()).is_some() {
        return refuse("it has more than one line".to_owned());
    }
    match serde_json::from_str::<&RawValue>(payload) {
        // Blanks around it would be lost.
        Ok(value) if value.get().len() == payload.len() => Ok(()),
        Ok(_) => refuse("there are blanks around it".to_owned()),
        Err(error) => refuse(format!("it is no JSON: {error}")),
    }
}

/// The checksum and the JSON of a line.
fn split(line: &[u8]) -> Option<([u8; CHECKSUM], &[u8])> {
    let (checksum, rest) = line.split_first_chunk()?;
    Some((*checksum, rest.strip_prefix(b" ")?))
}

/// JSON is text, also in fields that nobody looks into.
fn text(json: &[u8]) -> Result<&str, Fault> {
    str::from_utf8(json).map_err(|_| Fault::Shape)
}

/// Compared as text: `A` for `a` is a change, too.
fn hexadecimal(checksum: u32) -> [u8; CHECKSUM] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|place| DIGITS[(checksum >> (28 - 4 * place)) as usize & 15])
}
