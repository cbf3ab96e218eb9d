//! Entries in both forms, and the fold where no run of the real tool comes along yet.

use serde_json::json;

use super::{Entries, Entry, Layout, data};
use crate::blueprint::model::{LogFormat, LogLevel};
use crate::blueprint::read;
use crate::document::Source;
use crate::plan::Plan;
use crate::run::{Amounts, Chore, Event, Moment, Permit, Program, Run};

fn layout(format: LogFormat) -> Layout {
    let (timestamps, task_context) = (true, true);
    Layout { format, timestamps, task_context, blueprint: "bp".into(), executor: "outpost-bp", run: "r1".into() }
}

fn entry(task: &str, message: &str) -> Entry {
    Entry {
        at: Moment(1_767_623_400_120),
        level: LogLevel::Error,
        event: "task.failed",
        task: task.to_owned(),
        phase: Some("verification"),
        message: message.to_owned(),
        data: data(json!({"attempt": 2, "nothing": null})),
    }
}

#[test]
fn f_41_an_entry_is_what_the_format_says() {
    let line = layout(LogFormat::Json).line(&entry("T1.2", "failed"));
    assert_eq!(
        line,
        "{\"timestamp\":\"2026-01-05T14:30:00.120Z\",\"level\":\"error\",\"blueprint_id\":\"bp\",\"task_id\":\"T1.2\",\
         \"executor_id\":\"outpost-bp\",\"phase\":\"verification\",\"event\":\"task.failed\",\"message\":\"failed\",\
         \"data\":{\"run\":\"r1\",\"attempt\":2}}"
    );
    let text = layout(LogFormat::Text);
    assert_eq!(text.line(&entry("T1.2", "failed")), "2026-01-05T14:30:00.120Z [ERROR] [T1.2] failed");
    assert_eq!(text.line(&entry("", "failed")), "2026-01-05T14:30:00.120Z [ERROR] failed");
    let bare = Layout { timestamps: false, task_context: false, ..text };
    assert_eq!(bare.line(&entry("T1.2", "failed")), "[ERROR] failed");
}

#[test]
fn f_41_an_entry_is_one_line_whatever_it_holds() {
    for format in [LogFormat::Json, LogFormat::Text] {
        let line = layout(format).line(&entry("T1", "one\ntwo\u{1b}[2J\r\n[INFO] three"));
        assert!(line.contains("one two [INFO] three") && !line.contains('\n'), "{line}");
        assert!(layout(format).line(&entry("T1", &"x".repeat(10_000))).len() < 2_500);
    }
}

/// `level event task` of the entries of these events; those that a run would take change it.
fn told(document: &str, events: &[Event]) -> Vec<String> {
    let (source, _) = Source::from_bytes("t.md", document.as_bytes().to_vec());
    let (blueprint, problems) = read(&source, false).into_blueprint();
    let blueprint = blueprint.unwrap_or_else(|| panic!("{problems:?}"));
    let plan = Plan::of(&blueprint, &[]).expect("a plan");
    let mut run = Run::new(Program::of(&blueprint, &plan, None, Amounts::default()));
    let mut fold = Entries::default();
    let mut told = Vec::new();
    for (at, event) in (1..).map(Moment).zip(events) {
        // What a rollback needs before it may begin is none of the log's business.
        let is_judged = !matches!(event, Event::ChoreStarted { .. } | Event::ChoreEnded { .. });
        if is_judged && let Err(illegal) = run.apply(at, event) {
            panic!("{illegal}");
        }
        let entries = fold.of(at, event, &run, &blueprint);
        told.extend(entries.iter().map(|entry| format!("{} {} {}", entry.level.word(), entry.event, entry.task)));
    }
    told
}

#[test]
fn f_41_a_task_goes_on_from_its_checkpoint_and_locks_are_held_meanwhile() {
    let document = "```yaml\nexecution: {resource_locks: [db]}\n```\n\
        ```yaml\ntask_id: a\nname: a\nrun: x\nrollback: y\nresources: {locks: [db]}\n\
        handoff: {checkpoint_format: json, checkpoint_path: a.json, resume_strategy: from_checkpoint, state_fields: [n]}\n```\n";
    let task = || "a".to_owned();
    let start = |attempt| Event::StageStarted { task: task(), attempt, stage: "run".to_owned() };
    let events = [
        start(1),
        Event::CheckpointKept { task: task(), attempt: 1, version: 3, digest: "d".to_owned() },
        Event::RunnerTookOver { pid: 1, host: "h".to_owned(), by: "ada".to_owned() },
        Event::TaskUnknown { task: task(), attempt: 1, stage: "run".to_owned() },
        Event::RepeatAllowed { task: task(), by: Permit::HandedOff },
        start(2),
        Event::StageEnded {
            task: task(),
            attempt: 2,
            stage: "run".to_owned(),
            milliseconds: 1,
            failure: None,
            outputs: Vec::new(),
        },
        Event::ChoreStarted { chore: Chore::Rollback { task: task() }, attempt: 1 },
        Event::ChoreEnded { chore: Chore::Rollback { task: task() }, attempt: 1, milliseconds: 1, failure: None },
    ];
    assert_eq!(
        told(document, &events),
        [
            "debug lock.acquired a",
            "info task.start a",
            "debug stage.start a",
            "info task.checkpoint a",
            "info blueprint.resume ",
            "warn task.unknown a",
            "warn task.repeat a",
            "debug lock.acquired a",
            "info task.resume a",
            "debug stage.start a",
            "debug stage.complete a",
            "debug lock.released a",
            "debug lock.acquired a",
            "debug chore.start a",
            "info chore.complete a",
            "debug lock.released a",
        ]
    );
}
