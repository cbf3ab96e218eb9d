//! Arbitrary bytes as a journal, and what must hold of whatever is read from them.
//!
//! What begins with `=` are lines without checksums, which are sealed here, so that the fuzzer gets past them; all else is
//! the file as it is. The checksums of this judge are its own.

use std::cell::Cell;
use std::io;
use std::path::Path;

use outpost_bp::journal::{JournalError, Reader, Source};

/// A record as it was read: number, time, payload.
type Read = (u64, String, String);

/// How reading ended: with nothing, or so many bytes of a torn end, or a refusal.
#[derive(Debug, PartialEq)]
enum End {
    Whole,
    Torn { offset: u64, length: u64 },
    Refused(String),
}

struct Answer {
    records: Vec<Read>,
    end: End,
    version: u32,
}

/// A file that gives only a few bytes at a time.
struct Dribble<'a> {
    bytes: &'a [u8],
    most: Cell<usize>,
}

impl Source for Dribble<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let most = self.most.get();
        self.most.set(most % 11 + 1);
        let length = buffer.len().min(most);
        self.bytes.read_at(&mut buffer[..length], offset)
    }
}

pub(crate) fn examine(bytes: &[u8]) {
    let sealed;
    let file = match bytes.split_first() {
        Some((b'=', lines)) => {
            sealed = seal(lines);
            &sealed
        }
        _ => bytes,
    };
    let all = answer(file);
    check_records(file, &all);
    let slowly = answer(Dribble { bytes: file, most: Cell::new(3) });
    assert_eq!((&slowly.records, &slowly.end), (&all.records, &all.end), "it depends on the size of the portions");
    let first = file.iter().position(|byte| *byte == b'\n').map_or(file.len(), |end| end + 1);
    // Anything that the bytes themselves decide will do for a place.
    let place = crc(b"place", file) as usize;
    check_cut(file, &all, first, place);
    check_change(file, &all, first, place);
}

fn answer(source: impl Source) -> Answer {
    let mut records = Vec::new();
    let mut reader = match Reader::new(source, Path::new("journal.log")) {
        Ok(reader) => reader,
        Err(error) => return Answer { records, end: refused(&error), version: 0 },
    };
    let end = loop {
        match reader.next_record() {
            Ok(Some(record)) => records.push((record.number.0, record.at.to_string(), record.payload.into_owned())),
            Ok(None) => match reader.torn() {
                Ok(None) => break End::Whole,
                Ok(Some(torn)) => break End::Torn { offset: torn.offset, length: torn.length },
                Err(error) => break refused(&error),
            },
            Err(error) => break refused(&error),
        }
    };
    Answer { records, end, version: reader.version() }
}

fn refused(error: &JournalError) -> End {
    let text = error.to_string();
    assert!(text.contains("journal.log"), "it does not say which file: {text}");
    End::Refused(text)
}

/// Each record that was read stands there, whole, in its place of the chain, and nothing was passed over.
fn check_records(file: &[u8], all: &Answer) {
    let mut lines = file.split_inclusive(|byte| *byte == b'\n');
    let mut read = 0;
    if all.version > 0 {
        let header = lines.next().expect("a first line");
        read += header.len();
        let mut before = header[..8].to_vec();
        for (expected, (number, at, payload)) in (1_u64..).zip(&all.records) {
            let line = lines.next().and_then(|line| line.strip_suffix(b"\n")).expect("a line for the record");
            read += line.len() + 1;
            let (checksum, json) = (&line[..8], &line[9..]);
            assert_eq!(checksum, format!("{:08x}", crc(&before, json)).as_bytes(), "record {expected} was not checked");
            assert_eq!(*number, expected);
            let json = str::from_utf8(json).expect("text");
            // What is JSON and no value (half a surrogate, 1e999, nesting without end) is passed on as it is.
            if let Ok(value) = serde_json::from_str::<serde_json::Value>(json) {
                assert_eq!(value["n"], expected);
                let told: jiff::Timestamp = value["t"].as_str().expect("a time").parse().expect("a time");
                assert_eq!(&told.to_string(), at);
                let payload: serde_json::Value = serde_json::from_str(payload).expect("a payload is JSON");
                assert_eq!(payload, value["e"]);
            }
            before = checksum.to_vec();
        }
    }
    match all.end {
        End::Whole => assert_eq!(read, file.len(), "bytes were passed over"),
        End::Torn { offset, length } => assert_eq!((offset, offset + length), (read as u64, file.len() as u64)),
        End::Refused(_) => {}
    }
}

/// A journal that is cut off anywhere is read as a prefix, and is no damage.
fn check_cut(file: &[u8], all: &Answer, first: usize, place: usize) {
    let cut = answer(&file[..place % (file.len() + 1)]);
    assert!(all.records.starts_with(&cut.records), "a part says something else");
    if !matches!(all.end, End::Refused(_)) && place % (file.len() + 1) >= first {
        assert!(!matches!(cut.end, End::Refused(_)), "a cut is taken for damage: {:?}", cut.end);
    }
}

/// Where a byte behind the first line is another one, nothing from there on is read, and somebody is told.
fn check_change(file: &[u8], all: &Answer, first: usize, place: usize) {
    if matches!(all.end, End::Refused(_)) || first >= file.len() {
        return;
    }
    let at = first + place % (file.len() - first);
    let mut changed = file.to_vec();
    changed[at] ^= 1 + (place >> 16) as u8 % 255;
    let other = answer(&changed[..]);
    assert!(all.records.starts_with(&other.records), "a change at {at} is read as a record");
    let untouched = file[..at].iter().filter(|byte| **byte == b'\n').count() - 1;
    assert!(other.records.len() <= untouched, "a change at {at} is not seen");
    assert_ne!(other.end, End::Whole, "a change at {at} is not told");
}

/// Puts the right checksum before each line. The last one need not have an end.
fn seal(lines: &[u8]) -> Vec<u8> {
    let mut before = b"00000000".to_vec();
    let mut out = Vec::new();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let json = line.strip_suffix(b"\n").unwrap_or(line);
        before = format!("{:08x}", crc(&before, json)).into_bytes();
        out.extend_from_slice(&before);
        out.push(b' ');
        out.extend_from_slice(line);
    }
    out
}

/// CRC-32C of both, bit by bit.
fn crc(first: &[u8], second: &[u8]) -> u32 {
    let step = |mut sum: u32, byte: &u8| {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg());
        }
        sum
    };
    !first.iter().chain(second).fold(u32::MAX, step)
}
