//! Notices that an agent goes round in circles. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::stream::Event;

/// So many of the last calls are looked at.
const WINDOW: usize = 20;
/// The same call so often among them is a circle.
const SAME: usize = 8;
/// The same call failing so often in a row is one as well.
const FAILED: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Circles {
    calls: VecDeque<u64>,
    by_id: BTreeMap<String, u64>,
    failing: Option<(u64, usize)>,
}

impl Circles {
    /// What it does again and again, if it does.
    pub(super) fn see(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Tool { name, detail, id } => {
                let call = call(name, detail);
                self.calls.push_back(call);
                if self.calls.len() > WINDOW {
                    self.calls.pop_front();
                }
                // Another call in between: the failing one is not the only thing it does.
                if self.failing.is_some_and(|(failing, _)| failing != call) {
                    self.failing = None;
                }
                if let Some(id) = id {
                    // Enough for every call that can still be open.
                    if self.by_id.len() > 4 * WINDOW {
                        self.by_id.clear();
                    }
                    self.by_id.insert(id.clone(), call);
                }
                let times = self.calls.iter().filter(|known| **known == call).count();
                (times >= SAME).then(|| format!("`{name}` was called {times} times with the same arguments"))
            }
            Event::Failed { id } => {
                let call = self.by_id.remove(id)?;
                let times = match self.failing {
                    Some((failing, times)) if failing == call => times + 1,
                    _ => 1,
                };
                self.failing = Some((call, times));
                (times >= FAILED).then(|| format!("the same call failed {times} times in a row"))
            }
            _ => None,
        }
    }
}

/// Blanks aside, the arguments count as they are: to read line 10 and then line 20 is no circle.
fn call(name: &str, detail: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    for word in detail.split_whitespace() {
        word.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::Circles;
    use crate::stream::Event;

    fn tool(detail: &str, id: &str) -> Event {
        Event::Tool { name: "sh".into(), detail: detail.into(), id: Some(id.into()) }
    }

    #[test]
    fn the_same_call_is_a_circle_the_eighth_time() {
        let mut circles = Circles::default();
        for number in 0..7 {
            assert_eq!(circles.see(&tool("make  test", &number.to_string())), None);
            assert_eq!(circles.see(&tool(&format!("edit {number}"), "x")), None);
        }
        assert!(circles.see(&tool("make test", "8")).is_some());
    }

    #[test]
    fn other_work_between_lets_the_same_call_go_on_for_ever() {
        let mut circles = Circles::default();
        for number in 0..200 {
            assert_eq!(circles.see(&tool(&format!("edit {number}"), "x")), None);
            assert_eq!(circles.see(&tool(&format!("read {number}"), "y")), None);
            assert_eq!(circles.see(&tool("make test", "z")), None);
        }
    }

    #[test]
    fn the_same_failure_is_a_circle_the_fourth_time_in_a_row() {
        let mut circles = Circles::default();
        let mut told = Vec::new();
        for number in 0..4 {
            let id = number.to_string();
            assert_eq!(circles.see(&tool("cargo test", &id)), None);
            told.push(circles.see(&Event::Failed { id }).is_some());
        }
        assert_eq!(told, [false, false, false, true]);
    }

    #[test]
    fn an_edit_between_two_failures_starts_the_count_anew() {
        let mut circles = Circles::default();
        for number in 0..6 {
            let id = number.to_string();
            assert_eq!(circles.see(&tool(&format!("edit {number}"), "e")), None);
            assert_eq!(circles.see(&tool("cargo test", &id)), None);
            assert_eq!(circles.see(&Event::Failed { id }), None);
        }
    }
}
