//! Runs that are kept: found by the beginning of their id, and read as they stand.

use super::{Exit, Failure};
use crate::blueprint::Blueprint;
use crate::engine::error::Broken;
use crate::engine::history::{History, blueprint, compile};
use crate::engine::store::{NoRun, RunFiles, Store};
use crate::journal::JournalError;
use crate::run::{Run, RunStarted};

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        // Whoever is told that another drives the run is told so with one code, whenever it is noticed.
        let is_held = matches!(broken, Broken::Journal(JournalError::Held { .. }));
        let exit = if is_held { Exit::Invalid } else { Exit::Failed };
        Self { exit, ..Self::new(broken.to_string(), broken.hint()) }
    }
}

impl From<NoRun> for Failure {
    fn from(none: NoRun) -> Self {
        match none {
            NoRun::None => Self::new("nothing was ever run here", "begin with `outpost-bp run blueprint.md`"),
            NoRun::Unknown(id) => Self::new(format!("no run begins with `{id}`"), "`outpost-bp runs` lists them"),
            NoRun::Ambiguous(id, ids) => {
                Self::new(format!("several runs begin with `{id}`: {}", ids.join(", ")), "write more of the id")
            }
            NoRun::Unreadable(folder, error) => Self::new(
                format!("`{}` cannot be read: {error}", folder.display()),
                "it must be a directory of this user",
            ),
        }
    }
}

/// The store of the project around the working directory.
pub(super) fn store() -> Result<Store, Failure> {
    let here = std::env::current_dir()
        .map_err(|error| Failure::new(format!("the working directory is gone: {error}"), "change into a directory"))?;
    Ok(Store::around(&here))
}

/// The user's name, as far as the environment tells.
pub(super) fn user() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// A run as it stands.
pub(super) struct Kept<'s> {
    pub(super) files: &'s RunFiles,
    pub(super) history: &'s History,
    pub(super) started: &'s RunStarted,
    pub(super) blueprint: &'s Blueprint<'s>,
    pub(super) run: Run,
}

/// Reads a run and looks at it. Nothing is changed, and nobody is kept waiting.
pub(super) fn look<T>(files: &RunFiles, at: impl FnOnce(&Kept<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
    let history = History::read(files)?;
    let source = history.document(files)?;
    let blueprint = blueprint(&source)?;
    let started = history.started()?;
    let (_, program) = compile(&blueprint, started)?;
    let run = history.replay(files, program)?;
    at(&Kept { files, history: &history, started, blueprint: &blueprint, run })
}
