//! One notice on its way: tried until it is told, until trying again is of no use, or until the driver leaves.

use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::letter::Letter;
use super::way::Way;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Between attempts, where who was asked does not say how long.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(15),
    Duration::from_secs(60),
];
/// The longest that anybody may ask us to wait.
const LONGEST: Duration = Duration::from_secs(300);
/// Attempts that are enough when nobody has time any more.
const ENOUGH: usize = 3;
/// What is said of a notice that its driver did not wait for.
pub(super) const LEFT: &str = "not told before the runner left";

/// How much time the driver has for notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Haste {
    None,
    /// It has nothing else to do: what keeps failing is given up.
    Idle,
    /// It leaves: nothing begins any more, and only a command that runs is waited for.
    Leaving,
}

/// Why an attempt did not tell anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It may work later, in this time at the earliest.
    Passing(String, Option<Duration>),
    /// It would not work the next time either.
    Lasting(String),
}

impl Fault {
    pub(super) fn passing(reason: impl Into<String>) -> Self {
        Self::Passing(reason.into(), None)
    }
}

/// Tells, or says why that is not possible. `room` has a place for each attempt that may go on at once.
pub(super) async fn deliver(
    way: &Way,
    letter: &Letter,
    mut haste: watch::Receiver<Haste>,
    room: &Semaphore,
) -> Result<(), String> {
    let mut attempts = 0;
    loop {
        let told = {
            // It is never closed. Who waits between attempts takes no place.
            let _place = tokio::select! {
                biased;
                () = comes(&mut haste, Haste::Leaving) => return Err(LEFT.to_owned()),
                place = room.acquire() => place,
            };
            match way {
                // It has a time of its own, and a second one beside it would tell twice.
                Way::Command(command) => Ok(command.send(letter).await),
                _ => tokio::select! {
                    biased;
                    () = comes(&mut haste, Haste::Leaving) => return Err(LEFT.to_owned()),
                    told = timeout(ATTEMPT, way.send(letter)) => told,
                },
            }
        };
        let fault = match told {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(fault)) => fault,
            Err(_) => Fault::passing(format!("no answer within {} seconds", ATTEMPT.as_secs())),
        };
        attempts += 1;
        let (reason, asked) = match fault {
            Fault::Lasting(reason) => return Err(reason),
            Fault::Passing(reason, asked) => (reason, asked),
        };
        let given_up = || format!("{reason} ({attempts} attempts)");
        let Some(pause) = PAUSES.get(attempts - 1) else {
            return Err(given_up());
        };
        let pause = asked.map_or(*pause, |asked| asked.min(LONGEST));
        let enough = if attempts < ENOUGH { Haste::Leaving } else { Haste::Idle };
        tokio::select! {
            () = sleep(pause) => {}
            () = comes(&mut haste, enough) => return Err(given_up()),
        }
    }
}

/// Until there is so much haste.
async fn comes(haste: &mut watch::Receiver<Haste>, so_much: Haste) {
    // Whoever sends on it outlives this task; without them there is none.
    if haste.wait_for(|haste| *haste >= so_much).await.is_err() {
        std::future::pending::<()>().await;
    }
}
