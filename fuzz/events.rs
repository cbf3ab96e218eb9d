//! Arbitrary lines as the events of a run, as `replay` takes them, and what must hold of whatever it makes of them.
//!
//! The run is that of `events.md`. A line that is no event, or one that cannot happen, is refused and the rest goes on
//! without it: so one mutation does not hide what follows.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use outpost_bp::blueprint::model::LogFormat;
use outpost_bp::blueprint::{Blueprint, TaskIndex, read};
use outpost_bp::cli::picture;
use outpost_bp::document::Source;
use outpost_bp::engine::history::compile;
use outpost_bp::plan::Dag;
use outpost_bp::report::account::{self, Fold, html, junit, markdown};
use outpost_bp::report::log::{Entries, Layout};
use outpost_bp::report::progress::{board, line};
use outpost_bp::report::status::{Screen, Status, screen};
use outpost_bp::report::stream::Told;
use outpost_bp::report::summary::{End, summary};
use outpost_bp::report::trace::Spans;
use outpost_bp::report::why;
use outpost_bp::run::{Event, Failure, GateMoment, KeptPort, Moment, Run, RunStarted, Trail, World};

static SOURCE: LazyLock<Source> =
    LazyLock::new(|| Source::from_bytes("events.md", include_bytes!("events.md").to_vec()).0);
static BLUEPRINT: LazyLock<Blueprint<'static>> =
    LazyLock::new(|| read(&SOURCE, false).into_blueprint().0.expect("a document without errors"));

/// A world where every lock is free.
struct Free;

impl World for Free {
    fn keep_locks(&mut self, _: &BTreeSet<u32>) {}

    fn take_locks(&mut self, _: TaskIndex) -> bool {
        true
    }

    fn gate_digest(&mut self, _: TaskIndex, _: GateMoment, _: &[KeptPort]) -> String {
        "shown".to_owned()
    }

    fn failure_digest(&mut self, _: TaskIndex, _: u32, _: &Failure) -> String {
        "failed".to_owned()
    }
}

/// Answers how many events happened.
pub(crate) fn examine(bytes: &[u8]) -> usize {
    let mut events = bytes.split(|byte| *byte == b'\n').filter_map(told);
    let Some((started, first)) = events.find_map(|told| match &told.event {
        Event::RunStarted(started) => Some(((**started).clone(), told.at)),
        _ => None,
    }) else {
        return 0;
    };
    let Ok((_, program)) = compile(&BLUEPRINT, &started) else {
        return 0;
    };
    let mut run = Run::new(program);
    let mut happened = vec![(first, Event::RunStarted(Box::new(started.clone())))];
    run.apply(first, &happened[0].1).expect("a run begins");
    for Told { at, event, .. } in events.filter(|told| !matches!(told.event, Event::RunStarted(_))) {
        let before = run.clone();
        match run.apply(at, &event) {
            Ok(()) => happened.push((at, event)),
            Err(illegal) => {
                assert!(!illegal.to_string().is_empty());
                // As long as two of them are.
                if happened.len() % 8 == 3 {
                    assert_eq!(stand(&before, &started), stand(&run, &started), "what cannot happen changed something");
                }
            }
        }
    }
    check_again(&started, &happened, &run);
    check_words(&started, &happened);
    check_future(run);
    happened.len()
}

/// Reads a line. One that is read is written as it was read.
fn told(line: &[u8]) -> Option<Told> {
    let told = match Told::read(str::from_utf8(line).ok()?) {
        Ok(told) => told,
        Err(reason) => {
            assert!(!reason.to_string().is_empty());
            return None;
        }
    };
    let written = told.line().expect("every event has JSON");
    assert!(!written.contains('\n'), "one event, one line");
    assert_eq!(Told::read(&written).as_ref(), Ok(&told), "{written}");
    Some(told)
}

/// All that tells where a run stands.
fn stand(run: &Run, started: &RunStarted) -> String {
    let status = Status::of(run, &BLUEPRINT, started, None, None, Vec::new());
    let tasks: Vec<_> = run.indices().map(|index| run.task(index)).collect();
    let status = serde_json::to_string(&status).expect("JSON");
    format!("{status} {tasks:?} {:?} {:?} {:?}", run.latest(), run.ending(), run.waiting())
}

/// The same events make the same run.
fn check_again(started: &RunStarted, happened: &[(Moment, Event)], run: &Run) {
    let (_, program) = compile(&BLUEPRINT, started).expect("as before");
    let mut again = Run::new(program);
    for (at, event) in happened {
        again.apply(*at, event).expect("it happened before");
    }
    assert_eq!(stand(&again, started), stand(run, started));
}

/// All that people and programs are told of it.
fn check_words(started: &RunStarted, happened: &[(Moment, Event)]) {
    let (_, program) = compile(&BLUEPRINT, started).expect("as before");
    let mut run = Run::new(program);
    let mut fold = Fold::new(&BLUEPRINT);
    let mut entries = Entries::default();
    let mut spans =
        Trail::of(happened.iter().map(|(at, event)| (*at, event))).map(|trail| Spans::new(&BLUEPRINT, trail));
    let layout = |format| Layout {
        format,
        timestamps: true,
        task_context: true,
        blueprint: "events.md".to_owned(),
        executor: "local",
        run: "20261121-000000".to_owned(),
    };
    for (at, event) in happened {
        run.apply(*at, event).expect("it happened before");
        fold.saw(*at, event, &run);
        for entry in entries.of(*at, event, &run, &BLUEPRINT) {
            check_tame(&layout(LogFormat::Text).line(&entry), "");
            let json = layout(LogFormat::Json).line(&entry);
            serde_json::from_str::<serde_json::Value>(&json).expect("JSON");
        }
        if let Some(line) = line(event, &run, &BLUEPRINT) {
            check_tame(&format!("{} {}", line.task, line.text), "\n\t");
        }
        for span in spans.iter_mut().flat_map(|spans| spans.of(*at, event)) {
            assert!(span.after > 0 && span.after <= happened.len() as u64);
        }
    }
    let now = run.latest();
    let status = Status::of(&run, &BLUEPRINT, started, Some(happened[0].0), None, Vec::new());
    serde_json::to_string(&status).expect("JSON");
    check_tame(&screen(&status, &run, &BLUEPRINT, Screen { width: 100, rows: usize::MAX, now }), "\n");
    board(&run, &BLUEPRINT, now, happened[0].0, 40).iter().for_each(|line| check_tame(line, ""));
    let end = run.ending().map_or(End::Interrupted, End::Over);
    check_tame(&summary(&run, &BLUEPRINT, "20261121-000000", end), "\n\t");
    let facts = why::Facts {
        run: &run,
        blueprint: &BLUEPRINT,
        id: "20261121-000000",
        events: happened,
        now,
        is_driven: false,
        holders: &[],
        left: &[],
    };
    for index in run.indices() {
        check_tame(&why::why(&facts, index).text, "");
    }
    let facts = account::Facts {
        why: &facts,
        status: &status,
        started,
        source: &SOURCE,
        digest: &started.digest,
        made_by: "outpost-bp",
    };
    let account = fold.account(&facts, &mut |_, _, _, _| None);
    let json = account.json().expect("JSON");
    serde_json::from_str::<serde_json::Value>(&json).expect("JSON");
    check_tame(&markdown(&account), "\n");
    junit(&account).expect("XML");
    let page = html(&account, &picture(&BLUEPRINT, &Dag::of(&BLUEPRINT, BLUEPRINT.links())));
    assert!(page.ends_with("</html>\n"));
}

/// What follows from where it stands can happen, also once its runner has died and another one took over.
fn check_future(mut run: Run) {
    for driven in [true, false] {
        let mut other = run.clone();
        let events = run.decide(run.latest(), &mut Free);
        for event in &events {
            other.apply(other.latest(), event).unwrap_or_else(|illegal| panic!("decided and impossible: {illegal}"));
        }
        if driven {
            let _ = run.take_over(run.latest(), 1, "host", "ada");
        }
    }
}

/// Nothing in a text commands a terminal.
fn check_tame(text: &str, but: &str) {
    let wild = text.chars().find(|c| c.is_control() && !but.contains(*c));
    assert!(wild.is_none(), "{wild:?} reaches the terminal in {text:?}");
}
