//! Gives every arrow a route along the tracks, as on a circuit board.
//!
//! Guarantees: arrows leave a box or a frame's title row on the right and arrive on the left;
//! a child and its own frame are joined inside the frame where it has room, at the frame's left
//! edge when the child needs the parent and at its right edge when the parent waits; arrows of
//! one start and one style share a trunk; the same sheet gives the same routes. An arrow has no
//! route only when the effort of the board is spent, and is then to be drawn plainly.
//!
//! Does not know pixels beyond the distances it is given.

use std::collections::{BTreeMap, BTreeSet};

use super::board::{Board, Trunk, Wish};
use super::measure::Scale;
use super::nesting::Nesting;
use super::sheet::Sheet;
use super::tracks::{NO_FRAME, Obstacles, Tracks};

/// One arrow to be routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errand {
    pub from: usize,
    pub to: usize,
    /// Arrows of the same start and style share a trunk.
    pub style: usize,
}

/// A route: places on the tracks, or the one y track of the short way between a child and the
/// edge of its own frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Places {
        places: Vec<usize>,
        /// Joins a child and its own frame inside the frame.
        inside: bool,
    },
    Stub(usize),
}

/// What the ports on a box's side cost, so that the middle one is taken first.
const PORT_COST: [u32; 5] = [12, 4, 0, 5, 12];
/// The port a child uses for the stub to its own frame, away from the middle.
const STUB_PORT: usize = 3;
/// What it costs another arrow to use that port as well.
const STUB_TOLL: u32 = 60;

/// Places beside a box, each with what leaving or arriving there costs.
type Ports = Vec<(usize, u32)>;

/// What the routes run on.
pub(super) struct Ground<'a> {
    pub sheet: &'a Sheet,
    pub tracks: &'a Tracks,
    pub obstacles: &'a Obstacles,
    pub nesting: &'a Nesting,
}

/// Routes all errands; the result is in their order. `scale` gives the distances.
pub(super) fn route_errands(ground: &Ground<'_>, scale: &Scale, errands: &[Errand]) -> Vec<Option<Route>> {
    let mut board = Board::new(ground.tracks, ground.obstacles, scale);
    let mut order: Vec<usize> = (0..errands.len()).collect();
    // Short arrows first: they have the fewest ways to go.
    order.sort_by_key(|&at| (ground.guess_length(&errands[at], scale), at));
    let mut names: BTreeMap<(usize, usize, bool), usize> = BTreeMap::new();
    let mut trunks: Vec<Trunk> = Vec::new();
    let mut routes = vec![None; errands.len()];
    // Stubs first, so that other arrows of the same child can keep off their ports.
    let mut stubbed: BTreeSet<(usize, bool)> = BTreeSet::new();
    for (route, errand) in routes.iter_mut().zip(errands) {
        *route = ground.find_stub(errand);
        if route.is_some() {
            let upward = ground.nesting.encloses(errand.to, errand.from);
            stubbed.insert((if upward { errand.from } else { errand.to }, upward));
        }
    }
    for at in order {
        let errand = errands[at];
        if routes[at].is_some() {
            continue;
        }
        let (mut starts, mut goals, inside) = ground.list_ends(&errand);
        if stubbed.contains(&(errand.from, true)) {
            avoid_stub(&mut starts);
        }
        if stubbed.contains(&(errand.to, false)) {
            avoid_stub(&mut goals);
        }
        let name = *names.entry((errand.from, errand.style, inside)).or_insert(trunks.len());
        if name == trunks.len() {
            trunks.push(Trunk::new());
        }
        let wish = Wish {
            name: u32::try_from(name).unwrap_or(0),
            starts: &starts,
            goals: &goals.into_iter().collect(),
            kin: &ground.list_kin(&errand),
        };
        let found = board.find_way(&wish, &mut trunks[name]);
        routes[at] = found.map(|places| Route::Places { places, inside });
    }
    routes
}

fn avoid_stub(ports: &mut Ports) {
    if let Some(port) = ports.get_mut(STUB_PORT) {
        port.1 += STUB_TOLL;
    }
}

impl Ground<'_> {
    fn guess_length(&self, errand: &Errand, scale: &Scale) -> u64 {
        let from = scale.outline(self.sheet, errand.from);
        let to = scale.outline(self.sheet, errand.to);
        // `as` saturates, and a drawing is never that large.
        ((to.left - from.right).abs() + (to.top - from.top).abs()) as u64
    }

    /// The way between a child and the edge of its own frame, where nothing is in between.
    fn find_stub(&self, errand: &Errand) -> Option<Route> {
        let (from, to) = (self.sheet.spots[errand.from], self.sheet.spots[errand.to]);
        let (child, adjacent) = if self.nesting.encloses(errand.to, errand.from) {
            (errand.from, from.last_col() == to.last_col())
        } else if self.nesting.encloses(errand.from, errand.to) {
            (errand.to, from.col == to.col)
        } else {
            return None;
        };
        let ports = self.tracks.touch(self.sheet, child);
        adjacent.then(|| Route::Stub((ports.start + STUB_PORT).min(ports.end - 1)))
    }

    /// Places beside the start and the end of an arrow, with what leaving or arriving there
    /// costs, and whether it stays inside a frame that is one of its ends.
    fn list_ends(&self, errand: &Errand) -> (Ports, Ports, bool) {
        let (from, to) = (self.sheet.spots[errand.from], self.sheet.spots[errand.to]);
        let mut starts = self.list_ports(errand.from, Tracks::first_in_gap(from.last_col() + 1));
        let mut goals = self.list_ports(errand.to, Tracks::last_in_gap(to.col));
        let mut inside = false;
        // Where the frame has no free way to its edge, the arrow goes around to the title row.
        if self.nesting.encloses(errand.from, errand.to) {
            let inner = self.list_inner(errand.from, from.col, Tracks::first_in_gap(from.col + 1));
            inside = !inner.is_empty();
            starts = if inside { inner } else { starts };
        } else if self.nesting.encloses(errand.to, errand.from) {
            let col = to.last_col();
            let inner = self.list_inner(errand.to, col, Tracks::last_in_gap(col));
            inside = !inner.is_empty();
            goals = if inside { inner } else { goals };
        }
        (starts, goals, inside)
    }

    fn list_ports(&self, task: usize, x: usize) -> Ports {
        let ports = self.tracks.touch(self.sheet, task);
        let shift = PORT_COST.len().saturating_sub(ports.len()) / 2;
        let cost = |at: usize| PORT_COST.get(at + shift).copied().unwrap_or(0);
        ports.enumerate().map(|(at, y)| (self.tracks.place(x, y), cost(at))).collect()
    }

    /// Places inside a frame from which its edge can be reached across the column `col`.
    fn list_inner(&self, frame: usize, col: usize, x: usize) -> Ports {
        let last = Tracks::last_in_gap(col);
        self.tracks
            .cover(self.sheet, frame)
            .filter(|&y| !self.obstacles.blocks_right(last, y))
            .map(|y| (self.tracks.place(x, y), 0))
            .collect()
    }

    /// Frames an arrow may run through freely: those around either end. Not the ends
    /// themselves: a line through a parent's frame would seem to belong to its children.
    fn list_kin(&self, errand: &Errand) -> Vec<u32> {
        let mut kin = vec![NO_FRAME];
        for end in [errand.from, errand.to] {
            let mut at = self.nesting.parent[end];
            while let Some(task) = at {
                kin.push(u32::try_from(task).unwrap_or(NO_FRAME));
                at = self.nesting.parent[task];
            }
        }
        kin
    }
}
