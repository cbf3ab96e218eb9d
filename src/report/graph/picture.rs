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
}

impl Picture {
    /// The picture of those tasks that are `kept`: a task whose parent is not stands below the nearest ancestor
    /// that is.
    #[must_use]
    pub fn part(&self, kept: &[bool]) -> Self {
        let is_kept = |place: usize| kept.get(place).copied().unwrap_or_default();
        let mut places = vec![None; self.nodes.len()];
        let mut count = 0;
        for (_, new) in places.iter_mut().enumerate().filter(|(place, _)| is_kept(*place)) {
            *new = Some(count);
            count += 1;
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
