//! Who was told what: of each notice and each channel how it went the last time. Telling people changes nothing else
//! of a run; it is remembered so that nobody is told twice.

use std::collections::BTreeMap;

use super::event::Moment;
use super::phase::OpenGate;
use super::state::Run;

/// What became of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub at: Moment,
    /// Why nobody could be told.
    pub problem: Option<String>,
}

impl Run {
    /// What became of notices, by their names and channels.
    pub fn notices(&self) -> impl Iterator<Item = (&str, &str, &Notice)> {
        self.notices.iter().map(|((notice, channel), what)| (notice.as_str(), channel.as_str(), what))
    }

    /// What became of the notices about a gate since it opened: the channel, and how its last one went.
    pub fn notices_of(&self, task: &str, gate: &OpenGate) -> BTreeMap<&str, &Notice> {
        let opened = gate.opened.0.to_string();
        let is_of = |notice: &str| {
            let mut parts = notice.split(':').skip(1);
            parts.next() == Some(task) && parts.next() == Some(&*opened)
        };
        let mut last: BTreeMap<&str, &Notice> = BTreeMap::new();
        for (_, channel, notice) in self.notices().filter(|(name, ..)| is_of(name)) {
            let known = last.entry(channel).or_insert(notice);
            if known.at <= notice.at {
                *known = notice;
            }
        }
        last
    }

    /// Whether this was told over this channel. What could not be told was not.
    pub fn was_told(&self, notice: &str, channel: &str) -> bool {
        self.notice(notice, channel).is_some_and(|notice| notice.problem.is_none())
    }

    /// Why nobody could be told of this over this channel the last time.
    pub(super) fn problem_of(&self, notice: &str, channel: &str) -> Option<&str> {
        self.notice(notice, channel)?.problem.as_deref()
    }

    fn notice(&self, notice: &str, channel: &str) -> Option<&Notice> {
        self.notices.get(&(notice.to_owned(), channel.to_owned()))
    }
}
