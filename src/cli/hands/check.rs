//! A command that verifies a merged tree: here, or in the container that the task's commands run in.
//!
//! The merged tree stands in the place of the task's own. What a command leaves behind ends with our keeper; a container,
//! which is below its engine, with its guard or by its name.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use outpost_container::{Engine, Mount, Place, contain};
use outpost_executor::{Secrets, Token, Work};
use tokio::process::Command;
use tokio::time::timeout;

use super::whispered;
use crate::engine::agent::order::{Check, Inside, Landing, Whisper};
use crate::engine::hands;

/// Where merged trees are verified.
pub(super) struct Ground<'a> {
    within: &'a Path,
    inside: Option<(&'a Inside, Whisper)>,
}

/// A container that may be left.
type Left = (Engine, Token);

impl<'a> Ground<'a> {
    pub(super) fn of(order: &'a Landing) -> Result<Self, String> {
        let inside = order.inside.as_ref().map(|inside| Ok::<_, String>((inside, whispered()?))).transpose()?;
        Ok(Self { within: &order.within, inside })
    }

    /// The exit status of a command; none if it took too long.
    pub(super) fn carried_out(&self, check: &Check, tree: &Path) -> Result<Option<i32>, String> {
        let directory = tree.join(self.within);
        let (mut command, left) = match self.inside.as_ref().filter(|_| !check.is_here) {
            Some((inside, told)) => contained(inside, told, check, (tree, &directory))?,
            None => {
                let mut command = Command::new(&check.program);
                command.args(&check.args).current_dir(&directory);
                command.env("blueprint_root", &directory).env("working_directory", &directory);
                (command, None)
            }
        };
        command.stdin(Stdio::null());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let ended = runtime.block_on(async {
            let mut child = command.spawn()?;
            if let Ok(status) = timeout(Duration::from_secs(check.timeout_secs), child.wait()).await {
                return Ok(Some(status?.code().unwrap_or(-1)));
            }
            child.kill().await?;
            Ok(None)
        });
        let ended = ended.map_err(|error: std::io::Error| error.to_string())?;
        if let (None, Some((engine, token))) = (ended, left) {
            engine.remove(&token).map_err(|fault| format!("its container may still run: {fault}"))?;
        }
        Ok(ended)
    }
}

/// The command as the client of an engine carries it out.
fn contained(
    inside: &Inside,
    told: &Whisper,
    check: &Check,
    (tree, directory): (&Path, &Path),
) -> Result<(Command, Option<Left>), String> {
    let engine = hands::engine_here(inside.kind)?;
    let token = Token { stage: format!("{}:{}", inside.token.stage, check.name), ..inside.token.clone() };
    let mut container = inside.container.clone();
    let here = |path: &mut std::path::PathBuf| {
        if let Ok(rest) = path.strip_prefix(&inside.tree) {
            *path = tree.join(rest);
        }
    };
    for Mount { source, target, .. } in &mut container.mounts {
        here(source);
        here(target);
    }
    container.workdir.iter_mut().for_each(here);
    let mut work = Work::new(token.clone(), &check.program, directory, "");
    work.args = check.args.iter().map(OsString::from).collect();
    work.env = told.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let places = ["blueprint_root", "working_directory"].map(|name| (name.into(), directory.into()));
    work.env.extend(places);
    work.secrets = Secrets::new(told.hide.iter().cloned());
    let place = Place { root: tree, folders: &inside.folders, scope: &inside.scope };
    let work = contain(&container, &engine, &hands::guard(), &place, work).map_err(|reason| reason.to_string())?;
    let mut command = Command::new(&work.program);
    command.args(&work.args).envs(work.env).current_dir(directory);
    Ok((command, Some((engine, token))))
}
