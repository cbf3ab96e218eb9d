//! The laws of the selection language, on graphs without cycles.

use std::collections::BTreeSet;

use outpost_bp::blueprint::TaskIndex;
use outpost_bp::plan::{Dag, Plan, select};
use proptest::prelude::any;
use proptest::sample::Index;
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::graph::{Graph, orderly};
use crate::{config, with};

/// Every task's document place that the terms select.
type Selected = BTreeSet<usize>;

/// Gives `check` a function from terms to what they select.
fn selecting<T>(graph: &Graph, check: impl FnOnce(&dyn Fn(&[&str]) -> Selected) -> T) -> T {
    with(&graph.document(), |reading, _| {
        let dag = Dag::of(&reading.draft, &reading.links);
        check(&|terms| {
            let terms: Vec<String> = terms.iter().map(|term| (*term).to_owned()).collect();
            let found = select(&terms, &reading.draft, &dag).expect("terms that select something");
            assert!(found.is_sorted(), "selected tasks come in document order");
            found.into_iter().map(TaskIndex::get).collect()
        })
    })
}

proptest! {
    #![proptest_config(config(384))]

    #[test]
    fn plus_means_with_all_it_waits_for_or_all_that_wait_for_it(graph in orderly(), at in any::<Index>()) {
        let task = at.index(graph.ids.len());
        let id = graph.ids[task];
        let needs = graph.with_hierarchy();
        let around = |keep: &dyn Fn(usize) -> bool| -> Selected {
            (0..needs.len()).filter(|other| *other == task || keep(*other)).collect()
        };
        selecting(&graph, |select| {
            let (up, down) = (format!("+{id}"), format!("{id}+"));
            prop_assert_eq!(select(&[id]), Selected::from([task]));
            prop_assert_eq!(select(&[&up]), around(&|other| Graph::waits(&needs, task, other)));
            prop_assert_eq!(select(&[&down]), around(&|other| Graph::waits(&needs, other, task)));
            let both: Selected = select(&[&up]).union(&select(&[&down])).copied().collect();
            prop_assert_eq!(select(&[&format!("+{id}+")]), both);
            // Closed: going on from what was found finds nothing new.
            for other in select(&[&up]) {
                let further = select(&[&format!("+{}", graph.ids[other])]);
                prop_assert!(further.is_subset(&select(&[&up])));
            }
            Ok(())
        })?;
    }

    #[test]
    fn terms_add_up_in_any_order_and_exclusions_win(
        graph in orderly(),
        places in any::<(Index, Index, Index)>(),
        decorations in any::<(Index, Index, Index)>(),
    ) {
        let term = |place: &Index, decoration: &Index| {
            let id = graph.ids[place.index(graph.ids.len())];
            let family = format!("{}*", &id[..1]);
            [id.to_owned(), format!("+{id}"), format!("{id}+"), family, "status:not_started".to_owned()]
                [decoration.index(5)].clone()
        };
        let (a, b, c) = (term(&places.0, &decorations.0), term(&places.1, &decorations.1), term(&places.2, &decorations.2));
        let (a, b, c) = (a.as_str(), b.as_str(), c.as_str());
        let not_c = format!("!{c}");
        selecting(&graph, |select| {
            let all: Selected = (0..graph.ids.len()).collect();
            let union: Selected = select(&[a]).union(&select(&[b])).copied().collect();
            prop_assert_eq!(select(&[]), all.clone());
            prop_assert_eq!(select(&[a, b]), union.clone());
            prop_assert_eq!(select(&[b, a]), union.clone());
            prop_assert_eq!(select(&[a, a]), select(&[a]));
            prop_assert_eq!(select(&[&not_c]), &all - &select(&[c]));
            for terms in [[a, b, &not_c], [&not_c, b, a], [a, &not_c, b]] {
                prop_assert_eq!(select(&terms), &union - &select(&[c]));
            }
            prop_assert_eq!(select(&[c, &not_c]), Selected::new());
            Ok(())
        })?;
    }

    #[test]
    fn a_plan_is_the_selection_in_order_and_names_what_is_missing(graph in orderly(), at in any::<Index>()) {
        let id = graph.ids[at.index(graph.ids.len())];
        let needs = graph.with_hierarchy();
        with_valid(&graph, |blueprint| {
            for term in [id.to_owned(), format!("+{id}"), format!("{id}+"), format!("!{id}")] {
                let plan = Plan::of(blueprint, std::slice::from_ref(&term)).expect("a plan");
                let order: Vec<usize> = plan.order.iter().map(|index| index.get()).collect();
                let whole: Vec<usize> = plan.dag.order().iter().map(|index| index.get()).collect();
                let chosen = select(std::slice::from_ref(&term), blueprint, &plan.dag).expect("a selection");
                let chosen: Selected = chosen.into_iter().map(TaskIndex::get).collect();
                let expected: Vec<usize> = whole.into_iter().filter(|task| chosen.contains(task)).collect();
                prop_assert_eq!(&order, &expected);
                let missing: Selected = order
                    .iter()
                    .filter(|task| !graph.is_done(**task))
                    .flat_map(|task| &needs[*task])
                    .copied()
                    .filter(|need| !chosen.contains(need) && !graph.is_done(*need))
                    .collect();
                prop_assert_eq!(plan.missing.iter().map(|index| index.get()).collect::<Vec<_>>(), missing.into_iter().collect::<Vec<_>>());
                if term.starts_with('+') {
                    prop_assert!(plan.missing.is_empty());
                }
            }
            Ok(())
        })?;
    }
}

fn with_valid<T>(graph: &Graph, look: impl FnOnce(&outpost_bp::blueprint::Blueprint<'_>) -> T) -> T {
    let (source, _) = outpost_bp::document::Source::from_bytes("t.md", graph.document().into_bytes());
    let (blueprint, diagnostics) = outpost_bp::blueprint::read(&source, false).into_blueprint();
    look(&blueprint.unwrap_or_else(|| panic!("{diagnostics:?}")))
}
