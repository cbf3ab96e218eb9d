//! A process that commits without pause is killed at any moment, again and again: what it was told is kept is there, and of
//! what it was not told all or nothing.
//!
//! The process that is killed is this program again, with the folder in its environment. `OUTPOST_KILLS` is how many die.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking, and tells its figures")]

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use outpost_core::id::TenantId;
use outpost_core::moment::Moment;
use outpost_core::record::{Counter, EmailClaim};
use outpost_core::store::{Address, Row, Write};
use outpost_embedded::{Embedded, Settings};

const FOLDER: &str = "OUTPOST_CRASH_FOLDER";
const ROUND: &str = "OUTPOST_CRASH_ROUND";
const CALLERS: usize = 8;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    match env::var(FOLDER) {
        Ok(folder) => runtime.block_on(commit_for_ever(Path::new(&folder), &env::var(ROUND).expect("a round"))),
        Err(_) => runtime.block_on(kill()),
    }
}

fn tenant() -> TenantId {
    TenantId::new(Moment::from_millis(1), &[3; 10])
}

/// The rows of one change: it is whole if all three are there.
fn names(change: &str) -> [String; 3] {
    ["a", "b", "c"].map(|part| format!("{change}-{part}"))
}

async fn open(folder: &Path) -> Embedded {
    Embedded::open(folder, Settings::new("")).await.expect("a data folder")
}

/// Tells each change before it asks for it, and again when it was told that it is kept.
async fn commit_for_ever(folder: &Path, round: &str) {
    let embedded = Arc::new(open(folder).await);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (embedded, round) = (Arc::clone(&embedded), round.to_owned());
        callers.spawn(async move {
            for number in 0_u64.. {
                let change = format!("{round}.{caller}.{number}");
                let tell = |word: &str| writeln!(std::io::stdout().lock(), "{word} {change}").expect("who listens");
                let create = |email| Write::Create(Row::Email(EmailClaim { email, tenant: tenant(), version: 1 }));
                let count = Write::Count { counter: Counter::Active, add: 3, most: None };
                let writes = names(&change).map(create).into_iter().chain([count]).collect();
                tell("asked");
                embedded.ports.store.commit(&tenant(), writes).await.expect("a commit");
                tell("kept");
            }
        });
    }
    while callers.join_next().await.is_some() {}
}

async fn kill() {
    let kills: usize = env::var("OUTPOST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(20);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut asked, mut kept) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..kills {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .env(FOLDER, folder.path())
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        // When it dies is a matter of how much it has told, another one each time, and of chance.
        let enough = 1 + (round * 7919) % 600;
        let mut take = |line: String| {
            let (word, change) = line.split_once(' ').expect("two words");
            if word == "kept" {
                kept.insert(change.to_owned())
            } else {
                asked.insert(change.to_owned())
            };
        };
        lines.by_ref().take(enough).for_each(|line| take(line.expect("a line")));
        child.kill().expect("it lives");
        child.wait().expect("its end");
        // The last line may be torn; what comes before it was told.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        for line in rest {
            if line.matches('.').count() == 2 && line.split('.').all(|part| !part.is_empty()) {
                take(line);
            }
        }
    }
    let embedded = open(folder.path()).await;
    let (mut lost, mut halves, mut whole) = (0, 0, 0);
    for change in &asked {
        let mut there = 0;
        for name in names(change) {
            let found = embedded.ports.store.get(&tenant(), &Address::email(&name)).await.expect("an answer");
            there += u64::from(found.is_some());
        }
        whole += u64::from(there == 3);
        halves += u64::from(there == 1 || there == 2);
        lost += u64::from(there != 3 && kept.contains(change));
    }
    let count = embedded.ports.store.count(&tenant(), Counter::Active).await.expect("an answer");
    let (told, all) = (kept.len(), asked.len());
    println!("{kills} kills: {all} changes asked for, {told} told kept, {whole} there; lost {lost}, halves {halves}");
    assert!(told > kills, "it did too little to show anything");
    assert_eq!((lost, halves), (0, 0));
    assert_eq!(count, 3 * whole, "the counter goes with the rows");
}
