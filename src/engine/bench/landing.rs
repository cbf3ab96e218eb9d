//! What `outpost-bp __land` is asked: which commit becomes part of the branch of the run, and how a merged tree is verified,
//! which is where the task is verified.

use std::ffi::OsString;
use std::path::Path;

use outpost_executor::Work;

use super::agent::refused;
use super::command::shell;
use super::{Bench, Failure, Variables};
use crate::blueprint::TaskIndex;
use crate::blueprint::model::Container;
use crate::blueprint::site::Site;
use crate::engine::agent::order::{CONFLICT, Check, Inside, Landing, PLACE, VERSION};
use crate::engine::hands;
use crate::run::{Moment, Stage};

impl Bench<'_> {
    /// The container in which a merged tree is verified, and its variables.
    fn inside(
        &self,
        (index, attempt, at): (TaskIndex, u32, Moment),
        container: &Container<'_>,
    ) -> Result<(Inside, Vec<(OsString, OsString)>), Failure> {
        let tree = self.tree_of(index).ok_or_else(|| refused("there is no place for its tree".to_owned()))?;
        let mut filled = self.container(index, at, container);
        let env = std::mem::take(&mut filled.env);
        let inside = Inside {
            kind: hands::kind(container),
            container: filled,
            token: self.named(&self.task(index).id, attempt, Stage::Land.word()),
            tree,
            folders: self.exchanged(),
            scope: hands::scope(self.store()),
        };
        Ok((inside, env))
    }

    /// The order to land what an attempt committed, for `work` to carry out.
    pub(super) fn landing(
        &self,
        work: &mut Work,
        (index, attempt): (TaskIndex, u32),
        folder: &Path,
        variables: &Variables<'_>,
    ) -> Result<Landing, Failure> {
        let task = self.task(index);
        let (program, flags) = shell(self.blueprint, Some(task));
        let mut checks = Vec::new();
        for stage in task.verification.iter().filter(|stage| !stage.optional) {
            let (text, variables) = self.secrets.carry(&stage.command);
            work.env.extend(variables);
            let args = flags.iter().map(|flag| flag.to_string_lossy().into_owned());
            checks.push(Check {
                name: format!("verify:{}", stage.stage.word()),
                program: program.to_string_lossy().into_owned(),
                args: args.chain(["-c".to_owned(), text]).collect(),
                expected: stage.expected_exit_code.into(),
                timeout_secs: stage.timeout().as_secs().max(1),
                is_here: stage.is_here,
            });
        }
        let inside = match self.site(index) {
            Site::Container(container) => {
                let at = Moment(variables.seconds * 1000);
                let (inside, env) = self.inside((index, attempt, at), container)?;
                work.stdin = Some(self.whisper(work.env.iter().cloned().chain(env).collect()));
                Some(inside)
            }
            Site::Here | Site::Machines(_) | Site::Fleet(_) => None,
        };
        Ok(Landing {
            version: VERSION,
            names: self.names(index)?,
            place: folder.join(PLACE),
            conflict: folder.join(CONFLICT),
            message: format!("Land {}: {}", task.id, task.name),
            within: self.within(task)?,
            checks,
            inside,
            is_agents: self.agent(index).is_some() && self.errand(index).is_none(),
        })
    }
}
