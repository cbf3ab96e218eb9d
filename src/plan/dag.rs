//! The graph of a blueprint in petgraph: what is written, and what the hierarchy of ids implies.
//!
//! An edge points from a task to what it waits for. `T0.1.2` is a child of `T0.1`. A parent waits
//! for every child that does not, directly or through others, wait for it; parents and children are
//! taken in document order and each new edge counts for the next, so no implied edge closes a cycle.
//! For its own fallback no parent waits: `T1.2.fallback` begins when `T1.2` has failed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::{Direction, visit::EdgeRef};

use crate::blueprint::model::Hierarchy;
use crate::blueprint::{Draft, Links, NeedKind, TaskIndex};

/// Why a task waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    Order,
    Data,
    /// A parent waits for its child.
    Implied,
}

#[derive(Debug)]
pub struct Dag {
    graph: DiGraph<(), Edge, u32>,
    parents: Vec<Option<TaskIndex>>,
    /// What is waited for comes first; empty when the tasks cannot be put in order.
    order: Vec<TaskIndex>,
}

fn node(task: TaskIndex) -> NodeIndex<u32> {
    NodeIndex::new(task.get())
}

fn task(node: NodeIndex<u32>) -> TaskIndex {
    TaskIndex::new(node.index())
}

impl Dag {
    pub fn of(draft: &Draft<'_>, links: &Links) -> Self {
        let mut graph = DiGraph::with_capacity(draft.tasks.len(), links.edges());
        for _ in draft.indices() {
            graph.add_node(());
        }
        for index in draft.indices() {
            for need in links.needs(index) {
                let edge = match need.kind {
                    NeedKind::Order | NeedKind::Child | NeedKind::Fallback => Edge::Order,
                    NeedKind::Data => Edge::Data,
                };
                graph.add_edge(node(index), node(need.task), edge);
            }
        }
        let mut dag = Self { graph, parents: draft.parents(), order: Vec::new() };
        dag.order = dag.sorted();
        if !dag.order.is_empty() && draft.execution.hierarchy != Hierarchy::None {
            dag.imply(draft);
        }
        dag
    }

    /// What a task waits for, in the order it was written, implied edges last.
    pub fn waits_for(&self, index: TaskIndex) -> Vec<(TaskIndex, Edge)> {
        let mut edges: Vec<_> = self
            .graph
            .edges_directed(node(index), Direction::Outgoing)
            .map(|edge| (edge.id(), task(edge.target()), *edge.weight()))
            .collect();
        edges.sort_unstable_by_key(|(id, ..)| *id);
        edges.into_iter().map(|(_, target, edge)| (target, edge)).collect()
    }

    /// Whom a task waits for, in no order.
    pub fn needs(&self, index: TaskIndex) -> impl Iterator<Item = TaskIndex> + '_ {
        self.graph.neighbors_directed(node(index), Direction::Outgoing).map(task)
    }

    /// Who waits for a task.
    pub fn waited_by(&self, index: TaskIndex) -> impl Iterator<Item = TaskIndex> + '_ {
        self.graph.neighbors_directed(node(index), Direction::Incoming).map(task)
    }

    pub fn parent(&self, index: TaskIndex) -> Option<TaskIndex> {
        self.parents.get(index.get()).copied().flatten()
    }

    /// The tasks, each after all it waits for; empty when there is no such order.
    pub fn order(&self) -> &[TaskIndex] {
        &self.order
    }

    /// Kahn's order; of the tasks that are ready, the first of the document goes first.
    fn sorted(&self) -> Vec<TaskIndex> {
        let count = self.graph.node_count();
        let mut waits: Vec<usize> = (0..count)
            .map(|index| self.graph.edges_directed(NodeIndex::new(index), Direction::Outgoing).count())
            .collect();
        let ready = (0..count).filter(|&index| waits[index] == 0).map(TaskIndex::new);
        let mut ready: BinaryHeap<Reverse<TaskIndex>> = ready.map(Reverse).collect();
        let mut order = Vec::with_capacity(count);
        while let Some(Reverse(done)) = ready.pop() {
            order.push(done);
            for dependent in self.waited_by(done) {
                waits[dependent.get()] -= 1;
                if waits[dependent.get()] == 0 {
                    ready.push(Reverse(dependent));
                }
            }
        }
        if order.len() == count { order } else { Vec::new() }
    }

    /// Adds the edges of the hierarchy and puts the tasks in their new order.
    fn imply(&mut self, draft: &Draft<'_>) {
        let wanted = self.wanted(draft);
        let written = self.graph.edge_count();
        for &(parent, child) in &wanted {
            self.graph.add_edge(node(parent), node(child), Edge::Implied);
        }
        let mut order = self.sorted();
        if order.is_empty() {
            // Some child waits for its parent through others. The newest edge goes first: it is the
            // head of its lists, and found at once.
            for edge in (written..self.graph.edge_count()).rev() {
                self.graph.remove_edge(EdgeIndex::new(edge));
            }
            self.imply_one_by_one(&wanted);
            order = self.sorted();
        }
        self.order = order;
    }

    /// Edges from parents to children that are not written and not plainly impossible.
    fn wanted(&self, draft: &Draft<'_>) -> Vec<(TaskIndex, TaskIndex)> {
        let mut children: Vec<Vec<TaskIndex>> = vec![Vec::new(); self.parents.len()];
        for (child, parent) in self.parents.iter().enumerate() {
            let child = TaskIndex::new(child);
            let waits = |parent: &TaskIndex| {
                draft.fallback(*parent) != Some(child) && !self.needs(child).any(|need| need == *parent)
            };
            if let Some(parent) = parent.filter(waits) {
                children[parent.get()].push(child);
            }
        }
        let mut wanted = Vec::new();
        for (parent, children) in children.into_iter().enumerate().filter(|(_, children)| !children.is_empty()) {
            let parent = TaskIndex::new(parent);
            let written: HashSet<TaskIndex> = self.needs(parent).collect();
            wanted.extend(children.into_iter().filter(|child| !written.contains(child)).map(|child| (parent, child)));
        }
        wanted
    }

    /// Adds each edge that closes no cycle with those before it.
    ///
    /// `rank` is a valid order at any time (Pearce and Kelly): an edge that fits it costs nothing,
    /// and one that does not is searched for only between the two ranks.
    fn imply_one_by_one(&mut self, wanted: &[(TaskIndex, TaskIndex)]) {
        let mut rank: Vec<usize> = vec![0; self.parents.len()];
        for (position, index) in self.order.iter().enumerate() {
            rank[index.get()] = position;
        }
        for &(parent, child) in wanted {
            if rank[child.get()] > rank[parent.get()] {
                // The edge asks for the child first. What waits for the parent, up to the child's
                // rank, has to move behind what the child waits for.
                let Some(behind) = self.reach(parent, rank[child.get()], &rank, Direction::Incoming, Some(child))
                else {
                    continue;
                };
                let Some(before) = self.reach(child, rank[parent.get()], &rank, Direction::Outgoing, None) else {
                    continue;
                };
                reorder(&mut rank, before, behind);
            }
            self.graph.add_edge(node(parent), node(child), Edge::Implied);
        }
    }

    /// Tasks reached from `start` within `bound`, or nothing if `forbidden` is among them.
    fn reach(
        &self,
        start: TaskIndex,
        bound: usize,
        rank: &[usize],
        direction: Direction,
        forbidden: Option<TaskIndex>,
    ) -> Option<Vec<TaskIndex>> {
        let mut seen = HashSet::from([start]);
        let mut found = vec![start];
        let mut next = 0;
        while let Some(&at) = found.get(next) {
            next += 1;
            for neighbour in self.graph.neighbors_directed(node(at), direction).map(task) {
                if Some(neighbour) == forbidden {
                    return None;
                }
                let within = match direction {
                    Direction::Incoming => rank[neighbour.get()] < bound,
                    Direction::Outgoing => rank[neighbour.get()] > bound,
                };
                if within && seen.insert(neighbour) {
                    found.push(neighbour);
                }
            }
        }
        Some(found)
    }

    /// Whether `from` waits for `to`, directly or through others.
    pub fn reaches(&self, from: TaskIndex, to: TaskIndex) -> bool {
        let mut seen = vec![false; self.parents.len()];
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            for next in self.graph.neighbors_directed(node(at), Direction::Outgoing).map(task) {
                if next == to {
                    return true;
                }
                if !std::mem::replace(&mut seen[next.get()], true) {
                    open.push(next);
                }
            }
        }
        false
    }
}

/// Gives the ranks of both groups to `before` and then `behind`, each keeping its own order.
fn reorder(rank: &mut [usize], mut before: Vec<TaskIndex>, mut behind: Vec<TaskIndex>) {
    before.sort_unstable_by_key(|index| rank[index.get()]);
    behind.sort_unstable_by_key(|index| rank[index.get()]);
    let moved: Vec<TaskIndex> = before.into_iter().chain(behind).collect();
    let mut places: Vec<usize> = moved.iter().map(|index| rank[index.get()]).collect();
    places.sort_unstable();
    for (index, place) in moved.into_iter().zip(places) {
        rank[index.get()] = place;
    }
}
