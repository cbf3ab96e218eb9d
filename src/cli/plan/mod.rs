//! `outpost-bp plan`: what would run, in waves, and what it needs of this machine.

mod json;
mod needs;
mod text;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::check::diagnose;
use super::complete;
use super::load::load;
use super::{Exit, Failure, Output};
use crate::blueprint::Blueprint;
use crate::blueprint::model::{Gate, GateTime};
use crate::document::Source;
use crate::plan::Plan;
use crate::report::diagnostics::{Checked, Style, human};
use needs::Needs;

#[derive(Args, Debug)]
pub(super) struct PlanArgs {
    /// The blueprint; `-` reads standard input
    #[arg(add = ArgValueCompleter::new(complete::files()))]
    file: String,
    /// Tasks to plan; all without it
    #[arg(add = ArgValueCompleter::new(complete::selection))]
    selection: Vec<String>,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
}

/// What the two renderings show.
struct Shown<'a, 's> {
    source: &'a Source,
    blueprint: &'a Blueprint<'s>,
    plan: &'a Plan,
    needs: &'a Needs<'a>,
}

pub(super) fn run(args: &PlanArgs, output: &mut Output) -> Result<Exit, Failure> {
    let loaded = load(&args.file)?;
    let reading = diagnose(&loaded, false);
    let tasks = reading.draft.tasks.len();
    let dialect = reading.draft.dialect.to_string();
    let (blueprint, diagnostics) = reading.into_blueprint();
    let Some(blueprint) = blueprint else {
        let checked = Checked { source: &loaded.source, tasks, dialect, diagnostics: &diagnostics };
        output.note(&human(&checked, Style { all: false, width: output.width }));
        return Err(Failure::new(
            format!("`{}` has errors and cannot be planned", args.file),
            "mend the errors above; `outpost-bp graph` draws what could be read",
        ));
    };
    let plan = Plan::of(&blueprint, &args.selection).map_err(|error| {
        Failure::new(error.to_string(), "a selection is an id, `T1.*`, `tier:1`, `status:…`, `+T1.1` or `T1.1+`")
    })?;
    let needs = Needs::probe(&blueprint, &plan, &loaded.source);
    let shown = Shown { source: &loaded.source, blueprint: &blueprint, plan: &plan, needs: &needs };
    if args.json {
        output.json(&json::render(&shown))?;
    } else {
        output.data(&text::render(&shown, output.width))?;
    }
    Ok(Exit::Done)
}

const fn when(gate: &Gate<'_>) -> &'static str {
    match gate.when {
        GateTime::Before => "before",
        GateTime::After => "after",
    }
}
