//! Starts the processes of a keeper, and collects them.
//!
//! The only unsafe code of Outpost, for three calls that nobody offers in a safe form: all signals at their defaults,
//! a child that shares our memory until its program runs, and its end together with what it used. The C library's
//! `posix_spawn` does the second with 64 questions about signals in each child, a tenth of the time that an empty
//! `bash` takes; here they are asked once, for a process that promises never to change the answers.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use libc::{c_char, c_int, c_void};
use rustix::io::Errno;
use rustix::process::Pid;

/// What a child needs between its birth and its program: a few calls of the C library.
const STACK: usize = 64 * 1024;
/// The highest number of a signal, and one more.
const SIGNALS: c_int = 65;

/// Where processes are born.
#[derive(Debug)]
pub struct Nursery {
    stack: Box<[MaybeUninit<u8>]>,
}

/// A program to start. Everything that is neither moved nor kept must close itself.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    pub path: &'a CStr,
    /// Its name first.
    pub args: &'a [&'a CStr],
    pub env: &'a [&'a CStr],
    /// Descriptors that it finds under these numbers.
    pub moved: &'a [(BorrowedFd<'a>, RawFd)],
    /// Descriptors that it finds under the numbers they have.
    pub kept: &'a [BorrowedFd<'a>],
}

/// What a process used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    pub user_us: u64,
    pub system_us: u64,
    pub max_rss_bytes: u64,
}

/// What there was to collect.
#[derive(Debug)]
pub enum Collected {
    Ended(Pid, ExitStatus, Used),
    /// All children run on.
    Nothing,
    /// There are no children.
    Childless,
}

/// What the child looks at. Its parent stands still until the child has another memory, or none.
struct Birth<'a> {
    path: *const c_char,
    args: *const *const c_char,
    env: *const *const c_char,
    moved: &'a [(BorrowedFd<'a>, RawFd)],
    kept: &'a [BorrowedFd<'a>],
    nothing_blocked: libc::sigset_t,
    /// Why there is no program.
    errno: AtomicI32,
}

impl Nursery {
    /// Gives every signal its default and blocks all of them, for good: children are born with the first and freed of
    /// the second. Whoever makes one must be the process's only thread, and leave signals alone from then on.
    pub fn new() -> io::Result<Self> {
        // SAFETY: for a `sigaction`, all zeros is the default action with no flags and no signals.
        let default: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        for signal in 1..SIGNALS {
            // Some cannot be changed, and have their default.
            // SAFETY: `default` lives here, no handler is put in place, and the old one is not asked for.
            unsafe { libc::sigaction(signal, &raw const default, ptr::null_mut()) };
        }
        let all = signals(true);
        // SAFETY: `all` is a set that was filled; the old mask is not asked for.
        if unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const all, ptr::null_mut()) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { stack: Box::new_uninit_slice(STACK) })
    }

    /// Starts a program in a process group of its own, with no signal blocked and all at their defaults.
    pub fn spawn(&mut self, program: &Program<'_>) -> Result<Pid, Errno> {
        let args = pointers(program.args);
        let env = pointers(program.env);
        let mut birth = Birth {
            path: program.path.as_ptr(),
            args: args.as_ptr(),
            env: env.as_ptr(),
            moved: program.moved,
            kept: program.kept,
            nothing_blocked: signals(false),
            errno: AtomicI32::new(0),
        };
        let top = self.stack.as_mut_ptr_range().end;
        // The ABI wants a multiple of 16.
        let top = top.wrapping_sub(top.addr() % 16);
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the child runs `born` on memory that nobody else uses, and which outlives it: with `CLONE_VFORK` this
        // call returns when the child has left our memory. No signal handler can run in it: there are none, and all
        // signals are blocked until after its last look at anything of ours.
        let pid = unsafe { libc::clone(born, top.cast(), flags, (&raw mut birth).cast()) };
        let pid = Pid::from_raw(pid).filter(|_| pid > 0).ok_or_else(last)?;
        match birth.errno.load(Ordering::Relaxed) {
            0 => Ok(pid),
            errno => {
                // It has left already.
                let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
                Err(Errno::from_raw_os_error(errno))
            }
        }
    }

    /// Collects a child that has ended, whichever it is.
    pub fn collect(&self) -> Collected {
        let mut status: c_int = 0;
        let mut used = MaybeUninit::<libc::rusage>::zeroed();
        let pid = loop {
            // SAFETY: both places live here and are of the right type.
            let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, used.as_mut_ptr()) };
            if pid != -1 {
                break pid;
            }
            match last() {
                Errno::INTR => {}
                _ => return Collected::Childless,
            }
        };
        // SAFETY: numbers, zero where the kernel did not fill them in.
        let used = unsafe { used.assume_init() };
        match Pid::from_raw(pid) {
            Some(pid) => Collected::Ended(pid, ExitStatus::from_raw(status), Used::from(used)),
            None => Collected::Nothing,
        }
    }
}

impl From<libc::rusage> for Used {
    fn from(used: libc::rusage) -> Self {
        let number = |number: i64| u64::try_from(number).unwrap_or_default();
        let us = |time: libc::timeval| number(time.tv_sec) * 1_000_000 + number(time.tv_usec);
        Self { user_us: us(used.ru_utime), system_us: us(used.ru_stime), max_rss_bytes: number(used.ru_maxrss) * 1024 }
    }
}

/// The child. It shares its parent's memory, so it changes nothing but its own stack and the reason of its failure,
/// takes no lock and allocates nothing.
extern "C" fn born(birth: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes a `Birth` that lives until this child is gone; nobody changes it meanwhile.
    let birth = unsafe { &*birth.cast::<Birth<'_>>() };
    let failed = |result: c_int| {
        if result == -1 {
            birth.errno.store(last().raw_os_error(), Ordering::Relaxed);
        }
        result == -1
    };
    // SAFETY: a call with numbers only.
    if failed(unsafe { libc::setpgid(0, 0) }) {
        return 127;
    }
    for (from, to) in birth.moved {
        if from.as_raw_fd() == *to {
            continue;
        }
        // SAFETY: descriptors are numbers; the child's table of them is its own.
        if failed(unsafe { libc::dup2(from.as_raw_fd(), *to) }) {
            return 127;
        }
    }
    let stays = birth.moved.iter().filter(|(from, to)| from.as_raw_fd() == *to).map(|(from, _)| from);
    for descriptor in birth.kept.iter().chain(stays) {
        // SAFETY: as above.
        if failed(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFD, 0) }) {
            return 127;
        }
    }
    // SAFETY: the set lives in `birth`; the old mask is not asked for.
    if failed(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const birth.nothing_blocked, ptr::null_mut()) }) {
        return 127;
    }
    // SAFETY: the texts end with a NUL and the lists with a null pointer, and all live in the parent.
    failed(unsafe { libc::execve(birth.path, birth.args, birth.env) });
    127
}

fn last() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::NOSYS)
}

/// A list as C knows it.
fn pointers(texts: &[&CStr]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

fn signals(all: bool) -> libc::sigset_t {
    let fill = if all { libc::sigfillset } else { libc::sigemptyset };
    let mut set = MaybeUninit::uninit();
    // SAFETY: both fill the set that they are given, which is of the right type.
    unsafe { fill(set.as_mut_ptr()) };
    // SAFETY: filled above; it cannot fail for a valid place.
    unsafe { set.assume_init() }
}
