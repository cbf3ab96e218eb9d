//! The command of a stage, and the shell that carries it out.

use std::ffi::OsString;

use crate::blueprint::Blueprint;
use crate::blueprint::model::Task;
use crate::run::Stage;

/// The command of a stage.
pub(super) fn command<'t>(task: &'t Task<'_>, stage: Stage) -> Option<&'t str> {
    match stage {
        Stage::Setup => task.context.as_ref().and_then(|context| context.setup_command.as_deref()),
        Stage::Run => task.run.as_deref(),
        Stage::Verify { tier, .. } => {
            task.verification.iter().find(|stage| stage.stage == tier).map(|stage| stage.command.as_str())
        }
        Stage::Tree | Stage::Commit | Stage::Land => None,
    }
}

/// The shell of a task, or of the document, and what stands before `-c`.
pub(in crate::engine) fn shell(blueprint: &Blueprint<'_>, task: Option<&Task<'_>>) -> (OsString, Vec<OsString>) {
    let own = task.and_then(|task| task.context.as_ref());
    let named = own.and_then(|context| context.shell.as_deref()).or(blueprint.execution.shell.as_deref());
    let flags = own
        .and_then(|context| context.shell_args.as_deref())
        .or(blueprint.execution.shell_flags.as_deref())
        .map(|flags| flags.iter().map(|flag| flag.as_str().into()).filter(|flag: &OsString| flag != "-c").collect());
    let program = named.unwrap_or("bash");
    let usual = || -> Vec<OsString> {
        if program.rsplit('/').next() == Some("bash") {
            vec!["-e".into(), "-o".into(), "pipefail".into()]
        } else {
            vec!["-e".into()]
        }
    };
    (program.into(), flags.unwrap_or_else(usual))
}

/// Whether the shell of a task, or of a hook, may be left out where it would only start a program.
pub(super) fn may_be_direct(blueprint: &Blueprint<'_>, task: Option<&Task<'_>>) -> bool {
    let own = task.and_then(|task| task.context.as_ref()).and_then(|context| context.direct);
    own.or(blueprint.execution.direct).unwrap_or(true)
}

/// Whether a command of a task is started without its shell, as far as the document tells.
pub fn is_direct(blueprint: &Blueprint<'_>, task: &Task<'_>, command: &str) -> bool {
    let (program, mut args) = shell(blueprint, Some(task));
    args.extend(["-c".into(), command.into()]);
    may_be_direct(blueprint, Some(task)) && outpost_shell::is_plain(&program, &args)
}
