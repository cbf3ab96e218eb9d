//! From a policy and a command to the command that is started in its place.
//!
//! The policy travels as an argument, in JSON: no file has to outlive it, and none can be changed under it.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use crate::layers::{Gap, Layers};
use crate::policy::{Order, Policy};

/// The word of the program's command line that leads to [`crate::main`].
pub const ARGUMENT: &str = "__sandbox";

/// What stands before the name of each variable of the command until it is bound. Some names are orders to the loader and
/// the libraries of every program: what they have it load would run in whoever builds the layers, before they stand.
pub(crate) const WITHIN: &str = "OUTPOST_WITHIN_";

impl Layers {
    /// The command behind the layers. It has the environment that was set on `command`, and nothing inherited; its
    /// folder, or else the workspace. `required` refuses a policy with [gaps](Self::gaps) other than
    /// [`Gap::PortsOfOthers`] and [`Gap::NoLoopback`], which no layer closes.
    pub fn wrap(&self, policy: &Policy, command: &Command, required: bool) -> Result<Command, WrapError> {
        // Who was replaced while it runs has no path any more.
        for path in policy.paths().chain([&self.program]) {
            if !path.is_absolute() {
                return Err(WrapError::Relative(path.clone()));
            }
            if !path.exists() {
                return Err(WrapError::Missing(path.clone()));
            }
        }
        let gaps = self.gaps(policy);
        let open = gaps.iter().find(|gap| !matches!(gap, Gap::PortsOfOthers | Gap::NoLoopback));
        if let Some(gap) = open.filter(|_| required) {
            return Err(WrapError::Open(*gap));
        }
        let inside = self.bubblewrap.is_some();
        let order = Order { inside, filter: self.seccomp, policy: policy.clone() };
        let text = serde_json::to_string(&order).map_err(|error| WrapError::Words(error.to_string()))?;
        let folder = command.get_current_dir().unwrap_or(&policy.workspace);
        let mut wrapped = self.outer(policy, folder);
        wrapped.arg(ARGUMENT).arg(text).arg("--").arg(command.get_program()).args(command.get_args());
        wrapped.env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                let mut within = OsString::from(WITHIN);
                within.push(name);
                wrapped.env(within, value);
            }
        }
        wrapped.current_dir(folder);
        Ok(wrapped)
    }

    /// Up to the word `__sandbox`.
    #[cfg(target_os = "linux")]
    fn outer(&self, policy: &Policy, folder: &std::path::Path) -> Command {
        match &self.bubblewrap {
            Some(bubblewrap) => crate::bubblewrap::command(bubblewrap, &self.program, policy, folder),
            None => Command::new(&self.program),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn outer(&self, _: &Policy, _: &std::path::Path) -> Command {
        Command::new(&self.program)
    }
}

/// Why a command cannot be put behind the layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrapError {
    Relative(PathBuf),
    Missing(PathBuf),
    /// The machine does not hold what is required.
    Open(Gap),
    /// A path that is no text.
    Words(String),
}

impl fmt::Display for WrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("put a command into the sandbox: ")?;
        match self {
            Self::Relative(path) => write!(f, "`{}` has to be an absolute path", path.display()),
            Self::Missing(path) => write!(f, "`{}` is not there; create it first", path.display()),
            Self::Open(gap) => write!(f, "{gap}"),
            Self::Words(why) => write!(f, "the policy cannot be written as JSON: {why}"),
        }
    }
}

impl std::error::Error for WrapError {}
