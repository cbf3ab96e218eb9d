//! The process of an agent's attempt: `__agent`, told what to do on standard input.
//!
//! It opens the gateway, which alone has the provider's key, puts the agent behind the walls of this machine, and leaves
//! `outcome.json` and what the gateway counted. Its first word may be its last: a keeper ends it and all below it.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use outpost_agent::attempt::{Around, Fence as Wall, Gate, Job, asked_to_stop, run};
use outpost_agent::classify::Class;
use outpost_agent::definition::{Definition, Definitions};
use outpost_agent::gate;
use outpost_gateway::Prices;
use outpost_sandbox::Layers;

use super::{COUNTED, Counted, Fence, Order};

/// Of this name no variable can be: what is asked for by it is hidden in all that is written.
const HIDDEN: &str = "=key";

pub(crate) fn main() -> ExitCode {
    match attempt() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            // Nobody is left to be told if this fails.
            let _ = writeln!(io::stderr(), "{why}");
            ExitCode::FAILURE
        }
    }
}

fn attempt() -> Result<bool, String> {
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text).map_err(|error| format!("the order cannot be read: {error}"))?;
    // What is wrong with it is not repeated: it may hold a key.
    let order: Order = serde_json::from_slice(&text).map_err(|_| "the order is not one".to_owned())?;
    text.fill(0);
    let Order { mut job, caps, key, upstream, walls } = order;
    let definitions = Definitions::load(job.definitions.as_deref()).map_err(|error| error.to_string())?;
    let definition =
        definitions.get(&job.agent).ok_or_else(|| format!("there is no agent `{}` any more", job.agent))?;
    job.hide = vec![HIDDEN.to_owned()];
    let hidden = key.clone();
    let own = move |name: &str| match name {
        HIDDEN => hidden.clone().map(OsString::from),
        name => std::env::var_os(name),
    };
    let wall = walls.map(|walls| wall(walls, definition, &job)).transpose()?.flatten();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no event loop: {error}"))?;
    let outcome = runtime.block_on(async {
        let gate = match (&definition.auth, key) {
            (Some(auth), Some(key)) => {
                let prices =
                    Prices::built_in().map_err(|error| format!("failed to read the built-in prices: {error}"))?;
                let mut auth = auth.clone();
                if let Some(upstream) = upstream {
                    auth.base_url.upstream = upstream;
                }
                Some(gate::open(&auth, caps, key, prices).await?)
            }
            _ => None,
        };
        let counted = gate.clone();
        let mut out = io::stdout();
        let around = Around {
            own: &own,
            definitions: &definitions,
            gate: gate.map(|gate| gate as Arc<dyn Gate>),
            fence: wall.as_ref(),
            out: &mut out,
            stop: Box::pin(asked_to_stop()),
        };
        let outcome = run(&job, around).await;
        if let Some(gate) = counted {
            count(&gate, &job.folder).map_err(|error| format!("what was used cannot be written: {error}"))?;
        }
        Ok::<_, String>(outcome)
    })?;
    outcome.write(&job.folder).map_err(|error| format!("how it ended cannot be written: {error}"))?;
    Ok(outcome.class == Class::Done)
}

/// The walls of this machine around the agent.
fn wall(asked: Fence, definition: &Definition, job: &Job) -> Result<Option<Wall>, String> {
    let layers = Layers::probe();
    let why = if !layers.hold_files() {
        "neither bubblewrap nor Landlock works on this worker".to_owned()
    } else if definition.approval.sandboxed.contains(&job.approval) {
        format!("`{}` starts a sandbox of its own, which cannot be within another", definition.id)
    } else {
        let gateway_only = asked.gateway_only;
        return Ok(Some(Wall { required: asked.required, gateway_only, ..Wall::new(layers) }));
    };
    if asked.required { Err(format!("{why}, and this worker has to have one")) } else { Ok(None) }
}

/// What the gateway counted. What is still unreported counts as it was estimated.
fn count(gate: &gate::Counting, folder: &Path) -> io::Result<()> {
    let used = gate.usage();
    let counted = Counted {
        input_tokens: used.input.saturating_add(used.cached).saturating_add(used.written),
        output_tokens: used.output,
        micro_usd: used.micro_usd,
    };
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    draft.write_all(&serde_json::to_vec(&counted)?)?;
    draft.persist(folder.join(COUNTED)).map_err(|error| error.error)?;
    Ok(())
}
