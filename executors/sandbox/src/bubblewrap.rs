//! The command line of bubblewrap: a view of the machine that holds the policy's paths and little else.
//!
//! Bubblewrap gives namespaces; the program inside adds the filter of system calls and the limits, and becomes the
//! command. There is no `--die-with-parent`: it follows the thread that started it, and a runner's threads come and go;
//! whoever starts it ends its tree.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::policy::{Network, Policy, SYSTEM};

/// Bubblewrap leaves root of the namespace its capabilities, so they are dropped.
const NAMESPACES: [&str; 8] = [
    "--unshare-user",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--new-session",
    "--cap-drop",
    "ALL",
];

/// The first `bwrap` of the path that can make the namespaces it is used for.
pub(crate) fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let found = env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join("bwrap"));
    found.filter(|program| program.is_file()).find(|program| works(program))
}

fn works(program: &Path) -> bool {
    let tried = Command::new(program)
        .args(NAMESPACES)
        .args(["--unshare-net", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

pub(crate) fn command(bubblewrap: &Path, program: &Path, policy: &Policy, folder: &Path) -> Command {
    let mut command = Command::new(bubblewrap);
    command.args(NAMESPACES);
    // A gateway listens on the machine's own loopback: reaching it needs the machine's network, and Landlock to hold it.
    let apart = match &policy.network {
        Network::On => false,
        Network::Loopback { ports } => ports.is_empty(),
        Network::Off => true,
    };
    if apart {
        command.arg("--unshare-net");
    }
    for path in SYSTEM {
        bind(&mut command, "--ro-bind-try", Path::new(path));
    }
    command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run"]);
    // Where names are looked up may be a link into `/run`.
    bind(&mut command, "--ro-bind-try", Path::new("/run/systemd/resolve"));
    let mut paths: Vec<(&str, &Path)> = vec![("--ro-bind", program)];
    paths.extend(policy.read_only.iter().map(|path| ("--ro-bind", path.as_path())));
    paths.extend(policy.read_write.iter().map(|path| ("--bind", path.as_path())));
    paths.extend([("--bind", policy.home.as_path()), ("--bind", policy.workspace.as_path())]);
    paths.extend(policy.hidden.iter().map(|path| ("--tmpfs", path.as_path())));
    // The outer before the inner, so that none hides another.
    paths.sort_by_key(|(_, path)| path.components().count());
    for (flag, path) in paths {
        if flag == "--tmpfs" {
            command.arg(flag).arg(path);
        } else {
            bind(&mut command, flag, path);
        }
    }
    // The folders above the paths are memory: a write there would seem to work, and be gone.
    for path in policy.hidden.iter().map(PathBuf::as_path).chain([Path::new("/")]) {
        command.arg("--remount-ro").arg(path);
    }
    command.arg("--chdir").arg(folder);
    command.arg("--").arg(program);
    command
}

/// What is signalled where `outer` is to be: bubblewrap's first child leads a session of its own. None until it does.
pub(crate) fn leader(outer: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).ok()?;
    let child = children.split_whitespace().next()?;
    let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
    // Behind the name, which may hold anything: state, parent, group.
    let group = stat.rsplit_once(')')?.1.split_whitespace().nth(2)?;
    (group == child).then(|| child.parse().ok())?
}

fn bind(command: &mut Command, flag: &str, path: &Path) {
    command.args([OsStr::new(flag), path.as_os_str(), path.as_os_str()]);
}
