//! Many who look at a run while it runs: each sees a moment of it, and the run does not notice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;

use crate::project::Project;
use crate::{LAST, document, number, tool, until_the_last};

/// Tasks of which each needs the one before: what is complete is a prefix of them.
const CHAIN: usize = 60;

#[test]
fn who_looks_at_a_run_sees_a_moment_of_it() {
    let readers = number("OUTPOST_LOAD_READERS", 40);
    let at_once = number("OUTPOST_LOAD_AT_ONCE", 8);
    let ids: Vec<String> = (0..CHAIN).map(|task| format!("t{task}")).collect();
    let chain = ids.iter().enumerate().map(|(at, id)| {
        let need = at.checked_sub(1).map_or("", |before| ids[before].as_str());
        (id.clone(), need, "run: note done; sleep 0.02")
    });
    let last = [("last".to_owned(), ids[CHAIN - 1].as_str(), LAST)];
    let project = Project::of(&document("", chain.chain(last)));
    let mut running = project.start(tool(&project, &["run", "blueprint.md", "-j", "4"]));
    project.until("the run", || project.ledger().len() > 1);
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    thread::scope(|scope| {
        let look = || {
            let mut seen = Vec::new();
            while next.fetch_add(1, Ordering::Relaxed) < readers {
                let ended = project.start(tool(&project, &["status", "--json"])).end().with(0);
                seen.push(moment(&ended.stdout, &ids));
            }
            seen
        };
        let looking: Vec<_> = (0..at_once).map(|_| scope.spawn(look)).collect();
        scope.spawn(|| {
            until_the_last(&project, &mut running);
            over.store(true, Ordering::Release);
        });
        for reader in looking {
            let mut before = 0;
            for complete in reader.join().expect("it saw a moment") {
                assert!(complete >= before, "what was complete is not any more");
                before = complete;
                *seen.entry(complete).or_default() += 1;
            }
        }
    });
    assert!(over.load(Ordering::Acquire));
    project.write("go", "");
    running.end().with(0);
    let expected: Vec<String> =
        ids.iter().map(|id| format!("{id} 1 run done")).chain(["last 1 run waits".to_owned()]).collect();
    assert_eq!(project.ledger(), expected, "the run did as it always does");
    println!("{readers} readers, {at_once} at once: {} different moments, 0 torn", seen.len());
    assert!(seen.len() > 1, "they saw it going on: {seen:?}");
}

/// How many tasks of the chain are complete in this status; they must be the first ones, and the next one the only one
/// that may be at work.
fn moment(status: &str, ids: &[String]) -> usize {
    let status: Value = serde_json::from_str(status).expect("JSON, whole");
    assert!(status["state"] == "running" && status["driver"].is_string(), "{}", status["state"]);
    let of = |id: &String| {
        let tasks = status["tasks"].as_array().expect("tasks");
        tasks.iter().find(|task| task["id"] == **id).and_then(|task| task["status"].as_str()).expect("a status")
    };
    let complete = ids.iter().take_while(|id| of(id) == "complete").count();
    for (at, id) in ids.iter().enumerate().skip(complete) {
        let may = if at == complete { &["not_started", "in_progress"][..] } else { &["not_started"] };
        assert!(may.contains(&of(id)), "{id} is {} behind {complete} complete ones", of(id));
    }
    complete
}
