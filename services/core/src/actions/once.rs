//! Requests that may come twice and are to be done once: idempotency keys.
//!
//! The answer is created in the commit that makes the change. So there is no moment in which a change is made and its answer
//! is not known, and no lock that somebody who died could hold: of two requests that come at once, the second is refused
//! by the row of the first, and gets its answer. What was refused is not kept: it may be tried again with the same key.
//!
//! An answer lies where everything lies. So it never holds a secret: who made a key or a webhook is shown its secret by the
//! first answer only, and a repeated one says all but that.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::change::Fate;
use super::{Desk, Error};
use crate::id::TenantId;
use crate::key::hex;
use crate::moment::Moment;
use crate::record::{ANSWER_KEPT, Answer};
use crate::store::{Address, Row, Write};

/// A key that makes a request one that is done once, and what it was sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    key: String,
    fingerprint: String,
    status: u16,
}

impl Idempotency {
    /// Of a request like this. `status` is what is answered when it works, and comes back with the answer.
    pub fn new(key: &str, method: &str, path: &str, body: &[u8], status: u16) -> Result<Self, Error> {
        if key.is_empty() || key.len() > 255 || !key.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
            return Err(Error::invalid("Idempotency-Key", "has to be 1 to 255 visible ASCII characters"));
        }
        let mut digest = Sha256::new();
        for part in [method.as_bytes(), path.as_bytes()] {
            digest.update(part);
            digest.update([0]);
        }
        digest.update(body);
        Ok(Self { key: key.to_owned(), fingerprint: hex(&digest.finalize()), status })
    }
}

/// What was answered, and whether this was before.
#[derive(Clone, Debug, PartialEq)]
pub struct Once<T> {
    pub value: T,
    pub replayed: bool,
    /// What it was answered with the first time.
    pub status: Option<u16>,
}

impl<T> Once<T> {
    pub(super) fn first(value: T, once: Option<&Idempotency>) -> Self {
        Self { value, replayed: false, status: once.map(|once| once.status) }
    }
}

/// What became of a change that may have been made before.
#[derive(Debug)]
pub(super) enum Taken<T> {
    Done,
    /// The write of this number, the answer not counted.
    Refused(usize),
    Before(Once<T>),
}

impl Desk {
    /// Makes a change together with its answer. The first write is the one that nobody else could have made.
    pub(super) async fn commit_once<T: Serialize + DeserializeOwned>(
        &self,
        tenant: &TenantId,
        mut writes: Vec<Write>,
        once: Option<&Idempotency>,
        value: &T,
    ) -> Result<Taken<T>, Error> {
        if let Some(once) = once {
            writes.insert(1, Self::answer(tenant, once, value, self.now())?);
        }
        match (self.commit(tenant, writes).await?, once.is_some()) {
            (Fate::Done, _) => Ok(Taken::Done),
            // It may have expired in between: then the request is a new one, a moment later.
            (Fate::Refused(1), true) => Ok(Taken::Before(self.answered(tenant, once).await?.ok_or(Error::Busy)?)),
            (Fate::Refused(at), true) if at > 1 => Ok(Taken::Refused(at - 1)),
            (Fate::Refused(at), _) => Ok(Taken::Refused(at)),
        }
    }

    /// The row that keeps an answer.
    fn answer<T: Serialize>(tenant: &TenantId, once: &Idempotency, value: &T, now: Moment) -> Result<Write, Error> {
        let body = serde_json::to_value(value).map_err(|error| Error::Broken(error.to_string()))?;
        Ok(Write::Create(Row::Answer(Answer {
            tenant: tenant.clone(),
            key: once.key.clone(),
            fingerprint: once.fingerprint.clone(),
            status: Some(once.status),
            body,
            expires_at: now.plus(ANSWER_KEPT),
            version: 0,
        })))
    }

    /// Puts another answer in the place of one that was given; none if there is none any more.
    pub(super) async fn answer_anew<T: Serialize>(
        &self,
        tenant: &TenantId,
        once: &Idempotency,
        value: &T,
    ) -> Result<Option<Write>, Error> {
        let Some(Row::Answer(before)) = self.read(tenant, &Address::answer(tenant, &once.key)).await? else {
            return Ok(None);
        };
        let body = serde_json::to_value(value).map_err(|error| Error::Broken(error.to_string()))?;
        Ok(Some(Write::Replace(Row::Answer(Answer { body, ..before }))))
    }

    /// What was answered before; an error if that was another request.
    pub(super) async fn answered<T: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        once: Option<&Idempotency>,
    ) -> Result<Option<Once<T>>, Error> {
        let Some(once) = once else { return Ok(None) };
        match self.read(tenant, &Address::answer(tenant, &once.key)).await? {
            Some(Row::Answer(answer)) if answer.fingerprint != once.fingerprint => Err(Error::OtherRequest),
            Some(Row::Answer(Answer { status: None, .. })) => Err(Error::InFlight),
            Some(Row::Answer(Answer { status, body, .. })) => {
                let value = serde_json::from_value(body).map_err(|error| Error::Broken(error.to_string()))?;
                Ok(Some(Once { value, replayed: true, status }))
            }
            _ => Ok(None),
        }
    }
}
