//! A run in numbers, in a file that is replaced as a whole: for the textfile collector of Prometheus' node exporter.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::blueprint::Blueprint;
use crate::engine::driver::{Outlook, Watcher};
use crate::engine::error::Broken;
use crate::engine::moment::now;
use crate::report::metrics::Metrics;
use crate::run::{Event, Moment, Run, Trail};

/// How often the file is written while the run goes on.
const INTERVAL: Duration = Duration::from_secs(5);

/// A watcher that keeps a file of numbers.
#[derive(Debug)]
pub struct MetricsFile<'a> {
    metrics: Metrics<'a>,
    path: PathBuf,
    written: Option<Instant>,
    trouble: Option<String>,
    is_told: bool,
}

impl<'a> MetricsFile<'a> {
    /// `past` is what happened under other runners.
    pub fn new(
        blueprint: &'a Blueprint<'a>,
        trail: Trail,
        (id, run): (&str, &str),
        path: PathBuf,
        past: &[(Moment, Event)],
    ) -> Self {
        let mut metrics = Metrics::new(blueprint, trail, id, run);
        for (at, event) in past {
            metrics.saw(*at, event);
        }
        Self { metrics, path, written: None, trouble: None, is_told: false }
    }

    fn write(&mut self) {
        self.written = Some(Instant::now());
        let text = self.metrics.text(now());
        if let Err(error) = replace(&self.path, &text)
            && !std::mem::replace(&mut self.is_told, true)
        {
            self.trouble = Some(format!("failed to write metrics to `{}`: {error}", self.path.display()));
        }
    }

    /// The last numbers of this runner.
    pub fn end(&mut self, driven: Result<(Outlook, &Run), &Broken>) {
        if let Ok((_, run)) = driven {
            self.metrics.look(run);
        }
        if matches!(driven, Err(_) | Ok((Outlook::Interrupted(_), _))) {
            self.metrics.interrupted();
        }
        self.write();
    }
}

impl Watcher for MetricsFile<'_> {
    fn saw(&mut self, at: Moment, event: &Event, _: &Run) {
        self.metrics.saw(at, event);
    }

    fn remark(&mut self, _: &str) {}

    fn tick(&mut self, run: &Run) {
        let tasks = &run.program().tasks;
        self.metrics.wait(now(), run.waiting_for_locks().map(|index| tasks[index.get()].id.as_str()));
        if self.written.is_none_or(|last| last.elapsed() >= INTERVAL) {
            self.metrics.look(run);
            self.write();
        }
    }

    fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }
}

/// Replaces a file as a whole, readable for everybody: whoever collects it is another user.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".outpost-metrics-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
