//! What is drawn: a plain description of a blueprint's tasks and arrows.
//!
//! Guarantees nothing about itself: indexes may point nowhere, parents may form a ring and
//! arrows may form cycles, because a broken document still deserves a drawing. Every drawing
//! in this directory accepts any value of these types.
//!
//! Does not know how a blueprint is read, validated or run, nor how it will be drawn.

/// Everything one drawing needs, in document order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    pub title: String,
    pub tiers: Vec<TierBox>,
    pub nodes: Vec<NodeBox>,
    pub arrows: Vec<Arrow>,
    /// Names of the locks; `NodeBox::locks` points in here.
    pub locks: Vec<String>,
    /// What stands before a task's id where it is a link to more about it; no links without it. Only SVG has them.
    pub link: Option<String>,
}

impl Picture {
    /// The picture of those tasks that are `kept`: a task whose parent is not stands below the nearest ancestor
    /// that is.
    #[must_use]
    pub fn part(&self, kept: &[bool]) -> Self {
        let is_kept = |place: usize| kept.get(place).copied().unwrap_or_default();
        let mut places = vec![None; self.nodes.len()];
        for (new, place) in (0..self.nodes.len()).filter(|place| is_kept(*place)).enumerate() {
            places[place] = Some(new);
        }
        let place_of = |place: usize| places.get(place).copied().flatten();
        let parent_of = |mut place: usize| {
            // Parents may form a ring.
            for _ in 0..self.nodes.len() {
                place = self.nodes.get(place)?.parent?;
                if let Some(new) = place_of(place) {
                    return Some(new);
                }
            }
            None
        };
        let nodes = self.nodes.iter().enumerate().filter(|(place, _)| is_kept(*place));
        let arrow =
            |arrow: &Arrow| Some(Arrow { from: place_of(arrow.from)?, to: place_of(arrow.to)?, ..arrow.clone() });
        Self {
            title: self.title.clone(),
            tiers: self.tiers.clone(),
            nodes: nodes.map(|(place, node)| NodeBox { parent: parent_of(place), ..node.clone() }).collect(),
            arrows: self.arrows.iter().filter_map(arrow).collect(),
            locks: self.locks.clone(),
            link: self.link.clone(),
        }
    }
}

/// One tier of the blueprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierBox {
    pub number: Option<u32>,
    pub title: String,
}

/// One task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeBox {
    pub id: String,
    pub name: String,
    /// Index into `Picture::tiers`.
    pub tier: usize,
    /// Index of the enclosing parent task.
    pub parent: Option<usize>,
    pub executor: String,
    pub gate: Option<Gate>,
    /// Index into `Picture::locks`, and whether the lock is held exclusively.
    pub locks: Vec<(usize, bool)>,
    pub status: Status,
    /// On the critical path.
    pub critical: bool,
}

/// A human decision the task waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    pub action: String,
    /// Asked after the task has run, rather than before.
    pub after: bool,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    NotStarted,
    InProgress,
    Complete,
    Blocked,
    Skipped,
    Checkpointed,
    Failed,
    /// Of a run: it waits for a person.
    Asked,
    /// Of a run: nobody knows how its work ended.
    Unknown,
    /// Of a run: what it did is undone.
    Undone,
}

/// `to` needs `from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    pub from: usize,
    pub to: usize,
    pub kind: ArrowKind,
    /// Names of the ports carried, for `ArrowKind::Data`.
    pub label: Option<String>,
}

/// Why `to` needs `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArrowKind {
    /// The hierarchy says so: parent and child.
    Implied,
    /// A plain dependency.
    Order,
    /// A value travels along it.
    Data,
}

#[cfg(test)]
mod tests {
    use super::super::sample::{broken_picture, mixed_picture};
    use super::super::svg;

    #[test]
    fn a_part_has_its_tasks_their_arrows_and_their_nearest_parents() {
        let picture = mixed_picture(3, 20);
        // `T0.5` stands below `T0.4`, and that below `T0.0`: without the one between, below the first.
        let kept: Vec<bool> = (0..20).map(|place| place != 4).collect();
        let part = picture.part(&kept);
        assert_eq!((part.nodes.len(), part.nodes[4].id.as_str(), part.nodes[4].parent), (19, "T0.5", Some(0)));
        let between = |from: &str, to: &str| {
            let arrow = |arrow: &&super::Arrow| part.nodes[arrow.from].id == from && part.nodes[arrow.to].id == to;
            part.arrows.iter().find(arrow).is_some()
        };
        for arrow in picture.arrows.iter().filter(|arrow| arrow.from != 4 && arrow.to != 4) {
            assert!(between(&picture.nodes[arrow.from].id, &picture.nodes[arrow.to].id));
        }
        assert!(picture.part(&[]).nodes.is_empty());
    }

    #[test]
    fn a_part_of_a_broken_picture_is_drawn() {
        for seed in 0..20 {
            let picture = broken_picture(seed, 30);
            let kept: Vec<bool> = (0..30).map(|place| place % 3 > 0).collect();
            assert!(svg(&picture.part(&kept)).contains("T0.29"), "seed {seed}");
        }
    }
}
