//! What a handle says: all that a later process needs to ask, and nothing of what may be a secret.

use std::path::PathBuf;
use std::time::Duration;

use outpost_executor::{Handle, LogCaps, StdoutFile, Token, Trace, Work};
use serde::{Deserialize, Serialize};

use crate::order::Mark;
use crate::settings::{Settings, Targets};

const VERSION: u32 = 1;

/// Work somewhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) version: u32,
    /// The id of the command; missing where nobody knows whether it was sent.
    pub(crate) command: Option<String>,
    /// How often it may have been sent. Where it is more than once, what one of them tells is not all.
    pub(crate) sent: u32,
    pub(crate) mark: String,
    pub(crate) targets: Targets,
    /// What it was, for words.
    pub(crate) program: String,
    pub(crate) dir: String,
    pub(crate) log: PathBuf,
    pub(crate) log_caps: LogCaps,
    pub(crate) stdout_file: Option<(PathBuf, u64)>,
    /// Whether there are secrets that may be in its output.
    pub(crate) has_secrets: bool,
    pub(crate) grace: Duration,
}

impl Place {
    pub(crate) fn of(work: &Work, mark: &Mark, settings: &Settings) -> Self {
        let dir = settings.directory.clone().unwrap_or_else(|| work.dir.to_string_lossy().into_owned());
        Self {
            version: VERSION,
            command: None,
            sent: 0,
            mark: mark.0.clone(),
            targets: settings.targets.clone(),
            program: work.program.to_string_lossy().into_owned(),
            dir,
            log: work.log.clone(),
            log_caps: work.log_caps,
            stdout_file: work.stdout_file.as_ref().map(|file| (file.path.clone(), file.most)),
            has_secrets: !work.secrets.is_empty(),
            grace: work.grace,
        }
    }

    /// Of a start whose handle nobody noted: what may be in its output is not known either.
    pub(crate) fn unnoted(trace: &Trace<'_>, settings: &Settings) -> Self {
        let Trace { token, log, .. } = *trace;
        let work = Work::new(token.clone(), "", "", log);
        Self { has_secrets: true, sent: 2, ..Self::of(&work, &Mark::of(token), settings) }
    }

    /// The place that a handle names, if it is one of this token's (or of any, if none is given).
    pub(crate) fn read(handle: &Handle, token: Option<&Token>) -> Option<Self> {
        let place: Self = serde_json::from_str(&handle.0).ok()?;
        let mark = Mark::read(&place.mark)?;
        let is_its = token.is_none_or(|token| Mark::of(token) == mark);
        (place.version == VERSION && is_its).then_some(place)
    }

    pub(crate) fn handle(&self) -> Handle {
        // Numbers and text: they have a written form.
        Handle(serde_json::to_string(self).unwrap_or_default())
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark(self.mark.clone())
    }

    pub(crate) fn stdout_file(&self) -> Option<StdoutFile> {
        self.stdout_file.as_ref().map(|(path, most)| StdoutFile { path: path.clone(), most: *most })
    }
}
