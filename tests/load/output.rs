//! Output without end: neither memory nor disk grows with it, and nothing is claimed about what was cut.

use std::time::Instant;

use crate::project::Project;
use crate::{LAST, Peaks, document, number, on_disk, tool, until_the_last};

/// What the runner, and each keeper, may have, in KiB.
const MEMORY: u64 = 64 << 10;
/// What a log may take on disk: head, tail, and a little.
const LOG: u64 = 70 << 20;

#[test]
fn one_task_may_print_without_end() {
    let megabytes = number("OUTPOST_LOAD_MB", 200);
    let big = format!("run: head -c {megabytes}M /dev/zero | tr '\\0' x; echo; echo the end");
    let tasks = [("big".to_owned(), "", big.as_str()), ("last".to_owned(), "big", LAST)];
    let project = Project::of(&document("", tasks));
    let begin = Instant::now();
    let mut running = project.start(tool(&project, &["run", "blueprint.md"]));
    until_the_last(&project, &mut running);
    let seconds = begin.elapsed().as_secs_f64();
    let peaks = Peaks::of(&running);
    let disk = on_disk(&project.path(".outpost"));
    project.write("go", "");
    running.end().with(0);
    let (runner, keeper) = peaks.largest();
    println!(
        "{megabytes} MiB from one task: runner {runner} KiB, keeper {keeper} KiB, disk {} KiB, {:.0} MiB/s",
        disk >> 10,
        megabytes as f64 / seconds
    );
    assert!(runner <= MEMORY && keeper <= MEMORY, "{peaks:?}");
    assert!(disk <= LOG, "{disk} bytes on disk");
    // The end is there, and what is not there is told.
    let told = project.start(tool(&project, &["logs", "big"])).end().with(0);
    assert!(told.stdout.ends_with("x\nthe end\n"), "{:?}", told.stdout.get(told.stdout.len().saturating_sub(100)..));
    let shown = told.stdout.bytes().filter(|byte| *byte == b'x').count();
    assert!(shown < megabytes << 20 && told.stderr.contains("bytes are not kept here"), "{}", told.stderr);
}

#[test]
fn many_tasks_may_chat_at_once() {
    let tasks = number("OUTPOST_LOAD_CHATTY", 40);
    let lines = number("OUTPOST_LOAD_LINES", 2_000);
    let chat = format!("run: for i in $(seq {lines}); do echo \"line $i of $OUTPOST_TASK\"; echo \"so $i\" >&2; done");
    let ids: Vec<String> = (0..tasks).map(|task| format!("t{task}")).collect();
    let needs = ids.join(", ");
    let chatty = ids.iter().map(|id| (id.clone(), "", chat.as_str()));
    let project = Project::of(&document("", chatty.chain([("last".to_owned(), needs.as_str(), LAST)])));
    let mut running = project.start(tool(&project, &["run", "blueprint.md", "-j", "16"]));
    until_the_last(&project, &mut running);
    let peaks = Peaks::of(&running);
    project.write("go", "");
    running.end().with(0);
    let (runner, keeper) = peaks.largest();
    println!(
        "{tasks} tasks with {lines} lines each on both streams, -j 16: runner {runner} KiB, {} keepers, the largest {keeper} KiB, {} threads",
        peaks.keepers.len(),
        peaks.threads
    );
    assert!(runner <= MEMORY && keeper <= MEMORY, "{peaks:?}");
    assert!(peaks.keepers.len() <= 16, "{peaks:?}");
    // No line is lost, and none is another task's.
    for id in [&ids[0], &ids[tasks / 2], &ids[tasks - 1]] {
        let told = project.start(tool(&project, &["logs", id])).end().with(0);
        for (stream, sign) in [(&told.stdout, format!(" of {id}")), (&told.stderr, "so ".to_owned())] {
            let lines_of = |stream: &str| stream.lines().filter(|line| line.contains(&sign)).count();
            assert_eq!(lines_of(stream), lines, "{id}: {sign}");
        }
    }
}
