//! `outpost-bp gates --remind`: people are told what is due of runs that nobody drives. For `cron`: reminders need
//! somebody who looks at the clock.
//!
//! For as long as it takes to tell, this process holds the run like a runner. It starts nothing, decides nothing, and
//! lets no deadline pass.

use std::path::PathBuf;

use super::kept::{look, store, user};
use super::screen::Screen;
use super::secrets::{Wanted, found};
use super::{Exit, Failure, Output};
use crate::engine::error::Broken;
use crate::engine::history;
use crate::engine::moment::now;
use crate::engine::notice::is_due;
use crate::engine::session::{Driving, Session};
use crate::engine::store::{RunFiles, Store};
use crate::engine::work::Capabilities;
use crate::journal::JournalError;
use crate::report::progress::plain;

/// How many were told, and how many could not be.
type Counts = (usize, usize);

pub(super) fn run(output: &mut Output) -> Result<Exit, Failure> {
    let store = store()?;
    let (mut told, mut untold) = (0, 0);
    for files in store.runs()? {
        let id = files.id().to_owned();
        let wanted =
            look(&files, |kept| Ok(kept.history.held_by.is_none() && is_due(kept.blueprint, &kept.run, now())));
        match wanted {
            Ok(false) => {}
            Ok(true) => {
                let counts = remind(&store, files, output)?;
                (told, untold) = (told + counts.0, untold + counts.1);
            }
            Err(failure) => {
                output.note(&format!("warning: the run {id} cannot be read: {}\n", plain(&failure.message)));
            }
        }
    }
    output.note(&match (told, untold) {
        (0, 0) => "nobody is to be told anything\n".to_owned(),
        (told, 0) => format!("told: {told}\n"),
        (told, untold) => format!("told: {told}, not told: {untold}\n"),
    });
    Ok(if untold > 0 { Exit::Failed } else { Exit::Done })
}

fn remind(store: &Store, files: RunFiles, output: &mut Output) -> Result<Counts, Failure> {
    let opened = match Session::open(files) {
        // Whoever took it up a moment ago tells.
        Err(Broken::Journal(JournalError::Held { .. })) => return Ok((0, 0)),
        opened => opened?,
    };
    let source = opened.history.document(opened.files())?;
    let blueprint = history::blueprint(&source)?;
    let begin = now();
    let root = PathBuf::from(&opened.history.started()?.root);
    let secrets = found(&blueprint, &Wanted::of_telling(&blueprint), &root, output);
    let session = opened.into_reminder(&source, user())?;
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
    let run = session.remind(driving)?;
    let new = run.notices().filter(|(.., notice)| notice.at >= begin);
    let (told, untold): (Vec<_>, Vec<_>) = new.partition(|(.., notice)| notice.problem.is_none());
    Ok((told.len(), untold.len()))
}
