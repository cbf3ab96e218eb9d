//! A job and the one place that says what may become of it.
//!
//! ```text
//!    ┌──────────── hand back, lease over ─────────────┐
//!    ▼                                                │
//! pending ─ ticket ─► queued ─────── claim ───────► running ──────── finish ──► succeeded · failed · timed_out
//!    │                  │                         ▲  │  │
//!    │                  │      lease over: claim  └──┘  └─ cancel ─► cancelling ── finish, lease over ─► cancelled
//!    └──────────────────┴─ cancel ─► cancelled                             (or what it came to before it noticed)
//! ```
//! `pending` is every job whose ticket may not be in a queue: also one that came back. So a ticket that could not be sent is
//! always found missing. From there and from `queued`, a ticket that nobody could use counts as a lost worker.
//!
//! Every claim raises the lease's epoch. Who writes shows worker and epoch: a worker that was away too long finds that its
//! epoch is no longer the job's, and whatever it brings is refused. A final job changes no more.
//!
//! All of it is pure: a change takes a job and gives the job that follows, or says why not. Whether that is still the job in
//! the store is for the store to say, by its version.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{JobId, TenantId, WorkerId};
use crate::moment::{Day, Moment};
use crate::spec::Spec;
use crate::tenant::Tier;

/// How many workers a job may take down before nobody else is asked to try.
pub const LOSSES: u32 = 3;
/// How long a final job is kept.
pub const KEPT: Duration = Duration::from_secs(90 * 86_400);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted, and its ticket may not be in a queue yet.
    Pending,
    Queued,
    Running,
    Cancelling,
    Succeeded,
    Failed,
    TimedOut,
    Cancelled,
}

impl Status {
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Queued,
        Self::Running,
        Self::Cancelling,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
    ];

    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::TimedOut | Self::Cancelled)
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Who works on a job, and until when it is believed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub worker: WorkerId,
    pub until: Moment,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    pub tenant: TenantId,
    /// The tenant's tier when it was accepted: which queue it waits in.
    pub lane: Tier,
    pub spec: Spec,
    pub status: Status,
    pub created_at: Moment,
    /// When a ticket was put into a queue last.
    pub queued_at: Option<Moment>,
    pub started_at: Option<Moment>,
    pub completed_at: Option<Moment>,
    /// Beginning of the key that it was asked with.
    pub key_shown: String,
    pub request_id: String,
    pub traceparent: Option<String>,
    /// Claims so far; the one in force. What a worker writes under another one is refused.
    pub epoch: u32,
    pub lease: Option<Lease>,
    /// Leases that ran out without a word.
    pub losses: u32,
    /// Times it was handed back in order.
    pub returns: u32,
    pub outcome: Option<Outcome>,
    pub version: u64,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub result: Verdict,
    /// A word of a closed list, for programs; none where it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// For people. Free of secrets.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub outputs: Map<String, Value>,
    #[serde(default)]
    pub usage: Usage,
    /// Which of them are this job's: those of the epoch that ended it.
    #[serde(default)]
    pub artifacts: Vec<Artifact>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Succeeded,
    Failed,
    TimedOut,
    Cancelled,
}

/// Why a job did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The agent gave up, failed, or answered with what was not asked for.
    AgentFailed,
    /// The command ended with another status than 0, or could not be started.
    CommandFailed,
    /// The agent says that a person is needed.
    NeedsHuman,
    AgentMissing,
    BudgetExceeded,
    /// The provider refused the tenant's key.
    ProviderRefused,
    /// The provider was busy for as long as there was time.
    ProviderBusy,
    SecretMissing,
    RepositoryRefused,
    CloneFailed,
    DiskFull,
    Timeout,
    Cancelled,
    /// Three workers were lost with it.
    WorkerLost,
    Internal,
}

/// What the agent used at the tenant's provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub micro_usd: u64,
    /// How long the agent ran, in this attempt.
    pub duration_ms: u64,
}

/// A file that a job left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    pub name: String,
    pub media_type: String,
    pub bytes: u64,
    pub sha256: String,
}

/// Why a change is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has ended: nothing is to be done about it any more.
    Final,
    /// Somebody works on it, and is believed to until then.
    Held(Moment),
    /// Another claim is in force.
    Fenced,
}

/// What a worker is told when it shows that it is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    GoOn,
    /// The tenant does not want it any more.
    Stop,
}

impl Job {
    /// It has a ticket in a queue. Late is harmless: whoever claimed it meanwhile keeps it.
    #[must_use]
    pub fn enqueued(mut self, now: Moment) -> Self {
        if self.status == Status::Pending {
            self.status = Status::Queued;
        }
        self.queued_at = Some(now);
        self
    }

    /// Takes the job for a worker. A job that was to be cancelled, or that took down too many workers, is given back final.
    pub fn claim(mut self, worker: &WorkerId, now: Moment, lease: Duration) -> Result<Self, Refusal> {
        match self.status {
            status if status.is_final() => return Err(Refusal::Final),
            Status::Running | Status::Cancelling => {
                if let Some(lease) = &self.lease
                    && lease.until > now
                {
                    return Err(Refusal::Held(lease.until));
                }
                self = self.lost(now);
                if self.status.is_final() {
                    return Ok(self);
                }
            }
            _ => {}
        }
        self.status = Status::Running;
        self.epoch = self.epoch.saturating_add(1);
        self.started_at = Some(now);
        self.lease = Some(Lease { worker: worker.clone(), until: now.plus(lease) });
        Ok(self)
    }

    /// Its lease ran out: it waits again, or that was once too often.
    #[must_use]
    pub fn lost(mut self, now: Moment) -> Self {
        let cancelled = self.status == Status::Cancelling;
        self.losses = self.losses.saturating_add(1);
        self.lease = None;
        self.status = Status::Pending;
        if cancelled {
            self.end(
                Outcome::of(Verdict::Cancelled, Code::Cancelled, "cancelled; the worker that ran it was lost"),
                now,
            );
        } else if self.losses >= LOSSES {
            let told = format!("{LOSSES} workers were lost while they worked on it");
            self.end(Outcome::of(Verdict::Failed, Code::WorkerLost, &told), now);
        }
        self
    }

    /// The worker is still there.
    pub fn renew(
        mut self,
        worker: &WorkerId,
        epoch: u32,
        now: Moment,
        lease: Duration,
    ) -> Result<(Self, Directive), Refusal> {
        self.held_by(worker, epoch)?;
        self.lease = Some(Lease { worker: worker.clone(), until: now.plus(lease) });
        let directive = if self.status == Status::Cancelling { Directive::Stop } else { Directive::GoOn };
        Ok((self, directive))
    }

    /// The worker brings how it ended.
    pub fn finish(mut self, worker: &WorkerId, epoch: u32, outcome: Outcome, now: Moment) -> Result<Self, Refusal> {
        self.held_by(worker, epoch)?;
        self.end(outcome, now);
        Ok(self)
    }

    /// The worker has to go, and the job waits for another one. What was to be cancelled is, instead.
    pub fn hand_back(mut self, worker: &WorkerId, epoch: u32, now: Moment) -> Result<Self, Refusal> {
        self.held_by(worker, epoch)?;
        self.lease = None;
        if self.status == Status::Cancelling {
            self.end(Outcome::of(Verdict::Cancelled, Code::Cancelled, "cancelled"), now);
        } else {
            self.status = Status::Pending;
            self.returns = self.returns.saturating_add(1);
        }
        Ok(self)
    }

    /// The tenant does not want it any more. Asked twice, nothing more happens.
    pub fn cancel(mut self, now: Moment) -> Result<Self, Refusal> {
        match self.status {
            Status::Pending | Status::Queued => {
                let told = if self.began() { "cancelled while it waited" } else { "cancelled before it began" };
                self.end(Outcome::of(Verdict::Cancelled, Code::Cancelled, told), now);
                Ok(self)
            }
            Status::Running | Status::Cancelling => {
                self.status = Status::Cancelling;
                Ok(self)
            }
            _ => Err(Refusal::Final),
        }
    }

    /// Whether a worker ever had it. What never began costs nothing, and gives its place of the day back.
    #[must_use]
    pub fn began(&self) -> bool {
        self.epoch > 0
    }

    /// Which day's counter it was counted in.
    #[must_use]
    pub fn day(&self) -> Day {
        self.created_at.day()
    }

    /// When the store may forget it.
    #[must_use]
    pub fn expires(&self) -> Option<Moment> {
        self.completed_at.map(|at| at.plus(KEPT))
    }

    fn held_by(&self, worker: &WorkerId, epoch: u32) -> Result<(), Refusal> {
        if self.status.is_final() {
            return Err(Refusal::Final);
        }
        let holds = self.epoch == epoch && self.lease.as_ref().is_some_and(|lease| lease.worker == *worker);
        if holds { Ok(()) } else { Err(Refusal::Fenced) }
    }

    fn end(&mut self, outcome: Outcome, now: Moment) {
        self.status = match outcome.result {
            Verdict::Succeeded => Status::Succeeded,
            Verdict::Failed => Status::Failed,
            Verdict::TimedOut => Status::TimedOut,
            Verdict::Cancelled => Status::Cancelled,
        };
        self.lease = None;
        self.completed_at = Some(now);
        self.outcome = Some(outcome);
    }
}

impl Outcome {
    /// An end without work to show.
    #[must_use]
    pub fn of(result: Verdict, code: Code, message: &str) -> Self {
        Self {
            result,
            code: Some(code),
            message: message.to_owned(),
            exit_code: None,
            outputs: Map::new(),
            usage: Usage::default(),
            artifacts: Vec::new(),
        }
    }
}
