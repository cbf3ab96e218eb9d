//! `outpost-bp __tree ORDER.json` makes the tree that an attempt works in; `outpost-bp __commit ORDER.json` commits what
//! a command left there. An agent's work is committed by the process of its attempt, however that ended.
//!
//! Where the work was done elsewhere, `__tree` sends there what it begins with, and `__commit` begins with laying out what
//! came back. Doing either of them again changes nothing: a tree that stands is found, a commit that is made is the same.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use outpost_executor::Secrets;

use super::stand::Stand;
use super::{complain, send, whispered};
use crate::engine::agent::order::{self, Ground, Place, VERSION};

/// Makes a tree.
pub(super) fn main(path: &Path) -> ExitCode {
    told(ground(path).and_then(|ground| {
        let stand = Stand::ready(&ground.tree)?;
        if let Some(remote) = remote(&ground) {
            send::base(&ground.tree.names, remote, &stand.worktree.base)?;
        }
        let how = if stand.worktree.kept { "goes on in" } else { "begins in" };
        Ok(format!("{how} {}, at {}", stand.worktree.path.display(), stand.worktree.base))
    }))
}

/// Commits what is in one.
pub(super) fn commit(path: &Path) -> ExitCode {
    told(ground(path).and_then(|ground| {
        let mut place = Place { version: VERSION, ..Place::default() };
        let mut stand = Stand::ready(&ground.tree)?;
        if let Some(elsewhere) = &ground.elsewhere {
            place.terms.clone_from(&elsewhere.terms);
            stand.change(&elsewhere.changes)?;
        }
        place.workspace = stand.worktree.path.join(&ground.tree.within);
        stand.keep(&ground.tree, Secrets::new(whispered()?.hide), true, &mut place)?;
        let written = order::write(&ground.place, &place);
        written.map_err(|error| format!("`{}` cannot be written: {error}", ground.place.display()))?;
        if let Some(remote) = remote(&ground) {
            send::forget(&ground.tree.names, remote);
        }
        if !place.findings.is_empty() {
            return Err(format!("it must not land: {}", place.findings.join("; ")));
        }
        Ok(place.commit.map_or_else(|| "it changed nothing".to_owned(), |commit| format!("{}{commit}", place.changes)))
    }))
}

/// Where the base is sent.
fn remote(ground: &Ground) -> Option<&str> {
    ground.elsewhere.as_ref()?.push.as_deref()
}

fn told(what: Result<String, String>) -> ExitCode {
    match what {
        Ok(what) => {
            // Nobody is left to be told if this fails.
            let _ = writeln!(io::stdout(), "{what}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

fn ground(path: &Path) -> Result<Ground, String> {
    match order::read::<Ground>(path) {
        Ok(Some(order)) if order.version == VERSION => Ok(order),
        Ok(_) => Err(format!("`{}` is no order of this version", path.display())),
        Err(error) => Err(format!("the order `{}` cannot be read: {error}", path.display())),
    }
}
