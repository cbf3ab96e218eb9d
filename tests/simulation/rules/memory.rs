//! All that the rules remember, so that a search can tell two states apart.

use super::Rules;

impl Rules {
    /// All that was learned from events, in words.
    pub(crate) fn memory(&self) -> String {
        let Self { complete, satisfied, blocked, open, running, passed, approvals, .. } = self;
        let Self { deadlines, starts, failures, permits, doubtful, retry_at, lost, contended, .. } = self;
        let Self { lasting, replaced, checkpoints, ended, stopping, draining, ends, announced, .. } = self;
        format!(
            "{complete:?}{satisfied:?}{blocked:?}{open:?}{running:?}{passed:?}{approvals:?}{deadlines:?}{starts:?}\
             {failures:?}{permits:?}{doubtful:?}{retry_at:?}{lost:?}{contended}{lasting:?}{replaced:?}{checkpoints:?}\
             {ended:?}{stopping}{draining}{ends}{announced:?}{}",
            self.chores.memory()
        )
    }
}
