//! Spans on their way to a collector: OTLP over HTTP, in a thread of its own.
//!
//! The queue is bounded, a collector that does not answer is tried again with growing pauses and fewer spans, and at the
//! end there is a deadline. How far the collector has everything is noted with the run, so that the next runner sends
//! what this one could not: the note never goes past a span that found no room.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::trace::{Event, Link, SpanContext, SpanKind, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, SpanId, TraceId, Value};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};

use crate::engine::net;
use crate::report::trace::{Field, Span, Status};
use crate::run::{Moment, Trail};

/// Spans that wait, and spans of one request.
const MOST_WAITING: usize = 8192;
const MOST_AT_ONCE: usize = 512;
/// How long spans are collected before they are sent, and the longest pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a request may take, unless the environment says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the end of a run waits for it.
const DEADLINE: Duration = Duration::from_secs(3);

/// A collector, as the environment names it.
#[derive(Debug)]
pub struct Collector {
    exporter: SpanExporter,
    /// How long the end of a run may take for what is not sent yet.
    deadline: Duration,
}

/// Whether the environment names a collector, and wants it to be used.
pub fn is_named() -> bool {
    let says = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let is_disabled = says("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let is_meant = says("OTEL_TRACES_EXPORTER").is_none_or(|names| names.split(',').any(|name| name.trim() == "otlp"));
    let endpoint = says("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| says("OTEL_EXPORTER_OTLP_ENDPOINT"));
    !is_disabled && is_meant && endpoint.is_some()
}

impl Collector {
    /// The collector of the environment. It is not asked whether it is there.
    pub fn named() -> Result<Self, String> {
        let says = |signal: &str, all: &str| {
            let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
            of(signal).or_else(|| of(all))
        };
        let protocol = says("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL");
        if let Some(other) = protocol.filter(|protocol| protocol != "http/protobuf") {
            return Err(format!("OTLP is spoken here as `http/protobuf`, not as `{other}`"));
        }
        let patience = says("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
        let asked = patience.and_then(|text| text.parse().ok()).map(Duration::from_millis);
        let patience = asked.unwrap_or(PATIENCE);
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(net::client(patience)?)
            .with_timeout(patience)
            // Trying again is our own business: the end of a run cuts it short.
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .map_err(|error| error.to_string())?;
        exporter.set_resource(&resource());
        Ok(Self { exporter, deadline: asked.unwrap_or(DEADLINE) })
    }
}

/// Who speaks: as the environment says, else the tool.
fn resource() -> Resource {
    let says = |name: &str| std::env::var(name).unwrap_or_default();
    let is_named = !says("OTEL_SERVICE_NAME").is_empty() || says("OTEL_RESOURCE_ATTRIBUTES").contains("service.name=");
    let resource = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if is_named { resource.build() } else { resource.with_service_name("outpost-bp").build() }
}

/// The near end of the queue.
#[derive(Debug)]
pub struct Outbox {
    spans: SyncSender<Span>,
    deadline: Duration,
    troubles: Receiver<String>,
    /// Whether the last request failed.
    is_dead: Arc<AtomicBool>,
    gap: Arc<Gap>,
}

/// Spans that found no room.
#[derive(Debug)]
struct Gap {
    /// The smallest `after` of them.
    first: AtomicU64,
    spans: AtomicU64,
}

impl Default for Gap {
    fn default() -> Self {
        Self { first: AtomicU64::new(u64::MAX), spans: AtomicU64::new(0) }
    }
}

impl Gap {
    fn lose(&self, span: &Span) {
        self.first.fetch_min(span.after, Ordering::AcqRel);
        self.spans.fetch_add(1, Ordering::AcqRel);
    }
}

/// The far end.
struct Courier {
    spans: Receiver<Span>,
    troubles: Sender<String>,
    trail: Trail,
    /// Where it stands how far the collector has everything.
    note: PathBuf,
    is_told: bool,
    is_dead: Arc<AtomicBool>,
    gap: Arc<Gap>,
    /// Spans that wait, and spans of one request.
    room: (usize, usize),
}

/// How many events of the run the collector knows all about.
pub fn acknowledged(note: &PathBuf) -> u64 {
    fs::read_to_string(note).ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default()
}

impl Outbox {
    /// Starts the thread.
    pub fn open(collector: Collector, trail: Trail, note: PathBuf) -> Result<Self, String> {
        let (spans, far) = sync_channel(MOST_WAITING);
        let (far_troubles, troubles) = channel();
        let is_dead = Arc::new(AtomicBool::new(false));
        let gap = Arc::new(Gap::default());
        let courier = Courier {
            spans: far,
            troubles: far_troubles,
            trail,
            note,
            is_told: false,
            is_dead: Arc::clone(&is_dead),
            gap: Arc::clone(&gap),
            room: (MOST_WAITING, MOST_AT_ONCE),
        };
        let Collector { exporter, deadline } = collector;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("traces cannot be sent: {error}"))?;
        thread::Builder::new()
            .name("traces".to_owned())
            .spawn(move || courier.carry(|batch| runtime.block_on(exporter.export(batch)).map_err(|e| e.to_string())))
            .map_err(|error| format!("traces cannot be sent: {error}"))?;
        Ok(Self { spans, deadline, troubles, is_dead, gap })
    }

    /// Never waits.
    pub fn put(&mut self, span: Span) {
        if let Err(TrySendError::Full(span) | TrySendError::Disconnected(span)) = self.spans.try_send(span) {
            self.gap.lose(&span);
        }
    }

    pub fn trouble(&mut self) -> Option<String> {
        self.troubles.try_recv().ok()
    }

    /// Waits for what is on its way, but not for a collector that is gone.
    pub fn close(mut self) -> Vec<String> {
        let mut told: Vec<String> = std::iter::from_fn(|| self.trouble()).collect();
        let Self { spans, deadline, troubles, is_dead, gap } = self;
        // The thread takes it for the end of the run.
        drop(spans);
        let deadline = Instant::now() + deadline;
        while !is_dead.load(Ordering::Acquire) {
            match troubles.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(trouble) => told.push(trouble),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    told.push("the collector took too long: traces of this run are not complete".to_owned());
                    break;
                }
            }
        }
        told.extend(troubles.try_iter());
        let lost = gap.spans.load(Ordering::Acquire);
        if lost > 0 {
            told.push(format!("{lost} spans found no room on their way to the collector; the next runner sends them"));
        }
        told
    }
}

impl Courier {
    fn carry(mut self, mut send: impl FnMut(Vec<SpanData>) -> Result<(), String>) {
        let mut queue: VecDeque<Span> = VecDeque::new();
        let (mut pause, mut most, mut sent) = (PAUSE, self.room.1, 0);
        loop {
            let is_over = self.collect(&mut queue, pause);
            let batch: Vec<SpanData> = queue.iter().take(most).map(|span| data(span, &self.trail)).collect();
            if !batch.is_empty() {
                let count = batch.len();
                match send(batch) {
                    Ok(()) => {
                        self.is_dead.store(false, Ordering::Release);
                        pause = PAUSE;
                        if !is_over {
                            most = (most * 2).min(self.room.1);
                        }
                        sent = queue.drain(..count).next_back().map_or(sent, |span| span.after);
                        // Spans that one event ends are acknowledged together, and more of them may come.
                        self.acknowledge(sent.saturating_sub(1));
                    }
                    Err(problem) => {
                        pause = (pause * 2).min(LONGEST_PAUSE);
                        // It may be that there were too many.
                        most = (most / 2).max(1);
                        self.tell(&problem);
                        self.is_dead.store(true, Ordering::Release);
                        if is_over {
                            return;
                        }
                    }
                }
            }
            if is_over && queue.is_empty() {
                if sent > 0 {
                    self.acknowledge(sent);
                }
                return;
            }
        }
    }

    /// Takes what comes within the pause, or until there is enough for a request. Answers whether the run is over.
    fn collect(&self, queue: &mut VecDeque<Span>, pause: Duration) -> bool {
        if queue.is_empty() {
            match self.spans.recv() {
                Ok(span) => queue.push_back(span),
                Err(_) => return true,
            }
        }
        let until = Instant::now() + pause;
        // After a failure there is a pause, however much there is.
        while queue.len() < self.room.1 || pause > PAUSE {
            match self.spans.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(span) if queue.len() < self.room.0 => queue.push_back(span),
                Ok(span) => self.gap.lose(&span),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
        false
    }

    /// Told once; whoever does not listen any more has ended.
    fn tell(&mut self, problem: &str) {
        if !std::mem::replace(&mut self.is_told, true) {
            let _ = self
                .troubles
                .send(format!("traces do not reach their collector: {problem}; the run is none the worse"));
        }
    }

    /// A note that cannot be written makes the next runner send something twice.
    fn acknowledge(&self, events: u64) {
        let events = events.min(self.gap.first.load(Ordering::Acquire).saturating_sub(1));
        let Some(folder) = self.note.parent() else {
            return;
        };
        let _ = tempfile::Builder::new().prefix(".traced-").tempfile_in(folder).and_then(|mut file| {
            write!(file, "{events}")?;
            file.persist(&self.note).map_err(|error| error.error)
        });
    }
}

fn data(span: &Span, trail: &Trail) -> SpanData {
    let context = |id: [u8; 8]| {
        let trace = TraceId::from_bytes(trail.trace);
        SpanContext::new(trace, SpanId::from_bytes(id), TraceFlags::SAMPLED, false, TraceState::NONE)
    };
    let mut events = SpanEvents::default();
    events.events = span
        .events
        .iter()
        .map(|event| Event::new(Cow::Borrowed(event.name), time(event.at), fields(&event.attributes), 0))
        .collect();
    let mut links = SpanLinks::default();
    links.links = span.follows.iter().map(|id| Link::with_context(context(*id))).collect();
    SpanData {
        span_context: context(span.id),
        parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from_bytes),
        parent_span_is_remote: span.parent.is_some() && span.parent == trail.parent,
        span_kind: SpanKind::Internal,
        name: Cow::Owned(span.name.clone()),
        start_time: time(span.began),
        end_time: time(span.ended),
        attributes: fields(&span.attributes),
        dropped_attributes_count: 0,
        events,
        links,
        status: match &span.status {
            Status::Unset => opentelemetry::trace::Status::Unset,
            Status::Good => opentelemetry::trace::Status::Ok,
            Status::Bad(why) => opentelemetry::trace::Status::error(why.clone()),
        },
        instrumentation_scope: InstrumentationScope::builder("outpost-bp")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build(),
    }
}

fn time(at: Moment) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(at.0)
}

fn fields(fields: &[(&'static str, Field)]) -> Vec<KeyValue> {
    let value = |field: &Field| match field {
        Field::Text(text) => Value::from(text.clone()),
        Field::Number(number) => Value::from(*number),
        Field::Flag(flag) => Value::from(*flag),
    };
    fields.iter().map(|(name, field)| KeyValue::new(*name, value(field))).collect()
}
