//! Chooses which arrows are worth drawing.
//!
//! Guarantees: at most one arrow per pair of boxes (the most telling kind wins); in a picture of
//! at most `CAREFUL` boxes an arrow is left out exactly when other arrows already lead from its
//! start to its end; an arrow that closes a cycle is always kept and marked `back`. The result
//! depends only on the picture, in the order of its arrows.
//!
//! Does not know where boxes stand or how arrows are drawn.

use std::collections::BTreeMap;

use super::order::order_forward;
use super::picture::Picture;

/// Above this many boxes a drawing gives up quadratic care and only stays linear.
pub(super) const CAREFUL: usize = 2_000;

/// An arrow that is drawn: an index into `Picture::arrows` with what was found out about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DrawnArrow {
    pub arrow: usize,
    /// Points backwards in the order, so it closes a cycle.
    pub back: bool,
    /// Joins two consecutive tasks of the critical path.
    pub critical: bool,
}

/// The arrows to draw, and how many distinct pairs were left out as already implied.
pub(super) struct Reduction {
    pub drawn: Vec<DrawnArrow>,
    pub left_out: usize,
}

/// One arrow per pair, sound ends only, in picture order.
pub(super) fn merge_duplicates(picture: &Picture) -> Vec<usize> {
    let n = picture.nodes.len();
    let mut chosen: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (at, arrow) in picture.arrows.iter().enumerate() {
        if arrow.from >= n || arrow.to >= n {
            continue;
        }
        let best = chosen.entry((arrow.from, arrow.to)).or_insert(at);
        if picture.arrows[*best].kind < arrow.kind {
            *best = at;
        }
    }
    let mut kept: Vec<usize> = chosen.into_values().collect();
    kept.sort_unstable();
    kept
}

/// For each of `arrows`: does it join consecutive tasks of the critical path?
pub(super) fn mark_critical(picture: &Picture, arrows: &[usize]) -> Vec<bool> {
    let ends = |at: usize| (picture.arrows[at].from, picture.arrows[at].to);
    let hot = |(from, to): (usize, usize)| {
        let critical = |node: usize| picture.nodes.get(node).is_some_and(|box_| box_.critical);
        critical(from) && critical(to)
    };
    let pairs: Vec<(usize, usize)> = arrows.iter().map(|&a| ends(a)).filter(|&p| hot(p)).collect();
    let rank = order_forward(picture.nodes.len(), &pairs).rank;
    // Longest chain among critical tasks only: consecutive ones differ by exactly one step.
    arrows
        .iter()
        .map(|&at| {
            let (from, to) = ends(at);
            hot((from, to)) && rank[to] == rank[from] + 1
        })
        .collect()
}

/// Chooses the arrows to draw.
pub(super) fn reduce_arrows(picture: &Picture) -> Reduction {
    let merged = merge_duplicates(picture);
    let n = picture.nodes.len();
    let pairs: Vec<(usize, usize)> =
        merged.iter().map(|&at| (picture.arrows[at].from, picture.arrows[at].to)).collect();
    let order = order_forward(n, &pairs);
    let keep =
        if n <= CAREFUL { keep_needed(n, &pairs, &order.back, &order.sequence) } else { vec![true; pairs.len()] };
    let kept: Vec<usize> = (0..merged.len()).filter(|&at| keep[at]).collect();
    let arrows: Vec<usize> = kept.iter().map(|&at| merged[at]).collect();
    let critical = mark_critical(picture, &arrows);
    let drawn = kept
        .iter()
        .zip(critical)
        .map(|(&at, critical)| DrawnArrow { arrow: merged[at], back: order.back[at], critical })
        .collect();
    Reduction { drawn, left_out: merged.len() - kept.len() }
}

/// Transitive reduction over one bit per pair of boxes; back edges are always kept.
fn keep_needed(n: usize, pairs: &[(usize, usize)], back: &[bool], sequence: &[usize]) -> Vec<bool> {
    let words = n.div_ceil(64);
    let mut position = vec![0usize; n];
    for (place, &at) in sequence.iter().enumerate() {
        position[at] = place;
    }
    let mut outgoing: Vec<Vec<usize>> = vec![Vec::new(); n];
    for (edge, &(from, _)) in pairs.iter().enumerate() {
        if !back[edge] {
            outgoing[from].push(edge);
        }
    }
    let mut keep = back.to_vec();
    let mut reach = vec![0u64; n * words];
    let mut row = vec![0u64; words];
    for &at in sequence.iter().rev() {
        row.fill(0);
        // Nearest successors first: whatever they reach needs no arrow of its own.
        outgoing[at].sort_by_key(|&edge| position[pairs[edge].1]);
        for &edge in &outgoing[at] {
            let to = pairs[edge].1;
            if row[to / 64] >> (to % 64) & 1 == 1 {
                continue;
            }
            keep[edge] = true;
            for (mine, theirs) in row.iter_mut().zip(&reach[to * words..(to + 1) * words]) {
                *mine |= theirs;
            }
            row[to / 64] |= 1 << (to % 64);
        }
        reach[at * words..(at + 1) * words].copy_from_slice(&row);
    }
    keep
}

#[cfg(test)]
mod tests {
    use super::super::picture::ArrowKind;
    use super::super::sample::{plain_picture, random_pairs};
    use super::{merge_duplicates, reduce_arrows};

    /// Is there a path of at least two arrows that avoids the arrow itself?
    fn reaches_around(pairs: &[(usize, usize)], from: usize, to: usize, n: usize) -> bool {
        let mut seen = vec![false; n];
        let mut open: Vec<usize> = pairs.iter().filter(|p| p.0 == from && p.1 != to).map(|p| p.1).collect();
        while let Some(at) = open.pop() {
            if at == to {
                return true;
            }
            if !seen[at] {
                seen[at] = true;
                open.extend(pairs.iter().filter(|p| p.0 == at).map(|p| p.1));
            }
        }
        false
    }

    #[test]
    fn agrees_with_a_slow_oracle_on_acyclic_pictures() {
        for seed in 0..60 {
            let n = 14;
            let pairs: Vec<(usize, usize)> = random_pairs(seed, n, 40).into_iter().filter(|p| p.0 < p.1).collect();
            let picture = plain_picture(n, &pairs);
            let kept: Vec<(usize, usize)> = reduce_arrows(&picture)
                .drawn
                .iter()
                .map(|d| (picture.arrows[d.arrow].from, picture.arrows[d.arrow].to))
                .collect();
            let mut distinct = pairs.clone();
            distinct.sort_unstable();
            distinct.dedup();
            for &(from, to) in &distinct {
                let implied = reaches_around(&distinct, from, to, n);
                assert_eq!(kept.contains(&(from, to)), !implied, "seed {seed} {from}->{to}");
            }
        }
    }

    #[test]
    fn back_arrows_are_kept_and_duplicates_merge_to_data() {
        let mut picture = plain_picture(3, &[(0, 1), (1, 2), (2, 0), (0, 1), (7, 1)]);
        picture.arrows[3].kind = ArrowKind::Data;
        assert_eq!(merge_duplicates(&picture), vec![1, 2, 3]);
        let reduction = reduce_arrows(&picture);
        assert_eq!(reduction.drawn.iter().filter(|d| d.back).count(), 1);
        assert_eq!(reduction.drawn.len(), 3);
    }

    #[test]
    fn critical_arrows_join_consecutive_tasks_only() {
        let mut picture = plain_picture(4, &[(0, 1), (1, 2), (0, 3), (3, 2)]);
        for at in [0, 1, 2] {
            picture.nodes[at].critical = true;
        }
        let hot: Vec<bool> = reduce_arrows(&picture).drawn.iter().map(|d| d.critical).collect();
        assert_eq!(hot, vec![true, true, false, false]);
    }
}
