//! What a handle says: all that a later process needs to ask, and nothing of what may be a secret.

use std::path::PathBuf;

use outpost_executor::{Handle, LogCaps, StdoutFile, Token, Trace, Work};
use serde::{Deserialize, Serialize};

use crate::errand;
use crate::order;
use crate::settings::Settings;

const VERSION: u32 = 1;
/// The service keeps what it answered to a key for a day: so much of it can be relied on.
const KEPT_MS: u64 = 20 * 3_600_000;

/// Work somewhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) version: u32,
    /// The address of the service.
    pub(crate) service: String,
    /// The id of the job; missing where the service had not taken it yet.
    pub(crate) job: Option<String>,
    pub(crate) once: String,
    /// When it was asked for first; missing where nobody knows.
    pub(crate) asked_ms: Option<u64>,
    pub(crate) program: String,
    pub(crate) directory: String,
    pub(crate) log: PathBuf,
    pub(crate) log_caps: LogCaps,
    pub(crate) stdout_file: Option<(PathBuf, u64)>,
    /// Whether there are secrets that may be in its output.
    pub(crate) has_secrets: bool,
}

impl Place {
    pub(crate) fn of(work: &Work, settings: &Settings, asked_ms: Option<u64>) -> Self {
        Self {
            version: VERSION,
            service: settings.url.clone(),
            job: None,
            once: order::once(&work.token),
            asked_ms,
            program: work.program.to_string_lossy().into_owned(),
            directory: work.dir.to_string_lossy().into_owned(),
            log: work.log.clone(),
            log_caps: work.log_caps,
            stdout_file: work.stdout_file.as_ref().map(|file| (file.path.clone(), file.most)),
            has_secrets: !work.secrets.is_empty(),
        }
    }

    /// Of a start that nobody noted: the note comes before the service is asked, so it was not asked, or just now. What may
    /// be in its output is not known either.
    pub(crate) fn unnoted(trace: &Trace<'_>, settings: &Settings, now_ms: u64) -> Self {
        let work = Work::new(trace.token.clone(), "", "", trace.log);
        Self { has_secrets: true, ..Self::of(&work, settings, Some(now_ms)) }
    }

    /// Writes it down beside the log, before the service is asked: what a runner knows that dies before its handle is noted.
    pub(crate) fn note(&self) -> std::io::Result<()> {
        let place = beside(&self.log);
        let draft = place.with_extension("asked.part");
        let mut file = std::fs::File::create(&draft)?;
        std::io::Write::write_all(&mut file, self.handle().0.as_bytes())?;
        // Whole and on disk before anybody is asked: that there is none has to mean that nobody was.
        file.sync_all()?;
        std::fs::rename(&draft, &place)
    }

    /// What was written down there, if it is about this token.
    pub(crate) fn noted(trace: &Trace<'_>) -> Option<Self> {
        let log = std::path::absolute(trace.log).ok()?;
        Self::read(&Handle(std::fs::read_to_string(beside(&log)).ok()?), Some(trace.token))
    }

    /// The report is kept elsewhere.
    pub(crate) fn forget(&self) {
        let _ = std::fs::remove_file(beside(&self.log));
    }

    /// The place that a handle names, if it is one of this token's (or of any, if none is given).
    pub(crate) fn read(handle: &Handle, token: Option<&Token>) -> Option<Self> {
        let place: Self = serde_json::from_str(&handle.0).ok()?;
        let is_its = token.is_none_or(|token| order::once(token) == place.once);
        (place.version == VERSION && is_its).then_some(place)
    }

    pub(crate) fn handle(&self) -> Handle {
        // Numbers and text: they have a written form.
        Handle(serde_json::to_string(self).unwrap_or_default())
    }

    /// Whether the service would know of it, had it ever come there.
    pub(crate) fn would_be_known(&self, now_ms: u64) -> bool {
        self.asked_ms.is_some_and(|asked| now_ms.saturating_sub(asked) < KEPT_MS)
    }

    pub(crate) fn stdout_file(&self) -> Option<StdoutFile> {
        self.stdout_file.as_ref().map(|(path, most)| StdoutFile { path: path.clone(), most: *most })
    }

    /// Whether an agent does the work.
    pub(crate) fn is_agents(&self) -> bool {
        self.program == errand::PROGRAM
    }

    /// Where the files of the job are put.
    pub(crate) fn artifacts(&self) -> PathBuf {
        files_of(&self.log)
    }
}

/// Where the files of a job are put whose log is this.
pub fn files_of(log: &std::path::Path) -> PathBuf {
    log.with_extension("artifacts")
}

fn beside(log: &std::path::Path) -> PathBuf {
    log.with_extension("asked")
}
