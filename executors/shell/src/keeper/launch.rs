//! Starts a program with a clean slate: its own process group, all signals at their defaults and none blocked, the
//! limits that were asked for, and of the keeper's descriptors only the locks.
//!
//! `posix_spawn`, not `fork`: the cost does not grow with anything. What it cannot do the keeper does to itself
//! around the call, which is safe in a process of one thread that runs one task at a time.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use outpost_executor::{Limit, NotStarted, Resource};
use rustix::fs::{Access, access};
use rustix::process::{Pid, Resource as Kind, Rlimit, chdir, getrlimit, prlimit, setrlimit};

use crate::order::Order;
use crate::plain::{Direct, direct};
use crate::survivors::TOKEN;

/// Where programs are when no `PATH` says it.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What starts programs, with what it need not find out again for each.
pub(super) struct Launcher {
    /// The soft limit of open files that tasks get, if it is not the keeper's.
    pub(super) open_files: Option<u64>,
    environment: Vec<(OsString, CString)>,
    /// The last program that was found on a `PATH`.
    found: Option<(OsString, OsString, PathBuf)>,
}

/// Why a start did not work out.
pub(super) enum Trouble {
    /// The system is short of something: later it may work.
    Short(Errno),
    /// It never will.
    Final(NotStarted),
}

impl From<NotStarted> for Trouble {
    fn from(reason: NotStarted) -> Self {
        Self::Final(reason)
    }
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE => Self::Short(errno),
            Errno::E2BIG => Self::Final(NotStarted::TooLong),
            other => Self::Final(NotStarted::Other(other.desc().to_owned())),
        }
    }
}

impl Launcher {
    pub(super) fn new() -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| {
                let entry = joined(&name, &value)?;
                Some((name, entry))
            })
            .collect();
        Self { open_files: None, environment, found: None }
    }

    /// Starts it with this input, writing to these two ends.
    pub(super) fn start(
        &mut self,
        order: &Order,
        stdin: Option<BorrowedFd<'_>>,
        writers: Option<[BorrowedFd<'_>; 2]>,
        locks: &[OwnedFd],
    ) -> Result<Pid, Trouble> {
        enter(&order.dir.to_path())?;
        let started =
            actions(stdin, writers, locks).map_err(Trouble::from).and_then(|actions| self.start_here(order, &actions));
        // It is there, and it is no folder that anybody wants to remove.
        let _ = chdir("/");
        started
    }

    fn start_here(&mut self, order: &Order, actions: &PosixSpawnFileActions) -> Result<Pid, Trouble> {
        let added = added(order)?;
        // What cannot be started so bash tells in its own words.
        if order.direct
            && let Some(started) = self.start_directly(order, &added, actions)
        {
            return Ok(started);
        }
        let program = self.find(order)?;
        let path = text(program.as_os_str())?;
        let mut args = vec![text(&order.program.0)?];
        for arg in &order.args {
            args.push(text(&arg.0)?);
        }
        match self.spawn(order, &path, &args, &added, actions) {
            Ok(pid) => Ok(pid),
            Err(Errno::ENOENT | Errno::ENOTDIR) => {
                self.found = None;
                let shown = order.program.shown();
                let reason = if program.exists() { NotStarted::InterpreterMissing } else { NotStarted::ProgramMissing };
                Err(reason(shown).into())
            }
            Err(Errno::EACCES | Errno::ENOEXEC | Errno::EPERM | Errno::EISDIR | Errno::ELIBBAD) => {
                Err(NotStarted::NotExecutable(order.program.shown()).into())
            }
            // Somebody has it open for writing: a script that was written a moment ago.
            Err(Errno::ETXTBSY) => Err(Trouble::Short(Errno::ETXTBSY)),
            // The user's limit of processes below what the user has already does not go away by waiting.
            Err(errno) if !order.limits.is_empty() && matches!(errno, Errno::EAGAIN | Errno::ENOMEM) => {
                Err(NotStarted::Other(format!("its limits leave no room to start it: {}", errno.desc())).into())
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Leaves out a shell that would only start a program.
    fn start_directly(
        &self,
        order: &Order,
        added: &[(OsString, CString)],
        actions: &PosixSpawnFileActions,
    ) -> Option<Pid> {
        let inherited = || self.environment.iter().filter(|_| order.inherit_env);
        let all = || added.iter().chain(inherited());
        let variable = |wanted: &str| {
            let (name, entry) = all().find(|(name, _)| name == wanted)?;
            Some(OsStr::from_bytes(&entry.as_bytes()[name.len() + 1..]).to_owned())
        };
        let args: Vec<&OsStr> = order.args.iter().map(|arg| arg.0.as_os_str()).collect();
        let names = all().map(|(name, _)| name.as_os_str());
        let Direct { program, args, env } = direct(&order.program.0, &args, variable, names)?;
        let args: Option<Vec<CString>> = args.iter().map(|arg| text(arg).ok()).collect();
        let mut added: Vec<(OsString, CString)> =
            added.iter().filter(|(name, _)| env.iter().all(|(other, _)| name != other)).cloned().collect();
        for (name, value) in env {
            // One without a value hides the inherited one, and is left out itself.
            let entry = value.map_or_else(|| Some(CString::default()), |value| joined(name.as_ref(), &value));
            added.push((name.into(), entry?));
        }
        self.spawn(order, text(program.as_os_str()).ok()?.as_c_str(), &args?, &added, actions).ok()
    }

    fn spawn(
        &self,
        order: &Order,
        path: &CStr,
        args: &[CString],
        added: &[(OsString, CString)],
        actions: &PosixSpawnFileActions,
    ) -> Result<Pid, Errno> {
        let mut environment: Vec<&CStr> =
            added.iter().map(|(_, entry)| entry.as_c_str()).filter(|entry| !entry.is_empty()).collect();
        if order.inherit_env {
            let kept = |name: &OsString| added.iter().all(|(other, _)| other != name);
            environment
                .extend(self.environment.iter().filter(|(name, _)| kept(name)).map(|(_, entry)| entry.as_c_str()));
        }
        let attributes = attributes()?;
        let limited = Limited::set(&order.limits, self.open_files);
        let started = posix_spawn(path, actions, &attributes, args, &environment);
        let limits = limited.restore();
        let pid = Pid::from_raw(started?.as_raw()).ok_or(Errno::ESRCH)?;
        for (kind, most) in limits {
            // Soft, it holds since before the first instruction; a process that has ended needs no hard one.
            let _ = prlimit(Some(pid), kind, Rlimit { current: most, maximum: most });
        }
        Ok(pid)
    }

    /// Where the program is, seen from the order's directory and `PATH`.
    fn find(&mut self, order: &Order) -> Result<PathBuf, NotStarted> {
        let name = &order.program.0;
        if name.as_bytes().contains(&b'/') {
            return Ok(PathBuf::from(name));
        }
        let given = order.env.iter().rev().find(|(name, _)| name.0 == "PATH").map(|(_, value)| value.0.clone());
        let inherited = || std::env::var_os("PATH").filter(|_| order.inherit_env);
        let path = given.or_else(inherited).unwrap_or_else(|| USUAL_PATH.into());
        if let Some((_, _, found)) = self.found.as_ref().filter(|found| found.0 == *name && found.1 == path) {
            return Ok(found.clone());
        }
        let mut there = false;
        for folder in std::env::split_paths(&path) {
            let candidate = if folder.as_os_str().is_empty() { Path::new(".").join(name) } else { folder.join(name) };
            if candidate.is_file() {
                there = true;
                if access(&candidate, Access::EXEC_OK).is_ok() {
                    if candidate.is_absolute() {
                        self.found = Some((name.clone(), path, candidate.clone()));
                    }
                    return Ok(candidate);
                }
            }
        }
        let shown = order.program.shown();
        Err(if there { NotStarted::NotExecutable(shown) } else { NotStarted::ProgramMissing(shown) })
    }
}

/// Goes to the directory of the task.
fn enter(dir: &Path) -> Result<(), NotStarted> {
    chdir(dir).map_err(|errno| match errno {
        rustix::io::Errno::NOENT => NotStarted::DirectoryMissing(dir.display().to_string()),
        other => NotStarted::Other(format!("its directory `{}` cannot be entered: {other}", dir.display())),
    })
}

/// What the order adds to the environment; of a name that comes twice, the last.
fn added(order: &Order) -> Result<Vec<(OsString, CString)>, NotStarted> {
    let token = (OsString::from(TOKEN), OsString::from(order.token.to_string()));
    let mut added: Vec<(OsString, CString)> = Vec::with_capacity(order.env.len() + 1);
    let given = order.env.iter().map(|(name, value)| (name.0.clone(), value.0.clone()));
    for (name, value) in given.chain([token]) {
        let entry = joined(&name, &value)
            .ok_or_else(|| NotStarted::Other(format!("its variable `{}` holds a NUL", name.to_string_lossy())))?;
        added.retain(|(other, _)| *other != name);
        added.push((name, entry));
    }
    Ok(added)
}

fn joined(name: &OsStr, value: &OsStr) -> Option<CString> {
    CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
}

fn text(text: &OsStr) -> Result<CString, NotStarted> {
    CString::new(text.as_bytes())
        .map_err(|_| NotStarted::Other(format!("its argument `{}` holds a NUL", text.to_string_lossy())))
}

fn actions(
    stdin: Option<BorrowedFd<'_>>,
    writers: Option<[BorrowedFd<'_>; 2]>,
    locks: &[OwnedFd],
) -> Result<PosixSpawnFileActions, Errno> {
    let mut actions = PosixSpawnFileActions::init()?;
    let [stdout, stderr] = writers.map_or([None; 2], |writers| writers.map(Some));
    for (place, stream) in (0..).zip([stdin, stdout, stderr]) {
        if let Some(stream) = stream {
            actions.add_dup2(stream.as_raw_fd(), place)?;
        }
    }
    for lock in locks {
        // Onto itself: the program keeps it. Were runner and keeper killed at once, the lock would still hold.
        actions.add_dup2(lock.as_raw_fd(), lock.as_raw_fd())?;
    }
    Ok(actions)
}

fn attributes() -> Result<PosixSpawnAttr, Errno> {
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETPGROUP
            | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF
            | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK,
    )?;
    attributes.set_pgroup(nix::unistd::Pid::from_raw(0))?;
    attributes.set_sigdefault(&SigSet::all())?;
    attributes.set_sigmask(&SigSet::empty())?;
    Ok(attributes)
}

/// The keeper's own soft limits, lowered for the length of a start.
struct Limited {
    before: Vec<(Kind, Rlimit)>,
    /// What the process is to be limited to for good.
    wanted: Vec<(Kind, Option<u64>)>,
}

impl Limited {
    fn set(limits: &[Limit], open_files: Option<u64>) -> Self {
        let mut limited = Self { before: Vec::new(), wanted: Vec::new() };
        if open_files.is_some() && limits.iter().all(|limit| limit.resource != Resource::OpenFiles) {
            limited.lower(Kind::Nofile, open_files);
        }
        for Limit { resource, most } in limits {
            let kind = kind(*resource);
            let lowered = limited.lower(kind, Some(*most));
            limited.wanted.push((kind, lowered));
        }
        limited
    }

    fn lower(&mut self, kind: Kind, most: Option<u64>) -> Option<u64> {
        let now = getrlimit(kind);
        // Nobody gets more than there is.
        let most = match (most, now.maximum) {
            (Some(most), Some(maximum)) => Some(most.min(maximum)),
            (most, maximum) => most.or(maximum),
        };
        if now.current != most && setrlimit(kind, Rlimit { current: most, maximum: now.maximum }).is_ok() {
            self.before.push((kind, now));
        }
        most
    }

    fn restore(self) -> Vec<(Kind, Option<u64>)> {
        for (kind, before) in self.before.into_iter().rev() {
            // The hard limit was never touched, so this is allowed.
            let _ = setrlimit(kind, before);
        }
        self.wanted
    }
}

const fn kind(resource: Resource) -> Kind {
    match resource {
        Resource::AddressSpace => Kind::As,
        Resource::Core => Kind::Core,
        Resource::Cpu => Kind::Cpu,
        Resource::FileSize => Kind::Fsize,
        Resource::OpenFiles => Kind::Nofile,
        Resource::Processes => Kind::Nproc,
        Resource::Stack => Kind::Stack,
    }
}
