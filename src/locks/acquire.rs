//! Asking for locks: all names of a request at once, or a place in the queue.
//!
//! A request that waits holds nothing but its ticket. It remembers whom it waits for and asks only after
//! those: a poll costs about a dozen system calls, whatever the length of the queue.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::claim::{Claim, Entry, Mode, Party, Standing, hindrance, in_order};
use super::door::Door;
use super::error::LockError;
use super::holders::{Survey, is_held};
use super::place::{is_private, make_private, options, remote_file_system};
use super::queue::{Ticket, Waiting, waiting};
use super::record::{Record, read_text};

/// How long a poll tries to pass the door before it answers "wait".
const AT_THE_DOOR: Duration = Duration::from_millis(4);
/// How often one whose turn is next asks again, and one who has others before it.
const NEXT: Duration = Duration::from_millis(5);
const LATER: Duration = Duration::from_millis(20);

/// A directory of locks.
#[derive(Clone, Debug)]
pub struct Locks {
    dir: PathBuf,
}

impl Locks {
    /// Opens the directory, and makes it if it is not there; its parent must be. It must be this user's
    /// alone and on a disk of this machine.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, LockError> {
        let dir = dir.into();
        make_private(&dir).map_err(LockError::io("make the lock directory", &dir))?;
        let look = "look at the lock directory";
        if let Some(file_system) = remote_file_system(&dir).map_err(LockError::io(look, &dir))? {
            return Err(LockError::Remote { dir, file_system });
        }
        if !is_private(&dir).map_err(LockError::io(look, &dir))? {
            return Err(LockError::NotPrivate { dir });
        }
        Ok(Self { dir })
    }

    /// Where the locks are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Prepares to ask for all of `claims` at once. Of two claims on one name the narrower counts.
    ///
    /// Ask for everything a task needs in one request: whoever holds one thing and asks for another can
    /// deadlock with somebody who does the same the other way round.
    pub fn request(&self, party: Party, claims: Vec<Claim>) -> Result<Request, LockError> {
        if claims.is_empty() {
            return Err(LockError::Empty);
        }
        let claims = in_order(claims);
        Ok(Request { dir: self.dir.clone(), party, claims, ticket: None, hindered: Hindered::default() })
    }
}

/// An answer to a request.
#[derive(Debug)]
pub enum Attempt {
    Acquired(Guard),
    /// See [`Request::ahead`] and [`Request::poll_after`].
    Waiting,
}

/// A wish for locks, and its place in the queue. Dropping it gives the place up.
#[derive(Debug)]
pub struct Request {
    dir: PathBuf,
    party: Party,
    claims: Vec<Claim>,
    ticket: Option<Ticket>,
    hindered: Hindered,
}

/// What stood in the way when the request was last looked at.
#[derive(Debug, Default)]
struct Hindered {
    ahead: Vec<Entry>,
    watched: Vec<Watched>,
}

/// Somebody in the way: a file that is locked and says the same as long as that is so.
#[derive(Debug)]
struct Watched {
    path: PathBuf,
    text: Vec<u8>,
}

impl Request {
    /// Takes all locks, or none and a place in the queue, without waiting for anybody. `now` is what is
    /// shown as the time since which the locks are held or awaited.
    ///
    /// After an answer of [`Attempt::Acquired`] it starts anew.
    pub fn try_acquire(&mut self, now: Timestamp) -> Result<Attempt, LockError> {
        let Some(_door) = Door::pass(&self.dir, AT_THE_DOOR)? else { return Ok(Attempt::Waiting) };
        let dir = self.dir.clone();
        self.decide(&dir, now).map_err(LockError::io("ask for locks in", &dir))
    }

    /// Who holds one of the names, or came earlier and waits for one, as far as the last poll looked.
    pub fn ahead(&self) -> &[Entry] {
        &self.hindered.ahead
    }

    /// When to ask again: 5 ms when only holders are ahead, 20 ms when others wait as well.
    pub fn poll_after(&self) -> Duration {
        let next = self.hindered.ahead.iter().all(|entry| entry.standing == Standing::Holds);
        if next { NEXT } else { LATER }
    }

    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    fn decide(&mut self, dir: &Path, now: Timestamp) -> io::Result<Attempt> {
        if self.hindered.remains()? {
            return Ok(Attempt::Waiting);
        }
        let earlier = waiting(dir, self.ticket.as_ref().map(|ticket| ticket.number))?;
        let mut surveys = Vec::with_capacity(self.claims.len());
        let mut ahead = Vec::new();
        let mut watched = Vec::new();
        for claim in &self.claims {
            let survey = Survey::of(dir, claim)?;
            let (mut files, entries) = present(&survey, &earlier, claim);
            let modes: Vec<Mode> = entries.iter().map(|entry: &Entry| entry.claim.mode).collect();
            if let Some(hindering) = hindrance(claim.mode, &modes) {
                // Those of one name suffice: as long as it cannot be had, nor can the request.
                if watched.is_empty() {
                    watched.extend(hindering.into_iter().rev().map(|index| files.swap_remove(index)));
                }
                ahead.extend(entries);
            }
            surveys.push(survey);
        }
        if ahead.is_empty()
            && let Some(guard) = self.take(surveys, now)?
        {
            self.ticket = None;
            self.hindered = Hindered::default();
            return Ok(Attempt::Acquired(guard));
        }
        if self.ticket.is_none() {
            let record = Record::new(self.claims.clone(), self.party.clone(), now);
            self.ticket = Some(Ticket::draw(dir, &record)?);
        }
        self.hindered.ahead = ahead;
        self.hindered.watched = watched;
        Ok(Attempt::Waiting)
    }

    /// Takes every name; if the kernel refuses one, what was taken is let go again.
    fn take(&self, surveys: Vec<Survey>, now: Timestamp) -> io::Result<Option<Guard>> {
        let mut held = Vec::with_capacity(surveys.len());
        for (claim, survey) in self.claims.iter().zip(surveys) {
            let record = Record::new(vec![claim.clone()], self.party.clone(), now);
            let Some(files) = survey.take(claim, &record)? else { return Ok(None) };
            held.push(Held { claim: claim.clone(), files });
        }
        Ok(Some(Guard { held }))
    }
}

/// Everybody whom the rule counts: the holders, then who came earlier and waits for the same name.
fn present(survey: &Survey, earlier: &[Waiting], claim: &Claim) -> (Vec<Watched>, Vec<Entry>) {
    let watched = |path: &PathBuf, text: &Vec<u8>| Watched { path: path.clone(), text: text.clone() };
    let holders = survey.holders.iter().map(|holder| (watched(&holder.path, &holder.text), holder.entry.clone()));
    let waiters = earlier.iter().filter_map(|waiter| {
        let wanted = waiter.record.claims.iter().find(|wanted| wanted.is_on_the_name_of(claim))?;
        Some((watched(&waiter.path, &waiter.text), waiter.record.entry(wanted, Standing::Waits)))
    });
    holders.chain(waiters).unzip()
}

impl Hindered {
    /// Whether everybody who was in the way still is.
    fn remains(&self) -> io::Result<bool> {
        for watched in &self.watched {
            match options().read(true).open(&watched.path) {
                Ok(file) if is_held(&file)? && read_text(&file).as_ref() == Some(&watched.text) => {}
                Ok(_) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(!self.watched.is_empty())
    }
}

/// Locks that are held. They are free when the last copy of their descriptors is closed: this guard's, and
/// those of every process to which they were passed.
#[derive(Debug)]
pub struct Guard {
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    claim: Claim,
    files: Vec<File>,
}

impl Guard {
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.held.iter().map(|held| &held.claim)
    }

    /// The descriptors that are the locks, to be passed on: one for a name held alone, two for a shared one.
    /// They close on exec, so a process gets them by `SCM_RIGHTS` or not at all.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.held.iter().flat_map(|held| &held.files).map(AsFd::as_fd)
    }
}
