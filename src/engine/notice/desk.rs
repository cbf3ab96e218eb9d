//! What is being told: letters on their way, each in a task of its own. The driver looks here once a turn, hears
//! what became of them, and writes it down.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::deliver::{Haste, LEFT, deliver};
use super::due::{Due, due};
use super::letter::{Facts, Letter};
use super::way::Way;
use crate::blueprint::model::Draft;
use crate::run::{Moment, Run};

/// Attempts at once: a hundred gates that open together are no hundred connections or processes.
const ROOM: usize = 8;

/// What became of a notice.
#[derive(Clone, Debug)]
pub struct Told {
    pub key: String,
    pub channel: String,
    /// Why nobody could be told.
    pub problem: Option<String>,
}

#[derive(Debug)]
pub struct Desk {
    facts: Facts,
    /// Whether the document wants anybody to be told of anything.
    is_used: bool,
    /// What this desk has sent, or tries to: what could not be told is tried again by the next runner only.
    taken: HashSet<(String, String)>,
    letters: JoinSet<Told>,
    /// Those that are on their way.
    away: HashSet<(String, String)>,
    haste: watch::Sender<Haste>,
    room: Arc<Semaphore>,
}

impl Desk {
    pub fn new(facts: Facts, draft: &Draft<'_>) -> Self {
        let mut gates = draft.tasks.iter().filter_map(|task| task.gate.as_ref());
        Self {
            facts,
            is_used: !draft.execution.notify.is_empty() || gates.any(|gate| !gate.notify.is_empty()),
            taken: HashSet::new(),
            letters: JoinSet::new(),
            away: HashSet::new(),
            haste: watch::Sender::new(Haste::None),
            room: Arc::new(Semaphore::new(ROOM)),
        }
    }

    /// What is due and was not told, by this runner or an earlier one.
    pub fn take<'b>(&mut self, draft: &'b Draft<'_>, run: &Run, now: Moment) -> Vec<(Due<'b>, Letter)> {
        if !self.is_used {
            return Vec::new();
        }
        let mut found = due(draft, run, now);
        found.retain(|due| {
            !run.was_told(&due.key, &due.channel) && self.taken.insert((due.key.clone(), due.channel.clone()))
        });
        let letter = |due: &Due<'_>| Letter::of(&self.facts, draft, run, due);
        found.into_iter().map(|due| (letter(&due), due)).map(|(letter, due)| (due, letter)).collect()
    }

    pub fn send(&mut self, due: &Due<'_>, letter: Letter, way: Result<Way, String>) {
        let (key, channel) = (due.key.clone(), due.channel.clone());
        self.away.insert((key.clone(), channel.clone()));
        let (haste, room) = (self.haste.subscribe(), Arc::clone(&self.room));
        self.letters.spawn(async move {
            let told = match way {
                Ok(way) => deliver(&way, &letter, haste, &room).await,
                Err(problem) => Err(problem),
            };
            Told { key, channel, problem: told.err() }
        });
    }

    /// What became of the next letter; nothing if none is on its way.
    pub async fn told(&mut self) -> Option<Told> {
        let told = match self.letters.join_next().await? {
            Ok(told) => told,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => panic!("BUG: nobody aborts letters but those who give them up: {error}"),
            },
        };
        self.away.remove(&(told.key.clone(), told.channel.clone()));
        Some(told)
    }

    pub fn is_idle(&self) -> bool {
        self.letters.is_empty()
    }

    /// The driver has nothing else to do: what keeps failing is given up.
    pub fn hurry(&self) {
        self.haste.send_replace(Haste::Idle);
    }

    /// The driver leaves: what is left by now is commands that run, and they know when to end.
    pub fn close(&self) {
        self.haste.send_replace(Haste::Leaving);
    }

    /// The driver is gone: whoever was not told by now is not told by it.
    pub async fn give_up(&mut self) -> Vec<Told> {
        self.letters.shutdown().await;
        let mut left: Vec<Told> =
            self.away.drain().map(|(key, channel)| Told { key, channel, problem: Some(LEFT.to_owned()) }).collect();
        left.sort_by(|one, other| (&one.key, &one.channel).cmp(&(&other.key, &other.channel)));
        left
    }
}
