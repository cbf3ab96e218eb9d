//! Which tasks of a group may run at once, because no order keeps them apart.
//!
//! Knows the graph and nothing of files or locks. Its effort is bounded by the size of the graph:
//! when that is spent it says nothing about the pairs it did not look at.

use super::Dag;
use crate::blueprint::TaskIndex;

/// Steps that any graph may cost, and those each task and edge adds.
const FREE_STEPS: usize = 1_000_000;
const STEPS_EACH: usize = 64;

pub(super) struct Together<'d> {
    dag: &'d Dag,
    /// The longest chain of tasks that a task waits for. Tasks of one level never wait for each other.
    levels: Vec<u32>,
    /// The last search that came by a task.
    seen: Vec<u32>,
    searches: u32,
    effort: Effort,
}

/// The steps that are left.
struct Effort(usize);

/// No step is left.
struct Spent;

impl Effort {
    fn step(&mut self) -> Result<(), Spent> {
        self.0 = self.0.checked_sub(1).ok_or(Spent)?;
        Ok(())
    }
}

impl<'d> Together<'d> {
    pub(super) fn of(dag: &'d Dag) -> Self {
        let mut levels = vec![0; dag.order().len()];
        let mut size = levels.len();
        for &index in dag.order() {
            size += dag.needs(index).count();
            levels[index.get()] = dag.needs(index).map(|need| levels[need.get()] + 1).max().unwrap_or(0);
        }
        let seen = vec![0; levels.len()];
        Self { dag, levels, seen, searches: 0, effort: Effort(FREE_STEPS + size * STEPS_EACH) }
    }

    /// For each task of `group` the place in it of an earlier task it may run at once with, if there
    /// is one. `apart` tells of two places whether something else keeps their tasks from that.
    pub(super) fn earlier(&mut self, group: &[TaskIndex], apart: impl Fn(usize, usize) -> bool) -> Vec<Option<usize>> {
        let mut found = vec![None; group.len()];
        let mut places: Vec<usize> = (0..group.len()).collect();
        places.sort_by_key(|&place| self.levels[group[place].get()]);
        // What was found until then is true, whether or not it is all there is.
        let _ = self.on_one_level(group, &places, &apart, &mut found);
        let _ = self.across_levels(group, &places, &apart, &mut found);
        found
    }

    fn on_one_level(
        &mut self,
        group: &[TaskIndex],
        places: &[usize],
        apart: &impl Fn(usize, usize) -> bool,
        found: &mut [Option<usize>],
    ) -> Result<(), Spent> {
        for level in places.chunk_by(|&a, &b| self.levels[group[a].get()] == self.levels[group[b].get()]) {
            for (before, &place) in level.iter().enumerate() {
                for &other in &level[..before] {
                    self.effort.step()?;
                    if !apart(other, place) {
                        found[place] = Some(other);
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn across_levels(
        &mut self,
        group: &[TaskIndex],
        places: &[usize],
        apart: &impl Fn(usize, usize) -> bool,
        found: &mut [Option<usize>],
    ) -> Result<(), Spent> {
        // Whether the last task waits for all tasks before it: who waits for it then does, too.
        let mut last_waits_for_all = true;
        // Places before the current one of which nothing was found yet.
        let mut open: Vec<usize> = places.first().copied().into_iter().collect();
        for (count, &place) in places.iter().enumerate().skip(1) {
            let task = group[place];
            if last_waits_for_all && self.waits_for(task, group[places[count - 1]])? {
                open.push(place);
                continue;
            }
            // A pair is told at its later place; where something was found, nothing more is asked.
            let all = found[place].is_none();
            let others = if all { &places[..count] } else { open.as_slice() };
            let level = self.levels[task.get()];
            let asked = others.iter().filter(|&&other| found[other.max(place)].is_none());
            let floor = asked.map(|&other| self.levels[group[other].get()]).min().filter(|&floor| floor < level);
            if let Some(floor) = floor {
                self.mark(task, floor)?;
            }
            last_waits_for_all = all && floor.is_some();
            for &other in others {
                self.effort.step()?;
                let other_task = group[other].get();
                if floor.is_some() && self.seen[other_task] == self.searches {
                    continue;
                }
                last_waits_for_all = false;
                let (first, second) = (other.min(place), other.max(place));
                if self.levels[other_task] < level && found[second].is_none() && !apart(first, second) {
                    found[second] = Some(first);
                }
            }
            open.push(place);
            open.retain(|&place| found[place].is_none());
        }
        Ok(())
    }

    /// Marks what a task waits for, directly or through others, down to a level.
    fn mark(&mut self, from: TaskIndex, floor: u32) -> Result<(), Spent> {
        self.search(from, floor, None).map(|_| ())
    }

    fn waits_for(&mut self, from: TaskIndex, to: TaskIndex) -> Result<bool, Spent> {
        self.search(from, self.levels[to.get()], Some(to))
    }

    fn search(&mut self, from: TaskIndex, floor: u32, until: Option<TaskIndex>) -> Result<bool, Spent> {
        self.searches += 1;
        let dag = self.dag;
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            for need in dag.needs(at) {
                self.effort.step()?;
                if Some(need) == until {
                    return Ok(true);
                }
                if self.levels[need.get()] >= floor && self.seen[need.get()] != self.searches {
                    self.seen[need.get()] = self.searches;
                    open.push(need);
                }
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Together;
    use crate::blueprint::{TaskIndex, read};
    use crate::document::Source;
    use crate::plan::Dag;

    /// A graph of tasks, each with the tasks it needs.
    fn dag(needs: &[Vec<usize>]) -> Dag {
        let blocks: String = needs
            .iter()
            .enumerate()
            .map(|(task, needs)| {
                let needs: Vec<String> = needs.iter().map(|need| format!("t{need}")).collect();
                format!("```yaml\ntask_id: t{task}\ndependencies: [{}]\n```\n\n", needs.join(", "))
            })
            .collect();
        let (source, _) = Source::from_bytes("t.md", blocks.into_bytes());
        let reading = read(&source, false);
        Dag::of(&reading.draft, &reading.links)
    }

    /// Holds what is found against a walk through the graph for every pair; `locked` are kept apart.
    fn check(needs: &[Vec<usize>], group: &[TaskIndex], locked: &[TaskIndex]) {
        let dag = dag(needs);
        let apart = |a: usize, b: usize| locked.contains(&group[a]) && locked.contains(&group[b]);
        let at_once =
            |a: usize, b: usize| !dag.reaches(group[a], group[b]) && !dag.reaches(group[b], group[a]) && !apart(a, b);
        let found = Together::of(&dag).earlier(group, apart);
        for (place, earlier) in found.iter().enumerate() {
            let task = group[place];
            let any = (0..place).any(|other| at_once(other, place));
            assert_eq!(earlier.is_some(), any, "{task:?} of {needs:?}");
            assert!(earlier.is_none_or(|other| other < place && at_once(other, place)), "{task:?} of {needs:?}");
        }
    }

    /// Tasks in the order they run, each with its place in the document, what it needs, whether it is
    /// asked about, and whether a lock keeps it apart from its like.
    fn graphs() -> impl Strategy<Value = (Vec<usize>, Vec<(u16, bool, bool)>)> {
        (2..14_usize).prop_flat_map(|count| {
            let tasks =
                prop::collection::vec((any::<u16>(), prop::bool::weighted(0.8), prop::bool::weighted(0.2)), count);
            (Just((0..count).collect::<Vec<_>>()).prop_shuffle(), tasks)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn what_is_found_is_what_looking_at_every_pair_finds((places, tasks) in graphs()) {
            let mut needs = vec![Vec::new(); tasks.len()];
            let (mut group, mut locked) = (Vec::new(), Vec::new());
            for (task, (mask, asked, lock)) in tasks.iter().enumerate() {
                // About a quarter of all edges.
                let bits = mask & mask.rotate_left(5);
                needs[places[task]] = (0..task).filter(|need| bits >> need & 1 == 1).map(|need| places[need]).collect();
                group.extend(asked.then_some(TaskIndex::new(places[task])));
                locked.extend(lock.then_some(TaskIndex::new(places[task])));
            }
            group.sort_unstable();
            check(&needs, &group, &locked);
        }
    }

    #[test]
    fn a_task_found_early_is_not_taken_for_one_that_is_waited_for() {
        let needs = [vec![6], vec![2], vec![6], vec![0], vec![], vec![3, 2], vec![]];
        for asked in 0..1_usize << needs.len() {
            let group: Vec<_> = (0..needs.len()).filter(|task| asked >> task & 1 == 1).map(TaskIndex::new).collect();
            check(&needs, &group, &[]);
        }
    }

    /// Steps a group of all tasks takes.
    fn steps(needs: &[Vec<usize>]) -> usize {
        let dag = dag(needs);
        let mut together = Together::of(&dag);
        let before = together.effort.0;
        let group: Vec<TaskIndex> = (0..needs.len()).map(TaskIndex::new).collect();
        together.earlier(&group, |_, _| false);
        before - together.effort.0
    }

    #[test]
    fn chains_and_crowds_cost_a_step_or_two_for_each_task() {
        let chain: Vec<Vec<usize>> = (0..500).map(|task: usize| task.checked_sub(1).into_iter().collect()).collect();
        let crowd: Vec<Vec<usize>> = vec![Vec::new(); 500];
        let fan: Vec<Vec<usize>> = (0..500).map(|task| if task == 0 { Vec::new() } else { vec![0] }).collect();
        for (name, needs) in [("chain", chain), ("crowd", crowd), ("fan", fan)] {
            let steps = steps(&needs);
            assert!(steps <= 1500, "{name}: {steps}");
        }
    }
}
