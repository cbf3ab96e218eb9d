//! What the machine does to a run: it kills the runner in the middle of a write, cuts the power while its disk is
//! slow, and sets its clock.
//!
//! A write that is cut leaves the beginning of its records, and nobody acts on any of them. A power cut takes what was
//! not synced, whoever acted on it.

use std::collections::VecDeque;

use outpost_bp::run::Moment;

use super::rules::Rules;
use super::{Chance, Simulation};

/// Clocks are set forward by up to a year, and back by what a run can wait for.
const YEAR: u64 = 365 * 24 * 3_600_000;
const BACK: u64 = 2_000;

#[derive(Default)]
pub(crate) struct Machine {
    /// Writes to go until the runner is killed in one; once more for its successor, and so on.
    pub(crate) kills: VecDeque<u64>,
    /// The runner died in its last write and does not know it yet.
    pub(crate) is_dead: bool,
    /// Records that a power cut leaves.
    pub(crate) synced: usize,
    /// One sync comes for this many turns.
    pub(crate) sync_every: u64,
    pub(crate) sets_clock: bool,
    pub(crate) cuts_power: bool,
    pub(crate) figures: Figures,
}

/// What a campaign counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) writes: u64,
    /// Runners that were killed in a write, and between two.
    pub(crate) torn: u64,
    pub(crate) killed: u64,
    /// Starts that were written and never came about.
    pub(crate) lost: u64,
    pub(crate) power_cuts: u64,
    /// Records that a power cut took.
    pub(crate) unsynced: u64,
    pub(crate) clock: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: Self) {
        self.writes += other.writes;
        self.torn += other.torn;
        self.killed += other.killed;
        self.lost += other.lost;
        self.power_cuts += other.power_cuts;
        self.unsynced += other.unsynced;
        self.clock += other.clock;
    }
}

impl Machine {
    /// A machine whose every fault is rare, and which has none in one world of four.
    pub(crate) fn new(chance: &mut Chance, faults: u64) -> Self {
        let kills = (0..faults).map(|_| chance.below(80)).collect();
        let sync_every = if chance.one_in(4) { 8 } else { 1 };
        let (sets_clock, cuts_power) = (chance.one_in(4), faults > 0 && chance.one_in(4));
        Self { kills, sync_every, sets_clock, cuts_power, ..Self::default() }
    }

    /// How many of these records the runner lives to write, and whether that was its last write.
    pub(crate) fn writes(&mut self, chance: &mut Chance, records: usize) -> (usize, bool) {
        if self.is_dead {
            return (0, true);
        }
        if records == 0 {
            return (0, false);
        }
        self.figures.writes += 1;
        match self.kills.front_mut() {
            Some(0) => {
                self.kills.pop_front();
                self.is_dead = true;
                self.figures.torn += 1;
                (chance.below(records as u64 + 1) as usize, true)
            }
            Some(left) => {
                *left -= 1;
                (records, false)
            }
            None => (records, false),
        }
    }
}

impl Simulation {
    /// What the machine does between two turns.
    pub(crate) fn machine(&mut self, turn: u32) {
        let chance = &mut self.outside.chance;
        if self.machine.sync_every < 2 || chance.one_in(self.machine.sync_every) {
            self.machine.synced = self.journal.len();
        }
        // Later nobody waits for a clock any more.
        if self.machine.sets_clock && turn < 500 && chance.one_in(40) {
            self.machine.figures.clock += 1;
            if chance.one_in(2) {
                let most = if chance.one_in(4) { YEAR } else { BACK };
                self.outside.now = self.outside.now.after(1 + chance.below(most));
            } else {
                self.outside.now = Moment(self.outside.now.0.saturating_sub(chance.below(BACK)).max(1));
            }
        }
        if self.machine.cuts_power && self.run.ending().is_none() && chance.one_in(40) {
            self.machine.cuts_power = chance.one_in(2);
            self.cut_power();
            self.resume();
        }
        self.bury();
    }

    /// Those that died in a write are succeeded, until one lives. Whether there was one.
    pub(crate) fn bury(&mut self) -> bool {
        let is_new = self.machine.is_dead;
        while self.machine.is_dead {
            self.machine.is_dead = false;
            self.forget();
            if self.run.ending().is_none() {
                self.resume();
            }
        }
        is_new
    }

    /// What is left is the journal.
    fn forget(&mut self) {
        self.outside.running.clear();
        self.outside.chores.clear();
        self.outside.locked.clear();
        self.run = self.replayed();
    }

    /// Nobody heard of what was not synced: neither the next runner nor those who judge.
    fn cut_power(&mut self) {
        let tail = self.journal.len() - self.machine.synced.max(1);
        let lost = self.outside.chance.below(tail as u64 + 1) as usize;
        self.journal.truncate(self.journal.len() - lost);
        self.machine.figures.power_cuts += 1;
        self.machine.figures.unsynced += lost as u64;
        let mut rules = Rules::new(self.program.clone());
        (rules.contended, rules.loud) = (self.outside.contended, self.rules.loud);
        if rules.loud {
            eprintln!("--- the power is cut, and {lost} records are lost");
        }
        for (at, event) in &self.journal {
            rules.saw(*at, event);
        }
        self.rules = rules;
        self.forget();
    }
}
