//! In the place of machines that Systems Manager reaches, in a build without AWS.

use std::sync::Arc;

use outpost_executor::{Executor, NotStarted, Secrets};

use crate::blueprint::model::Machines;
use crate::engine::remote::NO_AWS;

#[derive(Debug)]
pub(super) struct Fleet;

impl Fleet {
    pub(super) fn new(_secrets: Secrets) -> Self {
        Self
    }

    pub(super) async fn executor(&self, _machines: &Machines<'_>) -> Result<Arc<dyn Executor>, NotStarted> {
        Err(NotStarted::Refused(NO_AWS.to_owned()))
    }
}
