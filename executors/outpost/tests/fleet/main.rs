//! The executor with the real service and real workers: a server on loopback over a folder, behind a proxy that can be cut,
//! and workers that are this program again.
//!
//! Nothing here depends on how long anything takes: where a test has to wait, it waits for what it needs to see, and
//! gives up after minutes.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking, and says what it did")]

mod conformance;
mod crowd;
mod files;
mod proxy;
#[expect(dead_code, reason = "shared with the tests of the tool")]
mod stage;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;

/// A test and its name.
type Test = (&'static str, fn());

/// So many worlds side by side: each is a server and a worker.
const SIDE_BY_SIDE: usize = 4;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(exit) = outpost_worker::hand(&words) {
        return exit;
    }
    let words: Vec<String> = words.into_iter().skip(1).filter_map(|word| word.into_string().ok()).collect();
    if let Some([_, folder, slots]) = words.first_chunk::<3>().filter(|[word, ..]| word == stage::WORKER) {
        return stage::worker(folder.as_ref(), slots);
    }
    let tests: Vec<Test> = [conformance::TESTS, crowd::TESTS, files::TESTS].concat();
    if words.iter().any(|word| word == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let chosen = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    let waiting = Mutex::new(tests.into_iter().filter(|(name, _)| chosen(name)).collect::<Vec<_>>());
    let failed = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let Some((name, test)) = waiting.lock().expect("a list").pop() else { return };
                    let is_good = catch_unwind(AssertUnwindSafe(test)).is_ok();
                    println!("test {name} ... {}", if is_good { "ok" } else { "FAILED" });
                    *failed.lock().expect("a number") += u32::from(!is_good);
                }
            });
        }
    });
    let failed = failed.into_inner().expect("a number");
    println!("{failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
}
