//! Starts a program with a clean slate: its own process group, all signals at their defaults and none blocked, the
//! limits that were asked for, and of the keeper's descriptors only the locks.
//!
//! No `fork`: the cost does not grow with anything. The directory and the limits the keeper gives itself around the
//! start, which is safe in a process of one thread that runs one task at a time.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use outpost_executor::{Limit, NotStarted, Resource};
use outpost_spawn::{Collected, Nursery, Program};
use rustix::fs::{Access, access};
use rustix::io::Errno;
use rustix::process::{Pid, Resource as Kind, Rlimit, chdir, getrlimit, prlimit, setrlimit};

use crate::order::Order;
use crate::plain::{Direct, direct};
use crate::survivors::TOKEN;

/// Where programs are when no `PATH` says it.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What starts programs, with what it need not find out again for each.
pub(super) struct Launcher {
    nursery: Nursery,
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
            Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE => Self::Short(errno),
            Errno::TOOBIG => Self::Final(NotStarted::TooLong),
            other => Self::Final(NotStarted::Other(other.to_string())),
        }
    }
}

/// What a program finds open.
#[derive(Clone, Copy)]
struct Descriptors<'a> {
    moved: &'a [(BorrowedFd<'a>, RawFd)],
    locks: &'a [BorrowedFd<'a>],
}

impl Launcher {
    /// Of this process, whose signals it takes.
    pub(super) fn new() -> io::Result<Self> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| {
                let entry = joined(&name, &value)?;
                Some((name, entry))
            })
            .collect();
        Ok(Self { nursery: Nursery::new()?, open_files: None, environment, found: None })
    }

    /// Collects one that has ended.
    pub(super) fn collect(&self) -> Collected {
        self.nursery.collect()
    }

    /// Starts it with this input, writing to these two ends.
    pub(super) fn start(
        &mut self,
        order: &Order,
        stdin: Option<BorrowedFd<'_>>,
        writers: Option<[BorrowedFd<'_>; 2]>,
        locks: &[OwnedFd],
    ) -> Result<Pid, Trouble> {
        let [stdout, stderr] = writers.map_or([None; 2], |writers| writers.map(Some));
        let moved: Vec<_> = (0..).zip([stdin, stdout, stderr]).filter_map(|(to, from)| Some((from?, to))).collect();
        // The program keeps them: were runner and keeper killed at once, the locks would still hold.
        let locks: Vec<BorrowedFd<'_>> = locks.iter().map(|lock| lock.as_fd()).collect();
        enter(&order.dir.to_path())?;
        let started = self.start_here(order, Descriptors { moved: &moved, locks: &locks });
        // It is there, and it is no folder that anybody wants to remove.
        let _ = chdir("/");
        started
    }

    fn start_here(&mut self, order: &Order, open: Descriptors<'_>) -> Result<Pid, Trouble> {
        let added = added(order)?;
        // What cannot be started so bash tells in its own words.
        if order.direct
            && let Some(started) = self.start_directly(order, &added, open)
        {
            return Ok(started);
        }
        let program = self.find(order)?;
        let path = text(program.as_os_str())?;
        let mut args = vec![text(&order.program.0)?];
        for arg in &order.args {
            args.push(text(&arg.0)?);
        }
        match self.spawn(order, &path, &args, &added, open) {
            Ok(pid) => Ok(pid),
            Err(Errno::NOENT | Errno::NOTDIR) => {
                self.found = None;
                let shown = order.program.shown();
                let reason = if program.exists() { NotStarted::InterpreterMissing } else { NotStarted::ProgramMissing };
                Err(reason(shown).into())
            }
            Err(Errno::ACCESS | Errno::NOEXEC | Errno::PERM | Errno::ISDIR | Errno::LIBBAD) => {
                Err(NotStarted::NotExecutable(order.program.shown()).into())
            }
            // Somebody has it open for writing: a script that was written a moment ago.
            Err(Errno::TXTBSY) => Err(Trouble::Short(Errno::TXTBSY)),
            // The user's limit of processes below what the user has already does not go away by waiting.
            Err(errno) if !order.limits.is_empty() && matches!(errno, Errno::AGAIN | Errno::NOMEM) => {
                Err(NotStarted::Other(format!("its limits leave no room to start it: {errno}")).into())
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Leaves out a shell that would only start a program.
    fn start_directly(&mut self, order: &Order, added: &[(OsString, CString)], open: Descriptors<'_>) -> Option<Pid> {
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
        self.spawn(order, text(program.as_os_str()).ok()?.as_c_str(), &args?, &added, open).ok()
    }

    fn spawn(
        &mut self,
        order: &Order,
        path: &CStr,
        args: &[CString],
        added: &[(OsString, CString)],
        open: Descriptors<'_>,
    ) -> Result<Pid, Errno> {
        let mut env: Vec<&CStr> =
            added.iter().map(|(_, entry)| entry.as_c_str()).filter(|entry| !entry.is_empty()).collect();
        if order.inherit_env {
            let kept = |name: &OsString| added.iter().all(|(other, _)| other != name);
            env.extend(self.environment.iter().filter(|(name, _)| kept(name)).map(|(_, entry)| entry.as_c_str()));
        }
        let args: Vec<&CStr> = args.iter().map(CString::as_c_str).collect();
        let program = Program { path, args: &args, env: &env, moved: open.moved, kept: open.locks };
        let limited = Limited::set(&order.limits, self.open_files);
        let started = self.nursery.spawn(&program);
        let limits = limited.restore();
        let pid = started?;
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
        Errno::NOENT => NotStarted::DirectoryMissing(dir.display().to_string()),
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
