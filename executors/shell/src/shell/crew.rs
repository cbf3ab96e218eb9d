//! The keepers of a runner: hired when all others are at work, taken back when their task is settled.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outpost_executor::{NotStarted, Outcome, Process, Report, Token};
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::net::unix::pipe::Receiver;
use tokio::time::sleep;

use super::{Keepers, locked, orphans};
use crate::keeper;
use crate::process::Identity;
use crate::survivors;
use crate::wire::{Answer, Inbox, MOST_DESCRIPTORS, Request, VERSION, encode};

/// Before another try when the system is short of something.
const SHORT_PAUSE: Duration = Duration::from_millis(20);
/// Keepers that die before they are ready, until that is taken for a fault.
const MOST_STILLBORN: u32 = 3;
/// Between two looks whether a keeper whose socket ended has ended itself.
const PAUSE: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(5);

/// A keeper, seen from the runner.
pub(super) struct Keeper {
    pub(super) identity: Identity,
    requests: UnixStream,
    /// A pipe, not the socket: tokio would wake up for each request that the keeper takes out of a socket.
    answers: Receiver,
    inbox: Mutex<Inbox>,
    child: Mutex<Child>,
}

pub(super) struct Crew {
    keepers: Keepers,
    idle: Mutex<Vec<Arc<Keeper>>>,
    /// Above processes that are meant to stay, which are no orphans while it lives.
    retired: Mutex<Vec<Arc<Keeper>>>,
    /// Let go, not collected yet.
    leaving: Mutex<Vec<Arc<Keeper>>>,
    for_good: Mutex<Vec<OwnedFd>>,
}

impl Crew {
    pub(super) fn new(keepers: Keepers) -> Self {
        Self {
            keepers,
            idle: Mutex::default(),
            retired: Mutex::default(),
            leaving: Mutex::default(),
            for_good: Mutex::default(),
        }
    }

    /// Sends a request to a keeper that is free, and says to which.
    pub(super) async fn send(
        &self,
        request: &Request,
        stdin: Option<&[u8]>,
        locks: &[OwnedFd],
    ) -> Result<Arc<Keeper>, NotStarted> {
        let message = encode(request).map_err(other)?;
        let stdin = match stdin {
            Some(bytes) => Some(patiently(|| input(bytes)).await.map_err(other)?),
            None => None,
        };
        let descriptors: Vec<BorrowedFd<'_>> = stdin.iter().chain(locks).map(AsFd::as_fd).collect();
        if descriptors.len() > MOST_DESCRIPTORS {
            return Err(NotStarted::Refused(format!("it has more than {MOST_DESCRIPTORS} locks")));
        }
        loop {
            let keeper = self.free().await?;
            // One that died while it was idle has not taken the order; another will.
            match keeper.write(&message, &descriptors).await {
                Ok(()) => return Ok(keeper),
                Err(_) => self.let_go(keeper),
            }
        }
    }

    /// The keeper's task is settled; `stays` says that what it left may still be there.
    pub(super) fn take_back(&self, keeper: &Arc<Keeper>, outcome: &Outcome, stays: bool) {
        if matches!(outcome, Outcome::Lost(_)) {
            self.let_go(Arc::clone(keeper));
        } else if stays {
            locked(&self.retired).push(Arc::clone(keeper));
        } else {
            locked(&self.idle).push(Arc::clone(keeper));
        }
    }

    /// The keeper is dead: ends what it left behind and says so; also whether nothing is left.
    pub(super) async fn bury(&self, keeper: &Keeper, token: &Token) -> (Report, bool) {
        let status = keeper.ended().await;
        let mut left = orphans::end().await;
        left.extend(survivors::end(token).await);
        let how = status.map_or_else(|| "does not end".to_owned(), |status| status.to_string());
        let mut reason = format!("its keeper {} is gone ({how})", keeper.identity.pid);
        if !left.is_empty() {
            let left: Vec<String> = left.iter().map(Process::to_string).collect();
            reason = format!("{reason} and cannot be replaced: {} still run, its locks stay locked", left.join(", "));
        }
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let at_ms = u64::try_from(at_ms).unwrap_or(u64::MAX);
        (Report::bare(Outcome::Lost(reason), at_ms), left.is_empty())
    }

    /// Locks of work that could not be ended: they go with this process.
    pub(super) fn hold_for_good(&self, locks: Vec<OwnedFd>) {
        locked(&self.for_good).extend(locks);
    }

    /// A keeper with nothing to do: one that has become free, or a new one.
    async fn free(&self) -> Result<Arc<Keeper>, NotStarted> {
        let mut stillborn = 0;
        loop {
            let idle = locked(&self.idle).pop();
            if let Some(keeper) = idle {
                return Ok(keeper);
            }
            locked(&self.leaving).retain(|keeper| !keeper.is_over());
            let program = self.keepers.program.display();
            match self.start() {
                Ok(started) => {
                    if let Some(keeper) = self.greet(started).await? {
                        return Ok(Arc::new(keeper));
                    }
                    stillborn += 1;
                    if stillborn == MOST_STILLBORN {
                        return Err(other(format!("its keeper `{program}` ends before it is ready")));
                    }
                }
                // Until somebody else's task has ended, perhaps.
                Err(error) if is_short(&error) => sleep(SHORT_PAUSE).await,
                Err(error) => return Err(other(format!("its keeper `{program}` cannot be started: {error}"))),
            }
        }
    }

    fn start(&self) -> io::Result<(Child, UnixStream, OwnedFd)> {
        let (requests, theirs) = UnixStream::pair()?;
        requests.set_nonblocking(true)?;
        let (answers, to_us) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut command = Command::new(&self.keepers.program);
        command.arg0(keeper::NAME).args(&self.keepers.args);
        command.stdin(OwnedFd::from(theirs)).stdout(to_us).stderr(Stdio::null());
        let child = orphans::with_keepers(|keepers| {
            let child = command.spawn()?;
            tracing::debug!(pid = child.id(), "a keeper starts");
            keepers.insert(child.id());
            Ok::<_, io::Error>(child)
        })?;
        Ok((child, requests, answers))
    }

    /// Waits until the keeper is ready, in a session of its own where no signal of a terminal reaches it.
    async fn greet(
        &self,
        (child, requests, answers): (Child, UnixStream, OwnedFd),
    ) -> Result<Option<Keeper>, NotStarted> {
        let answers = Receiver::from_owned_fd(answers).map_err(other)?;
        let identity = Identity { pid: child.id(), started: 0, boot: String::new() };
        let mut keeper = Keeper { identity, requests, answers, inbox: Mutex::default(), child: Mutex::new(child) };
        let held: Vec<BorrowedFd<'_>> = self.keepers.held.iter().map(AsFd::as_fd).collect();
        let hello = Request::Hello { open_files: self.keepers.open_files, held: held.len() };
        let hello = encode(&hello).map_err(other)?;
        if keeper.write(&hello, &held).await.is_ok()
            && let Some(Answer::Ready { version, identity }) = keeper.answer().await
        {
            keeper.identity = identity;
            return if version == VERSION {
                Ok(Some(keeper))
            } else {
                self.let_go(Arc::new(keeper));
                Err(other("its keeper is of another version"))
            };
        }
        keeper.ended().await;
        Ok(None)
    }

    /// Lets a keeper go: it ends as soon as nothing is left below it.
    pub(super) fn let_go(&self, keeper: Arc<Keeper>) {
        // One that is gone has no socket to shut.
        let _ = keeper.requests.shutdown(Shutdown::Both);
        locked(&self.leaving).push(keeper);
    }

    /// Lets all go that have nothing to do, and waits until they and those let go earlier have ended.
    pub(super) async fn dismiss(&self) {
        let idle = std::mem::take(&mut *locked(&self.idle));
        let retired = std::mem::take(&mut *locked(&self.retired));
        for keeper in idle.into_iter().chain(retired) {
            keeper.send(&Request::Bye).await;
            self.let_go(keeper);
        }
        let leaving = std::mem::take(&mut *locked(&self.leaving));
        for keeper in leaving {
            while !keeper.is_over() {
                sleep(PAUSE).await;
            }
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        let Ok(bye) = encode(&Request::Bye) else {
            return;
        };
        for keeper in locked(&self.idle).iter().chain(locked(&self.retired).iter()) {
            // Without it the keeper leaves a record that nobody needs.
            let _ = keeper.pass(&bye, &[]);
        }
    }
}

impl Keeper {
    /// What the keeper says next, or `None` when it is gone.
    pub(super) async fn answer(&self) -> Option<Answer> {
        loop {
            if let Some(answer) = locked(&self.inbox).next() {
                return answer.ok();
            }
            let filled = locked(&self.inbox).fill(|place| self.answers.try_read(place));
            match filled {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.answers.readable().await.ok()?,
                Err(_) => return None,
            }
        }
    }

    /// Sends a request without descriptors. A keeper that is gone is noticed by whoever waits for it.
    pub(super) async fn send(&self, request: &Request) {
        if let Ok(message) = encode(request) {
            let _ = self.write(&message, &[]).await;
        }
    }

    async fn write(&self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut rest = message;
        let mut descriptors = descriptors;
        while !rest.is_empty() {
            match self.pass(rest, descriptors) {
                Ok(sent) => {
                    rest = rest.get(sent..).unwrap_or_default();
                    descriptors = &[];
                }
                // Long arguments, which the keeper takes in pieces.
                Err(Errno::AGAIN) => sleep(PAUSE).await,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn pass(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> rustix::io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(Errno::INVAL);
        }
        sendmsg(&self.requests, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)
    }

    /// The status of a keeper whose socket has ended, once it has ended itself. What it left behind moves up then.
    async fn ended(&self) -> Option<ExitStatus> {
        let mut waited = Duration::ZERO;
        loop {
            let status = locked(&self.child).try_wait();
            if let Ok(Some(status)) = status {
                orphans::with_keepers(|keepers| keepers.remove(&self.identity.pid));
                return Some(status);
            }
            if waited > PATIENCE {
                return None;
            }
            sleep(PAUSE).await;
            waited += PAUSE;
        }
    }

    /// Whether it has ended; then it is collected.
    fn is_over(&self) -> bool {
        let over = !matches!(locked(&self.child).try_wait(), Ok(None));
        if over {
            orphans::with_keepers(|keepers| keepers.remove(&self.identity.pid));
        }
        over
    }
}

/// A file in memory that holds the input: nobody has to write it while the task reads.
fn input(bytes: &[u8]) -> io::Result<OwnedFd> {
    let memory = memfd_create("input", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(memory);
    file.write_all(bytes)?;
    seek(&file, SeekFrom::Start(0))?;
    Ok(file.into())
}

/// Tries until the system has what it takes.
async fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if is_short(&error) => sleep(SHORT_PAUSE).await,
            other => return other,
        }
    }
}

/// Whether waiting may help: descriptors, processes or memory are short.
fn is_short(error: &io::Error) -> bool {
    let short = [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::NOMEM, Errno::NOBUFS];
    error.raw_os_error().is_some_and(|code| short.iter().any(|errno| errno.raw_os_error() == code))
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` passes values")]
fn other(error: impl ToString) -> NotStarted {
    NotStarted::Other(error.to_string())
}
