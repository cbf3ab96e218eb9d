//! The surroundings of an agent: its program, its folders, and an environment that is built from nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command as Process;

use super::fence::{Walls, bare};
use super::group::Group;
use super::job::{Access, Job};
use crate::command::Command;
use crate::definition::{Definition, Root};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Of our own variables, those that every agent may have.
const PASSED: [&str; 6] = ["LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "SHELL"];
/// How long a program may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of that is read.
const MOST_SAID: u64 = 64 << 10;

/// Our own environment, as a function: tests have one of their own.
pub type Own<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Where things are.
#[derive(Clone, Debug)]
pub(super) struct Folders {
    pub(super) home: PathBuf,
    pub(super) run: PathBuf,
    pub(super) state: PathBuf,
    pub(super) secure: PathBuf,
    pub(super) temporary: PathBuf,
}

impl Folders {
    /// `is_fenced`: behind walls a login is lent, and the home is the task's own in any case.
    pub(super) fn make(job: &Job, is_fenced: bool) -> io::Result<Self> {
        let home = match &job.access {
            Access::Login { home } if !is_fenced => home.clone(),
            _ => job.state.join("home"),
        };
        let run = job.folder.join("run");
        let folders =
            Self { home, temporary: run.join("tmp"), run, state: job.state.clone(), secure: job.folder.join("secure") };
        for folder in [&job.folder, &folders.state, &folders.home, &folders.run, &folders.temporary, &folders.secure] {
            private(folder).map_err(|error| io::Error::other(format!("`{}`: {error}", folder.display())))?;
        }
        // What an earlier attempt may have put in the place of a folder leads where it must not.
        for folder in [&folders.state, &folders.run, &folders.temporary, &folders.secure, &job.state.join("home")] {
            if fs::symlink_metadata(folder).is_ok_and(|found| found.is_symlink()) {
                return Err(io::Error::other(format!(
                    "`{}` is a link, which is not our doing: remove it",
                    folder.display()
                )));
            }
        }
        Ok(folders)
    }
}

fn private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A folder within another one, without leaving it by a link: what stands in the way is removed.
pub(super) fn own_folder(base: &Path, inner: &Path) -> io::Result<()> {
    let mut at = base.to_owned();
    for part in inner.components() {
        at.push(part);
        match fs::symlink_metadata(&at) {
            Ok(found) if found.is_dir() => continue,
            Ok(_) => fs::remove_file(&at)?,
            Err(_) => {}
        }
        private(&at)?;
    }
    Ok(())
}

/// Writes the files of the definition. A user's own home is not written to.
pub(super) fn write_files(command: &Command, folders: &Folders, access: &Access) -> io::Result<()> {
    // An attempt that is begun twice in the same folder finds it closed.
    fs::set_permissions(&folders.secure, fs::Permissions::from_mode(0o700))?;
    for (root, path, content) in &command.files {
        if *root == Root::Home && matches!(access, Access::Login { .. }) {
            continue;
        }
        if let Some(folder) = path.parent() {
            match folder.strip_prefix(&folders.home) {
                Ok(inner) if *root == Root::Home => own_folder(&folders.home, inner)?,
                _ => private(folder)?,
            }
        }
        let mode = if *root == Root::Secure { 0o400 } else { 0o600 };
        let _ = fs::remove_file(path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(content.as_bytes())?;
    }
    fs::set_permissions(&folders.secure, fs::Permissions::from_mode(0o500))
}

/// Who cleans up later has to get in.
pub(super) fn open_again(folders: &Folders) {
    let _ = fs::set_permissions(&folders.secure, fs::Permissions::from_mode(0o700));
}

/// All variables of the agent but its key.
pub(super) fn variables(
    definition: &Definition,
    command: &Command,
    folders: &Folders,
    job: &Job,
    own: Own<'_>,
) -> BTreeMap<OsString, OsString> {
    let mut all: BTreeMap<OsString, OsString> = BTreeMap::new();
    let passed = PASSED.into_iter().chain(definition.env_pass.iter().map(String::as_str));
    all.insert("LANG".into(), "C.UTF-8".into());
    all.insert("SHELL".into(), "/bin/sh".into());
    all.extend(passed.filter_map(|name| Some((name.into(), own(name)?))));
    all.insert("PATH".into(), path(own));
    all.insert("HOME".into(), folders.home.clone().into());
    all.insert("TMPDIR".into(), folders.temporary.clone().into());
    all.insert("TERM".into(), "dumb".into());
    all.insert("CI".into(), "1".into());
    for (name, value) in command.env.iter().chain(&job.env) {
        all.insert(name.into(), value.into());
    }
    all
}

pub(super) fn path(own: Own<'_>) -> OsString {
    own("PATH").filter(|path| !path.is_empty()).unwrap_or_else(|| PATH.into())
}

/// The program of a definition, or what to do to have it.
pub fn program(definition: &Definition, own: Own<'_>) -> Result<PathBuf, String> {
    let path = path(own);
    for name in &definition.detect.bin {
        let name = Path::new(name);
        if name.is_absolute() {
            if is_program(name) {
                return Ok(name.to_owned());
            }
            continue;
        }
        let found = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join(name));
        if let Some(found) = found.into_iter().find(|path| is_program(path)) {
            return Ok(found);
        }
    }
    let install = &definition.install;
    let way = match (&install.npm, &install.pip, &install.note) {
        (Some(package), _, _) => format!("install it with `npm install -g {package}`"),
        (_, Some(package), _) => format!("install it with `pip install {package}`, in an environment of its own"),
        (_, _, Some(note)) => note.clone(),
        _ => "install it".to_owned(),
    };
    let names = definition.detect.bin.join("` or `");
    Err(format!("the program `{names}` of the agent `{}` is not in `PATH`; {way}", definition.id))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// What the program says its version is: `Ok(None)` where it says nothing, `Err` where it is too old.
pub(super) async fn version(
    definition: &Definition,
    program: &Path,
    env: &BTreeMap<OsString, OsString>,
    (walls, folder): (Option<&Walls<'_>>, &Path),
) -> Result<Option<String>, String> {
    let Some(rule) = &definition.detect.version else {
        return Ok(None);
    };
    let env: Vec<_> = env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let command = bare(program, &rule.argv, &env, folder);
    let command = walls.map_or(Ok(None), |walls| walls.around(&command).map(Some))?.unwrap_or(command);
    let mut command = Process::from(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = command.process_group(0).kill_on_drop(true).spawn() else {
        return Ok(None);
    };
    let group = Group::of(&child, walls);
    let mut text = Vec::new();
    let said = async {
        if let Some(pipe) = child.stdout.take() {
            let _ = pipe.take(MOST_SAID).read_to_end(&mut text).await;
        }
        child.wait().await
    };
    if tokio::time::timeout(PATIENCE, said).await.is_err() {
        group.signal(Signal::KILL);
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let found = rule.regex.0.captures(&text).and_then(|groups| Some(groups.get(1)?.as_str().to_owned()));
    match (&found, &rule.min) {
        (Some(found), Some(min)) if numbers(found) < numbers(min) => Err(format!(
            "`{}` is version {found}, and the definition of `{}` needs {min} or newer: update it",
            program.display(),
            definition.id
        )),
        _ => Ok(found),
    }
}

fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}
