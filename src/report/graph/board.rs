//! The search for the cheapest way between two sides of boxes, on tracks partly in use.
//!
//! Guarantees: a way never crosses a box; running on another trunk, across one, over a title
//! row or through a strange frame costs extra and so happens only where going around costs
//! more; equal costs are settled by place, so the result is always the same; the searches of
//! one board together take at most `EFFORT` steps.
//!
//! Does not know tasks: starts and goals are places with a cost.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::measure::Scale;
use super::tracks::{GAP_TRACKS, Obstacles, Tracks};

const EFFORT: u64 = 12_000_000;
const BEND: u32 = 16;
const CROSSING: u32 = 22;
const OVERLAP: u32 = 400;
const TITLE: u32 = 60;
const NOBODY: u32 = u32::MAX;
const NOWHERE: usize = usize::MAX;

/// Places already used by a trunk: where each was reached from, and how far from the start.
pub(super) type Trunk = BTreeMap<usize, (Option<usize>, u32)>;

/// What one search is for.
pub(super) struct Wish<'a> {
    /// The trunk's own number, so that it does not avoid itself.
    pub name: u32,
    /// Where it may start, if the trunk is still empty.
    pub starts: &'a [(usize, u32)],
    /// Where it may end; all on one x track.
    pub goals: &'a BTreeMap<usize, u32>,
    /// Frames it may run through freely.
    pub kin: &'a [u32],
}

/// Tracks with what already runs on them.
pub(super) struct Board<'a> {
    obstacles: &'a Obstacles,
    between_bands: &'a [bool],
    across: usize,
    down: usize,
    x: Vec<u32>,
    y: Vec<u32>,
    /// Which trunk runs along, or up and down, through each place.
    along: Vec<u32>,
    upright: Vec<u32>,
    /// Cheapest cost so far and predecessor of each state in this search. A state is a place
    /// and a direction: `2 * place` is along, `2 * place + 1` is upright.
    cost: Vec<u32>,
    came: Vec<usize>,
    round: Vec<u32>,
    current: u32,
    effort: u64,
}

/// The side of the box that is searched for: an x track and a range of y tracks.
struct Target {
    x: usize,
    low: usize,
    high: usize,
}

type Open = BinaryHeap<Reverse<(u32, usize)>>;

/// Positions as whole pixels, each step at least one so that every step costs something.
fn position_tracks(of: &[f64]) -> Vec<u32> {
    let mut at = 0u32;
    let mut positions = vec![0];
    for pair in of.windows(2) {
        // In range: `as` saturates, and a step between tracks is a few hundred pixels.
        at = at.saturating_add((pair[1] - pair[0]).max(1.0) as u32);
        positions.push(at);
    }
    positions
}

impl<'a> Board<'a> {
    pub(super) fn new(tracks: &'a Tracks, obstacles: &'a Obstacles, scale: &Scale) -> Self {
        let places = tracks.across * tracks.down;
        Self {
            obstacles,
            between_bands: &tracks.between_bands,
            across: tracks.across,
            down: tracks.down,
            x: position_tracks(&scale.x),
            y: position_tracks(&scale.y),
            along: vec![NOBODY; places],
            upright: vec![NOBODY; places],
            cost: vec![0; places * 2],
            came: vec![NOWHERE; places * 2],
            round: vec![0; places * 2],
            current: 0,
            effort: EFFORT,
        }
    }

    /// Finds the places of the cheapest way, from the start of the trunk to a goal, and adds
    /// them to the trunk. `None` when there is no way or the effort is spent.
    pub(super) fn find_way(&mut self, wish: &Wish<'_>, trunk: &mut Trunk) -> Option<Vec<usize>> {
        let (first, last) = (*wish.goals.keys().next()?, *wish.goals.keys().next_back()?);
        let target = Target { x: first % self.across, low: first / self.across, high: last / self.across };
        self.current += 1;
        let mut open = Open::new();
        self.open_starts(&mut open, wish, trunk, &target);
        let mut best: Option<(u32, usize)> = None;
        while let Some(Reverse((estimate, state))) = open.pop() {
            if best.is_some_and(|(cost, _)| cost <= estimate) {
                break;
            }
            if estimate > self.cost[state] + self.distance(state / 2, &target) {
                // A cheaper way to this state has been opened since.
                continue;
            }
            self.effort = self.effort.checked_sub(1)?;
            if let Some(arrival) = wish.goals.get(&(state / 2)).filter(|_| state.is_multiple_of(2)) {
                let total = self.cost[state] + arrival + self.port_toll(state / 2, wish.name);
                if best.is_none_or(|(known, _)| total < known) {
                    best = Some((total, state));
                }
            }
            self.step_sideways(&mut open, state, wish, &target);
            self.step_upright(&mut open, state, wish, &target);
        }
        best.map(|(_, state)| self.record(state, wish.name, trunk))
    }

    fn open_starts(&mut self, open: &mut Open, wish: &Wish<'_>, trunk: &Trunk, target: &Target) {
        if trunk.is_empty() {
            for &(place, cost) in wish.starts {
                let cost = cost + self.port_toll(place, wish.name);
                self.offer(open, place * 2, cost, NOWHERE, target);
            }
        }
        for (&place, &(_, far)) in trunk {
            // Branching off is cheap, but a branch far down the trunk makes a long way round.
            for state in [place * 2, place * 2 + 1] {
                self.offer(open, state, far / 3 + BEND / 2, NOWHERE, target);
            }
        }
    }

    fn is_other(owner: u32, name: u32) -> bool {
        owner != NOBODY && owner != name
    }

    fn port_toll(&self, place: usize, name: u32) -> u32 {
        if Self::is_other(self.along[place], name) { OVERLAP } else { 0 }
    }

    /// What running on, or across, another trunk costs.
    fn toll(same_way: u32, other_way: u32, name: u32) -> u32 {
        if Self::is_other(same_way, name) {
            OVERLAP
        } else if Self::is_other(other_way, name) {
            CROSSING
        } else {
            0
        }
    }

    fn step_sideways(&mut self, open: &mut Open, state: usize, wish: &Wish<'_>, target: &Target) {
        let (place, turns, cost) = (state / 2, state % 2 == 1, self.cost[state]);
        let (x, y) = (place % self.across, place / self.across);
        for (next_x, pair) in [(x.wrapping_sub(1), x.wrapping_sub(1)), (x + 1, x)] {
            if next_x >= self.across || self.obstacles.blocks_right(pair, y) {
                continue;
            }
            let next = y * self.across + next_x;
            let length = self.x[next_x].abs_diff(self.x[x]);
            let strange = !wish.kin.contains(&self.obstacles.frame_right_of(pair, y));
            let toll = Self::toll(self.along[next], self.upright[next], wish.name);
            let bend = if turns { BEND } else { 0 };
            // Running back against the reading direction belongs between the bands.
            let against = if next_x < x && !self.between_bands[y] { length } else { 0 };
            let total = cost + length * (1 + 2 * u32::from(strange)) + against + toll + bend;
            self.offer(open, next * 2, total, state, target);
        }
    }

    fn step_upright(&mut self, open: &mut Open, state: usize, wish: &Wish<'_>, target: &Target) {
        let (place, turns, cost) = (state / 2, state.is_multiple_of(2), self.cost[state]);
        let (x, y) = (place % self.across, place / self.across);
        for next_y in [y.wrapping_sub(1), y + 1] {
            if next_y >= self.down {
                continue;
            }
            let next = next_y * self.across + x;
            let length = self.y[next_y].abs_diff(self.y[y]);
            let strange = !wish.kin.contains(&self.obstacles.frame_at(x, next_y));
            let title = if self.obstacles.title_at(x, next_y) { TITLE } else { 0 };
            let toll = Self::toll(self.upright[next], self.along[next], wish.name);
            // Middle tracks first, so that the outer ones stay free and take no room.
            let off_middle = u32::try_from((x % GAP_TRACKS).abs_diff(GAP_TRACKS / 2)).unwrap_or(0);
            let bend = if turns { BEND + off_middle } else { 0 };
            let total = cost + length * (1 + 2 * u32::from(strange)) + title + toll + bend;
            self.offer(open, next * 2 + 1, total, state, target);
        }
    }

    /// The least a way from a place to the target can cost.
    fn distance(&self, place: usize, target: &Target) -> u32 {
        let (x, y) = (place % self.across, place / self.across);
        let sideways = self.x[x].abs_diff(self.x[target.x]);
        sideways + self.y[y].abs_diff(self.y[y.clamp(target.low, target.high)])
    }

    fn offer(&mut self, open: &mut Open, state: usize, cost: u32, came: usize, target: &Target) {
        if self.round[state] == self.current && self.cost[state] <= cost {
            return;
        }
        self.round[state] = self.current;
        self.cost[state] = cost;
        self.came[state] = came;
        open.push(Reverse((cost + self.distance(state / 2, target), state)));
    }

    /// Marks the way that ends in `state` as used and returns it from the start of its trunk.
    fn record(&mut self, state: usize, name: u32, trunk: &mut Trunk) -> Vec<usize> {
        let mut fresh = vec![state / 2];
        let mut at = state;
        while self.came[at] != NOWHERE {
            at = self.came[at];
            if fresh.last() != Some(&(at / 2)) {
                fresh.push(at / 2);
            }
        }
        fresh.reverse();
        // The ends are reached sideways, from a box or by way of the trunk.
        self.along[fresh[0]] = name;
        self.along[state / 2] = name;
        let mut way = Vec::new();
        let mut up = trunk.get(&fresh[0]).and_then(|known| known.0);
        while let Some(place) = up {
            way.push(place);
            up = trunk.get(&place).and_then(|known| known.0);
        }
        way.reverse();
        trunk.entry(fresh[0]).or_insert((None, 0));
        for pair in fresh.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let owner = if from / self.across == to / self.across { &mut self.along } else { &mut self.upright };
            owner[from] = name;
            owner[to] = name;
            let far = trunk.get(&from).map_or(0, |known| known.1);
            let (x, y) = (to % self.across, to / self.across);
            let length =
                self.x[x].abs_diff(self.x[from % self.across]) + self.y[y].abs_diff(self.y[from / self.across]);
            trunk.entry(to).or_insert((Some(from), far + length));
        }
        way.extend(fresh);
        way
    }
}
