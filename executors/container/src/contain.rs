//! Work in a container, as work.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use outpost_executor::{NotStarted, Redaction, Resource, Work};
use serde::{Deserialize, Serialize};

use crate::{Engine, Guard, Kind, name_of};

/// What a document says about the container of a task.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Container {
    pub image: String,
    /// As the engine knows it: `none`, `host`, the name of one. The engine's own default without it.
    pub network: Option<String>,
    /// Written nowhere: a value may be a secret.
    #[serde(skip)]
    pub env: Vec<(OsString, OsString)>,
    pub mounts: Vec<Mount>,
    /// Instead of who runs the blueprint.
    pub user: Option<String>,
    /// Instead of the work's own directory.
    pub workdir: Option<PathBuf>,
}

/// A folder or file of this machine in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    pub source: PathBuf,
    pub target: PathBuf,
    pub read_only: bool,
}

/// Where the work belongs.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// The project: in the container at its own path.
    pub root: &'a Path,
    /// The folders that the runner exchanges files with the work in; at their own paths, too.
    pub folders: &'a [PathBuf],
    /// Whose containers these are, where several share an engine: the path of the store of runs.
    pub scope: &'a str,
}

/// The same work through an engine. Refuses what would not be the same.
pub fn contain(
    container: &Container,
    engine: &Engine,
    guard: &Guard,
    place: &Place<'_>,
    mut work: Work,
) -> Result<Work, NotStarted> {
    let name = name_of(&work.token);
    let mut args = guard.args(engine, &name, work.grace);
    args.extend(engine.options.iter().cloned());
    args.extend(["run", "--rm", "--init", "--log-driver", "none"].map(OsString::from));
    args.extend(["--name".into(), name.into()]);
    args.extend(["--label".into(), format!("outpost.scope={}", place.scope).into()]);
    if work.stdin.is_some() {
        args.push("--interactive".into());
    }
    if let Some(network) = &container.network {
        args.push(format!("--network={network}").into());
    }
    args.extend(user(container, engine));
    if engine.kind == Kind::Podman {
        // Else it hands on the runner's own, which may hold a password.
        args.push("--http-proxy=false".into());
    }
    let limits = std::mem::take(&mut work.limits);
    let is_own = |resource| limits.iter().any(|limit| limit.resource == resource);
    for (resource, words) in engine.limits.iter().filter(|(resource, _)| !is_own(*resource)) {
        args.push(format!("--ulimit={}={words}", ulimit(*resource)?).into());
    }
    for limit in &limits {
        let name = ulimit(limit.resource)?;
        args.push(format!("--ulimit={name}={most}:{most}", most = limit.most).into());
    }
    let folders = std::iter::once(place.root).chain(place.folders.iter().map(PathBuf::as_path));
    let mut mounts: Vec<Mount> = Vec::new();
    for own in folders.chain([work.dir.as_path()]) {
        if mounts.iter().all(|mount| !own.starts_with(&mount.target)) {
            mounts.push(Mount { source: own.to_owned(), target: own.to_owned(), read_only: false });
        }
    }
    for mount in mounts.iter().chain(&container.mounts) {
        args.push("--mount".into());
        args.push(bind(mount)?);
    }
    args.push("--workdir".into());
    args.push(container.workdir.as_ref().unwrap_or(&work.dir).into());

    let redaction = Redaction::of(&work.secrets).map_err(|error| NotStarted::Refused(error.to_string()))?;
    let given = work.env.drain(..).chain(container.env.iter().cloned());
    let mut env: Vec<(OsString, OsString)> = Vec::new();
    for (name, value) in given {
        env.retain(|(known, _)| *known != name);
        env.push((name, value));
    }
    args.push("--env=OUTPOST_TOKEN".into());
    for (name, value) in env {
        // Podman takes a star for all variables of the runner that begin like this.
        if name.is_empty() || name.as_bytes().iter().any(|byte| b"=*\0".contains(byte)) {
            let name = name.display();
            return Err(NotStarted::Refused(format!("`{name}` is no name of a variable of a container")));
        }
        let mut arg = OsString::from("--env=");
        arg.push(&name);
        if is_for_client(&name) {
            if redaction.as_ref().is_some_and(|redaction| redaction.finds(value.as_bytes())) {
                let name = name.display();
                return Err(NotStarted::Refused(format!(
                    "its variable `{name}` holds a secret, and the client of the container engine would obey it; \
                     choose another name"
                )));
            }
            arg.push("=");
            arg.push(&value);
        } else {
            work.env.push((name, value));
        }
        args.push(arg);
    }
    if container.image.is_empty() || container.image.starts_with('-') {
        return Err(NotStarted::Refused(format!("`{}` is no image of a container", container.image)));
    }
    let mut entrypoint = OsString::from("--entrypoint=");
    entrypoint.push(&work.program);
    args.push(entrypoint);
    args.push(container.image.as_str().into());
    args.append(&mut work.args);

    work.program = guard.program.clone().into();
    work.args = args;
    work.direct = false;
    // The client finds its engine by it; the container sees only what is named above.
    work.inherit_env = true;
    Ok(work)
}

/// What is made in the project belongs to who runs the blueprint.
fn user(container: &Container, engine: &Engine) -> Vec<OsString> {
    let (user, group) = engine.user;
    match &container.user {
        Some(user) => vec![format!("--user={user}").into()],
        None if engine.kind == Kind::Podman && user != 0 => vec!["--userns=keep-id".into()],
        None => vec![format!("--user={user}:{group}").into()],
    }
}

fn ulimit(resource: Resource) -> Result<&'static str, NotStarted> {
    match resource {
        Resource::Core => Ok("core"),
        Resource::Cpu => Ok("cpu"),
        Resource::FileSize => Ok("fsize"),
        Resource::OpenFiles => Ok("nofile"),
        Resource::Processes => Ok("nproc"),
        Resource::Stack => Ok("stack"),
        Resource::AddressSpace => Err(NotStarted::Refused(
            "its address space cannot be limited in a container; leave that limit out".to_owned(),
        )),
    }
}

/// The option is a line of comma-separated values, which engines read differently where there are quotes.
fn bind(mount: &Mount) -> Result<OsString, NotStarted> {
    for path in [&mount.source, &mount.target] {
        if path.as_os_str().as_bytes().iter().any(|byte| b",\"\n\r".contains(byte)) || !path.is_absolute() {
            return Err(NotStarted::Refused(format!(
                "`{}` cannot be mounted in a container: give an absolute path without commas, quotes and line breaks",
                path.display()
            )));
        }
    }
    let mut option = b"type=bind,source=".to_vec();
    option.extend_from_slice(mount.source.as_os_str().as_bytes());
    option.extend_from_slice(b",target=");
    option.extend_from_slice(mount.target.as_os_str().as_bytes());
    if mount.read_only {
        option.extend_from_slice(b",readonly");
    }
    Ok(OsString::from_vec(option))
}

/// Variables that change what the client, or the engine below podman, does itself.
fn is_for_client(name: &OsStr) -> bool {
    const NAMES: [&str; 8] = ["PATH", "HOME", "TMPDIR", "TMP", "TEMP", "ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"];
    const STARTS: [&str; 15] = [
        "LD_",
        "DYLD_",
        "DOCKER_",
        "BUILDKIT_",
        "BUILDAH_",
        "CONTAINER",
        "PODMAN",
        "XDG_",
        "SSL_CERT_",
        "GO",
        "NO_PROXY",
        "STORAGE_",
        "SSH_",
        "REGISTRY_AUTH_",
        "_CONTAINERS_",
    ];
    let name = name.to_string_lossy().to_ascii_uppercase();
    NAMES.contains(&name.as_str())
        || STARTS.iter().any(|start| name.starts_with(start))
        || ["NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "DBUS_SESSION_BUS_ADDRESS", "TZDIR"].contains(&name.as_str())
}
