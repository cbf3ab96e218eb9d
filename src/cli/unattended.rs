//! A run that nobody drives, opened for something that starts nothing: reminders, clean-up.

use std::path::Path;

use super::Failure;
use super::Output;
use super::kept::user;
use super::screen::Screen;
use super::secrets::{Wanted, found};
use crate::blueprint::Blueprint;
use crate::engine::bench::Capabilities;
use crate::engine::error::Broken;
use crate::engine::history;
use crate::engine::session::{Driving, Session};
use crate::engine::store::{RunFiles, Store};
use crate::journal::JournalError;
use crate::plan::Plan;

/// Opens a run with the secrets that `wanted` names, as far as they are found, and acts on it. Nothing if somebody
/// took it up a moment ago: that one does it.
pub(super) fn unattended<T>(
    store: &Store,
    files: RunFiles,
    wanted: impl FnOnce(&Blueprint<'_>, &Plan) -> Wanted,
    output: &mut Output,
    act: impl FnOnce(Session, Driving<'_>) -> Result<T, Broken>,
) -> Result<Option<T>, Failure> {
    let opened = match Session::open(files) {
        Err(Broken::Journal(JournalError::Held { .. })) => return Ok(None),
        opened => opened?,
    };
    let source = opened.history.glance.document(opened.files())?;
    let blueprint = history::blueprint(&source)?;
    let started = opened.history.glance.started()?;
    let (plan, program) = history::compile(&blueprint, started)?;
    let secrets = found(&blueprint, &wanted(&blueprint, &plan), Path::new(&started.root), output)?;
    let session = opened.into_reminder(program, user())?;
    let mut screen = Screen::new(output, &blueprint, &source, None, false);
    let driving = Driving {
        store,
        blueprint: &blueprint,
        source: &source,
        environment: Vec::new(),
        secrets,
        capabilities: Capabilities::new(),
        watcher: &mut screen,
        patient: false,
        trail: None,
    };
    Ok(Some(act(session, driving)?))
}
