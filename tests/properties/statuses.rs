//! Statuses written into a document: the tasks have them, and no other byte changes, in every carrier and dialect.

use std::collections::HashMap;

use outpost_bp::blueprint::statuses::{are_all_that_differs, write};
use outpost_bp::blueprint::{Status, TaskIndex, read};
use outpost_bp::document::Source;
use proptest::prelude::{Just, Strategy, any};
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::config;
use crate::model::blueprint;
use crate::print::{CARRIERS, Taste, print};

fn source(text: &str) -> Source {
    Source::from_bytes("t.md", text.as_bytes().to_vec()).0
}

/// The status on a line: its place in the line, and what is written there.
fn status(line: &str) -> Option<(usize, &str)> {
    let key = line.find("status: ")? + "status: ".len();
    let before = line[..key - "status: ".len()].trim_start_matches([' ', '>', '-']);
    let value = line[key..].trim_end_matches(['\r', '\n']);
    before.is_empty().then_some((key, value))
}

/// What an author of another dialect would have written, and some statuses left out.
fn in_dialect(text: &str, dialect: usize, taste: &mut Taste) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let Some((at, value)) = status(line) else {
            out += line;
            continue;
        };
        let is_first = line.contains("- status");
        let bare = value.trim_matches(['\'', '"']);
        let icon = ["🔲", "🔄", "✅", "⛔", "⏭️", "💾"]
            [Status::ALL.iter().position(|status| status.word() == bare).expect("a status")];
        match (dialect, bare) {
            (_, "not_started") if !is_first && taste.below(3) == 0 => {}
            (0, _) if taste.below(3) > 0 => {
                out += &line.replace(bare, &format!("{icon} {}", bare.to_uppercase()));
            }
            (2, "not_started") => out += &format!("{}pending{}", &line[..at], &line[at + value.len()..]),
            _ => out += line,
        }
    }
    out
}

/// Lines without statuses: what stands before and behind them, and all others as they are.
fn rest(text: &str) -> Vec<String> {
    let lines = text.split_inclusive('\n').filter_map(|line| match status(line) {
        Some((at, _)) if line.contains("- status") => Some(line[..at].to_owned()),
        Some(_) => None,
        None => Some(line.to_owned()),
    });
    lines.collect()
}

proptest! {
    #![proptest_config(config(192))]

    #[test]
    fn statuses_are_written_and_nothing_else(
        blueprint in blueprint(),
        seed in any::<u64>(),
        carrier in (0..CARRIERS.len()).prop_flat_map(|at| Just(CARRIERS[at])),
        dialect in 0_usize..3,
    ) {
        let mut taste = Taste::new(seed);
        let text = in_dialect(&print(&blueprint, carrier, &mut taste), dialect, &mut taste);
        let before = source(&text);
        let draft = read(&before, false).draft;
        prop_assert_eq!(draft.tasks.len(), blueprint.tasks.len());
        let mut wanted: HashMap<TaskIndex, Status> = HashMap::new();
        for task in draft.indices() {
            if taste.below(3) > 0 {
                wanted.insert(task, Status::ALL[taste.below(6)]);
            }
        }
        let after = write(&before, &draft, &wanted).expect("no aliases");
        let now = read(&after, false).draft;
        for (task, asked) in draft.indices().map(|task| (task, wanted.get(&task))) {
            prop_assert_eq!(now.task(task).status, *asked.unwrap_or(&draft.task(task).status), "{}", after.text());
        }
        prop_assert_eq!(rest(after.text()), rest(&text), "{}", after.text());
        // What was not asked for is as it was, down to the spelling.
        let (old, new) = (text.matches("status: ").count(), after.text().matches("status: ").count());
        prop_assert!(new >= old && new <= old + wanted.len());
        let again = write(&after, &now, &wanted).expect("no aliases");
        prop_assert_eq!(again.text(), after.text(), "once is enough");
        // Whoever compares the two finds nothing but statuses, and finds an edit that is more.
        prop_assert!(are_all_that_differs((&before, &draft), (&after, &now)));
        let edited = source(&after.text().replacen("interface:", "interface: ", 1));
        let other = read(&edited, false).draft;
        prop_assert!(!are_all_that_differs((&before, &draft), (&edited, &other)));
    }
}
