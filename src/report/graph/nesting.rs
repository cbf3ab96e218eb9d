//! Which task stands inside which: the hierarchy made safe to walk.
//!
//! Guarantees: every task has exactly one place, either directly in a tier or inside a parent of
//! the same tier; parents form no ring; no chain of parents is longer than `DEEPEST`, so walking
//! up is constant work. Tasks whose tier does not exist go to one extra tier at the end.
//!
//! Does not know arrows or geometry.

use super::picture::Picture;

/// Nesting beyond this is flattened: frames inside frames inside frames stop being readable.
pub(super) const DEEPEST: usize = 5;

/// The hierarchy of a picture.
pub(super) struct Nesting {
    pub parent: Vec<Option<usize>>,
    pub children: Vec<Vec<usize>>,
    /// 0 for a task that stands directly in its tier.
    pub depth: Vec<usize>,
    /// Tasks that stand directly in each tier; one longer than `Picture::tiers` if needed.
    pub tiers: Vec<Vec<usize>>,
    /// The tier each task is drawn in.
    pub tier: Vec<usize>,
}

impl Nesting {
    /// Does `inner` stand inside `outer`, at any depth?
    pub(super) fn encloses(&self, outer: usize, inner: usize) -> bool {
        let mut at = self.parent[inner];
        while let Some(parent) = at {
            if parent == outer {
                return true;
            }
            at = self.parent[parent];
        }
        false
    }

    /// Is the task drawn as a frame around others?
    pub(super) fn is_frame(&self, task: usize) -> bool {
        !self.children[task].is_empty()
    }

    /// The tasks of a tier, parents before their children, in document order.
    pub(super) fn walk_tier(&self, tier: usize) -> Vec<usize> {
        let mut walked = Vec::new();
        let mut open: Vec<usize> = self.tiers[tier].iter().rev().copied().collect();
        while let Some(task) = open.pop() {
            walked.push(task);
            open.extend(self.children[task].iter().rev());
        }
        walked
    }

    /// What to call a tier in every drawing.
    pub(super) fn title_tier(&self, picture: &Picture, tier: usize) -> String {
        match picture.tiers.get(tier) {
            Some(known) => match known.number {
                Some(number) if known.title.trim().is_empty() => format!("Tier {number}"),
                Some(number) => format!("Tier {number}: {}", known.title),
                None => known.title.clone(),
            },
            None => "Without a tier".to_owned(),
        }
    }
}

/// Reads the hierarchy of a picture.
pub(super) fn nest_tasks(picture: &Picture) -> Nesting {
    let n = picture.nodes.len();
    let count = picture.tiers.len();
    let tier: Vec<usize> = picture.nodes.iter().map(|node| node.tier.min(count)).collect();
    let claimed: Vec<Option<usize>> =
        (0..n).map(|at| picture.nodes[at].parent.filter(|&p| p < n && p != at && tier[p] == tier[at])).collect();
    let mut parent = vec![None; n];
    let mut depth: Vec<Option<usize>> = vec![None; n];
    let mut trail: Vec<usize> = Vec::new();
    let mut on_trail = vec![false; n];
    for start in 0..n {
        // Walk up to a task whose depth is known (or a top, or a ring), then settle downwards.
        let mut at = start;
        while depth[at].is_none() && !on_trail[at] {
            on_trail[at] = true;
            trail.push(at);
            match claimed[at] {
                Some(up) if !on_trail[up] => at = up,
                _ => break,
            }
        }
        while let Some(task) = trail.pop() {
            on_trail[task] = false;
            // A parent of unknown depth here means a ring: the task becomes a top.
            let settled = claimed[task].and_then(|up| depth[up].map(|d| (up, d)));
            (parent[task], depth[task]) = match settled {
                Some((up, d)) if d < DEEPEST => (Some(up), Some(d + 1)),
                Some((up, d)) => (parent[up], Some(d)),
                None => (None, Some(0)),
            };
        }
    }
    let mut children = vec![Vec::new(); n];
    let extra = usize::from(tier.contains(&count));
    let mut tiers = vec![Vec::new(); count + extra];
    for at in 0..n {
        match parent[at] {
            Some(up) => children[up].push(at),
            None => tiers[tier[at]].push(at),
        }
    }
    let depth = depth.into_iter().map(|d| d.unwrap_or(0)).collect();
    Nesting { parent, children, depth, tiers, tier }
}

#[cfg(test)]
mod tests {
    use super::super::sample::plain_picture;
    use super::{DEEPEST, nest_tasks};

    #[test]
    fn rings_strangers_and_depth_are_survived() {
        let mut picture = plain_picture(40, &[]);
        for at in 0..3 {
            picture.nodes[at].parent = Some((at + 1) % 3);
        }
        picture.nodes[3].parent = Some(99);
        picture.nodes[4].tier = 7;
        picture.nodes[5].parent = Some(4);
        for at in 7..40 {
            picture.nodes[at].parent = Some(at - 1);
        }
        let nesting = nest_tasks(&picture);
        assert_eq!(nesting.tiers.len(), 2);
        assert_eq!(nesting.parent[5], None);
        assert!(nesting.depth.iter().all(|d| *d <= DEEPEST));
        let walked: usize = (0..2).map(|t| nesting.walk_tier(t).len()).sum();
        assert_eq!(walked, 40);
        for at in 0..40 {
            if let Some(up) = nesting.parent[at] {
                assert_eq!(nesting.depth[at], nesting.depth[up] + 1);
            }
        }
    }
}
