//! The fold of spans, event by event.

use super::{Span, Spans, Status};
use crate::blueprint::{Blueprint, read};
use crate::document::Source;
use crate::run::{
    Chore, Completion, Ending, Event, Failure, FailureCode, FailurePhase, GateDecision, GateMoment, Hook, Moment,
    Permit, RunStarted, Trail,
};

const DOCUMENT: &str = "```yaml\nexecution: {resource_locks: [db]}\n```\n\
    ```yaml\ntask_id: a\nname: First\nrun: x\nresources: {locks: [db]}\non_failure: {max_retries: 1}\n\
    verification: {unit: {command: u, optional: true}}\n```\n\
    ```yaml\ntask_id: b\nname: Second\nrun: x\ndependencies: [a]\nhuman_required: {action: x, reason: y, min_approvals: 2}\n```\n";

fn with(test: impl FnOnce(&Blueprint<'_>)) {
    let (source, _) = Source::from_bytes("t.md", DOCUMENT.as_bytes().to_vec());
    let (blueprint, problems) = read(&source, false).into_blueprint();
    test(&blueprint.unwrap_or_else(|| panic!("{problems:?}")));
}

fn started() -> Event {
    Event::RunStarted(Box::new(RunStarted {
        run: "r".into(),
        blueprint: "T".into(),
        file: "t.md".into(),
        root: "/p".into(),
        digest: "d".into(),
        by: "ada".into(),
        tasks: 2,
        selection: Vec::new(),
        rerun: Vec::new(),
        environment: None,
        jobs: None,
        fail_fast: false,
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
    }))
}

fn took_over(pid: u32) -> Event {
    Event::RunnerTookOver { pid, host: "h".into(), by: "ada".into() }
}

fn begins(task: &str, attempt: u32, stage: &str) -> Event {
    Event::StageStarted { task: task.into(), attempt, stage: stage.into() }
}

fn ends(task: &str, attempt: u32, stage: &str, failure: Option<&str>) -> Event {
    let failure = failure.map(|message| {
        let failure = Failure::new(FailureCode::ExecutionFailed, FailurePhase::Execution, message);
        Box::new(Failure { exit_code: Some(3), ..failure })
    });
    Event::StageEnded { task: task.into(), attempt, stage: stage.into(), milliseconds: 1, failure, outputs: Vec::new() }
}

fn complete(task: &str) -> Event {
    Event::TaskCompleted { task: task.into(), how: Completion::Done }
}

/// The spans of these events, one millisecond after the other.
fn spans<'a>(blueprint: &'a Blueprint<'a>, events: &[Event]) -> Vec<Span> {
    let timed = || (1..).map(Moment).zip(events);
    let trail = Trail::of(timed()).expect("a run begins");
    let mut fold = Spans::new(blueprint, trail);
    timed().flat_map(|(at, event)| fold.of(at, event)).collect()
}

/// `name began-ended < parent status` of each.
fn told(spans: &[Span]) -> Vec<String> {
    let name = |id| spans.iter().find(|span| span.id == id).map_or("-", |span| span.name.as_str());
    let one = |span: &Span| {
        let parent = span.parent.map_or("none", name);
        let status = match &span.status {
            Status::Unset => "unset",
            Status::Good => "good",
            Status::Bad(why) => why,
        };
        format!("{} {}-{} < {parent}: {status}", span.name, span.began.0, span.ended.0)
    };
    spans.iter().map(one).collect()
}

#[test]
fn a_run_is_one_tree_within_the_trace_it_was_begun_in() {
    with(|blueprint| {
        let retry = Event::RetryScheduled { task: "a".into(), attempt: 2, at: Moment(9) };
        let events = [
            started(),
            took_over(1),
            begins("a", 1, "run"),
            ends("a", 1, "run", Some("no")),
            retry,
            begins("a", 2, "run"),
            ends("a", 2, "run", None),
            begins("a", 2, "verify:unit"),
            ends("a", 2, "verify:unit", Some("dull")),
            complete("a"),
            Event::RunEnded { state: Ending::Done },
        ];
        let spans = spans(blueprint, &events);
        assert_eq!(
            told(&spans),
            [
                "run 3-4 < attempt 1: no",
                "attempt 1 3-5 < a First: no",
                "run 6-7 < attempt 2: good",
                "verify:unit 8-9 < attempt 2: dull",
                "attempt 2 6-10 < a First: good",
                "a First 3-10 < T: good",
                "T 1-11 < -: good",
            ]
        );
        assert_eq!(spans[6].parent, Some([0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]));
        assert_eq!(spans[4].follows, [spans[1].id], "a retry follows the attempt before it");
        assert_eq!(spans[5].events[0].name, "retry");
        assert_eq!(spans.iter().map(|span| span.after).collect::<Vec<_>>(), [4, 5, 7, 9, 10, 10, 11]);
    });
}

#[test]
fn another_runner_goes_on_with_spans_that_were_open() {
    with(|blueprint| {
        let events = [
            started(),
            took_over(1),
            begins("a", 1, "run"),
            took_over(2),
            Event::TaskUnknown { task: "a".into(), attempt: 1, stage: "run".into() },
            Event::RepeatAllowed { task: "a".into(), by: Permit::Idempotent },
            begins("a", 2, "run"),
            ends("a", 2, "run", None),
            complete("a"),
        ];
        let all = spans(blueprint, &events);
        assert_eq!(
            told(&all)[..2],
            ["run 3-6 < attempt 1: nobody knows how it ended", "attempt 1 3-6 < a First: it was interrupted"]
        );
        // Folded again by another process, they are called the same.
        assert_eq!(spans(blueprint, &events), all);
        assert_eq!(all.last().expect("a span").name, "a First");
    });
}

#[test]
fn what_undoes_a_run_that_was_over_belongs_to_another_span_of_it() {
    with(|blueprint| {
        let undo = Chore::Rollback { task: "a".into() };
        let hook = Chore::Hook { hook: Hook::OnExit };
        let events = [
            started(),
            took_over(1),
            Event::RunEnded { state: Ending::Failed },
            Event::RollbackOrdered { by: Some("ada".into()), tasks: vec!["a".into()] },
            took_over(2),
            Event::ChoreStarted { chore: undo.clone(), attempt: 1 },
            Event::ChoreEnded { chore: undo, attempt: 1, milliseconds: 1, failure: None },
            Event::ChoreStarted { chore: hook.clone(), attempt: 1 },
            Event::ChoreUnknown { chore: hook, attempt: 1 },
            Event::RunEnded { state: Ending::RolledBack },
        ];
        let all = spans(blueprint, &events);
        assert_eq!(
            told(&all),
            [
                "T 1-3 < -: a task failed",
                "rollback a 6-7 < T: good",
                "on_exit 8-9 < T: nobody knows how it ended",
                "T 4-10 < -: what it did is undone",
            ]
        );
        assert_eq!((all[3].follows.clone(), all[1].parent), (vec![all[0].id], Some(all[3].id)));
    });
}

#[test]
fn a_gate_ends_with_the_last_approval_it_needs_and_waits_are_told_apart() {
    with(|blueprint| {
        let gate =
            Event::GateOpened { task: "b".into(), time: GateMoment::Before, digest: "d".into(), deadline: Moment(100) };
        let approve = |by: &str| {
            let (by, comment, digest) = (by.to_owned(), String::new(), "d".to_owned());
            Event::GateDecided(Box::new(GateDecision {
                task: "b".into(),
                approved: true,
                by,
                comment,
                digest,
                set: Vec::new(),
            }))
        };
        let timed = [
            (1, started()),
            (1, took_over(1)),
            (2, gate),
            (3, approve("ada")),
            (5, approve("bob")),
            (9, begins("a", 1, "run")),
        ];
        let trail = Trail::of(timed.iter().map(|(at, event)| (Moment(*at), event))).expect("a run");
        let mut fold = Spans::new(blueprint, trail);
        let mut all = Vec::new();
        for (at, event) in &timed {
            all.extend(fold.of(Moment(*at), event));
            fold.wait(Moment(4), ["a"].into_iter().filter(|_| *at == 3));
        }
        assert_eq!(told(&all), ["gate wait 2-5 < -: unset", "lock wait 4-9 < -: unset"]);
        assert!(all[1].attributes.contains(&("outpost.locks", "db".into())));
    });
}
