//! Many tasks, side by side and in a chain: the run ends as one of three tasks does, with memory that the number of tasks
//! decides and threads that it does not.

use std::fs;
use std::time::Instant;

use crate::project::Project;
use crate::{LAST, Peaks, document, number, tool, until_the_last};

/// KiB that a runner may have for each task, and beside them. A build for tests keeps no less.
const EACH: u64 = 4;
const BESIDE: u64 = 48 << 10;

/// Runs so many tasks at so many at once, and tells what it took.
fn hold(shape: &str, tasks: usize, jobs: &str, project: &Project) {
    let begin = Instant::now();
    let mut running = project.start(tool(project, &["run", "blueprint.md", "-j", jobs]));
    until_the_last(project, &mut running);
    let seconds = begin.elapsed().as_secs_f64();
    let peaks = Peaks::of(&running);
    project.write("go", "");
    running.end().with(0);
    let journal = fs::metadata(project.run_folder().expect("a run").join("journal.log")).expect("a journal").len();
    let looked = Instant::now();
    let told = project.start(tool(project, &["status", "--json"])).end().with(0).stdout;
    let status = looked.elapsed().as_secs_f64();
    assert_eq!(told.matches("\"status\": \"complete\"").count(), tasks + 1, "all of them are complete");
    let again = Instant::now();
    project.start(tool(project, &["resume"])).end().with(0).says(&["nothing to do"]);
    let (runner, keeper) = peaks.largest();
    println!(
        "{tasks} tasks {shape}, -j {jobs}: {seconds:.1} s; runner {runner} KiB, {:.2} KiB each; {} keepers, the largest \
         {keeper} KiB; {} threads; journal {} bytes each; status {status:.2} s; resume {:.2} s",
        runner as f64 / tasks as f64,
        peaks.keepers.len(),
        peaks.threads,
        journal / tasks as u64,
        again.elapsed().as_secs_f64(),
    );
    assert!(runner <= BESIDE + EACH * tasks as u64, "{peaks:?}");
    assert!(peaks.threads <= 8, "{peaks:?}");
    assert!(peaks.keepers.len() <= jobs.parse().expect("a number"), "{peaks:?}");
}

#[test]
fn many_tasks_side_by_side() {
    let tasks = number("OUTPOST_LOAD_TASKS", 300);
    let ids: Vec<String> = (0..tasks).map(|task| format!("t{task}")).collect();
    let needs = ids.join(", ");
    let free = ids.iter().map(|id| (id.clone(), "", "run: 'true'"));
    let last = [("last".to_owned(), needs.as_str(), LAST)];
    let project = Project::of(&document("", free.chain(last)));
    hold("side by side", tasks, &number("OUTPOST_LOAD_JOBS", 2).to_string(), &project);
}

#[test]
fn many_tasks_in_a_chain() {
    let tasks = number("OUTPOST_LOAD_CHAIN", 150);
    let ids: Vec<String> = (0..tasks).map(|task| format!("t{task}")).collect();
    let chain = ids.iter().enumerate().map(|(at, id)| {
        let need = at.checked_sub(1).map_or("", |before| ids[before].as_str());
        (id.clone(), need, "run: 'true'")
    });
    let last = [("last".to_owned(), ids[tasks - 1].as_str(), LAST)];
    let project = Project::of(&document("", chain.chain(last)));
    hold("in a chain", tasks, "2", &project);
}
