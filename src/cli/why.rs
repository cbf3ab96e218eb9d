//! `outpost-bp why`: one line on why a task stands where it does, and the command that makes it go on.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use serde_json::json;

use super::hired::Hired;
use super::kept::{look_back, meant, store};
use super::terms::Terms;
use super::{Exit, Failure, Output, complete};
use crate::blueprint::agent;
use crate::diagnostic::nearest;
use crate::engine::bench::is_direct;
use crate::engine::inbox::{self, Note};
use crate::engine::moment::now;
use crate::engine::store::{RunFiles, Store};
use crate::locks::{Standing, list};
use crate::report::why::{Facts, Holder, why};
use crate::run::GateDecision;

#[derive(Args, Debug)]
pub(super) struct WhyArgs {
    /// The task
    #[arg(add = ArgValueCandidates::new(complete::tasks))]
    task: String,
    /// How the run's id begins, or its document; the latest run without it
    #[arg(long, value_name = "RUN", add = ArgValueCandidates::new(complete::runs))]
    run: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &WhyArgs, output: &mut Output) -> Result<Exit, Failure> {
    let store = store()?;
    let files = meant(&store, args.run.as_deref())?;
    let (holders, left) = (holders(&store), left(&files));
    let (answer, status, is_direct, terms) = look_back(&files, |kept, history| {
        let Some(index) = kept.run.find(&args.task) else {
            return Err(no_task(files.id(), &args.task, kept.run.program().tasks.iter().map(|spec| spec.id.as_str())));
        };
        let facts = Facts {
            run: &kept.run,
            blueprint: kept.blueprint,
            id: files.id(),
            events: &history.events,
            now: now(),
            is_driven: kept.glance.held_by.is_some(),
            holders: &holders,
            left: &left,
        };
        let task = kept.blueprint.task(index);
        let was_started = kept.run.task(index).attempts > 0;
        let is_direct =
            was_started && task.run.as_deref().is_some_and(|command| is_direct(kept.blueprint, task, command));
        // Nobody reads definitions where there is no agent.
        let hired = agent(kept.blueprint, index).map(|_| Hired::here());
        let terms = Terms::of(kept.blueprint, index, hired.as_ref().and_then(|hired| hired.definitions().ok()));
        let terms = terms.map(|terms| (terms.told(), terms.json()));
        Ok((why(&facts, index), kept.run.task(index).phase.word(), is_direct, terms))
    })?;
    if args.json {
        output.json(&json!({
            "run": files.id(),
            "task": args.task,
            "status": status,
            "why": answer.text,
            "command": answer.command,
            "agent": terms.map(|(_, terms)| terms),
            "exec": if is_direct { "direct" } else { "shell" },
        }))?;
        return Ok(Exit::Done);
    }
    output.data(&format!("{} {}\n", args.task, answer.text))?;
    if let Some((told, _)) = terms {
        output.data(&format!("its agent: {told}\n"))?;
    }
    if is_direct {
        output.data(
            "its command was started without a shell, which would do nothing else; `exec: shell` has it do so\n",
        )?;
    }
    if let Some(command) = answer.command {
        output.note(&format!("hint: {command}\n"));
    }
    Ok(Exit::Done)
}

/// Who holds the locks of the project. Where they cannot be looked at, what is said is less and no less true.
pub(super) fn holders(store: &Store) -> Vec<Holder> {
    let holders =
        list(&store.locks()).unwrap_or_default().into_iter().filter(|entry| entry.standing == Standing::Holds);
    holders
        .filter_map(|entry| {
            let party = entry.party?;
            Some(Holder { lock: entry.claim.name, run: party.run, task: party.task, pid: party.process.pid })
        })
        .collect()
}

/// Decisions that people left and no runner took yet.
pub(super) fn left(files: &RunFiles) -> Vec<GateDecision> {
    inbox::waiting(&files.inbox())
        .unwrap_or_default()
        .into_iter()
        .filter_map(|left| match left.note {
            Note::Decision(decision) => Some(decision),
            _ => None,
        })
        .collect()
}

/// There is no such task, and which one may be meant.
pub(super) fn no_task<'a>(run: &str, task: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let hint = match nearest(task, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("`outpost-bp status {run}` lists them"),
    };
    Failure::new(format!("the run `{run}` has no task `{task}`"), hint)
}
