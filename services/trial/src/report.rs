//! What was tried: line by line on stderr while it goes on, and as one JSON document on stdout at the end.

use std::future::Future;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::metric::Metric;

/// Why something is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody answers there.
    Unreachable(String),
    Wrong(String),
}

impl Fault {
    pub(crate) fn wrong(told: impl Into<String>) -> Self {
        Self::Wrong(told.into())
    }

    pub(crate) fn told(&self) -> &str {
        match self {
            Self::Unreachable(told) | Self::Wrong(told) => told,
        }
    }
}

/// A check failed that all that follows stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop;

#[derive(Debug, Serialize)]
pub(crate) struct Check {
    what: String,
    passed: bool,
    took_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    told: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    name: &'static str,
    passed: bool,
    url: String,
    checks: Vec<Check>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) metrics: Vec<Metric>,
    #[serde(skip)]
    pub(crate) unreachable: Option<String>,
}

/// Tells whoever watches.
pub(crate) fn say(line: &str) {
    // Nobody is there to be told that nobody can be told. A service may have any words: a terminal gets none of its controls.
    let plain: String = line.chars().map(|char| if char.is_control() { '?' } else { char }).collect();
    drop(writeln!(io::stderr(), "{plain}"));
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Report {
    pub(crate) fn new(name: &'static str, url: &str) -> Self {
        Self { name, passed: true, url: url.to_owned(), checks: Vec::new(), metrics: Vec::new(), unreachable: None }
    }

    pub(crate) fn passed(&self) -> bool {
        self.passed
    }

    /// Does something that the rest stands on.
    pub(crate) async fn check<T>(
        &mut self,
        what: &str,
        doing: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Stop> {
        self.judge(what, doing).await.ok_or(Stop)
    }

    /// Does something that the rest does not stand on.
    pub(crate) async fn judge<T>(&mut self, what: &str, doing: impl Future<Output = Result<T, Fault>>) -> Option<T> {
        let began = Instant::now();
        let done = doing.await;
        let took = began.elapsed();
        let fault = done.as_ref().err();
        say(&format!("{:<6}  {what} ({:.1} s)", if fault.is_none() { "ok" } else { "FAILED" }, took.as_secs_f64()));
        if let Some(Fault::Unreachable(told)) = fault {
            self.unreachable.get_or_insert_with(|| told.clone());
        }
        let told = fault.map(|fault| fault.told().to_owned());
        if let Some(told) = &told {
            say(&format!("        {told}"));
        }
        self.passed &= fault.is_none();
        self.checks.push(Check { what: what.to_owned(), passed: fault.is_none(), took_ms: millis(took), told });
        done.ok()
    }

    /// What more is to be known of the last check.
    pub(crate) fn note(&mut self, told: impl Into<String>) {
        let told = told.into();
        say(&format!("        {told}"));
        if let Some(check) = self.checks.last_mut() {
            check.told = Some(match check.told.take() {
                Some(before) => format!("{before}; {told}"),
                None => told,
            });
        }
    }

    /// What was found beside a goal. A goal that was missed is a check that failed.
    pub(crate) fn metric(&mut self, metric: Metric) {
        let what = format!("{}: {}", metric.what, metric.target);
        let word = if metric.is_missed() { "FAILED" } else { "ok" };
        let word = if metric.result.is_none() && !metric.is_missed() { "-" } else { word };
        say(&format!("{word:<6}  {what}: {}", metric.shown()));
        say(&format!("        {}", metric.told));
        if metric.result.is_some() || metric.is_missed() {
            self.passed &= !metric.is_missed();
            let told = Some(format!("{}: {}", metric.shown(), metric.told));
            self.checks.push(Check { what, passed: !metric.is_missed(), took_ms: 0, told });
        }
        self.metrics.push(metric);
    }

    /// The document for programs.
    pub(crate) fn show(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, self)?;
        writeln!(out)
    }
}
