//! What every journal does: one suite, run over each implementation.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::{Disk, FILE, Faults, Journal, JournalError, Local, MOST_PAYLOAD, Memory, Number, Reader, Record, Torn};

/// Where journals are kept and taken up again, and what can be done to one behind its back.
trait Place {
    type Journal: Journal;
    fn create(&self) -> Result<Self::Journal, JournalError>;
    fn open(&self, replay: impl FnMut(Record<'_>)) -> Result<(Self::Journal, Option<Torn>), JournalError>;
    fn bytes(&self) -> Vec<u8>;
    fn set_bytes(&self, bytes: Vec<u8>);
}

impl Place for tempfile::TempDir {
    type Journal = Local;

    fn create(&self) -> Result<Local, JournalError> {
        Local::create(&self.path().join("run"), NOON)
    }

    fn open(&self, replay: impl FnMut(Record<'_>)) -> Result<(Local, Option<Torn>), JournalError> {
        Local::open(&self.path().join("run"), NOON, replay)
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path().join("run").join(FILE)).expect("a journal")
    }

    fn set_bytes(&self, bytes: Vec<u8>) {
        fs::write(self.path().join("run").join(FILE), bytes).expect("a journal");
    }
}

impl Place for Disk {
    type Journal = Memory;

    fn create(&self) -> Result<Memory, JournalError> {
        Memory::create(self, NOON)
    }

    fn open(&self, replay: impl FnMut(Record<'_>)) -> Result<(Memory, Option<Torn>), JournalError> {
        Memory::open(self, replay)
    }

    fn bytes(&self) -> Vec<u8> {
        Self::bytes(self)
    }

    fn set_bytes(&self, bytes: Vec<u8>) {
        Self::set_bytes(self, bytes);
    }
}

const NOON: Timestamp = Timestamp::constant(1_795_262_400, 123_000_000);

fn payloads(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Opens the journal, and answers it with what it says.
fn reopened<P: Place>(place: &P) -> (P::Journal, Vec<(u64, String)>, Option<Torn>) {
    let mut records = Vec::new();
    let (journal, torn) = place
        .open(|record| {
            assert_eq!(record.at, NOON);
            records.push((record.number.0, record.payload.into_owned()));
        })
        .expect("it opens");
    (journal, records, torn)
}

fn a_new_journal_is_empty_and_made_once(place: &impl Place) {
    assert!(matches!(place.open(|_| ()), Err(JournalError::Missing { .. })));
    let journal = place.create().expect("made");
    assert_eq!((journal.written(), journal.durable()), (Number::NONE, Number::NONE));
    assert!(journal.failure().is_none());
    drop(journal);
    assert!(matches!(place.create(), Err(JournalError::Exists { .. })));
    assert_eq!(reopened(place).1, []);
}

fn what_was_written_is_read_in_order_and_gone_on_with(place: &impl Place) {
    let mut journal = place.create().expect("made");
    assert_eq!(journal.append(NOON, &payloads(&["{\"a\":1}", "[true]"])).expect("written"), Number(2));
    assert_eq!(journal.append(NOON, &[]).expect("nothing to do"), Number(2));
    assert_eq!(journal.append(NOON, &payloads(&["\"ü\\n\\u0000\""])).expect("written"), Number(3));
    assert_eq!(journal.written(), Number(3));
    journal.sync().expect("durable");
    assert_eq!(journal.durable(), Number(3));
    drop(journal);
    let (mut journal, records, torn) = reopened(place);
    let expected = [(1, "{\"a\":1}"), (2, "[true]"), (3, "\"ü\\n\\u0000\"")];
    assert_eq!(records, expected.map(|(number, text)| (number, text.to_owned())));
    assert_eq!((journal.written(), journal.durable(), torn), (Number(3), Number(3), None));
    assert_eq!(journal.append(NOON, &payloads(&["4"])).expect("written"), Number(4));
    drop(journal);
    assert_eq!(reopened(place).1.last(), Some(&(4, "4".to_owned())));
}

fn one_writer_at_a_time(place: &impl Place) {
    let journal = place.create().expect("made");
    assert!(matches!(place.open(|_| ()), Err(JournalError::Held { .. })));
    assert!(matches!(place.create(), Err(JournalError::Held { .. })));
    drop(journal);
    let (journal, ..) = reopened(place);
    assert!(matches!(place.open(|_| ()), Err(JournalError::Held { .. })));
    drop(journal);
}

fn what_is_no_payload_is_refused_and_breaks_nothing(place: &impl Place) {
    let mut journal = place.create().expect("made");
    let long = format!("\"{}\"", "x".repeat(MOST_PAYLOAD));
    for wrong in ["", "{", "1 2", " 1", "1 ", "[1,\n2]", "\"\u{1}\"", "nul", &long] {
        let refused = journal.append(NOON, &payloads(&["1", wrong]));
        assert!(matches!(refused, Err(JournalError::Payload { .. })), "{:?}", &wrong[..wrong.len().min(9)]);
        assert!(matches!(journal.halt(NOON, wrong), Err(JournalError::Payload { .. })));
    }
    assert_eq!(journal.append(NOON, &payloads(&["1"])).expect("written"), Number(1));
    drop(journal);
    assert_eq!(reopened(place).1, [(1, "1".to_owned())]);
}

fn after_the_last_record_none_follows(place: &impl Place) {
    let mut journal = place.create().expect("made");
    journal.append(NOON, &payloads(&["1"])).expect("written");
    assert_eq!(journal.halt(NOON, "\"halted\"").expect("written"), Number(2));
    assert_eq!(journal.durable(), Number(2));
    assert!(matches!(journal.append(NOON, &payloads(&["3"])), Err(JournalError::Halted { .. })));
    assert!(matches!(journal.halt(NOON, "3"), Err(JournalError::Halted { .. })));
    drop(journal);
    // In the next life of the run others may.
    let (mut journal, records, _) = reopened(place);
    assert_eq!(records.len(), 2);
    assert_eq!(journal.append(NOON, &payloads(&["3"])).expect("written"), Number(3));
}

fn a_torn_end_is_cut_off_and_shown(place: &impl Place) {
    let mut journal = place.create().expect("made");
    journal.append(NOON, &payloads(&["1", "2", "3"])).expect("written");
    drop(journal);
    let whole = place.bytes();
    let cut = whole[..whole.len() - 5].to_vec();
    place.set_bytes(cut.clone());
    let (mut journal, records, torn) = reopened(place);
    assert_eq!(records.len(), 2);
    let torn = torn.expect("it is shown");
    let offset = cut.iter().rposition(|byte| *byte == b'\n').expect("lines") + 1;
    assert_eq!((torn.offset, torn.length), (offset as u64, (cut.len() - offset) as u64));
    assert_eq!(torn.bytes, cut[offset..]);
    assert_eq!(journal.append(NOON, &payloads(&["3"])).expect("written"), Number(3));
    drop(journal);
    assert_eq!(place.bytes(), whole, "the same record again makes the same journal");
    assert_eq!(reopened(place).2, None);
}

fn damage_is_refused_and_left_alone(place: &impl Place) {
    let mut journal = place.create().expect("made");
    journal.append(NOON, &payloads(&["\"one\"", "\"two\"", "\"three\""])).expect("written");
    drop(journal);
    let mut bytes = place.bytes();
    let at = bytes.windows(3).position(|word| word == b"two").expect("it is there");
    bytes[at] = b'T';
    place.set_bytes(bytes.clone());
    let mut replayed = 0;
    let Err(JournalError::Damaged(damage)) = place.open(|_| replayed += 1) else { panic!("it was accepted") };
    assert_eq!((replayed, damage.record), (1, Number(2)));
    let line = bytes[..at].iter().rposition(|byte| *byte == b'\n').expect("lines") + 1;
    assert_eq!(damage.offset, line as u64);
    assert_eq!(place.bytes(), bytes);
}

fn a_later_format_is_not_written_and_unknown_keys_stay(place: &impl Place) {
    drop(place.create().expect("made"));
    let mut chained = Lines::default();
    chained.add(r#"{"format":"outpost-journal","version":1,"created":"2026-11-21T12:00:00.123Z","x":{}}"#);
    chained.add(r#"{"n":1,"t":"2026-11-21T12:00:00.123Z","e":1,"x":[2]}"#);
    place.set_bytes(chained.bytes.clone());
    let (mut journal, records, torn) = reopened(place);
    assert_eq!((records, torn), (vec![(1, "1".to_owned())], None));
    journal.append(NOON, &payloads(&["2"])).expect("written");
    drop(journal);
    assert_eq!(place.bytes()[..chained.bytes.len()], chained.bytes);
    // The version counts, even if later versions have other checksums.
    place.set_bytes(b"00000000 {\"format\":\"outpost-journal\",\"version\":2}\n".to_vec());
    let newer = place.open(|_| ());
    assert!(matches!(newer, Err(JournalError::Newer { version: 2, .. })));
    let said = newer.err().map(|error| error.to_string()).expect("an error");
    assert!(said.contains("has version 2 of outpost-journal, this program knows 1"), "{said}");
}

/// Lines with their checksums, made as the page about the format says, not as the code does.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    last: Option<String>,
}

impl Lines {
    fn add(&mut self, json: &str) {
        let before = self.last.take().unwrap_or_else(|| "00000000".to_owned());
        let mut crc = !0_u32;
        for byte in before.bytes().chain(json.bytes()) {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
            }
        }
        let checksum = format!("{:08x}", !crc);
        self.bytes.extend_from_slice(format!("{checksum} {json}\n").as_bytes());
        self.last = Some(checksum);
    }
}

/// Each test once per implementation.
macro_rules! on_each {
    ($($test:ident)*) => {
        mod local {
            $(#[test] fn $test() { super::$test(&tempfile::tempdir().expect("a directory")); })*
        }
        mod memory {
            $(#[test] fn $test() { super::$test(&super::Disk::new(super::Faults::default())); })*
        }
    };
}

on_each! {
    a_new_journal_is_empty_and_made_once
    what_was_written_is_read_in_order_and_gone_on_with
    one_writer_at_a_time
    what_is_no_payload_is_refused_and_breaks_nothing
    after_the_last_record_none_follows
    a_torn_end_is_cut_off_and_shown
    damage_is_refused_and_left_alone
    a_later_format_is_not_written_and_unknown_keys_stay
}

/// The suite's bytes are the same on every implementation: what holds for one of them holds for the file.
#[test]
fn both_write_the_same_bytes() {
    let home = tempfile::tempdir().expect("a directory");
    let disk = Disk::default();
    let fill = |journal: &mut dyn Journal| {
        journal.append(NOON, &payloads(&["1", "{\"two\":2}"])).expect("written");
        journal.halt(NOON, "null").expect("written");
    };
    fill(&mut home.create().expect("made"));
    fill(&mut disk.create().expect("made"));
    assert_eq!(String::from_utf8(Place::bytes(&home)).expect("text"), String::from_utf8(disk.bytes()).expect("text"));
}

/// Faults that only a made-up disk has on demand; `tests/journal.rs` has them on real ones.
mod faults {
    use super::{Disk, Faults, Journal, JournalError, Memory, NOON, Number, Path, Reader, payloads, reopened};

    fn with(faults: Faults) -> (Disk, Memory) {
        let disk = Disk::new(faults);
        let journal = Memory::create(&disk, NOON).expect("made");
        (disk, journal)
    }

    #[test]
    fn a_failed_sync_is_never_tried_again() {
        let (disk, mut journal) = with(Faults { sync: Some(2), ..Faults::default() });
        journal.append(NOON, &payloads(&["1"])).expect("written");
        journal.sync().expect("the first one");
        journal.append(NOON, &payloads(&["2"])).expect("written");
        for _ in 0..3 {
            assert!(matches!(journal.sync(), Err(JournalError::Broken { doing: "sync", .. })));
            assert!(matches!(journal.append(NOON, &payloads(&["3"])), Err(JournalError::Broken { doing: "sync", .. })));
            assert!(matches!(journal.halt(NOON, "3"), Err(JournalError::Broken { doing: "sync", .. })));
        }
        assert_eq!((journal.durable(), journal.written()), (Number(1), Number(2)));
        disk.cut_power(0);
        assert_eq!(reopened(&disk).1, [(1, "1".to_owned())]);
    }

    #[test]
    fn a_failed_append_is_the_last_and_leaves_a_torn_end() {
        let (disk, mut journal) = with(Faults { append: Some((2, 9)), ..Faults::default() });
        journal.append(NOON, &payloads(&["1"])).expect("written");
        for _ in 0..3 {
            let refused = journal.append(NOON, &payloads(&["2", "3"]));
            assert!(matches!(refused, Err(JournalError::Broken { doing: "write", .. })));
        }
        assert_eq!(journal.written(), Number(1));
        drop(journal);
        let (_journal, records, torn) = reopened(&disk);
        assert_eq!((records.len(), torn.expect("shown").length), (1, 9));
    }

    #[test]
    fn a_full_disk_takes_one_last_record() {
        let (disk, mut journal) = with(Faults { full_at: Some(300), ..Faults::default() });
        let mut written = 0;
        let full = loop {
            match journal.append(NOON, &payloads(&["\"some text\""])) {
                Ok(number) => written = number.0,
                Err(error) => break error,
            }
        };
        assert!(written > 1 && matches!(full, JournalError::Full { .. }));
        journal.sync().expect("what was written can be made durable");
        assert_eq!(journal.halt(NOON, "\"halted\"").expect("room is left"), Number(written + 1));
        assert!(matches!(journal.append(NOON, &payloads(&["1"])), Err(JournalError::Full { .. })));
        assert!(matches!(journal.halt(NOON, "1"), Err(JournalError::Halted { .. })));
        disk.set_faults(Faults::default());
        disk.cut_power(0);
        assert_eq!(reopened(&disk).1.last(), Some(&(written + 1, "\"halted\"".to_owned())));
    }

    #[test]
    fn a_power_cut_at_any_byte_leaves_what_was_synced_and_a_prefix() {
        let (disk, mut journal) = with(Faults::default());
        journal.append(NOON, &payloads(&["1", "2"])).expect("written");
        journal.sync().expect("durable");
        journal.append(NOON, &payloads(&["3", "\"four\"", "5"])).expect("written");
        let (synced, all) = disk.extent();
        let bytes = disk.bytes();
        drop(journal);
        for kept in 0..=all - synced {
            disk.set_bytes(bytes[..synced + kept].to_vec());
            let (_journal, records, torn) = reopened(&disk);
            let lines = bytes[..synced + kept].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(records.len(), lines - 1);
            assert!(records.len() >= 2, "what was synced is there");
            assert_eq!(torn.is_some(), bytes[synced + kept - 1] != b'\n');
        }
    }

    #[test]
    fn a_reader_follows_a_writer() {
        let (disk, mut journal) = with(Faults { append: Some((3, 20)), ..Faults::default() });
        let mut reader = Reader::new(disk.clone(), Path::new("x")).expect("a journal");
        assert_eq!(reader.next_record().expect("readable"), None);
        for number in 1..=2 {
            journal.append(NOON, &payloads(&["\"x\""])).expect("written");
            assert_eq!(reader.next_record().expect("readable").map(|record| record.number), Some(Number(number)));
            assert_eq!(reader.next_record().expect("readable"), None);
            assert_eq!(reader.torn().expect("whole"), None);
        }
        assert!(journal.append(NOON, &payloads(&["\"torn\""])).is_err());
        drop(journal);
        assert_eq!(reader.next_record().expect("readable"), None);
        assert_eq!(reader.torn().expect("a torn end").map(|torn| torn.length), Some(20));
        // The torn end is cut off and something else written in its place, longer than it was.
        let (mut journal, ..) = reopened(&disk);
        journal.append(NOON, &payloads(&["\"after the torn end\""])).expect("written");
        let next = reader.next_record().expect("readable").expect("one more");
        assert_eq!((next.number, next.payload.as_ref()), (Number(3), "\"after the torn end\""));
    }
}
