//! What any machine has of itself: its clock, its randomness, its patience.
//!
//! The rules in `outpost-core` ask for none of these; the adapters for one machine and for AWS share them. Needs a runtime of
//! tokio's to wait.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outpost_core::moment::Moment;
use outpost_core::ports::{Chance, Clock, Pause};
use outpost_core::store::{Pending, Problem};

/// The system's clock, which may be set back: within a process it then stands until that time comes again, so that nothing
/// ends before it began. Between processes of one machine it is as good as the system's.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest: AtomicI64,
}

impl SystemClock {
    /// The later of what the system says and what was told before.
    fn told(&self, system: Duration) -> Moment {
        let now = i64::try_from(system.as_millis()).unwrap_or(i64::MAX);
        Moment::from_millis(self.latest.fetch_max(now, Ordering::Relaxed).max(now))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        self.told(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

/// The system's random numbers.
#[derive(Debug, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Problem> {
        getrandom::fill(bytes).map_err(|error| Problem::Broken(format!("the system gives no random numbers: {error}")))
    }
}

/// The timer of tokio's runtime.
#[derive(Debug, Default)]
pub struct Timer;

impl Pause for Timer {
    fn pause(&self, how_long: Duration) -> Pending<'_, ()> {
        Box::pin(tokio::time::sleep(how_long))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back() {
        let clock = SystemClock::default();
        let told = [5, 3, 5, 9, 0].map(|at| clock.told(Duration::from_millis(at)).millis());
        assert_eq!(told, [5, 5, 5, 9, 9]);
        let real = SystemClock::default();
        assert!(real.now() > Moment::from_millis(1_700_000_000_000) && real.now() <= real.now());
    }

    #[test]
    fn randomness_fills_everything() {
        let mut all = [0_u8; 64];
        for _ in 0..8 {
            let mut bytes = [0_u8; 64];
            SystemChance.fill(&mut bytes).expect("randomness");
            all.iter_mut().zip(bytes).for_each(|(all, byte)| *all |= byte);
        }
        // That one of 64 is nought eight times is as likely as to guess a number of 58 bits.
        assert!(all.iter().all(|byte| *byte != 0), "{all:?}");
    }
}
