//! The lines arrows may run on: tracks between the columns and rows of a sheet.
//!
//! Guarantees: a crossing of an x track and a y track is a place, numbered `y * across + x`;
//! which steps between places are blocked by a box, and which run through a frame or over its
//! title row, is known in constant time. Memory is proportional to the number of places.
//!
//! Does not know pixels (see `measure`) and does not choose routes (see `route`).

use std::ops::Range;

use super::nesting::Nesting;
use super::sheet::Sheet;

/// Tracks in every gap between two columns; unused ones take no room in the end.
pub(super) const GAP_TRACKS: usize = 10;
const ROW_GAP_TRACKS: usize = 5;
const GUTTER_TRACKS: usize = 9;
const FOOT_TRACKS: usize = 3;
pub(super) const HEADER_TRACKS: usize = 4;
pub(super) const BODY_TRACKS: usize = 5;
/// No frame here.
pub(super) const NO_FRAME: u32 = u32::MAX;

/// Where the y tracks of a sheet are.
pub(super) struct Tracks {
    /// Number of x tracks.
    pub across: usize,
    /// Number of y tracks.
    pub down: usize,
    /// Above each tier, and one more below the last.
    pub gutter: Vec<Range<usize>>,
    /// Below the last row of each tier, still inside its band.
    pub foot: Vec<Range<usize>>,
    /// Above each row.
    pub row_gap: Vec<Range<usize>>,
    /// Title rows of the frames that start in each row, innermost first.
    pub header: Vec<Vec<Range<usize>>>,
    /// Beside the boxes of each row.
    pub body: Vec<Range<usize>>,
    /// For each y track: does it run between two bands?
    pub between_bands: Vec<bool>,
}

/// Lays the tracks for a sheet.
pub(super) fn lay_tracks(sheet: &Sheet) -> Tracks {
    let mut levels = vec![0usize; sheet.rows];
    for spot in &sheet.spots {
        levels[spot.row] = levels[spot.row].max(spot.top);
    }
    let mut next = 0;
    let mut take = |count: usize| {
        next += count;
        next - count..next
    };
    let mut tracks = Tracks {
        across: (sheet.cols + 1) * GAP_TRACKS,
        down: 0,
        gutter: Vec::new(),
        foot: Vec::new(),
        row_gap: Vec::new(),
        header: Vec::new(),
        body: Vec::new(),
        between_bands: Vec::new(),
    };
    for &(first, count) in &sheet.bands {
        // Nothing comes from above the first tier.
        tracks.gutter.push(take(if tracks.gutter.is_empty() { 0 } else { GUTTER_TRACKS }));
        for &level in &levels[first..first + count] {
            tracks.row_gap.push(take(ROW_GAP_TRACKS));
            let mut headers: Vec<Range<usize>> = (0..level).map(|_| take(HEADER_TRACKS)).collect();
            headers.reverse();
            tracks.header.push(headers);
            tracks.body.push(take(BODY_TRACKS));
        }
        tracks.foot.push(take(FOOT_TRACKS));
    }
    tracks.gutter.push(take(GUTTER_TRACKS));
    tracks.down = next;
    tracks.between_bands = vec![false; next];
    for gutter in &tracks.gutter {
        tracks.between_bands[gutter.clone()].fill(true);
    }
    tracks
}

impl Tracks {
    /// The y tracks beside the part of a task that arrows touch: its box or its title row.
    pub(super) fn touch(&self, sheet: &Sheet, task: usize) -> Range<usize> {
        let spot = sheet.spots[task];
        match spot.top {
            0 => self.body[spot.row].clone(),
            level => self.header[spot.row][level - 1].clone(),
        }
    }

    /// All y tracks between the upper and the lower edge of a task.
    pub(super) fn cover(&self, sheet: &Sheet, task: usize) -> Range<usize> {
        self.touch(sheet, task).start..self.body[sheet.spots[task].last_row()].end
    }

    /// Where an x track and a y track cross.
    pub(super) fn place(&self, x: usize, y: usize) -> usize {
        y * self.across + x
    }

    pub(super) fn first_in_gap(gap: usize) -> usize {
        gap * GAP_TRACKS
    }

    pub(super) fn last_in_gap(gap: usize) -> usize {
        gap * GAP_TRACKS + GAP_TRACKS - 1
    }
}

/// What stands in the way on the tracks of a sheet. Columns and gaps alternate: lane `2 * g` is
/// gap `g`, lane `2 * c + 1` is column `c`.
pub(super) struct Obstacles {
    lanes: usize,
    /// A box or a title row stands here.
    solid: Vec<bool>,
    /// The innermost frame around.
    frame: Vec<u32>,
}

/// Finds what stands where.
pub(super) fn find_obstacles(sheet: &Sheet, tracks: &Tracks, nesting: &Nesting) -> Obstacles {
    let lanes = 2 * sheet.cols + 1;
    let mut found =
        Obstacles { lanes, solid: vec![false; lanes * tracks.down], frame: vec![NO_FRAME; lanes * tracks.down] };
    let mut outermost_first: Vec<usize> = (0..sheet.spots.len()).collect();
    outermost_first.sort_by_key(|&task| nesting.depth[task]);
    for task in outermost_first {
        let spot = sheet.spots[task];
        let (from, to) = (2 * spot.col + 1, 2 * spot.last_col() + 1);
        for y in tracks.touch(sheet, task) {
            found.solid[y * lanes + from..=y * lanes + to].fill(true);
        }
        if spot.top > 0 {
            let name = u32::try_from(task).unwrap_or(NO_FRAME);
            for y in tracks.cover(sheet, task) {
                found.frame[y * lanes + from..=y * lanes + to].fill(name);
            }
        }
    }
    found
}

impl Obstacles {
    /// The lane between x track `x` and the next one to the right.
    fn lane_right_of(x: usize) -> usize {
        let gap = x / GAP_TRACKS;
        if (x + 1).is_multiple_of(GAP_TRACKS) { 2 * gap + 1 } else { 2 * gap }
    }

    /// May an arrow step from x track `x` to the next one to the right, along `y`?
    pub(super) fn blocks_right(&self, x: usize, y: usize) -> bool {
        self.solid[y * self.lanes + Self::lane_right_of(x)]
    }

    /// The innermost frame such a step runs through.
    pub(super) fn frame_right_of(&self, x: usize, y: usize) -> u32 {
        self.frame[y * self.lanes + Self::lane_right_of(x)]
    }

    /// Does a title row lie under this place, so that going up or down crosses its text?
    pub(super) fn title_at(&self, x: usize, y: usize) -> bool {
        self.solid[y * self.lanes + 2 * (x / GAP_TRACKS)]
    }

    /// The innermost frame around this place.
    pub(super) fn frame_at(&self, x: usize, y: usize) -> u32 {
        self.frame[y * self.lanes + 2 * (x / GAP_TRACKS)]
    }
}
