//! Places the boxes of one container on a grid of cells, arrows pointing right.
//!
//! Guarantees: boxes do not share a cell; no box is left of a box it needs within one shelf;
//! a row of boxes longer than `limit` columns continues on a shelf below; linear cost when
//! `careful` is off and a few sorting sweeps when it is on.
//!
//! Does not know what the boxes contain: a box is a width and a height in cells.

use std::collections::BTreeSet;

use super::order::{ForwardOrder, order_forward};

/// A box, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub cols: usize,
    pub rows: usize,
}

/// Where the boxes of a container went, relative to its first cell.
pub(super) struct Arrangement {
    /// Column and row of each box.
    pub at: Vec<(usize, usize)>,
    pub extent: Extent,
}

/// A pile of independent boxes higher than this is split into columns.
const HIGHEST_STACK: usize = 6;
/// A pile up to this height is always left whole.
const SPARED_STACK: usize = 4;
const SWEEPS: usize = 6;

/// Places boxes joined by `edges` within about `limit` columns.
pub(super) fn arrange_boxes(boxes: &[Extent], edges: &[(usize, usize)], limit: usize, careful: bool) -> Arrangement {
    let order = order_forward(boxes.len(), edges);
    let neighbours = Neighbours::collect(boxes.len(), edges, &order);
    let mut layers = split_layers(&order);
    if careful {
        reduce_crossings(&mut layers, &neighbours);
    }
    let stacks = split_stacks(&layers, boxes);
    place_shelves(&stacks, boxes, &neighbours, limit)
}

/// Forward neighbours of each box, in both directions.
struct Neighbours {
    before: Vec<Vec<usize>>,
    after: Vec<Vec<usize>>,
}

impl Neighbours {
    fn collect(n: usize, edges: &[(usize, usize)], order: &ForwardOrder) -> Self {
        let mut before = vec![Vec::new(); n];
        let mut after = vec![Vec::new(); n];
        for (&(from, to), &back) in edges.iter().zip(&order.back) {
            if !back {
                before[to].push(from);
                after[from].push(to);
            }
        }
        Self { before, after }
    }
}

fn split_layers(order: &ForwardOrder) -> Vec<Vec<usize>> {
    let deepest = order.rank.iter().max().map_or(0, |rank| rank + 1);
    let mut layers = vec![Vec::new(); deepest];
    for (at, &rank) in order.rank.iter().enumerate() {
        layers[rank].push(at);
    }
    layers
}

/// Barycentre sweeps: each box moves towards the middle of its neighbours, one side at a time.
fn reduce_crossings(layers: &mut [Vec<usize>], neighbours: &Neighbours) {
    let mut place = vec![0.0f64; neighbours.before.len()];
    for layer in layers.iter() {
        spread_places(layer, &mut place);
    }
    for sweep in 0..SWEEPS {
        // The last sweep looks backwards, because that is the direction people read in.
        let (sides, forward) = if sweep % 2 == 0 { (&neighbours.after, false) } else { (&neighbours.before, true) };
        let count = layers.len();
        for step in 0..count {
            let layer = &mut layers[if forward { step } else { count - 1 - step }];
            let mut keyed: Vec<(f64, usize)> =
                layer.iter().map(|&at| (mean(sides[at].iter().map(|&o| place[o])).unwrap_or(place[at]), at)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            *layer = keyed.into_iter().map(|(_, at)| at).collect();
            spread_places(layer, &mut place);
        }
    }
}

fn spread_places(layer: &[usize], place: &mut [f64]) {
    for (index, &at) in layer.iter().enumerate() {
        place[at] = (as_f64(index) + 0.5) / as_f64(layer.len());
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    (count > 0.0).then(|| sum / count)
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Columns of boxes: a layer is one column, or several when it would be too high.
fn split_stacks(layers: &[Vec<usize>], boxes: &[Extent]) -> Vec<Vec<usize>> {
    let mut stacks = Vec::new();
    for layer in layers {
        let cells: usize = layer.iter().map(|&at| boxes[at].rows * boxes[at].cols).sum();
        let highest = cells.div_ceil(2).clamp(SPARED_STACK, HIGHEST_STACK);
        let total: usize = layer.iter().map(|&at| boxes[at].rows).sum();
        // Even columns look better than full ones followed by a stump.
        let aim = total.div_ceil(total.div_ceil(highest).max(1)).max(1);
        let mut stack: Vec<usize> = Vec::new();
        let mut height = 0;
        for &at in layer {
            if !stack.is_empty() && height + boxes[at].rows > aim && total > highest {
                stacks.push(std::mem::take(&mut stack));
                height = 0;
            }
            height += boxes[at].rows;
            stack.push(at);
        }
        if !stack.is_empty() {
            stacks.push(stack);
        }
    }
    stacks
}

fn place_shelves(stacks: &[Vec<usize>], boxes: &[Extent], neighbours: &Neighbours, limit: usize) -> Arrangement {
    let width = |stack: &Vec<usize>| stack.iter().map(|&at| boxes[at].cols).max().unwrap_or(0);
    let mut at = vec![(0, 0); boxes.len()];
    let mut extent = Extent { cols: 0, rows: 0 };
    let mut first = 0;
    while first < stacks.len() {
        let mut last = first + 1;
        let mut cols = width(&stacks[first]);
        while last < stacks.len() && cols + width(&stacks[last]) <= limit {
            cols += width(&stacks[last]);
            last += 1;
        }
        let rows = place_shelf(&stacks[first..last], boxes, neighbours, extent.rows, &mut at);
        extent.cols = extent.cols.max(cols);
        extent.rows += rows;
        first = last;
    }
    Arrangement { at, extent }
}

/// Places one shelf below row `top` and returns its height. Each box goes as close as its
/// neighbours in the stack allow to the row of what it needs, so that arrows run straight.
fn place_shelf(
    stacks: &[Vec<usize>],
    boxes: &[Extent],
    neighbours: &Neighbours,
    top: usize,
    at: &mut [(usize, usize)],
) -> usize {
    let height = |stack: &Vec<usize>| -> usize { stack.iter().map(|&b| boxes[b].rows).sum() };
    let rows = stacks.iter().map(height).max().unwrap_or(0);
    let mut placed: BTreeSet<usize> = BTreeSet::new();
    let mut col = 0;
    for stack in stacks {
        let mut left = height(stack);
        let mut cursor = 0;
        for &b in stack {
            let first_rows = neighbours.before[b].iter().filter(|o| placed.contains(o)).map(|&o| as_f64(at[o].1 - top));
            // Arrows touch a box in its first row, so first rows are what to bring in line.
            let wanted = mean(first_rows).unwrap_or(0.0);
            // The lowest free row that is not below the wanted one; rows are few, so walk.
            let row = (cursor..=rows - left).rev().find(|&r| as_f64(r) <= wanted).unwrap_or(cursor);
            at[b] = (col, top + row);
            cursor = row + boxes[b].rows;
            left -= boxes[b].rows;
        }
        placed.extend(stack.iter().copied());
        col += stack.iter().map(|&b| boxes[b].cols).max().unwrap_or(0);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::sample::random_pairs;
    use super::{Extent, arrange_boxes};

    #[test]
    fn boxes_never_share_a_cell_and_stay_inside() {
        for seed in 0..40 {
            let n = 25;
            let sizes = random_pairs(seed + 100, 4, n);
            let boxes: Vec<Extent> = sizes.iter().map(|s| Extent { cols: s.0 + 1, rows: s.1 + 1 }).collect();
            let edges = random_pairs(seed, n, 30);
            let arranged = arrange_boxes(&boxes, &edges, 8, true);
            let mut taken = std::collections::BTreeSet::new();
            for (b, &(col, row)) in arranged.at.iter().enumerate() {
                for c in col..col + boxes[b].cols {
                    for r in row..row + boxes[b].rows {
                        assert!(taken.insert((c, r)), "seed {seed} box {b}");
                        assert!(c < arranged.extent.cols && r < arranged.extent.rows);
                    }
                }
            }
            assert!(arranged.extent.cols <= 8);
        }
    }

    #[test]
    fn a_chain_reads_left_to_right_then_wraps() {
        let boxes = vec![Extent { cols: 1, rows: 1 }; 10];
        let edges: Vec<(usize, usize)> = (1..10).map(|b| (b - 1, b)).collect();
        let at = arrange_boxes(&boxes, &edges, 4, true).at;
        assert_eq!(at[..5], [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1)]);
    }
}
