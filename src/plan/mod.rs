//! PLAN: a valid blueprint and a selection become an order: waves, critical path, contention.
//!
//! petgraph lives here only. A [`Plan`] is immutable and knows nothing of runs.

mod dag;
mod files;
mod select;
mod together;

pub use dag::{Dag, Edge};
pub use files::check_files;
pub use select::{BadSelection, select};

use std::collections::HashMap;

use crate::blueprint::model::{LockMode, LockRequest};
use crate::blueprint::{Blueprint, Draft, TaskIndex};
use together::Together;

/// What would run, and when.
#[derive(Debug)]
pub struct Plan {
    pub dag: Dag,
    /// The selected tasks, each after all it waits for.
    pub order: Vec<TaskIndex>,
    pub schedule: Schedule,
    /// Tasks outside of the selection that selected ones wait for, unless they are done.
    pub missing: Vec<TaskIndex>,
}

/// When tasks could start at the earliest, counted in tasks.
#[derive(Debug)]
pub struct Schedule {
    /// By task, from 1; absent for tasks that would not run.
    waves: Vec<Option<u32>>,
    /// A longest chain of tasks, in order.
    pub critical_path: Vec<TaskIndex>,
}

impl Schedule {
    /// Schedules the tasks of `order`, in which each stands after all it waits for. Tasks that the
    /// document calls complete or skipped do not run and hold nobody up.
    pub fn of(draft: &Draft<'_>, dag: &Dag, order: &[TaskIndex]) -> Self {
        Self::again(draft, dag, order, &[])
    }

    /// The same, but these tasks run whatever the document calls them.
    fn again(draft: &Draft<'_>, dag: &Dag, order: &[TaskIndex], again: &[TaskIndex]) -> Self {
        let runs = |index: &TaskIndex| !draft.task(*index).status.is_terminal() || again.contains(index);
        let mut waves: Vec<Option<u32>> = vec![None; draft.tasks.len()];
        let mut before: Vec<Option<TaskIndex>> = vec![None; draft.tasks.len()];
        for &index in order.iter().filter(|index| runs(index)) {
            let last = dag
                .waits_for(index)
                .into_iter()
                .filter_map(|(need, _)| Some((waves[need.get()]?, std::cmp::Reverse(need))))
                .max();
            waves[index.get()] = Some(last.map_or(1, |(wave, _)| wave + 1));
            before[index.get()] = last.map(|(_, std::cmp::Reverse(need))| need);
        }
        let mut critical_path = Vec::new();
        // The first of the latest, so that the path does not depend on the order of ties.
        let latest = order.iter().copied().max_by_key(|index| (waves[index.get()], std::cmp::Reverse(*index)));
        let mut at = latest.filter(|index| waves[index.get()].is_some());
        while let Some(index) = at {
            critical_path.push(index);
            at = before[index.get()];
        }
        critical_path.reverse();
        Self { waves, critical_path }
    }

    /// The wave a task runs in, from 1; `None` for a task that would not run.
    pub fn wave(&self, index: TaskIndex) -> Option<u32> {
        self.waves[index.get()]
    }
}

impl Plan {
    /// Plans the tasks that `terms` select; no terms select all.
    pub fn of(blueprint: &Blueprint<'_>, terms: &[String]) -> Result<Self, BadSelection> {
        Self::again(blueprint, terms, &[])
    }

    /// Plans all tasks.
    pub fn all(blueprint: &Blueprint<'_>) -> Self {
        let dag = Dag::of(blueprint, blueprint.links());
        let order = dag.order().to_vec();
        let schedule = Schedule::of(blueprint, &dag, &order);
        Self { dag, order, schedule, missing: Vec::new() }
    }

    /// The plan of the tasks that `terms` select, but tasks that `again` selects run although the document calls them complete or skipped.
    pub fn again(blueprint: &Blueprint<'_>, terms: &[String], again: &[String]) -> Result<Self, BadSelection> {
        let dag = Dag::of(blueprint, blueprint.links());
        let selected = select(terms, blueprint, &dag)?;
        let mut chosen = vec![false; blueprint.tasks.len()];
        for index in &selected {
            chosen[index.get()] = true;
        }
        let order: Vec<TaskIndex> = dag.order().iter().copied().filter(|index| chosen[index.get()]).collect();
        let again = if again.is_empty() { Vec::new() } else { select(again, blueprint, &dag)? };
        let schedule = Schedule::again(blueprint, &dag, &order, &again);
        let mut missing: Vec<TaskIndex> = order
            .iter()
            .filter(|index| schedule.wave(**index).is_some())
            .flat_map(|index| dag.waits_for(*index))
            .map(|(need, _)| need)
            .filter(|need| !chosen[need.get()] && !blueprint.task(*need).status.is_terminal())
            .collect();
        missing.sort_unstable();
        missing.dedup();
        Ok(Self { dag, order, schedule, missing })
    }

    /// The tasks that would run, in order.
    pub fn running(&self) -> impl Iterator<Item = TaskIndex> + '_ {
        self.order.iter().copied().filter(|index| self.schedule.wave(*index).is_some())
    }

    /// Locks that tasks may wait for because others hold them, with all tasks that want them.
    pub fn contention<'d>(&self, draft: &'d Draft<'_>) -> Vec<(&'d str, Vec<TaskIndex>)> {
        let mut holders: HashMap<&str, Vec<(TaskIndex, &LockRequest<'_>)>> = HashMap::new();
        for index in self.running() {
            for request in draft.task(index).locks() {
                holders.entry(&request.name).or_default().push((index, request));
            }
        }
        let mut together = Together::of(&self.dag);
        let mut contended = Vec::new();
        for lock in &draft.execution.locks {
            let Some(requests) = holders.remove(lock.name.as_str()) else {
                continue;
            };
            let mut tasks: Vec<TaskIndex> = requests.iter().map(|(index, _)| *index).collect();
            tasks.dedup();
            let crowded = tasks.len() > lock.max_holders as usize;
            // In the order of the document, and those that hold it alone first.
            let mut group: Vec<(TaskIndex, bool)> =
                requests.iter().map(|(index, request)| (*index, lock.mode_of(request) == LockMode::Shared)).collect();
            group.sort_unstable();
            group.dedup_by_key(|(index, _)| *index);
            let (group, shared): (Vec<TaskIndex>, Vec<bool>) = group.into_iter().unzip();
            let apart = |a: usize, b: usize| !crowded && shared[a] && shared[b];
            if together.earlier(&group, apart).iter().any(Option::is_some) {
                contended.push((lock.name.as_str(), tasks));
            }
        }
        contended
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;
    use crate::blueprint::read;
    use crate::document::Source;

    fn plan(
        tasks: &[(&str, &str, &str)],
        locks: &str,
        terms: &[&str],
        check: impl FnOnce(&Plan, Vec<Option<u32>>, Vec<&str>),
    ) {
        let mut text = format!("```yaml\nexecution:\n  resource_locks: [{locks}]\n```\n");
        for (id, needs, rest) in tasks {
            text += &format!("```yaml\ntask_id: {id}\nname: x\ndependencies: [{needs}]\nrun: x\n{rest}\n```\n");
        }
        let (source, _) = Source::from_bytes("t.md", text.into_bytes());
        let (blueprint, problems) = read(&source, false).into_blueprint();
        let blueprint = blueprint.unwrap_or_else(|| panic!("{problems:?}"));
        let terms: Vec<String> = terms.iter().map(|term| (*term).to_owned()).collect();
        let plan = Plan::of(&blueprint, &terms).expect("a plan");
        let waves = blueprint.indices().map(|index| plan.schedule.wave(index)).collect();
        let contended = plan.contention(&blueprint).into_iter().map(|(lock, _)| lock).collect();
        check(&plan, waves, contended);
    }

    #[test]
    fn done_tasks_run_in_no_wave_and_hold_nobody_up() {
        let tasks = [("a", "", "status: complete"), ("b", "a", ""), ("c", "b", ""), ("d", "", "status: skipped")];
        plan(&tasks, "", &[], |plan, waves, _| {
            assert_eq!(waves, [None, Some(1), Some(2), None]);
            assert_eq!(plan.running().map(|index| index.0).collect::<Vec<_>>(), [1, 2]);
            assert_eq!(plan.schedule.critical_path.iter().map(|index| index.0).collect::<Vec<_>>(), [1, 2]);
            assert_eq!(plan.missing, []);
        });
    }

    #[test]
    fn a_selection_names_what_it_leaves_out_and_needs() {
        let tasks = [("a", "", ""), ("b", "a", ""), ("c", "b", "")];
        plan(&tasks, "", &["c"], |plan, waves, _| {
            assert_eq!(waves, [None, None, Some(1)]);
            assert_eq!(plan.missing.iter().map(|index| index.0).collect::<Vec<_>>(), [1]);
        });
    }

    #[test]
    fn f_20_only_locks_that_may_be_waited_for_are_contended() {
        let wants = |lock: &str| format!("resources: {{locks: [{lock}]}}");
        let (own, all, turn) = (wants("own"), wants("all"), wants("turn"));
        let tasks = [
            ("a", "", own.as_str()),
            ("b", "", own.as_str()),
            ("c", "", all.as_str()),
            ("d", "", all.as_str()),
            ("e", "", turn.as_str()),
            ("f", "e", turn.as_str()),
        ];
        let locks = "{name: own}, {name: all, type: shared}, {name: turn}";
        plan(&tasks, locks, &[], |_, _, contended| assert_eq!(contended, ["own"]));
        let two = "{name: own}, {name: all, type: shared, max_holders: 1}, {name: turn}";
        plan(&tasks, two, &[], |_, _, contended| assert_eq!(contended, ["own", "all"]));
    }

    #[test]
    fn f_20_a_lock_is_contended_when_two_at_once_cannot_both_have_it() {
        let contended = |declaration: &str, modes: [&str; 3]| {
            let wants = modes.map(|mode| format!("resources: {{locks: [{{name: l, mode: {mode}}}]}}"));
            let tasks = [("a", "", wants[0].as_str()), ("b", "a", wants[1].as_str()), ("c", "", wants[2].as_str())];
            let mut found = 0;
            plan(&tasks, &format!("{{name: l, {declaration}}}"), &[], |_, _, contended| found = contended.len());
            found == 1
        };
        let (shared, alone) = ("shared", "exclusive");
        assert!(contended("type: exclusive", [alone, alone, alone]));
        assert!(contended("type: exclusive", [shared, shared, shared]), "the declaration wins");
        assert!(contended("type: shared", [shared, shared, alone]));
        assert!(!contended("type: shared", [shared, shared, shared]));
        assert!(contended("type: shared, max_holders: 2", [shared, shared, shared]));
    }
}
