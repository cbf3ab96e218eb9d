//! Gives every task its cells on one sheet: tiers as bands from top to bottom, frames around
//! the children of a parent.
//!
//! Guarantees: every task has at least one cell; a frame covers exactly the cells of its
//! arrangement and lies inside the frame around it; two tasks that are not nested share no
//! cell; bands follow each other in tier order.
//!
//! Does not know sizes in pixels and does not route arrows.

use super::arrange::{Extent, arrange_boxes};
use super::nesting::Nesting;

/// Columns a band may use before it wraps: about 1,700 pixels.
pub(super) const BAND_COLUMNS: usize = 8;
/// Columns a frame may use before it wraps, so that two frames still fit beside each other.
const FRAME_COLUMNS: usize = 6;

/// The cells of one task, and how many frame edges it adds on each side. A plain task adds
/// none; a frame adds one more than the outermost frame that shares the same side inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub col: usize,
    /// Counted over the whole sheet.
    pub row: usize,
    pub extent: Extent,
    pub left: usize,
    pub right: usize,
    pub top: usize,
    pub bottom: usize,
}

impl Spot {
    pub(super) fn last_col(&self) -> usize {
        self.col + self.extent.cols - 1
    }

    pub(super) fn last_row(&self) -> usize {
        self.row + self.extent.rows - 1
    }
}

/// Every task on its cells.
pub(super) struct Sheet {
    pub spots: Vec<Spot>,
    pub cols: usize,
    pub rows: usize,
    /// First row and number of rows of each tier; an empty tier still has one row.
    pub bands: Vec<(usize, usize)>,
}

/// Tasks by depth, deepest first.
fn sort_deepest_first(nesting: &Nesting) -> Vec<usize> {
    let mut tasks: Vec<usize> = (0..nesting.depth.len()).collect();
    tasks.sort_by_key(|&task| std::cmp::Reverse(nesting.depth[task]));
    tasks
}

/// For each arrow, the pair of sibling boxes it joins, filed under their container.
struct SiblingEdges {
    inside: Vec<Vec<(usize, usize)>>,
    tiers: Vec<Vec<(usize, usize)>>,
}

fn lift_arrows(nesting: &Nesting, arrows: &[(usize, usize)]) -> SiblingEdges {
    let mut inside = vec![Vec::new(); nesting.depth.len()];
    let mut tiers = vec![Vec::new(); nesting.tiers.len()];
    for &(mut from, mut to) in arrows {
        if nesting.tier[from] != nesting.tier[to] {
            continue;
        }
        let up = |task: usize| nesting.parent[task].unwrap_or(task);
        while nesting.depth[from] > nesting.depth[to] {
            from = up(from);
        }
        while nesting.depth[to] > nesting.depth[from] {
            to = up(to);
        }
        while nesting.parent[from] != nesting.parent[to] {
            (from, to) = (up(from), up(to));
        }
        if from == to {
            // One of the two encloses the other: no sibling order follows from that.
            continue;
        }
        match nesting.parent[from] {
            Some(parent) => inside[parent].push((from, to)),
            None => tiers[nesting.tier[from]].push((from, to)),
        }
    }
    SiblingEdges { inside, tiers }
}

/// Gives every task its cells. `arrows` are pairs of sound task indexes.
pub(super) fn place_tasks(nesting: &Nesting, arrows: &[(usize, usize)], careful: bool) -> Sheet {
    let n = nesting.depth.len();
    let unit = Extent { cols: 1, rows: 1 };
    let blank = Spot { col: 0, row: 0, extent: unit, left: 0, right: 0, top: 0, bottom: 0 };
    let mut spots = vec![blank; n];
    let edges = lift_arrows(nesting, arrows);
    let mut local = vec![0usize; n];
    let order = sort_deepest_first(nesting);
    for &task in &order {
        let members = &nesting.children[task];
        if !members.is_empty() {
            let limit = FRAME_COLUMNS.saturating_sub(nesting.depth[task]).max(2);
            spots[task].extent = arrange_members(members, &edges.inside[task], limit, careful, &mut local, &mut spots);
            count_edges(task, members, &mut spots);
        }
    }
    let mut rows = 0;
    let mut cols = 1;
    let mut bands = Vec::with_capacity(nesting.tiers.len());
    for (tier, members) in nesting.tiers.iter().enumerate() {
        let extent = arrange_members(members, &edges.tiers[tier], BAND_COLUMNS, careful, &mut local, &mut spots);
        for &task in members {
            spots[task].row += rows;
        }
        bands.push((rows, extent.rows.max(1)));
        rows += extent.rows.max(1);
        cols = cols.max(extent.cols);
    }
    // Outermost first now: each task moves by where its frame went.
    for &task in order.iter().rev() {
        if let Some(parent) = nesting.parent[task] {
            spots[task].col += spots[parent].col;
            spots[task].row += spots[parent].row;
        }
    }
    Sheet { spots, cols, rows, bands }
}

fn arrange_members(
    members: &[usize],
    edges: &[(usize, usize)],
    limit: usize,
    careful: bool,
    local: &mut [usize],
    spots: &mut [Spot],
) -> Extent {
    for (index, &task) in members.iter().enumerate() {
        local[task] = index;
    }
    let boxes: Vec<Extent> = members.iter().map(|&task| spots[task].extent).collect();
    let pairs: Vec<(usize, usize)> = edges.iter().map(|&(f, t)| (local[f], local[t])).collect();
    let arranged = arrange_boxes(&boxes, &pairs, limit, careful);
    for (&task, &(col, row)) in members.iter().zip(&arranged.at) {
        spots[task].col = col;
        spots[task].row = row;
    }
    arranged.extent
}

/// Counts the frame edges on each side of a frame whose members are placed relative to it.
fn count_edges(task: usize, members: &[usize], spots: &mut [Spot]) {
    let extent = spots[task].extent;
    let mut own = Spot { left: 1, right: 1, top: 1, bottom: 1, ..spots[task] };
    for &member in members {
        let inner = spots[member];
        if inner.col == 0 {
            own.left = own.left.max(inner.left + 1);
        }
        if inner.row == 0 {
            own.top = own.top.max(inner.top + 1);
        }
        if inner.last_col() + 1 == extent.cols {
            own.right = own.right.max(inner.right + 1);
        }
        if inner.last_row() + 1 == extent.rows {
            own.bottom = own.bottom.max(inner.bottom + 1);
        }
    }
    spots[task] = own;
}

#[cfg(test)]
mod tests {
    use super::super::nesting::nest_tasks;
    use super::super::sample::mixed_picture;
    use super::{BAND_COLUMNS, place_tasks};

    #[test]
    fn frames_hold_their_children_and_plain_tasks_share_no_cell() {
        for seed in 0..20 {
            let picture = mixed_picture(seed, 70);
            let nesting = nest_tasks(&picture);
            let pairs: Vec<(usize, usize)> = picture.arrows.iter().map(|a| (a.from, a.to)).collect();
            let sheet = place_tasks(&nesting, &pairs, true);
            let mut taken = std::collections::BTreeSet::new();
            for (task, spot) in sheet.spots.iter().enumerate() {
                assert!(spot.last_col() < sheet.cols && spot.last_row() < sheet.rows);
                assert!(sheet.cols <= BAND_COLUMNS);
                let (first, count) = sheet.bands[nesting.tier[task]];
                assert!(spot.row >= first && spot.last_row() < first + count);
                if let Some(parent) = nesting.parent[task] {
                    let outer = sheet.spots[parent];
                    assert!(outer.col <= spot.col && spot.last_col() <= outer.last_col());
                    assert!(outer.row <= spot.row && spot.last_row() <= outer.last_row());
                }
                if !nesting.is_frame(task) {
                    assert!(taken.insert((spot.col, spot.row)));
                }
            }
        }
    }
}
