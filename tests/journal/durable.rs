//! What is called durable was written before the sync began that made it so.

use std::fs;

use outpost_bp::journal::{FILE, Journal, Local};

use super::{NOON, home, payloads, play, role, say, this_test};

/// The kernel takes its time for each sync, so that much is written while one is under way.
#[test]
fn what_is_written_during_a_sync_is_not_durable_when_it_ends() {
    const TEST: &str = "durable::what_is_written_during_a_sync_is_not_durable_when_it_ends";
    if let Some(dir) = role() {
        say("began");
        let (mut journal, _) = Local::open(&dir, NOON, |_| ()).expect("a journal");
        let mut known = 0;
        while known < 40 {
            journal.append(NOON, &payloads(journal.written(), 1)).expect("written");
            let durable = journal.durable().0;
            if durable > known {
                known = durable;
                say(&format!("durable {durable}"));
            }
        }
        return;
    }
    let (home, dir) = home();
    drop(Local::create(&dir, NOON).expect("made"));
    let (log, file) = (home.path().join("calls"), dir.join(FILE));
    let words = ["-f", "-qq", "-y", "-o", log.to_str().expect("a path")];
    let delay = ["-e", "trace=write,fdatasync", "-e", "inject=fdatasync:delay_enter=20000"];
    let Some(said) = play(this_test(TEST, &dir, &[&["strace"][..], &words, &delay].concat())) else { return };
    assert_eq!(said.last().map(String::as_str), Some("ended exit status: 0"), "{said:?}");
    let calls = fs::read_to_string(log).expect("a log");
    let file = file.to_str().expect("a path");
    // Lines at which records were written, and the records that were when the last sync began.
    let (mut written, mut begun, mut judged) = (0, 0, 0);
    for line in calls.lines() {
        let is_ours = line.contains(file);
        if is_ours && line.contains(" write(") {
            written += 1;
        } else if is_ours && line.contains(" fdatasync(") {
            begun = written;
        } else if let Some((_, rest)) = line.split_once("\"durable ") {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let durable: u64 = digits.parse().expect("a number");
            assert!(durable <= begun, "{durable} are durable, {begun} were written when the sync began\n{calls}");
            judged += 1;
        }
    }
    assert!(judged > 0 && written > 40, "{calls}");
}
