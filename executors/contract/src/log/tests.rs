//! What goes into a log comes out of it, within the caps.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use proptest::prelude::{ProptestConfig, prop, prop_assert, prop_assert_eq, proptest};

use super::{Entry, ReadError, Reader, Stream, Writer};
use crate::LogCaps;

fn entries(path: &Path) -> Vec<Entry> {
    let mut reader = Reader::open(path).expect("a log");
    std::iter::from_fn(|| reader.next().expect("whole frames")).collect()
}

#[test]
fn no_output_leaves_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let writer = Writer::new(path.clone(), LogCaps::default());
    assert_eq!(writer.kept().bytes, 0);
    assert!(!path.exists());
}

#[test]
fn output_comes_back_in_order_and_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("T1/attempt-1/log");
    let mut writer = Writer::new(path.clone(), LogCaps::default());
    writer.write(Stream::Stdout, 5, b"one\0\xff\n");
    writer.write(Stream::Stderr, 6, b"two\n");
    writer.write(Stream::Stdout, 6, b"three\n");
    let output = |stream, at_ms, bytes: &[u8]| Entry::Output { stream, at_ms, bytes: bytes.to_vec() };
    assert_eq!(
        entries(&path),
        [
            output(Stream::Stdout, 5, b"one\0\xff\n"),
            output(Stream::Stderr, 6, b"two\n"),
            output(Stream::Stdout, 6, b"three\n"),
        ]
    );
    assert_eq!(path.metadata().expect("a file").mode() & 0o777, 0o600);
}

#[test]
fn a_file_that_is_there_is_left_alone_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    std::fs::write(&path, "mine").expect("a file");
    let mut writer = Writer::new(path.clone(), LogCaps::default());
    writer.write(Stream::Stdout, 0, b"theirs");
    let kept = writer.kept();
    assert_eq!((kept.bytes, kept.cut), (0, 6));
    assert!(kept.error.is_some_and(|error| error.contains("log")), "the error names the file");
    assert_eq!(std::fs::read(&path).expect("a file"), b"mine");
}

#[test]
fn a_torn_frame_is_not_there_yet() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let mut writer = Writer::new(path.clone(), LogCaps::default());
    writer.write(Stream::Stdout, 1, b"whole");
    let whole = path.metadata().expect("a file").len();
    writer.write(Stream::Stderr, 2, b"torn");
    let all = std::fs::read(&path).expect("a file");
    for length in whole..all.len() as u64 {
        let torn = folder.path().join(length.to_string());
        std::fs::write(&torn, all.get(..usize::try_from(length).expect("small")).expect("a part")).expect("a file");
        assert_eq!(entries(&torn).len(), 1, "cut at {length}");
    }
}

#[test]
fn other_files_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    std::fs::write(&path, [b'x'; 100]).expect("a file");
    assert!(matches!(Reader::open(&path), Err(ReadError::NotALog)));
    std::fs::write(&path, [&b"outpost log 2\n\0\0"[..], &[0; 48]].concat()).expect("a file");
    assert!(matches!(Reader::open(&path), Err(ReadError::Newer)));
}

#[test]
fn a_follower_sees_what_is_there_and_is_told_what_it_missed() {
    for holes in [true, false] {
        for every in [30, 45] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("log");
            let mut writer = Writer::new(path.clone(), LogCaps { head: 200, tail: 4096 });
            writer.holes = holes;
            writer.write(Stream::Stdout, 0, &[b'.'; 84]);
            let mut reader = Reader::open(&path).expect("a log");
            let (mut seen, mut missed) = (0, 0);
            for round in 1..=1800_u64 {
                writer.write(Stream::Stdout, 0, &[b'.'; 84]);
                while let Some(entry) = (round % every == 0).then(|| reader.next().expect("whole frames")).flatten() {
                    match entry {
                        Entry::Output { bytes, .. } => seen += bytes.len() as u64,
                        Entry::Cut { stdout, stderr } => missed += stdout + stderr,
                    }
                }
            }
            assert_eq!(seen + missed, 1801 * 84, "holes {holes}, every {every}");
            // 30 frames of 100 bytes always fit into the tail, 45 never do.
            assert_eq!(missed == 0, holes && every == 30, "holes {holes}, every {every}: {missed} missed");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is written: head, cut and tail make up all of it, in order, within the caps.
    #[test]
    fn head_and_tail_are_kept_within_the_caps(
        head in 0..20_000_u64,
        tail in 0..50_000_u64,
        holes in prop::bool::ANY,
        writes in prop::collection::vec((prop::bool::ANY, 1..9_000_usize), 1..60),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut writer = Writer::new(path.clone(), LogCaps { head, tail });
        writer.holes = holes;
        let mut all = Vec::new();
        for (number, (err, length)) in writes.iter().enumerate() {
            let stream = if *err { Stream::Stderr } else { Stream::Stdout };
            let bytes: Vec<u8> = (0..*length).map(|at| u8::try_from((at + number * 7) % 251).expect("small")).collect();
            all.extend(bytes.iter().map(|byte| (stream, *byte)));
            writer.write(stream, 0, &bytes);
        }
        let kept = writer.kept();
        prop_assert_eq!(kept.error, None);
        prop_assert_eq!(kept.bytes + kept.cut, all.len() as u64);
        let (mut before, mut after, mut cut) = (Vec::new(), Vec::new(), None);
        for entry in entries(&path) {
            match entry {
                Entry::Output { stream, bytes, .. } => {
                    let into = if cut.is_none() { &mut before } else { &mut after };
                    into.extend(bytes.into_iter().map(|byte| (stream, byte)));
                }
                Entry::Cut { stdout, stderr } => {
                    prop_assert!(cut.is_none(), "two cuts");
                    cut = Some((stdout, stderr));
                }
            }
        }
        let (stdout, stderr) = cut.unwrap_or_default();
        prop_assert_eq!(stdout + stderr, kept.cut);
        prop_assert_eq!(before.len() as u64 + after.len() as u64, kept.bytes);
        prop_assert_eq!(&before[..], &all[..before.len()]);
        let middle = all.len() - after.len();
        prop_assert_eq!(&after[..], &all[middle..]);
        let errors = all[before.len()..middle].iter().filter(|(stream, _)| *stream == Stream::Stderr).count();
        prop_assert_eq!(errors as u64, stderr);
        // Two blocks at the edges of the hole stay allocated, and the header.
        let disk = path.metadata().expect("a file").blocks() * 512;
        prop_assert!(disk <= head + tail.max(4096) + 3 * 4096, "{disk} bytes on disk");
    }
}
