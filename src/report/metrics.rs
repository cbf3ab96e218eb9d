//! A run in numbers, as text that Prometheus reads: OpenMetrics, which its textfile collector takes as well.
//!
//! What happened is counted from the spans of the run, so that numbers and traces cannot differ; what is now comes from the
//! run itself. A runner that takes a run over counts what happened before, too: the numbers are those of the run.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::progress::Tally;
use super::trace::{Field, Kind, Span, Spans, Status};
use crate::blueprint::Blueprint;
use crate::run::{Event, Moment, Run, Trail};

/// `name="value"`
type Label = [(&'static str, String); 1];
type Histograms = Family<Label, Histogram, fn() -> Histogram>;
type Seconds = Gauge<f64, AtomicU64>;

/// From a tenth of a second to a day: tasks are tests as well as deployments.
const BOUNDS: [f64; 12] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0];

/// The states of a run, of which one is 1.
const STATES: [&str; 9] =
    ["running", "waiting", "interrupted", "done", "failed", "rejected", "cancelled", "rolled_back", "rollback_failed"];

/// The fold.
#[derive(Debug)]
pub struct Metrics<'a> {
    spans: Spans<'a>,
    registry: Registry,
    attempts: Family<Label, Counter>,
    retries: Counter,
    failures: Family<Label, Counter>,
    stages: Histograms,
    tasks: Histogram,
    gate_waits: Histogram,
    lock_waits: Histogram,
    state: Family<Label, Gauge>,
    statuses: Family<Label, Gauge>,
    began: Seconds,
    updated: Seconds,
}

fn histogram() -> Histogram {
    Histogram::new(BOUNDS)
}

impl<'a> Metrics<'a> {
    /// `id` is what `${blueprint_id}` stands for, `run` the id of the run.
    pub fn new(blueprint: &'a Blueprint<'a>, trail: Trail, id: &str, run: &str) -> Self {
        let labels = [("blueprint".into(), id.to_owned().into())];
        let mut registry = Registry::with_prefix_and_labels("outpost_run", labels.into_iter());
        let metrics = Self {
            spans: Spans::new(blueprint, trail),
            attempts: Family::default(),
            retries: Counter::default(),
            failures: Family::default(),
            stages: Family::new_with_constructor(histogram),
            tasks: histogram(),
            gate_waits: histogram(),
            lock_waits: histogram(),
            state: Family::default(),
            statuses: Family::default(),
            began: Gauge::default(),
            updated: Gauge::default(),
            registry: Registry::default(),
        };
        let info: Family<Label, Gauge> = Family::default();
        info.get_or_create(&[("run", run.to_owned())]).set(1);
        let seconds = || Unit::Seconds;
        registry.register("info", "Which run these numbers are about", info);
        registry.register("state", "Where the run stands: one of these is 1", metrics.state.clone());
        registry.register("tasks", "Tasks by where they stand", metrics.statuses.clone());
        registry.register("attempts", "Attempts that ended, by how", metrics.attempts.clone());
        registry.register("retries", "Attempts that another one follows", metrics.retries.clone());
        registry.register("failures", "Failures by the code of the format", metrics.failures.clone());
        registry.register_with_unit("stage_duration", "How long stages took", seconds(), metrics.stages.clone());
        registry.register_with_unit(
            "task_duration",
            "From the first thing that happens to a task to its end",
            seconds(),
            metrics.tasks.clone(),
        );
        registry.register_with_unit(
            "gate_wait",
            "How long gates waited for people",
            seconds(),
            metrics.gate_waits.clone(),
        );
        registry.register_with_unit(
            "lock_wait",
            "How long tasks waited for locks, under this runner",
            seconds(),
            metrics.lock_waits.clone(),
        );
        registry.register_with_unit("start_time", "When the run began, since 1970", seconds(), metrics.began.clone());
        registry.register_with_unit(
            "update_time",
            "When these numbers were written, since 1970",
            seconds(),
            metrics.updated.clone(),
        );
        Self { registry, ..metrics }
    }

    /// These tasks wait for locks now.
    pub fn wait<'t>(&mut self, at: Moment, tasks: impl Iterator<Item = &'t str>) {
        self.spans.wait(at, tasks);
    }

    pub fn saw(&mut self, at: Moment, event: &Event) {
        match event {
            Event::RunStarted(_) => {
                self.began.set(in_seconds(at.0));
            }
            Event::RetryScheduled { .. } => {
                self.retries.inc();
            }
            _ => {}
        }
        let spans = self.spans.of(at, event);
        for span in &spans {
            self.count(span, &spans);
        }
    }

    fn count(&self, span: &Span, beside: &[Span]) {
        let took = in_seconds(span.ended.0.saturating_sub(span.began.0));
        match span.kind {
            Kind::Run => {}
            Kind::Task => self.tasks.observe(took),
            Kind::Gate => self.gate_waits.observe(took),
            Kind::Locks => self.lock_waits.observe(took),
            Kind::Stage | Kind::Chore => {
                let stage = span.text("outpost.stage").or_else(|| span.text("outpost.chore")).unwrap_or_default();
                self.stages.get_or_create(&[("stage", stage.to_owned())]).observe(took);
            }
            Kind::Attempt => {
                let is_interrupted = span.attributes.contains(&("outpost.interrupted", Field::Flag(true)));
                let result = match span.status {
                    Status::Bad(_) if is_interrupted => "interrupted",
                    Status::Bad(_) => "failed",
                    Status::Unset | Status::Good => "complete",
                };
                self.attempts.get_or_create(&[("result", result.to_owned())]).inc();
            }
        }
        // A task that is blocked by the failure of its attempt failed once.
        let is_told = |other: &Span| other.kind == Kind::Attempt && other.parent == Some(span.id);
        let is_own = match span.kind {
            Kind::Attempt | Kind::Chore => true,
            Kind::Task => !beside.iter().any(|other| is_told(other) && other.text("error.type").is_some()),
            Kind::Run | Kind::Stage | Kind::Gate | Kind::Locks => false,
        };
        if let Some(code) = span.text("error.type").filter(|_| is_own) {
            self.failures.get_or_create(&[("code", code.to_owned())]).inc();
        }
    }

    /// Looks at the run as it is now.
    pub fn look(&mut self, run: &Run) {
        let state = match run.ending() {
            Some(ending) => ending.word(),
            None if run.waiting().is_some() => "waiting",
            None => "running",
        };
        self.stands(state);
        let tally = Tally::of(run);
        let told = [
            ("complete", tally.complete),
            ("skipped", tally.skipped),
            ("blocked", tally.blocked),
            ("running", tally.running),
            ("retrying", tally.retrying),
            ("for_a_person", tally.people),
        ];
        let rest = tally.total.saturating_sub(told.iter().map(|(_, count)| count).sum());
        for (status, count) in told.into_iter().chain([("waiting", rest)]) {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.statuses.get_or_create(&[("status", status.to_owned())]).set(count);
        }
    }

    /// Its runner ended before it did.
    pub fn interrupted(&mut self) {
        self.stands("interrupted");
    }

    fn stands(&self, state: &str) {
        for known in STATES {
            self.state.get_or_create(&[("state", known.to_owned())]).set(i64::from(known == state));
        }
    }

    pub fn text(&self, now: Moment) -> String {
        self.updated.set(in_seconds(now.0));
        let mut text = String::new();
        // Writing into memory does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn in_seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}
