//! The kernel fails each write and each sync of the journal, once: the run stops and says what to
//! do, what it has is not lost, and it goes on when the disk is well again.

#![expect(clippy::print_stderr, reason = "figures of a campaign")]

use crate::project::Project;
use crate::promises::kept;
use crate::records::live;
use crate::shapes::{Shape, chain, fan_out};
use crate::traced;

const FAULTS: [&str; 4] = ["write:error=EIO", "write:error=ENOSPC", "fdatasync:error=EIO", "fdatasync:error=ENOSPC"];

fn failed_everywhere(shape: &Shape, sometimes: usize) {
    if !traced::is_possible() {
        return;
    }
    let step = if std::env::var_os("OUTPOST_CRASHES").is_some() { 1 } else { sometimes };
    let document = shape.document();
    let mut points = Vec::new();
    for fault in FAULTS {
        let mut failed = 0;
        for number in (1..).step_by(step) {
            let project = Project::of(&document);
            let (ended, calls) = traced::tool(&project, &traced::RUN, &format!("inject={fault}:when={number}"));
            if !calls.contains("(INJECTED)") {
                ended.with(0);
                break;
            }
            failed += 1;
            let what = format!("{fault}, number {number}");
            // The first write and the first allocation are those of a run that did not begin.
            let began = project.events().iter().any(|event| event.name() == "runner_took_over");
            assert_eq!(ended.code, Some(1), "{what}: {ended:?}");
            assert!(ended.stderr.contains("outpost-bp resume") || !began, "{what}: {ended:?}");
            live(&project, |_, _, _| usize::MAX);
            kept(&project, shape, &what);
        }
        points.push((fault, failed));
    }
    eprintln!(
        "{}: {} faults, 0 violations: {points:?}",
        shape.name,
        points.iter().map(|(_, failed)| failed).sum::<usize>()
    );
    assert!(points.iter().all(|(_, failed)| *failed > 0), "{points:?}");
}

#[test]
fn a_chain_survives_every_failure_of_its_disk() {
    failed_everywhere(&chain(), 4);
}

#[test]
fn a_fan_out_survives_every_failure_of_its_disk() {
    failed_everywhere(&fan_out(), 6);
}
