//! Turns cells and tracks into pixels.
//!
//! Guarantees: boxes and frames keep the order and nesting they have on the sheet, with room
//! between them; tracks never run back from left to right or from top to bottom; a gap is as
//! wide as the tracks in use need, and never so narrow that an arrow head has no room.
//!
//! Does not know what is written in a box, only how high it is.

use super::sheet::Sheet;
use super::tracks::{GAP_TRACKS, Tracks};

pub(super) const NODE_WIDTH: f64 = 160.0;
pub(super) const TITLE_HEIGHT: f64 = 46.0;
pub(super) const BAND_TITLE: f64 = 26.0;
pub(super) const MARGIN: f64 = 16.0;
const FRAME_SIDE: f64 = 12.0;
const FRAME_FOOT: f64 = 10.0;
const HEADER_GAP: f64 = 8.0;
const PITCH: f64 = 7.0;
const GAP_EDGE: f64 = 10.0;
const GAP_LEAST: f64 = 24.0;
const ROW_EDGE: f64 = 8.0;
const ROW_LEAST: f64 = 12.0;

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

/// How high the parts of each row are.
pub(super) struct Heights {
    pub body: Vec<f64>,
    /// Title rows of frames, innermost first, as in `Tracks::header`.
    pub header: Vec<Vec<f64>>,
}

/// Pixels for everything on the sheet.
pub(super) struct Scale {
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    /// Left edge of each column.
    pub column: Vec<f64>,
    body: Vec<(f64, f64)>,
    header: Vec<Vec<(f64, f64)>>,
    /// Upper and lower edge of each tier's band.
    pub bands: Vec<(f64, f64)>,
    pub width: f64,
    /// Where the last gutter ends.
    pub height: f64,
}

/// Which tracks need room.
pub(super) struct Usage {
    pub x: Vec<bool>,
    pub y: Vec<bool>,
}

/// How wide a picture is at least, so that titles and legend fit.
pub(super) const LEAST_WIDTH: f64 = 860.0;

/// Puts the used ones of some tracks side by side in the middle of `from..to`, at most `pitch`
/// apart; an unused one shares the place of the used one before it.
fn spread(tracks: &mut [f64], used: &[bool], (from, to): (f64, f64), pitch: f64) {
    let count = as_f64(used.iter().filter(|u| **u).count());
    let step = pitch.min((to - from) / (count + 1.0));
    let first = (from + to - step * (count - 1.0).max(0.0)) / 2.0;
    let mut passed = 0.0f64;
    for (at, used) in tracks.iter_mut().zip(used) {
        if *used {
            passed += 1.0;
        }
        *at = first + step * (passed - 1.0).max(0.0);
    }
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn room(used: &[bool], edge: f64, least: f64) -> f64 {
    let count = used.iter().filter(|u| **u).count();
    if count == 0 { least } else { least.max(2.0 * edge + PITCH * as_f64(count - 1)) }
}

/// Measures a sheet.
pub(super) fn measure_sheet(sheet: &Sheet, tracks: &Tracks, heights: &Heights, usage: &Usage) -> Scale {
    let mut scale = Scale {
        x: vec![0.0; tracks.across],
        y: vec![0.0; tracks.down],
        column: Vec::new(),
        body: Vec::new(),
        header: Vec::new(),
        bands: Vec::new(),
        width: 0.0,
        height: 0.0,
    };
    measure_columns(&mut scale, sheet, usage);
    measure_rows(&mut scale, sheet, tracks, heights, usage);
    scale
}

fn measure_columns(scale: &mut Scale, sheet: &Sheet, usage: &Usage) {
    let mut ending = vec![0usize; sheet.cols + 1];
    let mut starting = vec![0usize; sheet.cols + 1];
    for spot in &sheet.spots {
        let (end, start) = (spot.last_col() + 1, spot.col);
        ending[end] = ending[end].max(spot.right);
        starting[start] = starting[start].max(spot.left);
    }
    let mut at = MARGIN;
    for gap in 0..=sheet.cols {
        let own = gap * GAP_TRACKS..(gap + 1) * GAP_TRACKS;
        let from = at + FRAME_SIDE * as_f64(ending[gap]);
        let to = from + room(&usage.x[own.clone()], GAP_EDGE, GAP_LEAST);
        spread(&mut scale.x[own.clone()], &usage.x[own], (from, to), PITCH);
        at = to + FRAME_SIDE * as_f64(starting[gap]);
        if gap < sheet.cols {
            scale.column.push(at);
            at += NODE_WIDTH;
        }
    }
    scale.width = (at + MARGIN).max(LEAST_WIDTH);
}

fn measure_rows(scale: &mut Scale, sheet: &Sheet, tracks: &Tracks, heights: &Heights, usage: &Usage) {
    let mut feet = vec![0usize; sheet.rows];
    for spot in &sheet.spots {
        feet[spot.last_row()] = feet[spot.last_row()].max(spot.bottom);
    }
    let mut at = TITLE_HEIGHT;
    let mut lay = |own: std::ops::Range<usize>, height: f64, at: &mut f64| {
        spread(&mut scale.y[own.clone()], &usage.y[own], (*at, *at + height), PITCH);
        *at += height;
    };
    let mut fixed = Vec::new();
    for (tier, &(first, count)) in sheet.bands.iter().enumerate() {
        let gutter = tracks.gutter[tier].clone();
        lay(gutter.clone(), room(&usage.y[gutter], ROW_EDGE, ROW_LEAST), &mut at);
        let top = at;
        at += BAND_TITLE;
        for (row, &feet) in feet.iter().enumerate().skip(first).take(count) {
            let gap = tracks.row_gap[row].clone();
            let least = if row == first { 4.0 } else { ROW_LEAST };
            lay(gap.clone(), room(&usage.y[gap], ROW_EDGE, least), &mut at);
            let mut edges = vec![(0.0, 0.0); tracks.header[row].len()];
            for level in (0..edges.len()).rev() {
                edges[level] = (at, at + heights.header[row][level]);
                fixed.push((tracks.header[row][level].clone(), edges[level]));
                at = edges[level].1 + HEADER_GAP;
            }
            scale.header.push(edges);
            scale.body.push((at, at + heights.body[row]));
            fixed.push((tracks.body[row].clone(), (at, at + heights.body[row])));
            at += heights.body[row] + FRAME_FOOT * as_f64(feet);
        }
        let foot = tracks.foot[tier].clone();
        lay(foot.clone(), room(&usage.y[foot], ROW_EDGE, 10.0), &mut at);
        scale.bands.push((top, at));
    }
    if let Some(gutter) = tracks.gutter.last().cloned() {
        lay(gutter.clone(), room(&usage.y[gutter], ROW_EDGE, ROW_LEAST), &mut at);
    }
    // Beside boxes and title rows every track keeps its place, whether used or not.
    for (own, (top, bottom)) in fixed {
        let used = vec![true; own.len()];
        spread(&mut scale.y[own], &used, (top, bottom), bottom - top);
    }
    scale.height = at;
}

impl Scale {
    /// The box of a plain task, or the frame of a parent.
    pub(super) fn outline(&self, sheet: &Sheet, task: usize) -> Rect {
        let spot = sheet.spots[task];
        Rect {
            left: self.column[spot.col] - FRAME_SIDE * as_f64(spot.left),
            right: self.column[spot.last_col()] + NODE_WIDTH + FRAME_SIDE * as_f64(spot.right),
            top: match spot.top {
                0 => self.body[spot.row].0,
                level => self.header[spot.row][level - 1].0,
            },
            bottom: self.body[spot.last_row()].1 + FRAME_FOOT * as_f64(spot.bottom),
        }
    }
}

/// How wide a frame is at least, before gaps are measured.
pub(super) fn least_frame_width(cols: usize, left: usize, right: usize) -> f64 {
    as_f64(cols) * NODE_WIDTH + as_f64(cols - 1) * GAP_LEAST + FRAME_SIDE * as_f64(left + right)
}
