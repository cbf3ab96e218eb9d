//! Turns routes into lines in pixels.
//!
//! Guarantees: a line starts and ends on the edges it joins, turns at right angles only, and
//! has no two corners in a row on one straight line.
//!
//! Does not choose the way: that is `route`.

use super::measure::{Rect, Scale, Usage};
use super::nesting::Nesting;
use super::route::Route;
use super::tracks::Tracks;

/// The line of an arrow.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stroke {
    /// Corners, to be rounded.
    Bent(Vec<(f64, f64)>),
    /// From the first point to the second, leaving and arriving sideways.
    Curve((f64, f64), (f64, f64)),
}

/// A track needs room where some arrow runs along it, not where arrows only cross it.
pub(super) fn find_usage(tracks: &Tracks, routes: &[Option<Route>]) -> Usage {
    let mut usage = Usage { x: vec![false; tracks.across], y: vec![false; tracks.down] };
    for route in routes.iter().flatten() {
        let Route::Places { places, .. } = route else {
            continue;
        };
        for pair in places.windows(2) {
            if pair[0] % tracks.across == pair[1] % tracks.across {
                usage.x[pair[0] % tracks.across] = true;
            } else {
                usage.y[pair[0] / tracks.across] = true;
            }
        }
    }
    usage
}

/// Where an arrow leaves and arrives: x of the two edges.
pub(super) fn choose_sides(
    nesting: &Nesting,
    outlines: &[Rect],
    (from, to): (usize, usize),
    inside: bool,
) -> (f64, f64) {
    if inside && nesting.encloses(from, to) {
        (outlines[from].left, outlines[to].left)
    } else if inside && nesting.encloses(to, from) {
        (outlines[from].right, outlines[to].right)
    } else {
        (outlines[from].right, outlines[to].left)
    }
}

/// The corners of a route, from the edge it leaves to the edge it reaches.
pub(super) fn trace_route(route: &Route, tracks: &Tracks, scale: &Scale, start: f64, end: f64) -> Vec<(f64, f64)> {
    let places = match route {
        Route::Stub(y) => return vec![(start, scale.y[*y]), (end, scale.y[*y])],
        Route::Places { places, .. } => places,
    };
    let mut points: Vec<(f64, f64)> = Vec::new();
    let spots = places.iter().map(|p| (p % tracks.across, p / tracks.across));
    let pixels: Vec<(f64, f64)> = spots.map(|(x, y)| (scale.x[x], scale.y[y])).collect();
    let first = pixels.first().map(|p| (start, p.1));
    let last = pixels.last().map(|p| (end, p.1));
    for point in first.into_iter().chain(pixels.iter().copied()).chain(last) {
        // Places in a row make one straight line.
        while points.len() >= 2 {
            let (a, b) = (points[points.len() - 2], points[points.len() - 1]);
            if (a.0 == b.0 && b.0 == point.0) || (a.1 == b.1 && b.1 == point.1) {
                points.pop();
            } else {
                break;
            }
        }
        if points.last() != Some(&point) {
            points.push(point);
        }
    }
    points
}
