//! The promises of docs/JOURNAL.md, as far as a journal and a ledger show them.

use std::collections::HashMap;

use crate::project::{Event, Project};
use crate::shapes::Shape;

/// Holds a run that is done to what was promised.
pub(crate) fn kept(project: &Project, shape: &Shape, what: &str) {
    let (events, ledger) = (project.events(), project.ledger());
    let story: Vec<String> = events.iter().map(|event| event.0.to_string()).collect();
    let told = || format!("{} {what}\n{story:#?}\n{ledger:#?}", shape.name);
    let mut completed: Vec<&str> = Vec::new();
    // By task: whether work was begun and not ended, and whether it may be begun again.
    let mut open: HashMap<&str, bool> = HashMap::new();
    let mut starts: HashMap<&str, usize> = HashMap::new();
    let mut permits: HashMap<&str, usize> = HashMap::new();
    let is_work = |event: &Event| matches!(event.0["stage"].as_str(), Some("run" | "setup"));
    for event in &events {
        let task = event.task();
        match event.name() {
            "stage_started" => {
                assert!(!completed.contains(&task), "P1: {task} starts after it was complete: {}", told());
                let known = shape.tasks.iter().find(|known| known.id == task).expect("a task");
                for need in &known.needs {
                    assert!(completed.contains(need), "P4: {task} starts before {need}: {}", told());
                }
                if is_work(event) {
                    assert!(!open.contains_key(task), "P2: {task} is repeated, nobody knows why: {}", told());
                    open.insert(task, true);
                    *starts.entry(task).or_default() += 1;
                }
            }
            "stage_ended" if is_work(event) => {
                open.remove(task);
            }
            "repeat_allowed" => {
                assert!(open.remove(task).is_some(), "P2: {task} may be repeated and was not open: {}", told());
                *permits.entry(task).or_default() += 1;
            }
            "task_completed" => completed.push(task),
            _ => {}
        }
    }
    for task in &shape.tasks {
        let most = 1 + task.retries + permits.get(task.id).copied().unwrap_or(0);
        assert!(starts.get(task.id).copied().unwrap_or(0) <= most, "P9: {} starts too often: {}", task.id, told());
        let ends =
            ledger.iter().filter(|line| line.starts_with(&format!("{} ", task.id)) && line.ends_with(" run done"));
        assert_eq!(ends.count(), 1, "{} is done once: {}", task.id, told());
        assert_eq!(completed.iter().filter(|id| **id == task.id).count(), 1, "{} completes once: {}", task.id, told());
    }
    for line in &ledger {
        let words: Vec<&str> = line.split(' ').collect();
        let stage = format!("{}/{}/{}", words[0], words[1], words[2]);
        let intent = events.iter().any(|event| event.name() == "stage_started" && event.what() == stage);
        assert!(intent, "P3: `{line}` was not announced: {}", told());
        assert!(words[3] != "overlap", "P6: a lock was free while its holder lived: {}", told());
    }
}
