//! Orders boxes so that arrows point forward, whatever the arrows are.
//!
//! Guarantees: every edge not marked `back` runs from a lower to a higher rank; `sequence` lists
//! each box once with all its forward predecessors before it; time and memory are linear and
//! nothing recurses, so cycles and very long chains are harmless.
//!
//! Does not know what the boxes are: callers pass counts and index pairs.

/// A forward order of `0..n`.
pub(super) struct ForwardOrder {
    /// For every edge given: does it close a cycle (or point outside `0..n`)?
    pub back: Vec<bool>,
    /// All boxes, forward predecessors first.
    pub sequence: Vec<usize>,
    /// Length of the longest forward chain that ends at each box.
    pub rank: Vec<usize>,
}

/// Outgoing edges in compressed form: the edges of box `b` are `edge[start[b]..start[b + 1]]`.
struct Outgoing {
    start: Vec<usize>,
    edge: Vec<usize>,
}

fn collect_outgoing(n: usize, edges: &[(usize, usize)]) -> Outgoing {
    let sound = |(from, to): (usize, usize)| from < n && to < n;
    let mut start = vec![0usize; n + 1];
    for &pair in edges.iter().filter(|pair| sound(**pair)) {
        start[pair.0 + 1] += 1;
    }
    for at in 0..n {
        start[at + 1] += start[at];
    }
    let mut next = start.clone();
    let mut edge = vec![0usize; start[n]];
    for (at, &pair) in edges.iter().enumerate() {
        if sound(pair) {
            edge[next[pair.0]] = at;
            next[pair.0] += 1;
        }
    }
    Outgoing { start, edge }
}

/// Finds a forward order; edges that close a cycle on the way are marked and then ignored.
pub(super) fn order_forward(n: usize, edges: &[(usize, usize)]) -> ForwardOrder {
    #[derive(Clone, Copy, PartialEq)]
    enum Visit {
        Unseen,
        Open,
        Done,
    }
    let out = collect_outgoing(n, edges);
    let mut back: Vec<bool> = edges.iter().map(|&(f, t)| f >= n || t >= n).collect();
    let mut seen = vec![Visit::Unseen; n];
    let mut next: Vec<usize> = out.start[..n].to_vec();
    let mut sequence = Vec::with_capacity(n);
    let mut open: Vec<usize> = Vec::new();
    // Roots are tried last to first and the finish order is reversed afterwards, so boxes that
    // no arrow orders stay in document order.
    for root in (0..n).rev() {
        if seen[root] != Visit::Unseen {
            continue;
        }
        seen[root] = Visit::Open;
        open.push(root);
        while let Some(&at) = open.last() {
            if next[at] == out.start[at + 1] {
                seen[at] = Visit::Done;
                sequence.push(at);
                open.pop();
                continue;
            }
            let edge = out.edge[next[at]];
            next[at] += 1;
            let to = edges[edge].1;
            match seen[to] {
                Visit::Open => back[edge] = true,
                Visit::Done => {}
                Visit::Unseen => {
                    seen[to] = Visit::Open;
                    open.push(to);
                }
            }
        }
    }
    sequence.reverse();
    let mut rank = vec![0usize; n];
    for &at in &sequence {
        for &edge in &out.edge[out.start[at]..out.start[at + 1]] {
            if !back[edge] {
                let to = edges[edge].1;
                rank[to] = rank[to].max(rank[at] + 1);
            }
        }
    }
    ForwardOrder { back, sequence, rank }
}

#[cfg(test)]
mod tests {
    use super::order_forward;

    #[test]
    fn forward_edges_climb_and_cycles_lose_an_edge() {
        let edges = [(0, 1), (1, 2), (2, 0), (3, 2), (4, 4), (9, 0)];
        let order = order_forward(5, &edges);
        for (at, &(from, to)) in edges.iter().enumerate() {
            if !order.back[at] {
                assert!(order.rank[from] < order.rank[to]);
            }
        }
        assert!(order.back[4] && order.back[5]);
        assert_eq!(order.back.iter().filter(|b| **b).count(), 3);
        let mut all = order.sequence.clone();
        all.sort_unstable();
        assert_eq!(all, vec![0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_long_chain_does_not_recurse() {
        let n = 200_000;
        let edges: Vec<(usize, usize)> = (1..n).map(|at| (at - 1, at)).collect();
        assert_eq!(order_forward(n, &edges).rank[n - 1], n - 1);
    }

    #[test]
    fn unordered_boxes_keep_document_order() {
        assert_eq!(order_forward(4, &[]).sequence, vec![0, 1, 2, 3]);
    }
}
