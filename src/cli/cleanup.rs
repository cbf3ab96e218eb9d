//! Outputs of runs that nobody drives, put away when their time has come: `gc` does what a driver would do.

use std::path::PathBuf;

use super::kept::look_back;
use super::secrets::Wanted;
use super::unattended::unattended;
use super::{Failure, Output};
use crate::blueprint::Blueprint;
use crate::engine::bench::Bench;
use crate::engine::cleanup::{Ledger, Schedule};
use crate::engine::moment::now;
use crate::engine::secret::Resolved;
use crate::engine::session::Session;
use crate::engine::store::{RunFiles, Store};
use crate::plan::Plan;

/// Whether clean-ups of a run are due, and whether some will be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) now: bool,
    pub(super) later: bool,
}

/// What there is to put away of a run. What cannot be read has nothing.
pub(super) fn pending(files: &RunFiles) -> Pending {
    let looked = look_back(files, |kept, history| {
        let mut schedule = Schedule::of(kept.blueprint, Ledger::of(&history.events));
        if schedule.is_empty() {
            return Ok(Pending::default());
        }
        let started = kept.started;
        let bench = Bench {
            blueprint: kept.blueprint,
            files: files.clone(),
            root: PathBuf::from(&started.root),
            name: started.blueprint_id(),
            document: started.file.clone(),
            definitions: None,
            trees: None,
            environment: Vec::new(),
            secrets: Resolved::default(),
            trail: None,
        };
        let at = now();
        let coming = schedule.coming(&bench, &kept.run);
        Ok(Pending { now: coming.iter().any(|due| due.at <= at), later: coming.iter().any(|due| due.at > at) })
    });
    looked.unwrap_or_default()
}

/// Puts away what is due of a run, and tells each.
pub(super) fn put_away(store: &Store, files: &RunFiles, output: &mut Output) -> Result<(), Failure> {
    // What lies elsewhere may take a secret to be removed.
    let wanted = |blueprint: &Blueprint<'_>, plan: &Plan| Wanted::of(blueprint, plan, &[]);
    unattended(store, files.clone(), wanted, output, Session::put_away)?;
    Ok(())
}
