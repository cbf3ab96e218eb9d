//! Says that there are jobs here, to whoever could take the machine away: when one begins, and when none is left.
//!
//! It is said anew with each job, because it is not believed for ever. Whoever does not hear it takes the machine: then the
//! worker is told to go, and hands its jobs back.

use std::sync::Arc;
use std::time::Duration;

use outpost_core::ports::Stay;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::warn;

/// For an answer: a job waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Busy {
    stay: Option<Arc<dyn Stay>>,
    /// How many there are. Held while it is said, so that the last word is the right one.
    jobs: Mutex<usize>,
}

impl Busy {
    pub(crate) fn new(stay: Option<Arc<dyn Stay>>) -> Self {
        Self { stay, jobs: Mutex::new(0) }
    }

    pub(crate) async fn begin(&self) {
        let mut jobs = self.jobs.lock().await;
        *jobs += 1;
        self.say(true).await;
    }

    pub(crate) async fn end(&self) {
        let mut jobs = self.jobs.lock().await;
        *jobs = jobs.saturating_sub(1);
        if *jobs == 0 {
            self.say(false).await;
        }
    }

    async fn say(&self, busy: bool) {
        let Some(stay) = &self.stay else { return };
        match timeout(PATIENCE, stay.stay(busy)).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => warn!(busy, %problem, "whether there are jobs here could not be said"),
            Err(_) => warn!(busy, "whether there are jobs here could not be said in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outpost_core::store::{Pending, Problem};

    #[derive(Debug, Default)]
    struct Heard(std::sync::Mutex<Vec<bool>>);

    impl Stay for Heard {
        fn stay(&self, busy: bool) -> Pending<'_, Result<(), Problem>> {
            Box::pin(async move {
                self.0.lock().expect("nobody panics").push(busy);
                // What is not heard changes nothing.
                if busy { Ok(()) } else { Err(Problem::Busy) }
            })
        }
    }

    #[tokio::test]
    async fn the_first_and_the_last_job_are_told_of() {
        let heard = Arc::new(Heard::default());
        let busy = Busy::new(Some(Arc::<Heard>::clone(&heard)));
        busy.begin().await;
        busy.begin().await;
        busy.end().await;
        assert_eq!(*heard.0.lock().expect("nobody panics"), [true, true], "one is left");
        busy.end().await;
        busy.begin().await;
        assert_eq!(*heard.0.lock().expect("nobody panics"), [true, true, false, true]);
    }
}
