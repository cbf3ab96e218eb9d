//! `outpost-bp __land ORDER.json`: brings what an attempt committed onto the branch of the run.
//!
//! ```text
//! land ─► nothing new, or forward ─────────────────► advance ─► done
//!   ▲  └► merged ─► checkout ─► verified ───────────────┘ └─► somebody was faster: land again
//!   │  └► conflict ─► conflict.json, for the next attempt
//!   └───────────────────────────────────────────────────────┘
//! ```
//! Only what an agent called done and the policy has looked through lands. Landing again changes nothing. Tasks that land
//! at once are put in order by the comparison that comes with each move of the branch: what was verified is what the
//! branch becomes.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use outpost_agent::attempt::Outcome;
use outpost_agent::classify::Class;
use outpost_workspace::{Advanced, Branch, CommitId, Conflict, Landing as Outlook, Name, Repository};

use super::check::Ground;
use super::{complain, repository};
use crate::engine::agent::course::UNLANDED;
use crate::engine::agent::order::{self, Landing, Place, VERSION};

/// Others may land meanwhile, but not for ever.
const MOST: usize = 100;

/// Why it did not land.
enum Refused {
    /// The agent can do something about it.
    Unfit(String),
    Broken(String),
}

/// Runs an order.
pub(super) fn main(path: &Path) -> ExitCode {
    let landed = match order::read::<Landing>(path) {
        Ok(Some(order)) if order.version == VERSION => land(&order),
        Ok(_) => Err(Refused::Broken(format!("`{}` is no order of this version", path.display()))),
        Err(error) => Err(Refused::Broken(format!("the order `{}` cannot be read: {error}", path.display()))),
    };
    match landed {
        Ok(how) => {
            let _ = writeln!(std::io::stdout(), "{how}");
            ExitCode::SUCCESS
        }
        Err(Refused::Unfit(why)) => {
            complain(&why);
            ExitCode::from(u8::try_from(UNLANDED).unwrap_or(1))
        }
        Err(Refused::Broken(why)) => {
            complain(&why);
            ExitCode::from(2)
        }
    }
}

fn land(order: &Landing) -> Result<String, Refused> {
    let io = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| Refused::Broken(format!("`{path}`: {error}"))
    };
    order::forget(&order.conflict).map_err(io(&order.conflict))?;
    let place: Option<Place> = order::read(&order.place).map_err(io(&order.place))?;
    let folder = order.place.parent().unwrap_or(&order.place);
    // A command's work is looked through by the stage that commits it, which writes the place at its end.
    let is_seen = if order.is_agents {
        Outcome::read(folder).map_err(io(folder))?.is_some_and(|outcome| outcome.class == Class::Done)
    } else {
        place.is_some()
    };
    let place = place.unwrap_or_default();
    if !is_seen || !place.findings.is_empty() {
        let why = "nobody saw it come to an end: what is in its tree was not looked through, and does not land; \
                   have it done again";
        return Err(Refused::Broken(why.to_owned()));
    }
    let Some(commit) = place.commit else {
        return Ok("it changed nothing: there is nothing to land".to_owned());
    };
    let commit = outpost_workspace::ObjectId::try_from(commit).map(CommitId).map_err(Refused::Broken)?;
    let ground = Ground::of(order).map_err(Refused::Broken)?;
    let broken = |error| Refused::Broken(repository::failed(&error));
    let repository = repository::open(&order.names).map_err(Refused::Broken)?;
    let task = repository::task(&order.names).map_err(Refused::Broken)?;
    let branch = repository.integration(repository.head()).map_err(broken)?;
    for _ in 0..MOST {
        let (onto, new) = match repository.land(&branch, &commit, &order.message).map_err(broken)? {
            Outlook::Already { .. } => return Ok(format!("`{branch}` has it already")),
            Outlook::FastForward { onto, commit } => (onto, commit),
            Outlook::Merged { onto, commit, .. } => {
                verify(&repository, order, &ground, &task, &commit)?;
                (onto, commit)
            }
            Outlook::Conflict(conflict) => {
                order::write(&order.conflict, &conflict).map_err(io(&order.conflict))?;
                return Err(Refused::Unfit(told(&branch, &conflict, order.is_agents)));
            }
        };
        match repository.advance(&branch, &onto, &new).map_err(broken)? {
            Advanced::Done => return Ok(format!("landed on `{branch}` as {new}")),
            Advanced::Moved { tip } => {
                let _ = writeln!(std::io::stdout(), "`{branch}` is at {tip} by now; once more");
            }
        }
    }
    Err(Refused::Broken(format!("`{branch}` never held still")))
}

/// Verifies what the branch would become.
fn verify(
    repository: &Repository,
    order: &Landing,
    ground: &Ground<'_>,
    task: &Name,
    commit: &CommitId,
) -> Result<(), Refused> {
    let broken = |error| Refused::Broken(repository::failed(&error));
    let tree = repository.checkout(task, commit).map_err(broken)?;
    for check in &order.checks {
        let _ = writeln!(std::io::stdout(), "{} on the merged tree {commit}", check.name);
        let status = ground
            .carried_out(check, &tree)
            .map_err(|error| Refused::Broken(format!("`{}` could not be run: {error}", check.name)))?;
        if status != Some(check.expected) {
            let status =
                status.map_or_else(|| "did not end in time".to_owned(), |status| format!("exited with {status}"));
            return Err(Refused::Unfit(format!(
                "together with what landed meanwhile, `{}` {status}, and {} is expected",
                check.name, check.expected
            )));
        }
    }
    repository.discard(task).map_err(broken)
}

/// What does not fit, for whoever is to resolve it.
fn told(branch: &Branch, conflict: &Conflict, is_agents: bool) -> String {
    let mut text = String::new();
    for file in &conflict.files {
        text += &format!("\n{}\n", file.path);
        for said in &file.said {
            text += &format!("  {said}\n");
        }
        for hunk in &file.hunks {
            text += &format!("  line {}:\n{}\n", hunk.line, hunk.text);
        }
    }
    let files = conflict.files.len();
    let way_out = if is_agents {
        "the marks are in the files: resolve them, and leave none"
    } else {
        "another attempt begins with what is there now"
    };
    text + &format!("{files} files are in conflict with `{branch}`; {way_out}")
}
