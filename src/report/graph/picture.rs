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
