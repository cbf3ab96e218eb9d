//! The whole drawing in pixels: outlines of tasks, bands of tiers, lines of arrows.
//!
//! Guarantees: boxes that are not nested do not overlap, a child lies inside its parent's
//! frame, bands follow each other downwards; above `CAREFUL` tasks the cost stays linear and
//! arrows are plain curves.
//!
//! Does not know colours or markup.

use std::collections::BTreeSet;

use super::measure::{Heights, NODE_WIDTH, Rect, Usage, least_frame_width, measure_sheet};
use super::nesting::{Nesting, nest_tasks};
use super::picture::{ArrowKind, Picture};
use super::plaque::{Plaque, write_plaque};
use super::reduction::{CAREFUL, DrawnArrow, Reduction, reduce_arrows};
use super::route::{Errand, Ground, Route, route_errands};
use super::sheet::{Sheet, place_tasks};
use super::trace::{Stroke, choose_sides, find_usage, trace_route};
use super::tracks::{find_obstacles, lay_tracks};

/// More places than this are not searched for routes: memory, not only time.
const MOST_PLACES: usize = 1_500_000;

/// Everything placed.
pub(super) struct Layout {
    pub nesting: Nesting,
    pub outlines: Vec<Rect>,
    pub plaques: Vec<Plaque>,
    pub bands: Vec<(f64, f64)>,
    /// Where the first column of boxes starts.
    pub first_column: f64,
    pub arrows: Vec<(DrawnArrow, Stroke)>,
    pub left_out: usize,
    /// Too large for routed arrows, so at least some are plain curves.
    pub crowded: bool,
    pub width: f64,
    pub height: f64,
}

/// Lays a picture out.
pub(super) fn lay_out(picture: &Picture) -> Layout {
    let nesting = nest_tasks(picture);
    let careful = picture.nodes.len() <= CAREFUL;
    let Reduction { drawn, left_out } = reduce_arrows(picture);
    let ends = |d: &DrawnArrow| (picture.arrows[d.arrow].from, picture.arrows[d.arrow].to);
    let pairs: Vec<(usize, usize)> = drawn.iter().map(ends).collect();
    let sheet = place_tasks(&nesting, &pairs, careful);
    let plaques = write_plaques(picture, &nesting, &sheet);
    let heights = measure_heights(&sheet, &plaques);
    let tracks = lay_tracks(&sheet);
    let small = careful && tracks.across.saturating_mul(tracks.down) <= MOST_PLACES;
    let routes = if small {
        let usage = Usage { x: vec![true; tracks.across], y: vec![true; tracks.down] };
        let scale = measure_sheet(&sheet, &tracks, &heights, &usage);
        let obstacles = find_obstacles(&sheet, &tracks, &nesting);
        let errands: Vec<Errand> = drawn
            .iter()
            .map(|d| {
                let (from, to) = ends(d);
                Errand { from, to, style: style_of(picture.arrows[d.arrow].kind, d) }
            })
            .collect();
        let ground = Ground { sheet: &sheet, tracks: &tracks, obstacles: &obstacles, nesting: &nesting };
        route_errands(&ground, &scale, &errands)
    } else {
        vec![None; drawn.len()]
    };
    let scale = measure_sheet(&sheet, &tracks, &heights, &find_usage(&tracks, &routes));
    let outlines: Vec<Rect> = (0..picture.nodes.len()).map(|task| scale.outline(&sheet, task)).collect();
    let touch = |task: usize| {
        let y = tracks.touch(&sheet, task);
        scale.y[y.start + y.len() / 2]
    };
    let arrows = drawn
        .iter()
        .zip(&routes)
        .map(|(d, route)| {
            let (from, to) = ends(d);
            let inside = !matches!(route, None | Some(Route::Places { inside: false, .. }));
            let (start, end) = choose_sides(&nesting, &outlines, (from, to), inside);
            let stroke = match route {
                Some(route) => Stroke::Bent(trace_route(route, &tracks, &scale, start, end)),
                None => Stroke::Curve((start, touch(from)), (end, touch(to))),
            };
            (*d, stroke)
        })
        .collect();
    Layout {
        nesting,
        outlines,
        plaques,
        bands: scale.bands.clone(),
        first_column: scale.column.first().copied().unwrap_or(0.0),
        arrows,
        left_out,
        crowded: routes.contains(&None),
        width: scale.width,
        height: scale.height,
    }
}

/// Arrows of one start that look the same may share a trunk.
fn style_of(kind: ArrowKind, drawn: &DrawnArrow) -> usize {
    let kind = match kind {
        ArrowKind::Implied => 0,
        ArrowKind::Order => 1,
        ArrowKind::Data => 2,
    };
    kind * 4 + usize::from(drawn.critical) * 2 + usize::from(drawn.back)
}

fn write_plaques(picture: &Picture, nesting: &Nesting, sheet: &Sheet) -> Vec<Plaque> {
    let write = |task: usize| {
        let spot = sheet.spots[task];
        let frame = nesting.is_frame(task);
        let width = if frame { least_frame_width(spot.extent.cols, spot.left, spot.right) } else { NODE_WIDTH };
        write_plaque(picture, &picture.nodes[task], width, frame)
    };
    (0..picture.nodes.len()).map(write).collect()
}

fn measure_heights(sheet: &Sheet, plaques: &[Plaque]) -> Heights {
    let mut heights = Heights { body: vec![0.0; sheet.rows], header: vec![Vec::new(); sheet.rows] };
    for (spot, plaque) in sheet.spots.iter().zip(plaques) {
        if spot.top == 0 {
            heights.body[spot.row] = plaque.height.max(heights.body[spot.row]);
        } else {
            let levels = &mut heights.header[spot.row];
            if levels.len() < spot.top {
                levels.resize(spot.top, 0.0);
            }
            levels[spot.top - 1] = plaque.height.max(levels[spot.top - 1]);
        }
    }
    heights
}

/// How many tiers have at least one task.
pub(super) fn count_filled_tiers(nesting: &Nesting) -> usize {
    nesting.tier.iter().collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::super::measure::Rect;
    use super::super::picture::Picture;
    use super::super::sample::{broken_picture, mixed_picture, plain_picture};
    use super::super::trace::Stroke;
    use super::{Layout, lay_out};

    fn overlap(a: Rect, b: Rect) -> bool {
        a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
    }

    fn check_laws(picture: &Picture, layout: &Layout) {
        let nesting = &layout.nesting;
        let n = picture.nodes.len();
        for a in 0..n {
            let outline = layout.outlines[a];
            assert!(outline.left > 0.0 && outline.right < layout.width);
            let (top, bottom) = layout.bands[nesting.tier[a]];
            assert!(top < outline.top && outline.bottom < bottom, "task {a} inside its band");
            if let Some(parent) = nesting.parent[a] {
                let frame = layout.outlines[parent];
                let title = frame.top + layout.plaques[parent].height;
                assert!(frame.left < outline.left && outline.right < frame.right);
                assert!(title <= outline.top && outline.bottom < frame.bottom, "task {a}");
            }
            for b in (0..a).filter(|&b| !nesting.encloses(a, b) && !nesting.encloses(b, a)) {
                assert!(!overlap(outline, layout.outlines[b]), "tasks {a} and {b}");
            }
        }
        for pair in layout.bands.windows(2) {
            assert!(pair[0].1 < pair[1].0, "bands in order");
        }
    }

    /// Does an arrow run through a box that is not one of its ends?
    fn check_arrows(picture: &Picture, layout: &Layout) {
        for (drawn, stroke) in &layout.arrows {
            let arrow = &picture.arrows[drawn.arrow];
            let Stroke::Bent(points) = stroke else { panic!("every arrow is routed") };
            for pair in points.windows(2) {
                assert!(pair[0].0 == pair[1].0 || pair[0].1 == pair[1].1, "right angles only");
                let line = Rect {
                    left: pair[0].0.min(pair[1].0),
                    right: pair[0].0.max(pair[1].0),
                    top: pair[0].1.min(pair[1].1),
                    bottom: pair[0].1.max(pair[1].1),
                };
                for (task, outline) in layout.outlines.iter().enumerate() {
                    if !layout.nesting.is_frame(task) {
                        assert!(!overlap(line, *outline), "{}->{} over {task}", arrow.from, arrow.to);
                    }
                }
            }
        }
    }

    #[test]
    fn layout_laws_hold() {
        for seed in 0..6 {
            let picture = mixed_picture(seed, 60);
            let layout = lay_out(&picture);
            check_laws(&picture, &layout);
            check_arrows(&picture, &layout);
        }
    }

    #[test]
    fn layout_laws_hold_for_random_hierarchies() {
        for seed in 0..20 {
            let picture = broken_picture(seed, 30);
            let layout = lay_out(&picture);
            check_laws(&picture, &layout);
            check_arrows(&picture, &layout);
        }
    }

    #[test]
    fn broken_pictures_are_laid_out() {
        let mut picture = plain_picture(9, &[(0, 0), (1, 2), (2, 1), (3, 77), (4, 5), (5, 6), (6, 4)]);
        picture.nodes[7].parent = Some(8);
        picture.nodes[8].parent = Some(7);
        picture.nodes[1].tier = 40;
        let layout = lay_out(&picture);
        check_laws(&picture, &layout);
        assert_eq!(layout.arrows.iter().filter(|(drawn, _)| drawn.back).count(), 3);
        assert!(lay_out(&plain_picture(0, &[])).arrows.is_empty());
        assert!(lay_out(&Picture::default()).bands.is_empty());
    }

    #[test]
    fn large_pictures_use_plain_curves() {
        let pairs: Vec<(usize, usize)> = (1..20_000).map(|at| (at / 2, at)).collect();
        let layout = lay_out(&plain_picture(20_000, &pairs));
        assert_eq!(layout.arrows.len(), 19_999);
        assert!(layout.arrows.iter().all(|(_, stroke)| matches!(stroke, Stroke::Curve(..))));
        for pair in layout.outlines.windows(2) {
            assert!(!overlap(pair[0], pair[1]));
        }
    }
}
