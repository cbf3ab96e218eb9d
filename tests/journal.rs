//! The journal on a real disk, between real processes: this test starts itself as writers, kills them, fills
//! their disk and lets the kernel fail them.
//!
//! `OUTPOST_TEST_ROUNDS=n` makes the long test n times as long; with `--nocapture` it prints its figures.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures of a campaign, and what was skipped")]

#[path = "journal/durable.rs"]
mod durable;

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use outpost_bp::journal::{FILE, Journal, JournalError, Local, Number, Reading, Record, follow, holder, read};

const NOON: Timestamp = Timestamp::constant(1_795_262_400, 0);

/// What a process of this test is to do, in its environment.
const ROLE: &str = "OUTPOST_TEST_ROLE";

/// The directory in which this process is to play its role, if it was started by one of these tests.
fn role() -> Option<PathBuf> {
    std::env::var_os(ROLE).map(PathBuf::from)
}

/// This test as a program, behind the words of `prefix`.
fn this_test(test: &str, dir: &Path, prefix: &[&str]) -> Command {
    let program = std::env::current_exe().expect("this program");
    let mut words = prefix.iter().map(Into::into).chain([program.into_os_string()]);
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).args(["--exact", test, "--nocapture"]).env(ROLE, dir);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn start(test: &str, dir: &Path) -> Child {
    this_test(test, dir, &[]).spawn().expect("this program starts")
}

/// What a process in a role tells the one that started it.
fn say(line: &str) {
    // In one write: a process that is killed says a line or says nothing.
    io::stderr().write_all(format!("{line}\n").as_bytes()).expect("somebody listens");
}

/// The payload of a record with this number: of many lengths, and nothing but its number decides it.
fn payload(number: u64) -> String {
    let length = usize::try_from(number * 7_919 % 613).expect("small") * usize::from(!number.is_multiple_of(5));
    format!("{{\"number\":{number},\"filler\":\"{}\"}}", "x".repeat(length))
}

fn payloads(after: Number, count: u64) -> Vec<String> {
    (after.0 + 1..=after.0 + count).map(payload).collect()
}

/// Every record is there, from the first on, and says what was written.
fn assert_is_a_prefix(records: &[Record<'_>]) {
    for (record, number) in records.iter().zip(1..) {
        assert_eq!((record.number, record.payload.as_ref()), (Number(number), payload(number).as_str()));
    }
}

fn whole(dir: &Path) -> Reading {
    let reading = read(dir).expect("a journal");
    assert_is_a_prefix(&reading.records);
    reading
}

fn home() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("run");
    (home, dir)
}

#[test]
fn a_writer_killed_at_any_moment_leaves_all_it_was_told_is_written() {
    const TEST: &str = "a_writer_killed_at_any_moment_leaves_all_it_was_told_is_written";
    const KILLS: u64 = 30;
    if let Some(dir) = role() {
        let (mut journal, torn) = Local::open(&dir, NOON, |_| ()).expect("a journal");
        if let Some(torn) = torn {
            say(&format!("torn {}", torn.length));
        }
        for round in 0.. {
            let batch = payloads(journal.written(), 1 + round % 9);
            say(&format!("written {}", journal.append(NOON, &batch).expect("written")));
            say(&format!("durable {}", journal.durable()));
        }
    }
    let times: u64 = std::env::var("OUTPOST_TEST_ROUNDS").map_or(1, |times| times.parse().expect("a number"));
    let (mut torn, mut total) = (0, 0);
    for time in 0..times {
        let (_home, dir) = home();
        drop(Local::create(&dir, NOON).expect("made"));
        let mut known = 0;
        for round in time * KILLS..(time + 1) * KILLS {
            // Killed after so many words of its own, not after a time.
            let words = usize::try_from(1 + round * 37 % 300).expect("small");
            for line in killed_after(words, start(TEST, &dir)) {
                match line.split_once(' ').expect("a word and a number") {
                    ("torn", _) => torn += 1,
                    ("written" | "durable", number) => known = known.max(number.parse::<usize>().expect("a number")),
                    _ => panic!("{line}"),
                }
            }
            let reading = whole(&dir);
            assert!(reading.records.len() >= known, "{} of {known} records are left", reading.records.len());
            assert_eq!(reading.held_by, None, "the dead drive no run");
        }
        total += known;
    }
    println!("{} kills, {torn} torn ends, {total} records, 0 lost", KILLS * times);
}

/// Kills a process when it has said so many lines, and answers all that it said.
fn killed_after(lines: usize, mut process: Child) -> Vec<String> {
    let mut said = BufReader::new(process.stderr.take().expect("piped")).lines().map(|line| line.expect("text"));
    let mut heard: Vec<String> = said.by_ref().take(lines).collect();
    assert_eq!(heard.len(), lines, "it ended by itself: {heard:?}");
    process.kill().expect("ours");
    process.wait().expect("ours");
    heard.extend(said);
    heard
}

#[test]
fn readers_see_only_prefixes_and_followers_every_record_once() {
    const READERS: usize = 4;
    const RECORDS: u64 = 4_000;
    let (_home, dir) = home();
    let mut journal = Local::create(&dir, NOON).expect("made");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                let mut seen = 0;
                while !over.load(Ordering::Acquire) {
                    let reading = whole(&dir);
                    assert!(reading.records.len() >= seen, "records went away");
                    seen = reading.records.len();
                    assert_eq!(reading.held_by.expect("somebody writes").process.pid, std::process::id());
                }
            });
        }
        scope.spawn(|| {
            let mut reader = follow(&dir).expect("a journal");
            let mut next = 1;
            while next <= RECORDS {
                if let Some(record) = reader.next_record().expect("readable") {
                    assert_eq!((record.number, record.payload.into_owned()), (Number(next), payload(next)));
                    next += 1;
                }
            }
        });
        while journal.written().0 < RECORDS {
            let left = RECORDS - journal.written().0;
            journal.append(NOON, &payloads(journal.written(), left.min(7))).expect("written");
        }
        over.store(true, Ordering::Release);
    });
    drop(journal);
    let reading = whole(&dir);
    assert_eq!((reading.records.len() as u64, reading.torn, reading.held_by), (RECORDS, None, None));
}

#[test]
fn a_second_runner_is_refused_and_told_who_drives_the_run() {
    const TEST: &str = "a_second_runner_is_refused_and_told_who_drives_the_run";
    if let Some(dir) = role() {
        let _journal = Local::create(&dir, NOON).expect("made");
        say("ready");
        io::copy(&mut io::stdin(), &mut io::sink()).expect("readable");
        return;
    }
    let (_home, dir) = home();
    let mut first = start(TEST, &dir);
    let mut line = String::new();
    BufReader::new(first.stderr.take().expect("piped")).read_line(&mut line).expect("text");
    assert_eq!(line, "ready\n");
    let Err(refused) = Local::open(&dir, NOON, |_| panic!("it was read")) else { panic!("two runners") };
    let said = refused.to_string();
    assert!(said.contains(&format!("held by process {} on ", first.id())), "{said}");
    let JournalError::Held { by: Some(by), .. } = refused else { panic!("{said}") };
    assert_eq!((by.process.pid, by.since), (first.id(), NOON));
    assert_eq!(holder(&dir).expect("an answer"), Some(*by));
    first.kill().expect("ours");
    first.wait().expect("ours");
    assert_eq!(holder(&dir).expect("an answer"), None);
    // Two who open two files of one name would not exclude each other.
    let file = || fs::metadata(dir.join("runner.lock")).expect("it is never removed").ino();
    let before = file();
    drop(Local::open(&dir, NOON, |_| ()).expect("the run is free"));
    assert_eq!(file(), before);
}

#[test]
fn what_is_written_becomes_durable_without_being_asked_for() {
    let (_home, dir) = home();
    let mut journal = Local::create(&dir, NOON).expect("made");
    let (tell, told) = mpsc::channel();
    journal.listen(move || {
        let _ = tell.send(());
    });
    for number in 1..=50 {
        journal.append(NOON, &payloads(journal.written(), 1)).expect("written");
        while journal.durable() < Number(number) {
            told.recv_timeout(Duration::from_secs(60)).expect("the thread syncs");
        }
    }
}

#[test]
fn a_journal_whose_file_is_gone_is_broken() {
    let (_home, dir) = home();
    let mut journal = Local::create(&dir, NOON).expect("made");
    fs::remove_file(dir.join(FILE)).expect("ours");
    journal.append(NOON, &payloads(Number::NONE, 1)).expect("written, into nothing");
    for _ in 0..2 {
        let said = journal.sync().expect_err("it is not durable").to_string();
        assert!(said.starts_with("sync `") && said.ends_with("the file was removed"), "{said}");
        assert!(matches!(journal.append(NOON, &payloads(Number(1), 1)), Err(JournalError::Broken { .. })));
    }
}

/// Runs this test in a role and answers what it said; none, and loudly, if it said that it cannot play it.
fn play(mut command: Command) -> Option<Vec<String>> {
    let name = format!("{:?}", command.get_program());
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIPPED: {name}: {error}");
            return None;
        }
    };
    let lines: Vec<String> = String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect();
    if !lines.iter().any(|line| line == "began") {
        eprintln!("SKIPPED: {name}: {lines:?}");
        return None;
    }
    let ended = format!("ended {}", output.status);
    Some(lines.into_iter().skip_while(|line| line != "began").skip(1).chain([ended]).collect())
}

#[test]
fn a_full_disk_loses_nothing_and_takes_the_last_record() {
    const TEST: &str = "a_full_disk_loses_nothing_and_takes_the_last_record";
    if let Some(disk) = role() {
        return fill(&disk);
    }
    let home = tempfile::tempdir().expect("a directory");
    // A mount of its own, seen by nobody else and gone with the process. Without root in a user namespace.
    let script = "mount -t tmpfs -o size=4m none \"$OUTPOST_TEST_ROLE\" && exec \"$@\"";
    let flags = if is_root() { "-m" } else { "-Urm" };
    let prefix = ["unshare", flags, "sh", "-c", script, "sh"];
    if let Some(said) = play(this_test(TEST, home.path(), &prefix)) {
        assert_eq!(said, ["filled 64 times", "ended exit status: 0"]);
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0)
}

/// Fills the disk to 64 levels, and each time writes until it is full.
fn fill(disk: &Path) {
    say("began");
    for level in 0..64_usize {
        let (dir, ballast) = (disk.join("run"), disk.join("ballast"));
        fs::write(&ballast, vec![1; 2_900_000 - level * 4_099]).expect("there is room for it");
        let mut journal = Local::create(&dir, NOON).expect("made");
        let full = loop {
            let batch = payloads(journal.written(), 1 + level as u64);
            if let Err(error) = journal.append(NOON, &batch) {
                break error;
            }
        };
        assert!(matches!(full, JournalError::Full { .. }), "{full:?}");
        // Somebody else takes all that is left, as whoever fills a disk does.
        let _ = fs::write(disk.join("greedy"), vec![1; 8 << 20]);
        let written = journal.written();
        assert!(matches!(journal.append(NOON, &payloads(written, 1)), Err(JournalError::Full { .. })));
        let halted = journal.halt(NOON, "\"halted\"").expect("room was kept");
        assert_eq!((halted, journal.durable()), (Number(written.0 + 1), halted));
        drop(journal);
        let mut reading = read(&dir).expect("whole");
        assert_eq!(reading.records.pop().map(|last| last.payload.into_owned()), Some("\"halted\"".to_owned()));
        assert_is_a_prefix(&reading.records);
        assert_eq!((reading.records.len() as u64, reading.torn), (written.0, None));
        fs::remove_file(disk.join("greedy")).expect("ours");
        fs::remove_file(ballast).expect("ours");
        let (mut journal, _) = Local::open(&dir, NOON, |_| ()).expect("there is room again");
        journal.append(NOON, &["1".to_owned()]).expect("it goes on");
        drop(journal);
        fs::remove_dir_all(dir).expect("ours");
    }
    say("filled 64 times");
}

#[test]
fn the_longest_file_a_process_may_write_is_a_full_disk_if_its_signal_is_ignored() {
    const TEST: &str = "the_longest_file_a_process_may_write_is_a_full_disk_if_its_signal_is_ignored";
    if let Some(dir) = role() {
        say("began");
        let (mut journal, _) = Local::open(&dir, NOON, |_| ()).expect("a journal");
        let full = loop {
            if let Err(error) = journal.append(NOON, &payloads(journal.written(), 3)) {
                break error;
            }
        };
        assert!(matches!(full, JournalError::Full { .. }), "{full:?}");
        journal.sync().expect("what was written");
        let halted = journal.halt(NOON, "\"halted\"").expect("the last records were longer than this one");
        return say(&format!("written {halted}"));
    }
    for (script, ends) in [
        ("trap '' XFSZ; ulimit -f 64; exec \"$@\"", "ended exit status: 0"),
        // Without that the process dies, of which the journal is none the worse.
        ("ulimit -f 64; exec \"$@\"", "ended signal: 25 (SIGXFSZ)"),
    ] {
        let (_home, dir) = home();
        drop(Local::create(&dir, NOON).expect("made"));
        let Some(mut said) = play(this_test(TEST, &dir, &["sh", "-c", script, "sh"])) else { continue };
        let ended = said.pop().expect("how it ended");
        assert!(ended.starts_with(ends), "{ended}: {said:?}");
        let mut reading = read(&dir).expect("whole");
        if let [written] = said.as_slice() {
            assert_eq!((written, &reading.torn), (&format!("written {}", reading.records.len()), &None));
            assert_eq!(reading.records.pop().map(|last| last.payload.into_owned()), Some("\"halted\"".to_owned()));
        }
        assert_is_a_prefix(&reading.records);
        assert!(reading.records.len() > 20);
        let (mut journal, _) = Local::open(&dir, NOON, |_| ()).expect("without the limit it goes on");
        let more = payloads(journal.written(), 1);
        journal.append(NOON, &more).expect("written");
    }
}

/// Has the kernel fail the nth call of its kind on the journal's file, and the calls after it succeed.
#[test]
fn a_call_that_fails_is_not_tried_again_and_nothing_is_durable_after_it() {
    const TEST: &str = "a_call_that_fails_is_not_tried_again_and_nothing_is_durable_after_it";
    if let Some(dir) = role() {
        return fail(&dir);
    }
    for (call, when) in ["fdatasync", "write"].into_iter().flat_map(|call| (1..=6).map(move |when| (call, when))) {
        let (home, dir) = home();
        drop(Local::create(&dir, NOON).expect("made"));
        let (log, file) = (home.path().join("calls"), dir.join(FILE));
        let inject = format!("inject={call}:error=EIO:when={when}");
        let prefix = ["strace", "-f", "-qq", "-o", log.to_str().expect("a path"), "-P", file.to_str().expect("a path")];
        let prefix = [&prefix[..], &["-e", "trace=write,fdatasync", "-e", &inject]].concat();
        let Some(said) = play(this_test(TEST, &dir, &prefix)) else { return };
        let (ended, said) = said.split_last().expect("how it ended");
        assert_eq!(ended, "ended exit status: 0", "{said:?}");
        let [written, durable, failure] = said else { panic!("{said:?}") };
        let doing = if call == "write" { "write `" } else { "sync `" };
        assert!(failure.starts_with(doing) && failure.ends_with("Input/output error (os error 5)"), "{failure}");
        // Nothing is done to the file after the call that failed, and everything durable was synced before.
        let calls = fs::read_to_string(log).expect("a log");
        let calls: Vec<&str> = calls.lines().filter(|line| line.contains('=')).collect();
        assert!(calls.last().is_some_and(|last| last.contains("EIO")), "{calls:?}");
        assert_eq!(calls.iter().filter(|line| line.contains("EIO")).count(), 1, "{calls:?}");
        let number = |text: &str| text.parse::<usize>().expect("a number");
        let (written, durable) = (number(written), number(durable));
        let syncs = calls.iter().filter(|line| line.contains("fdatasync(") && !line.contains("EIO")).count();
        assert!(durable <= written && (syncs > 0 || durable == 0), "{durable} of {written} in {syncs} syncs");
        let reading = whole(&dir);
        assert!((durable..=written + 1).contains(&reading.records.len()));
    }
}

#[test]
fn a_new_journal_is_on_the_disk_before_it_has_its_name_and_its_name_before_it_is_used() {
    const TEST: &str = "a_new_journal_is_on_the_disk_before_it_has_its_name_and_its_name_before_it_is_used";
    if let Some(dir) = role() {
        say("began");
        drop(Local::create(&dir, NOON).expect("made"));
        return;
    }
    let (home, dir) = home();
    let log = home.path().join("calls");
    let prefix = ["strace", "-f", "-qq", "-y", "-o", log.to_str().expect("a path"), "-e", "trace=fsync,rename"];
    let Some(said) = play(this_test(TEST, &dir, &prefix)) else { return };
    assert_eq!(said, ["ended exit status: 0"]);
    let calls = fs::read_to_string(log).expect("a log");
    let calls: Vec<&str> = calls.lines().filter(|line| line.contains(home.path().to_str().expect("a path"))).collect();
    let [file, name, directory, parent] = calls[..] else { panic!("{calls:?}") };
    assert!(file.contains("fsync(") && file.contains("run/journal.new>)"), "{calls:?}");
    assert!(name.contains("rename(") && name.contains("run/journal.new\", ") && name.contains("run/journal.log\")"));
    assert!(directory.contains("fsync(") && directory.contains("/run>)"), "{calls:?}");
    assert!(parent.contains("fsync(") && parent.contains(&format!("{}>)", home.path().display())), "{calls:?}");
}

#[test]
fn a_journal_that_is_let_go_is_durable() {
    const TEST: &str = "a_journal_that_is_let_go_is_durable";
    if let Some(dir) = role() {
        say("began");
        let (mut journal, _) = Local::open(&dir, NOON, |_| ()).expect("a journal");
        for _ in 0..20 {
            journal.append(NOON, &payloads(journal.written(), 1)).expect("written");
        }
        return;
    }
    let (home, dir) = home();
    drop(Local::create(&dir, NOON).expect("made"));
    let (log, file) = (home.path().join("calls"), dir.join(FILE));
    let prefix = ["strace", "-f", "-qq", "-o", log.to_str().expect("a path"), "-P", file.to_str().expect("a path")];
    let prefix = [&prefix[..], &["-e", "trace=write,fdatasync"]].concat();
    let Some(said) = play(this_test(TEST, &dir, &prefix)) else { return };
    assert_eq!(said, ["ended exit status: 0"]);
    let calls = fs::read_to_string(log).expect("a log");
    let calls: Vec<&str> = calls.lines().collect();
    let begun = |name: &str| calls.iter().rposition(|line| line.contains(name)).expect("such a call");
    assert!(begun("fdatasync(") > begun("write("), "{calls:?}");
}

/// Writes and syncs until the kernel fails one of both, and then insists.
fn fail(dir: &Path) {
    say("began");
    let (mut journal, _) = Local::open(dir, NOON, |_| ()).expect("a journal");
    let failure = (0..100).find_map(|_| {
        let batch = payloads(journal.written(), 1);
        journal.append(NOON, &batch).and_then(|_| journal.sync()).err()
    });
    let failure = failure.expect("the kernel fails a call");
    let (written, durable) = (journal.written(), journal.durable());
    for _ in 0..3 {
        let again = [
            journal.append(NOON, &payloads(written, 1)).err(),
            journal.sync().err(),
            journal.halt(NOON, "1").err(),
            journal.failure(),
        ];
        for error in again {
            assert_eq!(error.expect("it is broken").to_string(), failure.to_string());
        }
    }
    assert_eq!((journal.written(), journal.durable()), (written, durable));
    drop(journal);
    say(&format!("{written}\n{durable}\n{failure}"));
}

/// Every version that was ever written stays readable, byte by byte as it was.
#[test]
fn journals_of_every_version_read_as_they_did() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals");
    for version in 1..=outpost_bp::journal::VERSION {
        let sample = fs::read(samples.join(format!("version-{version}.log"))).expect("a sample");
        let reads_as = fs::read_to_string(samples.join(format!("version-{version}.reads-as"))).expect("a sample");
        let (_home, dir) = home();
        fs::create_dir(&dir).expect("ours");
        fs::write(dir.join(FILE), &sample).expect("ours");
        let reading = read(&dir).expect("whole");
        assert_eq!((reading.version, reading.held_by), (version, None));
        let mut said = String::new();
        for record in &reading.records {
            said += &format!("{} {:.3} {}\n", record.number, record.at, record.payload);
        }
        let torn = reading.torn.expect("the sample has one");
        said += &format!("torn at byte {}: {}\n", torn.offset, String::from_utf8_lossy(&torn.bytes));
        assert_eq!(said, reads_as);
        // And can be gone on with.
        let (mut journal, _) = Local::open(&dir, NOON, |_| ()).expect("it opens");
        let next = journal.append(NOON, &["null".to_owned()]).expect("written");
        assert_eq!(next.0, reading.records.len() as u64 + 1);
        drop(journal);
        let kept = usize::try_from(torn.offset).expect("small");
        assert_eq!(fs::read(dir.join(FILE)).expect("a journal")[..kept], sample[..kept]);
    }
}
