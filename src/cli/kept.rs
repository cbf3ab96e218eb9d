//! Runs that are kept: found by the beginning of their id or by their document, and read as they stand.

use std::fs;
use std::path::{Path, PathBuf, absolute};

use super::{Exit, Failure};
use crate::blueprint::Blueprint;
use crate::engine::error::Broken;
use crate::engine::glance::{Glance, begun};
use crate::engine::history::{History, blueprint, compile};
use crate::engine::store::{NoRun, RunFiles, Store};
use crate::journal::JournalError;
use crate::run::{Program, Run, RunStarted};

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

/// The run that a word means: the beginning of its id, or the path of its document, whose latest run it is. The latest
/// of all without a word.
pub(super) fn meant(store: &Store, word: Option<&str>) -> Result<RunFiles, Failure> {
    match store.find(word) {
        Err(NoRun::Unknown(word)) => match runs_of(store, &word).pop() {
            Some(latest) => Ok(latest),
            None if Path::new(&word).is_file() => Err(no_run_of(&word, "name one by its id")),
            None => Err(NoRun::Unknown(word).into()),
        },
        found => Ok(found?),
    }
}

/// The runs of a document, the latest last, wherever this is called from. A run that does not tell of what it is is
/// nobody's.
pub(super) fn runs_of(store: &Store, path: &str) -> Vec<RunFiles> {
    let places = |path: &Path| [fs::canonicalize(path).ok(), absolute(path).ok()];
    let sought = places(Path::new(path));
    let is_this = |files: &RunFiles| {
        let document = begun(files).ok().and_then(|started| whereabouts(&started));
        // One that is gone by now has only its name.
        document.is_some_and(|document| places(&document).iter().zip(&sought).any(|(a, b)| a.is_some() && a == b))
    };
    store.runs().unwrap_or_default().into_iter().filter(is_this).collect()
}

/// A document was named that nothing was run of.
pub(super) fn no_run_of(path: &str, otherwise: &str) -> Failure {
    Failure::new(
        format!("no run of `{path}` is kept here"),
        format!("`outpost-bp runs` lists them; {otherwise}, or begin with `outpost-bp run`"),
    )
}

/// Where the document of a run lies, wherever this is called from.
pub(super) fn whereabouts(started: &RunStarted) -> Option<PathBuf> {
    let root = Path::new(&started.root);
    let is_here = std::env::current_dir().is_ok_and(|here| here == root);
    let path = if is_here { PathBuf::from(&started.file) } else { root.join(&started.file) };
    (started.file != "-").then_some(path)
}

/// A run as it stands.
pub(super) struct Kept<'s> {
    pub(super) files: &'s RunFiles,
    pub(super) glance: &'s Glance,
    pub(super) started: &'s RunStarted,
    pub(super) blueprint: &'s Blueprint<'s>,
    pub(super) run: Run,
}

/// Reads a run and looks at it. Nothing is changed, and nobody is kept waiting.
pub(super) fn look<T>(files: &RunFiles, at: impl FnOnce(&Kept<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
    let glance = Glance::at(files)?;
    looked(files, &glance, |program| glance.replay(files, program), at)
}

/// The same for those who look at each event, too.
pub(super) fn look_back<T>(
    files: &RunFiles,
    at: impl FnOnce(&Kept<'_>, &History) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let history = History::read(files)?;
    looked(files, &history.glance, |program| history.replay(files, program), |kept| at(kept, &history))
}

fn looked<T>(
    files: &RunFiles,
    glance: &Glance,
    replay: impl FnOnce(Program) -> Result<Run, Broken>,
    at: impl FnOnce(&Kept<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let source = glance.document(files)?;
    let blueprint = blueprint(&source)?;
    let started = glance.started()?;
    let (_, program) = compile(&blueprint, started)?;
    let run = replay(program)?;
    at(&Kept { files, glance, started, blueprint: &blueprint, run })
}
