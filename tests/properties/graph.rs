//! Generated graphs of tasks with a hierarchy, and an oracle for what must be made of them.
//!
//! The oracle is slow and short: it walks the whole graph for every question.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::{Index, select, subsequence};

/// Ids with parents, children and orphans among them.
const IDS: [&str; 12] = ["A", "A.1", "A.1.1", "A.1.2", "A.2", "B.1", "B.1.1", "B.1.1.1", "C", "C.1.1", "D", "D.1"];

#[derive(Clone, Debug)]
pub(crate) struct Graph {
    pub(crate) ids: Vec<&'static str>,
    /// What each task needs, by place; its own place and repetitions may be among them.
    pub(crate) needs: Vec<Vec<usize>>,
    pub(crate) statuses: Vec<&'static str>,
    pub(crate) hierarchy: &'static str,
}

/// Any graph, with cycles or without.
pub(crate) fn graph() -> impl Strategy<Value = Graph> {
    subsequence(&IDS[..], 1..=IDS.len()).prop_shuffle().prop_flat_map(|ids| {
        let count = ids.len();
        (
            Just(ids),
            // Few edges: with many, hardly any graph is without a cycle.
            vec((any::<Index>(), any::<Index>()), 0..=count),
            vec(any::<Index>(), 0..3),
            vec(select(&["not_started", "not_started", "complete", "skipped", "blocked"][..]), count),
            select(&["auto", "auto", "rollup", "none"][..]),
        )
            .prop_map(|(ids, edges, children, statuses, hierarchy)| {
                let mut needs = vec![Vec::new(); ids.len()];
                for (task, need) in edges {
                    needs[task.index(ids.len())].push(need.index(ids.len()));
                }
                let mut graph = Graph { ids, needs, statuses, hierarchy };
                // Children that wait for their parent, as many real ones do.
                for child in children.iter().map(|child| child.index(graph.ids.len())) {
                    let parent = graph.parent(child);
                    graph.needs[child].extend(parent);
                }
                graph
            })
    })
}

/// A graph whose tasks need only tasks before them.
pub(crate) fn orderly() -> impl Strategy<Value = Graph> {
    graph().prop_map(|mut graph| {
        for (task, needs) in graph.needs.iter_mut().enumerate() {
            needs.retain(|need| *need < task);
        }
        graph.hierarchy = "auto";
        graph
    })
}

impl Graph {
    pub(crate) fn document(&self) -> String {
        let mut text = format!("```yaml\nexecution: {{hierarchy: {}}}\n```\n\n", self.hierarchy);
        for (task, needs) in self.needs.iter().enumerate() {
            let needs: Vec<&str> = needs.iter().map(|need| self.ids[*need]).collect();
            text += &format!(
                "```yaml\ntask_id: {}\nname: x\nstatus: {}\ndependencies: [{}]\nrun: make\n```\n\n",
                self.ids[task],
                self.statuses[task],
                needs.join(", ")
            );
        }
        text
    }

    /// Whether a task waits for another, directly or through others.
    pub(crate) fn waits(needs: &[Vec<usize>], from: usize, to: usize) -> bool {
        let mut reached = vec![false; needs.len()];
        for _ in 0..needs.len() {
            for task in 0..needs.len() {
                if task == from || reached[task] {
                    needs[task].iter().for_each(|need| reached[*need] = true);
                }
            }
        }
        reached[to]
    }

    pub(crate) fn has_cycle(needs: &[Vec<usize>]) -> bool {
        (0..needs.len()).any(|task| Self::waits(needs, task, task))
    }

    /// The nearest task above: the longest id that this one's id goes on from.
    pub(crate) fn parent(&self, task: usize) -> Option<usize> {
        (0..self.ids.len())
            .filter(|other| self.ids[task].starts_with(&format!("{}.", self.ids[*other])))
            .max_by_key(|other| self.ids[*other].len())
    }

    /// The needs with those of the hierarchy: parents and children in document order, and none that
    /// would close a cycle; under `rollup` all of them.
    pub(crate) fn with_hierarchy(&self) -> Vec<Vec<usize>> {
        let mut needs = self.needs.clone();
        for parent in 0..self.ids.len() {
            for child in (0..self.ids.len()).filter(|child| self.parent(*child) == Some(parent)) {
                let wanted = match self.hierarchy {
                    "none" => false,
                    "rollup" => true,
                    _ => !Self::waits(&needs, child, parent),
                };
                if wanted && !needs[parent].contains(&child) {
                    needs[parent].push(child);
                }
            }
        }
        needs
    }

    pub(crate) fn is_done(&self, task: usize) -> bool {
        matches!(self.statuses[task], "complete" | "skipped")
    }
}
