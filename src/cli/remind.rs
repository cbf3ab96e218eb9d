//! `outpost-bp gates --remind`: people are told what is due of runs that nobody drives. For `cron`: reminders need
//! somebody who looks at the clock.
//!
//! For as long as it takes to tell, this process holds the run like a runner. It starts nothing, decides nothing, and
//! lets no deadline pass.

use super::kept::{look, store};
use super::secrets::Wanted;
use super::unattended::unattended;
use super::{Exit, Failure, Output};
use crate::blueprint::Blueprint;
use crate::engine::driver::Counts;
use crate::engine::moment::now;
use crate::engine::notice::is_due;
use crate::engine::session::Session;
use crate::engine::store::{RunFiles, Store};
use crate::plan::Plan;
use crate::report::progress::plain;

pub(super) fn run(output: &mut Output) -> Result<Exit, Failure> {
    let store = store()?;
    let (mut told, mut untold) = (0, 0);
    for files in store.runs()? {
        let id = files.id().to_owned();
        let wanted = look(&files, |kept| Ok(kept.glance.held_by.is_none() && is_due(kept.blueprint, &kept.run, now())));
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
    let wanted = |blueprint: &Blueprint<'_>, _: &Plan| Wanted::of_telling(blueprint);
    Ok(unattended(store, files, wanted, output, Session::remind)?.unwrap_or_default())
}
