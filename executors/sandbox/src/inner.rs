//! The process that binds itself and then becomes the command: `program __sandbox POLICY -- command…`.
//!
//! The order: limits, rights, paths, system calls, then the user together with the command, since each step needs what the next
//! takes away. It runs on one thread, so that what binds a thread binds the process. A layer that was found and fails
//! here ends it: the command does not run. The command's variables come under other names, and have their own from the
//! moment on in which it is the command.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// As a shell says that it could not start a command.
const NOT_STARTED: u8 = 126;

/// What follows the word `__sandbox`: the policy in JSON, `--`, the command. Returns only when it failed.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let error = match become_it(args) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    // Nobody is left to tell if this fails.
    let _ = writeln!(std::io::stderr(), "outpost sandbox: {error}");
    ExitCode::from(NOT_STARTED)
}

#[cfg(not(target_os = "linux"))]
fn become_it(_: impl IntoIterator<Item = OsString>) -> Result<std::convert::Infallible, String> {
    Err("there are no layers on this system; run with the sandbox off".to_owned())
}

#[cfg(target_os = "linux")]
fn become_it(args: impl IntoIterator<Item = OsString>) -> Result<std::convert::Infallible, String> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use crate::policy::Order;

    let mut args = args.into_iter();
    let text = args.next().ok_or("there is no policy")?;
    if args.next().is_none_or(|word| word != "--") {
        return Err("there is no `--` between the policy and the command".to_owned());
    }
    let command = args.next().ok_or("there is no command")?;
    let text = text.to_str().ok_or("the policy is no text")?;
    let order: Order = serde_json::from_str(text).map_err(|error| format!("the policy cannot be read: {error}"))?;
    let Order { inside, filter, policy } = order;
    limit(&policy.limits)?;
    let mut becoming = Command::new(&command);
    becoming.args(args);
    for (name, value) in std::env::vars_os() {
        if let Some(own) = name.as_bytes().strip_prefix(crate::wrap::WITHIN.as_bytes()) {
            becoming.env_remove(&name).env(OsStr::from_bytes(own), value);
        }
    }
    if let Some(user) = policy.user.filter(|_| !inside && rustix::process::geteuid().is_root()) {
        // Taken together with the command: std also drops the other groups then.
        becoming.uid(user).gid(user);
    } else {
        drop_capabilities().map_err(|error| format!("drop its capabilities: {error}"))?;
    }
    rustix::thread::set_no_new_privs(true).map_err(|error| format!("let it gain no rights: {error}"))?;
    crate::paths::bind(&policy, inside).map_err(|error| format!("bind it to its paths: {error}"))?;
    if filter {
        crate::filter::bind(&policy, inside).map_err(|error| format!("filter its system calls: {error}"))?;
    }
    let error = becoming.exec();
    let command = command.display();
    Err(format!("start `{command}`: {error}; if it is there, its folder has to be among the read-only paths"))
}

#[cfg(target_os = "linux")]
fn limit(limits: &crate::policy::Limits) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let wanted = [
        (Resource::Core, Some(0), "core dumps"),
        (Resource::Nofile, limits.open_files, "open files"),
        (Resource::Fsize, limits.file_bytes, "the size of a file"),
        (Resource::Nproc, limits.processes, "processes"),
    ];
    for (resource, wanted, name) in wanted {
        let Some(wanted) = wanted else { continue };
        // Never more than there is: only root could, and nobody has to.
        let most = getrlimit(resource).maximum.map_or(wanted, |most| most.min(wanted));
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).map_err(|error| format!("limit {name}: {error}"))?;
    }
    Ok(())
}

/// Root without them is a user whose number is 0. With them it reads the environment of any process in `/proc`, past
/// Landlock. A process that may gain no rights does not get them back.
#[cfg(target_os = "linux")]
fn drop_capabilities() -> rustix::io::Result<()> {
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}
