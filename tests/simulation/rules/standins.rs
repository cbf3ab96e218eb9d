//! Who does the work of a task that failed for good.

use outpost_bp::run::OnFailure;

use super::Rules;

impl Rules {
    /// A fallback is called: the one that the task names, where nothing else is left to try.
    pub(super) fn called(&mut self, task: &str, fallback: &str) {
        let spec = self.spec(task);
        let named = spec.fallback.map(|index| self.program.tasks[index.get()].id.as_str());
        assert_eq!(named, Some(fallback), "{task} names another fallback");
        assert!(!self.draining && !self.stopping, "the run ends and {fallback} is called");
        let failures = self.failures.get(task).copied().unwrap_or_default();
        let is_final = failures > spec.max_retries || self.lasting.contains(task);
        assert!(is_final && !self.running.contains_key(task), "{task} has not failed for good");
        assert!(!self.chores.owes_undoing(task), "{task} is to be undone first");
        self.replaced.insert(task.to_owned(), fallback.to_owned());
    }

    /// Whether somebody else did the work of a task.
    pub(super) fn is_relieved(&self, task: &str) -> bool {
        let mut at = task;
        while let Some(next) = self.replaced.get(at) {
            at = next;
        }
        at != task && self.complete.contains(at)
    }

    pub(super) fn may_be_skipped(&self, task: &str) {
        let is_first = self.spec(task).conditional || !self.failures.contains_key(task);
        assert!(
            is_first || self.draining || self.stopping || !self.chores.owes_undoing(task),
            "{task} is to be undone first"
        );
        if self.replaced.contains_key(task) {
            let says_so = self.spec(task).on_failure == OnFailure::Skip;
            assert!(says_so || self.is_relieved(task), "{task} failed, and nobody did its work");
        }
    }
}
