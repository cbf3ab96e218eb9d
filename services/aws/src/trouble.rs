//! What AWS said, in the words of the ports.
//!
//! `Busy` is only what was certainly not done and may be a moment later: throttling and conflicts. All else is `Broken`, and
//! names the service, the operation and the thing it was about, with a way out where we know one. Texts come from AWS and
//! hold no secrets; they are cut all the same.

use std::error::Error;

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use outpost_core::store::Problem;

/// What was asked of whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) service: &'static str,
    pub(crate) operation: &'static str,
    /// The table, queue, bucket or secret.
    pub(crate) on: &'a str,
}

/// Codes that tell: not done, and not for good.
const BUSY: &[&str] = &[
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingError",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "TooManyUpdates",
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// Of how many characters a text of AWS may be.
const TEXT: usize = 400;

impl Call<'_> {
    /// What an error means to who called.
    pub(crate) fn failed<E>(self, error: &SdkError<E>) -> Problem
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(told) => {
                let status = told.raw().status().as_u16();
                self.refused(told.err().code(), told.err().message(), status)
            }
            // Credentials, the network, or an answer that cannot be read.
            other => self.broken(&DisplayErrorContext(other).to_string()),
        }
    }

    /// What a code means; the status where there is none.
    pub(crate) fn refused(self, code: Option<&str>, message: Option<&str>, status: u16) -> Problem {
        if status == 429 || code.is_some_and(is_busy) {
            return Problem::Busy;
        }
        let code = code.map_or_else(|| format!("status {status}"), str::to_owned);
        let way = match code.as_str() {
            "ResourceNotFoundException"
            | "AWS.SimpleQueueService.NonExistentQueue"
            | "QueueDoesNotExist"
            | "NoSuchBucket" => "; it is not there under this name, in this account and region",
            "AccessDenied" | "AccessDeniedException" => "; the role of this process may not do that",
            _ => "",
        };
        self.broken(&format!("{code}: {}{way}", message.unwrap_or("without a word")))
    }

    pub(crate) fn broken(self, why: &str) -> Problem {
        let Call { service, operation, on } = self;
        let why: String = why.chars().take(TEXT).collect();
        Problem::Broken(format!("{service} failed to {operation} on `{on}`: {why}"))
    }
}

/// Whether a code says that it may work a moment later.
pub(crate) fn is_busy(code: &str) -> bool {
    BUSY.contains(&code)
}

/// Whether a service told this code, with or without the prefix of its older protocol.
pub(crate) fn is<E: ProvideErrorMetadata>(error: &SdkError<E>, codes: &[&str]) -> bool {
    let told = error.as_service_error().and_then(ProvideErrorMetadata::code);
    told.is_some_and(|told| codes.contains(&told.rsplit('.').next().unwrap_or(told)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Call<'_> = Call { service: "DynamoDB", operation: "GetItem", on: "outpost-jobs-dev" };

    #[test]
    fn only_what_was_not_done_is_busy() {
        for code in ["ThrottlingException", "SlowDown", "TransactionConflict", "RequestThrottled"] {
            assert_eq!(CALL.refused(Some(code), None, 400), Problem::Busy, "{code}");
        }
        assert_eq!(CALL.refused(None, None, 429), Problem::Busy);
        for (code, status) in [(Some("InternalServerError"), 500), (None, 503), (Some("ValidationException"), 400)] {
            assert!(matches!(CALL.refused(code, None, status), Problem::Broken(_)), "{code:?}");
        }
    }

    #[test]
    fn a_fault_names_service_operation_and_thing() {
        let told = CALL.refused(Some("ResourceNotFoundException"), Some("no table"), 400).to_string();
        assert_eq!(
            told,
            "the store failed: DynamoDB failed to GetItem on `outpost-jobs-dev`: ResourceNotFoundException: no table; it \
             is not there under this name, in this account and region"
        );
        let long = CALL.broken(&"x".repeat(10_000)).to_string();
        assert!(long.len() < 600, "{}", long.len());
    }
}
