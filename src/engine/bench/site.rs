//! Where a command runs, and what follows from it for its work.

use std::path::{Path, PathBuf};

use outpost_container::{Container, Mount};
use outpost_executor::{Token, Work};
use serde_json::Value;

use super::{Bench, failure, variable};
use crate::blueprint::site::{self, Site};
use crate::blueprint::{TaskIndex, model};
use crate::engine::output::Values;
use crate::run::{Chore, Failure, FailureCode, FailurePhase, Moment, Run, Stage};

/// Where files are exchanged that stand outside of the project.
const EXCHANGED: &str = "/tmp/blueprint";

impl Bench<'_> {
    /// Where a task is done.
    pub fn site(&self, index: TaskIndex) -> Site<'_, '_> {
        site::of_task(self.blueprint, index)
    }

    /// Where a stage of it runs.
    pub fn site_of(&self, index: TaskIndex, stage: Stage) -> Site<'_, '_> {
        if self.is_hired(index, stage) {
            return Site::Here;
        }
        if let Some(fleet) = self.errand(index).filter(|_| stage == Stage::Run) {
            return Site::Fleet(fleet);
        }
        let verification = match stage {
            Stage::Verify { tier, .. } => self.task(index).verification.iter().find(|stage| stage.stage == tier),
            Stage::Tree | Stage::Setup | Stage::Run | Stage::Commit | Stage::Land => None,
        };
        verification
            .map_or_else(|| self.site(index), |verification| site::of_verification(self.blueprint, index, verification))
    }

    /// Where a chore runs: what undoes a task and what follows its success, where the task does.
    pub fn site_of_chore(&self, run: &Run, chore: &Chore) -> Site<'_, '_> {
        let index = chore.task().and_then(|task| run.find(task));
        index.map_or(Site::Here, |index| self.site(index))
    }

    /// Which start this is, beyond doubt: two projects may have runs of one name, begun in one second.
    pub fn token(&self, index: TaskIndex, attempt: u32, stage: Stage, stage_at: Moment) -> Token {
        let (task, word) = (&self.task(index).id, stage.word());
        match self.site_of(index, stage) {
            // Others perform a token once, and a verification that was cut short begins again.
            ref site if site::outlives(site) && stage.is_repeatable() => {
                self.named(task, attempt, &format!("{word}@{}", stage_at.0))
            }
            _ => self.named(task, attempt, word),
        }
    }

    /// The container of a task's commands.
    pub(in crate::engine) fn container(
        &self,
        index: TaskIndex,
        at: Moment,
        container: &model::Container<'_>,
    ) -> Container {
        let variables = self.variables(index, at);
        let mount = |mount: &model::Mount<'_>| {
            let source = variables.path(&mount.source);
            let target = mount.target.as_deref().map_or_else(|| source.clone(), PathBuf::from);
            Mount { source, target, read_only: mount.read_only }
        };
        let value = |(name, value): &(crate::document::Text<'_>, crate::document::Text<'_>)| {
            (name.as_str().into(), variables.fill(value, &self.secrets))
        };
        Container {
            image: container.image.to_string(),
            network: container.network.as_ref().map(ToString::to_string),
            env: container.env.iter().map(value).collect(),
            mounts: container.mounts.iter().map(mount).collect(),
            user: container.user.as_ref().map(ToString::to_string),
            workdir: container.workdir.as_deref().map(PathBuf::from),
        }
    }

    /// The folders outside of the project in which commands and the runner exchange files.
    pub(in crate::engine) fn exchanged(&self) -> Vec<PathBuf> {
        let shared = Some(PathBuf::from(EXCHANGED)).filter(|folder| folder.is_dir());
        std::iter::once(self.files.folder().to_owned()).chain(shared).collect()
    }
}

/// The directory that stands for the project's on other machines.
pub(super) fn root_there(site: &Site<'_, '_>) -> Option<PathBuf> {
    match site {
        Site::Machines(machines) => Some(Path::new(machines.directory()).to_owned()),
        Site::Fleet(fleet) => Some(Path::new(fleet.directory()).to_owned()),
        Site::Here | Site::Container(_) => None,
    }
}

/// Gives work on another machine its inputs: there are no files of ours.
pub(super) fn bind_there(work: &mut Work, inputs: &Values) -> Result<(), Failure> {
    for (name, value) in inputs {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if text.contains('\0') {
            let message =
                format!("its input `{name}` holds a NUL byte, which no variable can; have the machine fetch it");
            return Err(failure(FailureCode::ExecutionFailed, FailurePhase::Setup, message));
        }
        work.env.push((format!("OUTPOST_INPUT_{}", variable(name)).into(), text.into()));
    }
    Ok(())
}
