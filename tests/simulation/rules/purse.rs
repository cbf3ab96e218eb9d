//! What agents may use together: none begins when it is used up, one person at a time is asked, and the answer is for all.

use std::collections::BTreeMap;

use outpost_bp::run::{Event, GateMoment};

use super::Rules;

#[derive(Clone, Default)]
pub(super) struct Purse {
    used: BTreeMap<(String, u32), u64>,
    /// How much was used when a person gave as much again.
    granted: u64,
    /// Where a person is asked.
    asked: Option<String>,
    refused: bool,
}

impl Purse {
    fn left(&self, budget: u64) -> u64 {
        budget.saturating_sub(self.used.values().sum::<u64>() - self.granted)
    }

    pub(super) fn is_asked(&self, task: &str) -> bool {
        self.asked.as_deref() == Some(task)
    }

    /// The answer of a person, which is for all.
    pub(super) fn answered(&mut self, does: bool) {
        self.asked = None;
        self.refused |= !does;
        if does {
            self.granted = self.used.values().sum();
        }
    }

    /// The task begins anew with another document.
    pub(super) fn forget(&mut self, task: &str) {
        if self.is_asked(task) {
            self.asked = None;
        }
    }
}

impl Rules {
    pub(super) fn counted(&mut self, task: &str, attempt: u32, tokens: Option<u64>) {
        assert!(attempt <= self.starts[task], "an attempt of {task} that nobody began used something");
        self.purse.used.insert((task.to_owned(), attempt), tokens.unwrap_or_default());
    }

    /// An attempt begins.
    pub(super) fn pays(&self, task: &str) {
        let Some(budget) = self.program.budget.tokens.filter(|_| self.spec(task).is_agents) else {
            return;
        };
        assert!(!self.purse.refused, "a person said no, and the agent of {task} begins");
        assert!(self.purse.left(budget) > 0, "everything is used, and the agent of {task} begins");
    }

    /// Whether a gate is about what agents use.
    pub(super) fn asks_for_budget(&mut self, event: &Event) -> bool {
        let Event::GateOpened { task, time: GateMoment::Budget, .. } = event else {
            return false;
        };
        let budget = self.program.budget.tokens.expect("a budget");
        assert!(self.spec(task).is_agents, "{task} uses nothing");
        assert!(!self.running.contains_key(task), "{task} runs, and a person is asked whether it may begin");
        assert_eq!(self.purse.left(budget), 0, "there is something left, and a person is asked at {task}");
        assert!(
            self.purse.asked.is_none() && !self.purse.refused,
            "a person is asked twice, the second time at {task}"
        );
        self.purse.asked = Some(task.clone());
        true
    }
}
