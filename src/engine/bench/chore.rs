//! A chore as work for an executor: what undoes a task, what follows its success, what the run asks for.
//!
//! A task's chores run where and how the task does; hooks run in the directory of the project.

use std::os::fd::OwnedFd;
use std::time::Duration;

use outpost_executor::{Token, Work};

use super::command::{may_be_direct, shell};
use super::site::root_there;
use super::{Bench, Limit, TASK_TIMEOUT, set_aside, unusable};
use crate::blueprint::model::HookCommand;
use crate::blueprint::{Blueprint, TaskIndex, secret};
use crate::document::Text;
use crate::run::{Chore, Failure, FailureCode, FailurePhase, Hook, Part, Run};

/// How long a chore may take, and the field that says so.
pub fn chore_limit(blueprint: &Blueprint<'_>, run: &Run, chore: &Chore) -> Limit {
    let task = chore.task().and_then(|task| run.find(task)).map(|index| blueprint.task(index));
    let whole = task.and_then(|task| task.resources.as_ref()?.timeout).unwrap_or(TASK_TIMEOUT);
    let (own, field): (Option<Duration>, _) = match chore {
        Chore::Rollback { .. } => {
            let terms = task.and_then(|task| task.rollback.as_ref()?.terms.as_ref());
            (terms.and_then(|terms| terms.timeout), "rollback.timeout")
        }
        Chore::OnSuccess { .. } => (None, "resources.timeout"),
        Chore::Hook { hook } => {
            (blueprint.execution.hook(hook.word()).and_then(|hook| hook.timeout), "execution.hooks timeout")
        }
    };
    own.map_or((whole, "resources.timeout"), |own| (own, field))
}

impl Bench<'_> {
    /// Which start of which chore this is, beyond doubt.
    pub fn chore_token(&self, chore: &Chore, attempt: u32) -> Token {
        self.named(chore.owner(), attempt, chore.word())
    }

    /// How long a chore may take, and the field that says so.
    pub fn chore_limit(&self, run: &Run, chore: &Chore) -> Limit {
        chore_limit(self.blueprint, run, chore)
    }

    /// The work of a chore.
    pub fn prepare_chore(
        &self,
        run: &Run,
        chore: &Chore,
        attempt: u32,
        limit: Duration,
        locks: Vec<OwnedFd>,
    ) -> Result<Work, Failure> {
        let index = chore.task().and_then(|task| run.find(task));
        let Some(command) = self.chore_command(chore, index) else {
            let message = format!("the document has no `{}` any more", chore.word());
            let failure = Failure::new(FailureCode::ExecutionFailed, FailurePhase::Cleanup, message);
            return Err(Failure { lasting: true, ..failure });
        };
        let token = self.chore_token(chore, attempt);
        let log = self.files.log(&token.task, attempt, &token.stage);
        set_aside(&log).map_err(|error| unusable(&log, &error))?;
        let mut uses =
            index.map_or_else(|| secret::of_text(command), |index| secret::of_command(self.task(index), command));
        uses.extend(self.environment.iter().flat_map(|(_, value)| secret::of_text(value)));
        if let Some(name) = self.secrets.lacking(&uses) {
            let message = format!("its secret `{name}` is missing");
            let failure = Failure::new(FailureCode::SecretMissing, FailurePhase::Cleanup, message);
            return Err(Failure { lasting: true, ..failure });
        }
        let (program, args) = shell(self.blueprint, index.map(|index| self.task(index)));
        let there = root_there(&self.site_of_chore(run, chore));
        let variables = index.map(|index| {
            let at = run.task(index).attempt_started.unwrap_or(run.latest());
            self.variables_in(index, at, there.clone().unwrap_or_else(|| self.root_of(index)))
        });
        let directory = variables.as_ref().map_or(&self.root, |variables| &variables.directory);
        let mut work = Work::new(token, program, directory, log);
        work.args = args;
        work.direct = may_be_direct(self.blueprint, index.map(|index| self.task(index)));
        work.timeout = Some(limit);
        work.stays = matches!(chore, Chore::Hook { hook } if self.hook(*hook).is_some_and(|hook| hook.stays));
        work.locks = locks;
        work.env = match (chore, index, &variables) {
            (Chore::Hook { hook }, ..) => self.environment_of_hook(run, *hook),
            (_, Some(index), Some(variables)) => {
                self.environment_of(self.task(index), variables, attempt, chore.word())
            }
            _ => Vec::new(),
        };
        // Nothing has happened since the intent to start it.
        let part = Part::Chore { owner: chore.owner(), chore: chore.word(), attempt, at: run.latest() };
        work.env.extend(self.trace_of(part));
        self.give(&mut work, command);
        if let Some((last, _)) = index.and_then(|index| run.task(index).kept.as_ref()).filter(|_| there.is_none()) {
            let owner = chore.owner();
            work.env.push(("OUTPOST_OUTPUTS".into(), self.files.ports(owner, *last).into()));
        }
        Ok(work)
    }

    fn chore_command(&self, chore: &Chore, index: Option<TaskIndex>) -> Option<&str> {
        match chore {
            Chore::Rollback { .. } => self.task(index?).rollback.as_ref()?.command.as_deref(),
            Chore::OnSuccess { .. } => self.task(index?).on_success().map(Text::as_str),
            Chore::Hook { hook } => Some(self.hook(*hook)?.command.as_str()),
        }
    }

    fn hook(&self, hook: Hook) -> Option<&HookCommand<'_>> {
        self.blueprint.execution.hook(hook.word())
    }

    fn environment_of_hook(&self, run: &Run, hook: Hook) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
        let mut env: Vec<_> =
            self.environment.iter().map(|(name, value)| (name.into(), self.secrets.fill(value))).collect();
        let state = match hook {
            Hook::OnStart => "starting",
            Hook::OnWaiting => "waiting",
            Hook::OnSuccess | Hook::OnFailure | Hook::OnExit => run.verdict().word(),
        };
        for (name, value) in [("OUTPOST_RUN", self.files.id()), ("OUTPOST_HOOK", hook.word()), ("OUTPOST_STATE", state)]
        {
            env.push((name.into(), value.into()));
        }
        env
    }
}
