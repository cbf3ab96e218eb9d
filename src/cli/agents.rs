//! `outpost-bp agents`: which agents there are, what keeps one from being asked, and whether its definition holds.

use std::fs;
use std::io::{self, Write as _};

use clap::{Args, Subcommand};
use outpost_agent::attempt::Fence;
use outpost_agent::trial::{Row, Table as Tried, trial};
use outpost_sandbox::Layers;
use serde_json::{Value, json};

use super::hired::{Found, Hired};
use super::walls::Walls;
use super::{Exit, Failure, Output};
use crate::report::table::{Table, wrapped};

#[derive(Args, Debug)]
pub(super) struct AgentsArgs {
    #[command(subcommand)]
    what: What,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the agents: those that are built in, and your own
    List,
    /// Tell which of them can be asked here, and what the others lack
    Doctor,
    /// Try a definition with the real program, against a model on this machine
    Test {
        /// The agent
        name: String,
        /// Try it as if there were no sandbox on this machine
        #[arg(long)]
        no_sandbox: bool,
    },
}

pub(super) fn run(args: &AgentsArgs, output: &mut Output) -> Result<Exit, Failure> {
    match &args.what {
        What::List => list(args.json, output),
        What::Doctor => doctor(args.json, output),
        What::Test { name, no_sandbox } => test(name, *no_sandbox, args.json, output),
    }
}

/// All of them, or why there are none.
fn all() -> Result<Vec<Found>, Failure> {
    Hired::here().all().map_err(|problems| Failure::new(problems, "docs/AGENTS.md lists every key of a definition"))
}

fn list(as_json: bool, output: &mut Output) -> Result<Exit, Failure> {
    let all = all()?;
    if as_json {
        let agents: Vec<Value> = all.iter().map(told).collect();
        output.json(&json!({ "agents": agents }))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["AGENT", "NAME", "PROGRAM", "DEFINED IN"]);
    for found in &all {
        let program = found.program.as_ref().map_or_else(|| "not here".to_owned(), |path| path.display().to_string());
        table.row(&[found.id.clone(), found.name.clone(), program, found.origin.clone()]);
    }
    output.data(&table.text(output.columns()))?;
    Ok(Exit::Done)
}

fn doctor(as_json: bool, output: &mut Output) -> Result<Exit, Failure> {
    let all = all()?;
    let is_fit = all.iter().any(|found| found.lacking.is_none());
    let walls = Walls::here();
    if as_json {
        let agents: Vec<Value> = all.iter().map(told).collect();
        output.json(&json!({
            "fit": is_fit,
            "agents": agents,
            "sandbox": { "layers": walls.layers.describe(), "open": walls.open() },
        }))?;
    } else {
        let mut table = Table::new(&["LEVEL", "AGENT", "VERSION", "KEY"]);
        for found in &all {
            let level = if found.lacking.is_none() { "ok" } else { "warn" };
            let version = found.version.clone().unwrap_or_else(|| "-".to_owned());
            table.row(&[level.to_owned(), found.id.clone(), version, found.way.clone()]);
        }
        let columns = output.columns();
        let rows = table.text(columns);
        let mut rows = rows.lines();
        let mut text = format!("{}\n", rows.next().unwrap_or_default());
        for (row, found) in rows.zip(&all) {
            text += &format!("{row}\n");
            if let Some(why) = &found.lacking {
                text += &wrapped("      -> ", why, columns);
            }
        }
        text += &wrapped("sandbox: ", &walls.line(), columns);
        if let Some(open) = walls.open() {
            text += &wrapped("      -> ", &open, columns);
        }
        output.data(&text)?;
        output.note(if is_fit { "agents can be asked here\n" } else { "no agent can be asked here\n" });
    }
    Ok(if is_fit { Exit::Done } else { Exit::Unprepared })
}

fn told(found: &Found) -> Value {
    json!({
        "agent": found.id,
        "name": found.name,
        "definition": found.origin,
        "program": found.program,
        "version": found.version,
        "key": found.way,
        "lacking": found.lacking,
    })
}

fn test(name: &str, no_sandbox: bool, as_json: bool, output: &mut Output) -> Result<Exit, Failure> {
    let hired = Hired::here();
    let definitions = hired
        .definitions()
        .map_err(|problems| Failure::new(problems, "docs/AGENTS.md lists every key of a definition"))?;
    hired.definition(name).map_err(|why| Failure::new(why, "`outpost-bp agents list` lists them"))?;
    let folder = tempfile::Builder::new().prefix("outpost-agent-").tempdir();
    let folder = folder.map_err(|error| Failure::new(format!("no folder for it: {error}"), "set `TMPDIR`"))?;
    let own = |name: &str| std::env::var_os(name);
    let layers = Layers::probe();
    let fence = Fence { guarded: std::env::current_dir().into_iter().collect(), ..Fence::new(layers) };
    let fence = Some(fence).filter(|fence| fence.layers.hold_files() && !no_sandbox);
    // What the agent says meanwhile is conversation.
    let tried = trial(definitions, name, folder.path(), (&own, fence.as_ref()), &mut io::stderr());
    let tried = tried.map_err(|why| Failure {
        exit: Exit::Unprepared,
        ..Failure::new(why, "`outpost-bp agents doctor` tells more")
    })?;
    if as_json {
        output.json(&json!({
            "agent": tried.agent,
            "version": tried.version,
            "good": tried.is_good(),
            "sandbox": fence.as_ref().map(|fence| fence.layers.names()),
            "situations": tried.rows.iter().map(row).collect::<Vec<_>>(),
        }))?;
    } else {
        let sandbox = fence.as_ref().map_or_else(|| "none".to_owned(), |fence| fence.layers.names());
        output.data(&format!("{tried}sandbox: {sandbox}\n"))?;
    }
    Ok(kept(&tried, folder))
}

fn row(row: &Row) -> Value {
    json!({
        "situation": row.situation.name(),
        "expected": row.situation.expected().name(),
        "got": row.outcome.class.name(),
        "seconds": row.seconds,
        "faults": row.faults,
    })
}

/// Where something is not as it should be, its transcripts stay.
fn kept(tried: &Tried, folder: tempfile::TempDir) -> Exit {
    if tried.is_good() {
        return Exit::Done;
    }
    let place = folder.keep();
    // Readable for nobody else: agents print what they like.
    let _ = fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let _ = writeln!(io::stderr(), "its transcripts are in {}", place.display());
    Exit::Failed
}
