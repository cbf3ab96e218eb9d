//! What a server does beside requests, once: for a function that is called every minute where no server stands.

use std::time::{Duration, Instant};

use outpost_core::actions::{Desk, Reaped};

use crate::outgoing::Sender;

/// What a round did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub reaped: Reaped,
    /// Messages to webhooks and callbacks that were tried.
    pub tried: usize,
    /// For the log: why some were not.
    pub problem: Option<String>,
}

/// Makes up for what went missing and sends the messages that are due, as many as begin within the time that is given. The
/// last of them take ten seconds more at most.
pub async fn sweep(desk: &Desk, sender: &Sender, time: Duration) -> Swept {
    let until = Instant::now() + time;
    let mut swept = Swept { reaped: reap(desk).await, ..Swept::default() };
    loop {
        match sender.round().await {
            Ok(0) => break,
            Ok(count) => swept.tried += count,
            Err(why) => {
                tracing::error!(error = why, "messages to webhooks cannot be looked up");
                swept.problem = Some(why);
                break;
            }
        }
        if Instant::now() >= until {
            break;
        }
    }
    swept
}

/// One round of the reaper, told to the log.
pub(crate) async fn reap(desk: &Desk) -> Reaped {
    let done = desk.tick().await;
    for problem in &done.problems {
        tracing::warn!(problem, "the reaper met a problem");
    }
    if done.sent + done.lost + done.buried > 0 {
        tracing::info!(sent = done.sent, lost = done.lost, ended = done.ended, buried = done.buried, "reaped");
    }
    done
}
