//! Why something was not done, by what can be done about it. The only place where problems of ports become answers.

use std::fmt;

use crate::job::{Refusal, Status};
use crate::key::Scope;
use crate::moment::Moment;
use crate::spec::Fault;
use crate::store::Problem;

/// Why a caller is let in nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No key by its form: nothing was looked up.
    Malformed,
    Unknown,
    Revoked,
    Expired,
    /// The key is good, and its tenant is suspended.
    Suspended,
    /// It could not be found out.
    Unavailable(Problem),
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("this is no API key: a part of it is missing or mistyped"),
            Self::Unknown => f.write_str("nobody has this API key"),
            Self::Revoked => f.write_str("this API key was revoked"),
            Self::Expired => f.write_str("this API key has expired"),
            Self::Suspended => f.write_str("this tenant is suspended"),
            Self::Unavailable(_) => f.write_str("keys cannot be looked up at the moment"),
        }
    }
}

impl std::error::Error for Denied {}

/// Why an action did not happen. Nothing of it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The key does not allow it.
    Scope(Scope),
    /// There is none, or it is somebody else's: nobody can tell which.
    NotFound(&'static str),
    /// What was sent is wrong in these places.
    Invalid(Vec<Fault>),
    /// As many jobs of this day as are allowed.
    Quota {
        limit: u64,
        resets_at: Moment,
    },
    /// As many jobs at the same time as are allowed.
    Concurrency {
        limit: u64,
    },
    /// Asked for too often, by an address or by all together.
    Throttled {
        until: Moment,
    },
    /// Registering is closed, or the invitation is not one.
    Closed,
    EmailTaken,
    /// The idempotency key was used for another request.
    OtherRequest,
    /// The first request with this idempotency key is still on its way.
    InFlight,
    /// The job has ended.
    Ended(Status),
    /// It is not in a state in which this can be done; with what to do instead.
    Conflict(String),
    /// A worker that does not hold the job, or holds it no more.
    NotYours(Refusal),
    /// Others change the same: it may work a moment later.
    Busy,
    /// A part of the service failed. With a text for the log, not for the caller.
    Broken(String),
}

impl Error {
    pub(super) fn invalid(at: &str, told: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(at, told)])
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Busy => Self::Busy,
            Problem::Broken(why) => Self::Broken(why),
            Problem::Refused(_) => Self::Broken(problem.to_string()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scope(scope) => write!(f, "this key has no scope `{}`", scope.as_str()),
            Self::NotFound(kind) => write!(f, "there is no such {kind}"),
            Self::Invalid(faults) => {
                for (at, fault) in faults.iter().enumerate() {
                    let between = if at == 0 { "" } else { "; " };
                    write!(f, "{between}`{}` {}", fault.at, fault.told)?;
                }
                Ok(())
            }
            Self::Quota { limit, resets_at } => write!(f, "all {limit} jobs of today are taken; more from {resets_at}"),
            Self::Concurrency { limit } => write!(f, "{limit} jobs are under way, and no more at the same time"),
            Self::Throttled { until } => write!(f, "too many of these; more from {until}"),
            Self::Closed => f.write_str("registering is closed, or needs an invitation"),
            Self::EmailTaken => f.write_str("this e-mail address has an account already"),
            Self::OtherRequest => f.write_str("this idempotency key was used for another request"),
            Self::InFlight => f.write_str("the first request with this idempotency key is still on its way"),
            Self::Ended(status) => write!(f, "the job has ended as `{}`", status.as_str()),
            Self::Conflict(told) => f.write_str(told),
            Self::NotYours(Refusal::Final) => f.write_str("the job has ended"),
            Self::NotYours(Refusal::Held(until)) => write!(f, "another worker holds the job until {until}"),
            Self::NotYours(Refusal::Fenced) => f.write_str("another claim on the job is in force"),
            Self::Busy => f.write_str("the service is busy: try again in a moment"),
            Self::Broken(why) => write!(f, "a part of the service failed: {why}"),
        }
    }
}

impl std::error::Error for Error {}
