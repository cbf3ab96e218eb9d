//! Cycles, order, waves and critical path against the oracle.

use outpost_bp::blueprint::{Reading, TaskIndex};
use outpost_bp::diagnostic::Code;
use outpost_bp::plan::{Dag, Edge, Schedule};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::graph::{Graph, graph};
use crate::{config, with};

/// The tasks of a cycle as its message tells them, the first one again at the end.
fn told(reading: &Reading<'_>, graph: &Graph) -> Vec<Vec<usize>> {
    let place = |id: &str| graph.ids.iter().position(|known| *known == id).expect("an id");
    reading
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.code == Code::Cycle)
        .map(|diagnostic| match diagnostic.message.split_once(": ") {
            Some((_, cycle)) => cycle.split(" → ").map(place).collect(),
            // `A` needs itself.
            None => vec![place(diagnostic.message.split('`').nth(1).expect("an id")); 2],
        })
        .collect()
}

fn check_cycles(reading: &Reading<'_>, dag: &Dag, graph: &Graph) -> Result<(), TestCaseError> {
    // A roll-up is part of what the author asked for; other implied edges never close a cycle.
    let needs = match graph.hierarchy {
        "rollup" if !Graph::has_cycle(&graph.needs) => graph.with_hierarchy(),
        _ => graph.needs.clone(),
    };
    let cycles = told(reading, graph);
    prop_assert_eq!(!cycles.is_empty(), Graph::has_cycle(&needs));
    // A roll-up that cannot be leaves the rest in an order, to be drawn.
    prop_assert_eq!(dag.order().is_empty(), Graph::has_cycle(&graph.needs));
    for cycle in &cycles {
        prop_assert_eq!(cycle.first(), cycle.last());
        for pair in cycle.windows(2) {
            prop_assert!(needs[pair[0]].contains(&pair[1]), "{cycle:?}");
        }
    }
    // Whoever mends all that is told will not be told of more than the same knots again.
    for task in (0..needs.len()).filter(|task| Graph::waits(&needs, *task, *task)) {
        let knot =
            |other: usize| task == other || (Graph::waits(&needs, task, other) && Graph::waits(&needs, other, task));
        prop_assert_eq!(cycles.iter().filter(|cycle| knot(cycle[0])).count(), 1, "one cycle for every knot");
    }
    Ok(())
}

/// The order in which the first task of the document that is ready goes next.
fn first_ready(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    while let Some(next) =
        (0..needs.len()).find(|task| !order.contains(task) && needs[*task].iter().all(|need| order.contains(need)))
    {
        order.push(next);
    }
    order
}

fn check_order(reading: &Reading<'_>, dag: &Dag, graph: &Graph) -> Result<(), TestCaseError> {
    let needs = graph.with_hierarchy();
    let sorted = |mut places: Vec<usize>| {
        places.sort_unstable();
        places.dedup();
        places
    };
    for (task, needs) in needs.iter().enumerate() {
        let edges = dag.waits_for(TaskIndex::new(task));
        let found = edges.iter().map(|(need, _)| need.get()).collect();
        prop_assert_eq!(sorted(found), sorted(needs.clone()), "needs of {}", graph.ids[task]);
        for (need, edge) in edges {
            prop_assert_eq!(edge == Edge::Implied, !graph.needs[task].contains(&need.get()));
        }
        prop_assert_eq!(dag.parent(TaskIndex::new(task)).map(TaskIndex::get), graph.parent(task));
    }
    let order: Vec<usize> = dag.order().iter().map(|index| index.get()).collect();
    prop_assert_eq!(&order, &first_ready(&needs));
    check_schedule(&Schedule::of(&reading.draft, dag, dag.order()), &needs, graph)
}

/// Waves by relaxation: as often as there are tasks, every task moves behind what it waits for.
fn check_schedule(schedule: &Schedule, needs: &[Vec<usize>], graph: &Graph) -> Result<(), TestCaseError> {
    let running = |task: &usize| !graph.is_done(*task);
    let mut waves = vec![1_u32; needs.len()];
    for _ in 0..needs.len() {
        for task in 0..needs.len() {
            let behind = needs[task].iter().filter(|need| running(need)).map(|need| waves[*need] + 1).max();
            waves[task] = behind.unwrap_or(1);
        }
    }
    for (task, wave) in waves.iter().enumerate() {
        prop_assert_eq!(schedule.wave(TaskIndex::new(task)), running(&task).then_some(*wave));
    }
    let path: Vec<usize> = schedule.critical_path.iter().map(|index| index.get()).collect();
    let longest = (0..needs.len()).filter(running).map(|task| waves[task]).max().unwrap_or(0);
    prop_assert_eq!(path.len(), longest as usize);
    prop_assert!(path.iter().all(running));
    for pair in path.windows(2) {
        prop_assert!(needs[pair[1]].contains(&pair[0]), "{path:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(768))]

    #[test]
    fn cycles_order_and_waves_are_those_of_the_oracle(graph in graph()) {
        with(&graph.document(), |reading, _| {
            let dag = Dag::of(&reading.draft, &reading.links);
            check_cycles(reading, &dag, &graph)?;
            if told(reading, &graph).is_empty() { check_order(reading, &dag, &graph) } else { Ok(()) }
        })?;
    }
}

#[test]
fn the_generator_makes_all_kinds_of_graphs() {
    use proptest::strategy::{Strategy, ValueTree};
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::new(config(1));
    let (mut cyclic, mut implied, mut refused) = (0, 0, 0);
    for _ in 0..400 {
        let graph = graph().new_tree(&mut runner).expect("a graph").current();
        if Graph::has_cycle(&graph.needs) {
            cyclic += 1;
            continue;
        }
        let edges = |needs: &[Vec<usize>]| needs.iter().map(Vec::len).sum::<usize>();
        let children = (0..graph.ids.len()).filter(|task| graph.parent(*task).is_some()).count();
        let added = edges(&graph.with_hierarchy()) - edges(&graph.needs);
        implied += usize::from(added > 0);
        refused += usize::from(graph.hierarchy == "auto" && added < children);
    }
    for count in [cyclic, implied, refused, 400 - cyclic] {
        assert!(count > 40, "{cyclic} with cycles, {implied} with implied edges, {refused} with impossible ones");
    }
}
