//! PLAN: a valid blueprint and a selection become an order: waves, critical path, contention.
//!
//! petgraph lives here only. A [`Plan`] is immutable and knows nothing of runs.

mod dag;
mod files;
mod select;

pub use dag::{Dag, Edge};
pub use files::check_files;
pub use select::{BadSelection, select};

use crate::blueprint::{Blueprint, Draft, TaskIndex};

/// What would run, and when.
#[derive(Debug)]
pub struct Plan {
    pub dag: Dag,
    /// The selected tasks, each after all it waits for.
    pub order: Vec<TaskIndex>,
    /// When each task could start at the earliest, counted in tasks; by task, not by order.
    pub waves: Vec<u32>,
    /// A longest chain of selected tasks, in order.
    pub critical_path: Vec<TaskIndex>,
}

impl Plan {
    /// Plans the tasks that `terms` select; no terms select all.
    pub fn of(blueprint: &Blueprint<'_>, terms: &[String]) -> Result<Self, BadSelection> {
        let dag = Dag::of(blueprint, blueprint.links());
        let selected = select(terms, blueprint, &dag)?;
        let mut chosen = vec![false; blueprint.tasks.len()];
        for index in &selected {
            chosen[index.get()] = true;
        }
        let order: Vec<TaskIndex> = dag.order().iter().copied().filter(|index| chosen[index.get()]).collect();
        let mut waves = vec![0_u32; blueprint.tasks.len()];
        let mut before: Vec<Option<TaskIndex>> = vec![None; blueprint.tasks.len()];
        for &index in &order {
            for (need, _) in dag.waits_for(index) {
                if chosen[need.get()] && waves[need.get()] + 1 > waves[index.get()] {
                    waves[index.get()] = waves[need.get()] + 1;
                    before[index.get()] = Some(need);
                }
            }
        }
        let mut critical_path = Vec::new();
        // The first of the latest, so that the path does not depend on the order of ties.
        let mut at = order.iter().copied().max_by_key(|index| (waves[index.get()], std::cmp::Reverse(*index)));
        while let Some(index) = at {
            critical_path.push(index);
            at = before[index.get()];
        }
        critical_path.reverse();
        Ok(Self { dag, order, waves, critical_path })
    }

    /// Locks that two selected tasks may want at the same time, with those tasks.
    pub fn contention<'d>(&self, draft: &'d Draft<'_>) -> Vec<(&'d str, Vec<TaskIndex>)> {
        draft
            .execution
            .locks
            .iter()
            .filter_map(|lock| {
                let holders: Vec<TaskIndex> = self
                    .order
                    .iter()
                    .copied()
                    .filter(|index| {
                        draft.task(*index).locks().iter().any(|request| request.name.value == lock.name.value)
                    })
                    .collect();
                let contended = holders
                    .windows(2)
                    .any(|pair| !self.dag.reaches(pair[1], pair[0]) && !self.dag.reaches(pair[0], pair[1]));
                contended.then_some((lock.name.as_str(), holders))
            })
            .collect()
    }
}
