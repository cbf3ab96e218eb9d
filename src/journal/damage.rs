//! Journals that were damaged on purpose: every byte of the end cut off, and tens of thousands of random
//! changes. None may be taken for what was written, and none may panic.

use std::path::Path;

use jiff::Timestamp;

use super::{Disk, Faults, Journal, JournalError, Local, Memory, Number, Reader, Record, Torn, VERSION};

const NOON: Timestamp = Timestamp::constant(1_795_262_400, 0);

/// A journal with short and long records, and what they say.
fn sample(word: &str) -> (Vec<u8>, Vec<String>) {
    let payloads: Vec<String> = [
        "1".to_owned(),
        format!("{{\"{word}\":{{\"task\":\"T0.1\",\"attempt\":1}}}}"),
        format!("\"{}\"", "long ".repeat(150)),
        "null".to_owned(),
        format!("[\"{word}\",\"ünï\\u0000code\",\"12345678 {{\\\"n\\\":\"]"),
        "{\"n\":5,\"t\":\"\",\"e\":[]}".to_owned(),
        "\"\"".to_owned(),
        format!("{{\"{word}\":[{}0]}}", "12345678,".repeat(40)),
        "9".to_owned(),
        "[9]".to_owned(),
        "[[9]]".to_owned(),
    ]
    .into();
    let disk = Disk::new(Faults::default());
    let mut journal = Memory::create(&disk, NOON).expect("made");
    journal.append(NOON, &payloads).expect("written");
    (disk.bytes(), payloads)
}

fn read(bytes: &[u8]) -> Result<(Vec<Record<'static>>, Option<Torn>), JournalError> {
    let mut reader = Reader::new(bytes, Path::new("x"))?;
    if reader.version() > VERSION {
        return Err(JournalError::Newer { file: "x".into(), version: reader.version() });
    }
    let mut records = Vec::new();
    while let Some(record) = reader.next_record()? {
        records.push(record.into_owned());
    }
    let torn = reader.torn()?;
    Ok((records, torn))
}

#[test]
fn cut_at_every_byte_of_the_last_three_records() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("run");
    let mut journal = Local::create(&dir, NOON).expect("made");
    journal.append(NOON, &["1".to_owned(), "2".to_owned(), "{\"x\":3}".to_owned(), "4".to_owned()]).expect("written");
    drop(journal);
    let file = dir.join(super::FILE);
    let whole = std::fs::read(&file).expect("a journal");
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', &whole).map(|end| end + 1).collect();
    for cut in (ends[1]..whole.len()).rev() {
        std::fs::write(&file, &whole[..cut]).expect("ours");
        let mut seen = Vec::new();
        let opened = Local::open(&dir, NOON, |record| seen.push(record.number.0));
        let (mut journal, torn) = opened.expect("a torn end is no damage");
        let kept = ends.iter().filter(|end| **end <= cut).count() - 1;
        assert_eq!(seen, (1..=kept as u64).collect::<Vec<_>>());
        let expected = (cut > ends[kept]).then(|| Torn {
            offset: ends[kept] as u64,
            length: (cut - ends[kept]) as u64,
            bytes: whole[ends[kept]..cut].to_vec(),
        });
        assert_eq!(torn, expected);
        assert_eq!(journal.append(NOON, &["0".to_owned()]).expect("it goes on"), Number(kept as u64 + 1));
    }
}

/// Passes over all records: what is found is to be what reading them finds.
fn pass_over(bytes: &[u8]) -> Result<(Number, Option<Torn>), JournalError> {
    let mut reader = Reader::new(bytes, Path::new("x"))?;
    while reader.next_wanted(|_| false)?.is_some() {}
    let torn = reader.torn()?;
    Ok((reader.last(), torn))
}

#[test]
fn what_is_not_wanted_is_passed_over() {
    let (whole, payloads) = sample("a");
    let mut reader = Reader::new(whole.as_slice(), Path::new("x")).expect("a journal");
    let null = reader.next_wanted(|payload| payload.starts_with(b"null")).expect("read").map(Record::into_owned);
    assert_eq!(null.map(|record| (record.number, record.payload)), Some((Number(4), "null".into())));
    assert_eq!(reader.next_wanted(|_| false).expect("read"), None);
    assert_eq!(reader.last(), Number(payloads.len() as u64));
}

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("small")
    }

    fn range(&mut self, length: usize, most: usize) -> std::ops::Range<usize> {
        let start = self.roll(length);
        start..length.min(start + 1 + self.roll(most))
    }
}

const KINDS: [&str; 10] =
    ["flip", "byte", "zero", "sector", "repeat", "swap", "drop", "cut out", "insert", "foreign line"];

/// Damages a journal in one of the ways.
fn damaged(kind: &str, whole: &[u8], foreign: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let mut lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let (one, other) = (dice.roll(lines.len()), dice.roll(lines.len()));
    match kind {
        "flip" => {
            let at = dice.roll(bytes.len());
            bytes[at] ^= 1 << dice.roll(8);
        }
        "byte" => {
            let at = dice.roll(bytes.len());
            bytes[at] = u8::try_from(dice.roll(256)).expect("a byte");
        }
        "zero" => bytes[dice.range(whole.len(), 64)].fill(0),
        "sector" => {
            let start = dice.roll(whole.len().div_ceil(512)) * 512;
            bytes[start..whole.len().min(start + 512)].fill(0);
        }
        "repeat" => lines.insert(one, lines[other]),
        "swap" => lines.swap(one, other),
        "drop" => drop(lines.remove(one)),
        "cut out" => drop(bytes.drain(dice.range(whole.len(), 200))),
        "insert" => {
            let piece = whole[dice.range(whole.len(), 80)].to_vec();
            let at = dice.roll(bytes.len());
            bytes.splice(at..at, piece);
        }
        _ => {
            // The same place in the journal of another run: its number and its shape are right.
            let others: Vec<&[u8]> = foreign.split_inclusive(|byte| *byte == b'\n').collect();
            lines[one] = others[one];
        }
    }
    if matches!(kind, "repeat" | "swap" | "drop" | "foreign line") { lines.concat() } else { bytes }
}

#[test]
fn sixty_thousand_random_changes_are_noticed() {
    const EACH: u32 = 6_000;
    let (whole, payloads) = sample("a");
    let (foreign, _) = sample("b");
    let mut dice = Dice(0x5eed);
    for kind in KINDS {
        let (mut refused, mut torn_off, mut shorter) = (0, 0, 0);
        for round in 0..EACH {
            let bytes = damaged(kind, &whole, &foreign, &mut dice);
            if bytes == whole {
                continue;
            }
            let same = whole.iter().zip(&bytes).take_while(|(a, b)| a == b).count();
            let intact = whole[..same].iter().filter(|byte| **byte == b'\n').count();
            let what = || format!("{kind} {round}: {}", String::from_utf8_lossy(&bytes));
            let found = read(&bytes);
            if !matches!(found, Err(JournalError::Newer { .. })) {
                let last = |(records, torn): &(Vec<Record<'_>>, _)| (Number(records.len() as u64), Clone::clone(torn));
                assert_eq!(
                    pass_over(&bytes).map_err(|error| error.to_string()),
                    found.as_ref().map(last).map_err(ToString::to_string),
                    "{}",
                    what()
                );
            }
            match found {
                Err(JournalError::Damaged(_) | JournalError::Newer { .. }) => refused += 1,
                Err(other) => panic!("{other}: {}", what()),
                Ok((records, torn)) => {
                    // What is accepted is what stands before the change, unchanged.
                    assert_eq!(records.len() + 1, intact, "{}", what());
                    for (record, payload) in records.iter().zip(&payloads) {
                        assert_eq!(record.payload.as_ref(), payload);
                    }
                    if let Some(torn) = torn {
                        // A cut or lost blocks could have left it, and it is shown.
                        let tail = &bytes[usize::try_from(torn.offset).expect("small")..];
                        assert!(tail.contains(&0) || !tail.ends_with(b"\n"), "{}", what());
                        torn_off += 1;
                    } else {
                        // Whole records were cut off the end. No journal can know that it was longer.
                        assert_eq!(bytes, whole[..bytes.len()], "{}", what());
                        shorter += 1;
                    }
                }
            }
        }
        let rare = EACH / 4;
        assert!(refused > EACH / 2 && torn_off < rare && shorter < rare, "{kind}: {refused} {torn_off} {shorter}");
        let cuts = matches!(kind, "cut out" | "drop");
        assert!(cuts || shorter == 0, "{kind}: {shorter} were accepted as whole");
    }
}

#[test]
fn a_damaged_end_is_torn_only_if_a_cut_or_a_power_cut_leaves_it_so() {
    let (whole, _) = sample("a");
    let last = memchr::memrchr(b'\n', &whole[..whole.len() - 1]).expect("lines") + 1;
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        read(&bytes).map(|(records, torn)| (records.len(), torn.is_some()))
    };
    let torn = |change: &dyn Fn(&mut Vec<u8>)| assert_eq!(changed(change).expect("torn"), (10, true));
    let damage = |change: &dyn Fn(&mut Vec<u8>)| assert!(matches!(changed(change), Err(JournalError::Damaged(_))));
    // Cut off; cut off and blocks that were never written behind it; a hole in it.
    torn(&|bytes| bytes.truncate(last + 20));
    torn(&|bytes| bytes.truncate(whole.len() - 1));
    torn(&|bytes| bytes[last + 20..].fill(0));
    torn(&|bytes| bytes[last + 20..last + 30].fill(0));
    assert_eq!(changed(&|bytes| bytes.extend([0; 700])).expect("torn"), (11, true));
    // Written whole and then changed; its line's end changed; a line repeated; two in one.
    damage(&|bytes| bytes[last + 30] ^= 1);
    damage(&|bytes| *bytes.last_mut().expect("a byte") = b'x');
    damage(&|bytes| bytes.extend_from_within(last..));
    damage(&|bytes| bytes[last - 1] = 0);
    damage(&|bytes| bytes[last - 9..last - 1].fill(0));
    damage(&|bytes| bytes.extend(*b"\n"));
    // A hole with anything behind its line.
    damage(&|bytes| {
        bytes[last + 20..last + 30].fill(0);
        bytes.extend(*b"no record\n");
    });
}
