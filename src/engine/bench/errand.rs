//! The work of an agent of the fleet: what a service is asked, and what of it is as if the agent had worked here.
//!
//! ```text
//! tree (here) ─► its base, the prompt ─► job ─► changes.diff, outcome.json ─► commit, policy, verification, landing (here)
//! ```
//! Each attempt is a session of its own, on the commit that the tree begins with: another worker knows no earlier one, and
//! has nothing of what was changed before. What failed and what was changed is told in the prompt instead.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use outpost_agent::attempt::{Outcome, PROMPT, nonce};
use outpost_agent::classify::Class;
use outpost_agent::contract::PortKind;
use outpost_agent::prompt::{GOAL, asked};
use outpost_executor::{Outcome as Became, Report, Work};
use outpost_fleet::{CHANGES, Errand, Port, files_of};
use outpost_workspace::began_with;
use sha2::{Digest as _, Sha256};

use super::agent::refused;
use super::{Bench, Failure, Turn, Variables, unusable};
use crate::blueprint::model::Fleet;
use crate::blueprint::{TaskIndex, site};
use crate::engine::agent::order::{self, Elsewhere, ORDER};
use crate::engine::output::Values;
use crate::engine::store::private;
use crate::run::{FailureCode, FailurePhase, Stage};

/// How much of a diff is told to the next attempt.
const TOLD: u64 = 12 << 10;

impl Bench<'_> {
    /// The fleet on which an agent does a task.
    pub fn errand(&self, index: TaskIndex) -> Option<Box<Fleet<'_>>> {
        site::of_errand(self.blueprint, index)
    }

    /// The files of the job of an attempt.
    fn brought(&self, index: TaskIndex, attempt: u32) -> PathBuf {
        files_of(&self.files.log(&self.task(index).id, attempt, Stage::Run.word()))
    }

    pub(super) fn elsewhere(&self, index: TaskIndex, attempt: u32) -> Option<Elsewhere> {
        let fleet = self.errand(index)?;
        let (agent, _) = self.agent(index)?;
        let at = self.tree_of(index).and_then(|tree| began_with(&tree)).map(|base| format!(" at {base}"));
        let repo = fleet.repo.as_deref().unwrap_or_default();
        let told = format!("`{agent}` of the fleet worked on a clone of {repo}{}", at.unwrap_or_default());
        let outcome = Outcome::read(&self.folder_of(index, attempt)).ok().flatten();
        Some(Elsewhere {
            push: fleet.push.as_ref().map(ToString::to_string),
            changes: self.brought(index, attempt).join(CHANGES),
            terms: std::iter::once(told).chain(outcome.into_iter().flat_map(|outcome| outcome.sandbox)).collect(),
        })
    }

    /// What an attempt elsewhere changed, for one that has nothing of it.
    pub(super) fn changed_elsewhere(&self, index: TaskIndex, attempt: u32) -> Option<String> {
        self.errand(index)?;
        let file = fs::File::open(self.brought(index, attempt).join(CHANGES)).ok()?;
        let mut bytes = Vec::new();
        file.take(TOLD).read_to_end(&mut bytes).ok()?;
        let changes = self.secrets.clean(String::from_utf8_lossy(&bytes).into_owned());
        let changes = if changes.is_empty() { "nothing".to_owned() } else { changes };
        Some(format!("{changes}\n(The workspace is as it was before that attempt: none of this is in it.)"))
    }

    /// Makes the work the errand of an agent. Nothing of this machine goes with it but what the document names.
    pub(super) fn send_out(
        &self,
        work: &mut Work,
        fleet: &Fleet<'_>,
        (index, attempt): (TaskIndex, u32),
        inputs: &Values,
        turn: &Turn<'_>,
        variables: &Variables<'_>,
    ) -> Result<(), Failure> {
        let task = self.task(index);
        let mut order = self.order(index, attempt, inputs, turn, variables)?;
        order.sandbox = None;
        let base = self.tree_of(index).and_then(|tree| began_with(&tree));
        let base = base.ok_or_else(|| refused("nobody knows which commit its tree began with".to_owned()))?;
        let within = self.within(task)?;
        let place = within.to_str().filter(|place| !place.is_empty());
        let prompt = self.secrets.clean(asked(&order.job.brief, place, &nonce()));
        if prompt.len() > GOAL {
            let bytes = prompt.len();
            let way_out = "write less prose, or hand it over as an input";
            return Err(refused(format!(
                "its prompt has {bytes} bytes, and agents of the fleet read {GOAL}: {way_out}"
            )));
        }
        let folder = &order.job.folder;
        let written = private(folder).and_then(|()| fs::write(folder.join(PROMPT), &prompt));
        written.map_err(|error| unusable(&folder.join(PROMPT), &error))?;
        order::write(&folder.join(ORDER), &order).map_err(|error| unusable(&folder.join(ORDER), &error))?;
        let ports = order.job.brief.ports.iter();
        #[expect(clippy::cast_precision_loss, reason = "dollars, far from the bound")]
        let usd = order.caps.micro_usd.map(|micro| micro as f64 / 1e6);
        let errand = Errand {
            agent: order.job.agent.clone(),
            model: order.job.model.clone(),
            task: prompt,
            reference: fleet.repo.as_ref().map(|_| base.to_string()),
            inputs: inputs.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            ports: ports.map(|port| Port { name: port.name.clone(), kind: word(port.kind).to_owned() }).collect(),
            usd,
            tokens: order.caps.tokens,
        };
        errand.give(work);
        let own = variables.pairs();
        work.env.retain(|(name, _)| !own.iter().any(|(known, _)| name == known));
        work.secrets = self.secrets.hidden().clone();
        Ok(())
    }

    /// What the job of an agent left becomes what an attempt here leaves: how it ended, and its ports. Doing it again
    /// changes nothing.
    pub fn bring_home(&self, index: TaskIndex, attempt: u32, report: &Report) -> Result<(), Failure> {
        if self.errand(index).is_none() {
            return Ok(());
        }
        let wrong = |message: String| Failure::new(FailureCode::ExecutionFailed, FailurePhase::Execution, message);
        let folder = self.folder_of(index, attempt);
        let told = Outcome::read(&self.brought(index, attempt));
        let told = told.map_err(|error| wrong(format!("how its agent ended cannot be read: {error}")))?;
        let Some(mut outcome) = told else {
            return match report.outcome {
                Became::Exited(0) => Err(wrong("how its agent ended was not brought here".to_owned())),
                _ => Ok(()),
            };
        };
        // No other worker knows it.
        outcome.session_id = None;
        let prompt = fs::read(folder.join(PROMPT)).unwrap_or_default();
        outcome.prompt_sha256 = Sha256::digest(&prompt).iter().map(|byte| format!("{byte:02x}")).collect();
        let ports = self.ports_file(index, attempt).filter(|_| outcome.class == Class::Done);
        let handed =
            ports.zip(outcome.answer.as_ref()).map_or(Ok(()), |(file, answer)| file.hand_over(&answer.outputs));
        handed.and_then(|()| outcome.write(&folder)).map_err(|error| unusable(&folder, &error))
    }
}

const fn word(kind: PortKind) -> &'static str {
    match kind {
        PortKind::String => "string",
        PortKind::Integer => "integer",
        PortKind::Number => "number",
        PortKind::Boolean => "boolean",
        PortKind::Path => "path",
        PortKind::Json => "json",
    }
}
