//! Workers of one machine, which need no waking.

use outpost_core::ports::Wake;
use outpost_core::store::{Pending, Problem};

/// Workers of one machine look for themselves: a ticket wakes those that wait for it.
#[derive(Debug, Default)]
pub struct Awake;

impl Wake for Awake {
    fn wake(&self) -> Pending<'_, Result<(), Problem>> {
        Box::pin(async { Ok(()) })
    }
}
