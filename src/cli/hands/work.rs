//! `outpost-bp __agent ORDER.json`: one attempt, from its place to what it left there.
//!
//! ```text
//! order, standard input ─► place ─► gateway ─► the agent ─► commit, policy ─► ports, place.json, outcome.json
//! ```
//! What was made is committed however the agent ended; whether it may land is asked where it says that it is done. The
//! last thing written is `outcome.json`: a folder without one belongs to an attempt that was ended from outside.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::process::ExitCode;

use outpost_agent::attempt::{Around, Outcome, asked_to_stop, run};
use outpost_agent::classify::Class;
use outpost_agent::definition::{Definition, Definitions};
use outpost_executor::Secrets;

use super::stand::Stand;
use super::{complain, fence, gate, whispered};
use crate::engine::agent::order::{self, ORDER, Order, PLACE, Place, VERSION, Whisper};

/// Runs an order.
pub(super) fn main(path: &Path) -> ExitCode {
    let order = match order::read::<Order>(path) {
        Ok(Some(order)) if order.version == VERSION => order,
        Ok(Some(order)) => {
            return refuse(&format!("the order has version {}, and this program knows {VERSION}", order.version));
        }
        Ok(None) => return refuse(&format!("there is no order `{}`", path.display())),
        Err(error) => return refuse(&format!("the order `{}` cannot be read: {error}", path.display())),
    };
    let at = order.job.folder.join(PLACE);
    let mut place = Place { version: VERSION, workspace: order.job.workspace.clone(), ..Place::default() };
    let (result, outcome) = match attempt(order, &mut place) {
        Ok((outcome, folder)) => {
            (Ok(outcome.class == Class::Done && place.findings.is_empty()), Some((outcome, folder)))
        }
        Err(problem) => {
            place.problem = Some(problem.clone());
            (Err(problem), None)
        }
    };
    if let Err(error) = order::write(&at, &place) {
        return refuse(&format!("`{}` cannot be written: {error}", at.display()));
    }
    if let Some((outcome, folder)) = outcome
        && let Err(error) = outcome.write(&folder)
    {
        return refuse(&format!("how it ended cannot be written: {error}"));
    }
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            for finding in &place.findings {
                complain(&format!("must not land: {finding}"));
            }
            ExitCode::FAILURE
        }
        Err(problem) => refuse(&problem),
    }
}

fn refuse(why: &str) -> ExitCode {
    complain(why);
    ExitCode::FAILURE
}

/// All that is hidden, and what the agent gets of it.
struct Known(Whisper);

impl Known {
    /// A name that no variable can have.
    fn hidden(number: usize) -> String {
        format!("={number}")
    }

    /// Our environment, as the attempt sees it.
    fn own(&self, name: &str) -> Option<OsString> {
        if let Some(number) = name.strip_prefix('=') {
            let (_, value) = self.0.hide.get(number.parse::<usize>().ok()?)?;
            return Some(OsString::from_vec(value.clone()));
        }
        self.0.env.get(name).map(OsString::from).or_else(|| std::env::var_os(name))
    }
}

fn attempt(mut order: Order, place: &mut Place) -> Result<(Outcome, std::path::PathBuf), String> {
    let known = Known(whispered()?);
    let definitions = Definitions::load(order.job.definitions.as_deref()).map_err(|error| error.to_string())?;
    let definition = chosen(&definitions, &order.job.agent)?;
    let job = &mut order.job;
    job.env = known.0.env.clone();
    job.env.insert(order::VARIABLE.to_owned(), job.folder.join(ORDER).to_string_lossy().into_owned());
    job.hide = (0..known.0.hide.len()).map(Known::hidden).collect();
    // Whoever reads our memory through `/proc` must not be able to print them either.
    for auth in definitions.names().filter_map(|name| definitions.get(name)?.auth.as_ref()) {
        job.env.remove(&auth.secret.env);
        job.hide.push(auth.secret.env.clone());
    }
    let stand = order.tree.as_ref().map(Stand::ready).transpose()?;
    if let (Some(stand), Some(tree)) = (&stand, &order.tree) {
        job.workspace = stand.worktree.path.join(&tree.within);
    }
    place.workspace.clone_from(&job.workspace);
    let own = |name: &str| known.own(name);
    // For `outpost-bp mcp`, should the agent start it.
    let own_words = std::env::current_exe().into_iter().chain([job.folder.join(ORDER)]);
    if let Some(sandbox) = &mut order.sandbox {
        sandbox.handed.extend(own_words);
    }
    let built = fence::build(order.sandbox.as_ref(), stand.as_ref(), (definition, job.approval), &own)?;
    place.terms.extend(built.told);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no event loop: {error}"))?;
    let outcome = runtime.block_on(async {
        let way = gate::open(definition, order.caps, built.fence.is_some(), &own).await?;
        place.terms.push(way.told);
        for line in &place.terms {
            complain(line);
        }
        job.access = way.access;
        let mut out = io::stdout();
        let around = Around {
            own: &own,
            definitions: &definitions,
            gate: way.gate,
            fence: built.fence.as_ref(),
            out: &mut out,
            stop: Box::pin(asked_to_stop()),
        };
        Ok::<_, String>(run(job, around).await)
    })?;
    place.terms.extend(outcome.sandbox.iter().cloned());
    let is_done = outcome.class == Class::Done;
    if let (Some(stand), Some(tree)) = (&stand, &order.tree) {
        let secrets = known.0.hide.iter().cloned();
        let secrets =
            secrets.chain(order.job.hide.iter().filter_map(|name| Some((name.clone(), own(name)?.into_vec()))));
        stand.keep(tree, Secrets::new(secrets), is_done, place)?;
    }
    if let (Some(file), Some(answer), true) = (&order.output, &outcome.answer, is_done) {
        file.hand_over(&answer.outputs)
            .map_err(|error| format!("`{}` cannot be written: {error}", file.path.display()))?;
    }
    Ok((outcome, order.job.folder))
}

fn chosen<'a>(definitions: &'a Definitions, name: &str) -> Result<&'a Definition, String> {
    definitions.get(name).ok_or_else(|| format!("there is no agent `{name}` any more: `outpost-bp agents list`"))
}
