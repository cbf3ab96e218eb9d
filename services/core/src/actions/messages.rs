//! Messages to webhooks and callbacks, in the form of Standard Webhooks: which are due, how they are signed, what became of
//! them.
//!
//! A message is taken before it is sent: its row says when it will be tried next before anybody tries. So two senders do not
//! send it at once, one that dies loses nothing, and none is tried more often than eight times. It comes at least once; who
//! receives it twice knows it by its id.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Map;
use sha2::Sha256;

use super::change::{Fate, ROUNDS};
use super::cursor::fitting;
use super::hooks::{CALLBACK, OVERLAP};
use super::{Caller, Desk, Error, Listed};
use crate::id::{MessageId, TenantId};
use crate::key::Scope;
use crate::moment::Moment;
use crate::ports::Secret;
use crate::record::Message;
use crate::store::{Address, Listing, Row, Write};
use crate::tenant::Standing;

/// How long is waited after each attempt but the last: eight attempts in 27 hours and 35 minutes.
const WAITS: [u64; 7] = [5, 300, 1800, 7200, 18_000, 36_000, 36_000];
/// As much of an error as is kept.
const ERROR: usize = 500;

/// A message that is to be sent now, as it is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    pub message: Message,
    /// `webhook-id`, `webhook-timestamp`, and `webhook-signature` where there is a secret.
    pub headers: Vec<(&'static str, String)>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The other side answered with 2xx.
    Delivered,
    Failed(String),
}

/// One signature of a message, as it stands in `webhook-signature`.
fn signature(secret: &Secret, id: &MessageId, timestamp: i64, body: &str) -> Result<String, Error> {
    let broken = || Error::Broken("a signing secret is none".to_owned());
    let key = secret.reveal().strip_prefix("whsec_").ok_or_else(broken)?;
    let key = zeroize::Zeroizing::new(STANDARD.decode(key).map_err(|_| broken())?);
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| broken())?;
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

impl Desk {
    /// Takes messages that are due. Each is to be sent at once, and what became of it told to [`Desk::sent`]. One that fails
    /// keeps no other one from being sent; it is told where there is nothing else to tell.
    pub async fn due(&self, limit: usize) -> Result<Vec<Post>, Error> {
        let (mut posts, mut failed) = (Vec::new(), Ok(()));
        for (tenant, id) in self.ports.house.messages(self.now(), limit).await? {
            match self.take(&tenant, &id).await {
                Ok(post) => posts.extend(post),
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        if posts.is_empty() { failed.map(|()| posts) } else { Ok(posts) }
    }

    async fn take(&self, tenant: &TenantId, id: &MessageId) -> Result<Option<Post>, Error> {
        let now = self.now();
        let Some(message) = self.read_message(tenant, id).await? else { return Ok(None) };
        if message.next_at.is_none_or(|at| at > now) {
            return Ok(None);
        }
        let Some(names) = self.signers(&message, now).await? else {
            let last_error = Some("nobody wants it any more: the webhook or its tenant is gone".to_owned());
            let given_up = Message { next_at: None, last_error, ..message };
            self.commit(tenant, vec![Write::Replace(Row::Message(given_up))]).await?;
            return Ok(None);
        };
        let wait = WAITS.get(usize::try_from(message.attempts).unwrap_or(usize::MAX));
        let taken = Message {
            attempts: message.attempts.saturating_add(1),
            next_at: wait.map(|seconds| now.plus(Duration::from_secs(*seconds))),
            ..message
        };
        if self.commit(tenant, vec![Write::Replace(Row::Message(taken.clone()))]).await? != Fate::Done {
            return Ok(None);
        }
        let message = Message { version: taken.version + 1, ..taken };
        let timestamp = now.seconds();
        let mut signatures = Vec::new();
        for name in names {
            if let Some(secret) = self.ports.vault.get(tenant, &name).await? {
                signatures.push(signature(&secret, id, timestamp, &message.body)?);
            }
        }
        let mut headers = vec![("webhook-id", id.to_string()), ("webhook-timestamp", timestamp.to_string())];
        if !signatures.is_empty() {
            headers.push(("webhook-signature", signatures.join(" ")));
        }
        Ok(Some(Post { message, headers }))
    }

    /// What the secrets are called that sign a message; none if nobody wants it any more.
    async fn signers(&self, message: &Message, now: Moment) -> Result<Option<Vec<String>>, Error> {
        let tenant = match self.read_tenant(&message.tenant).await {
            Ok(tenant) if tenant.standing == Standing::Active => tenant,
            Ok(_) | Err(Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(id) = &message.hook else { return Ok(Some(vec![CALLBACK.to_owned()])) };
        Ok(tenant.hooks.into_iter().find(|hook| hook.id == *id).map(|hook| {
            let both = hook.rotated_at.is_some_and(|at| now.since(at) < OVERLAP);
            hook.secrets.into_iter().take(if both { 2 } else { 1 }).collect()
        }))
    }

    /// Tells what became of a message that was taken.
    pub async fn sent(&self, post: &Post, sent: &Sent) -> Result<(), Error> {
        let Post { message: Message { tenant, id, .. }, .. } = post;
        for round in 0..ROUNDS {
            let Some(message) = self.read_message(tenant, id).await? else { return Ok(()) };
            if message.delivered_at.is_some() {
                return Ok(());
            }
            let after = match sent {
                Sent::Delivered => {
                    Message { next_at: None, delivered_at: Some(self.now()), last_error: None, ..message }
                }
                Sent::Failed(why) => Message { last_error: Some(why.chars().take(ERROR).collect()), ..message },
            };
            if self.commit(tenant, vec![Write::Replace(Row::Message(after))]).await? == Fate::Done {
                return Ok(());
            }
            self.breathe(round).await?;
        }
        Err(Error::Busy)
    }

    /// Messages, the newest first.
    pub async fn messages(
        &self,
        caller: &Caller,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Listed<Message>, Error> {
        caller.may(Scope::HooksWrite)?;
        let limit = fitting(limit)?;
        let place = self.place(caller.id().as_str(), "messages", cursor)?;
        let page = self.ports.store.list(caller.id(), &Listing::Messages, limit, place.as_deref()).await?;
        self.listed(caller.id().as_str(), "messages", page, |row| match row {
            Row::Message(message) => Some(message),
            _ => None,
        })
    }

    /// Sends a message again, with the same id, as if it had never been tried.
    pub async fn replay(&self, caller: &Caller, id: &MessageId) -> Result<Message, Error> {
        caller.may(Scope::HooksWrite)?;
        let subject = Some(id.to_string());
        let audit = self.audit(caller.id(), &caller.authority(), "message.replay", subject, Map::new())?;
        for round in 0..ROUNDS {
            let message = self.read_message(caller.id(), id).await?.ok_or(Error::NotFound("message"))?;
            let next_at = Some(self.now());
            let again = Message { attempts: 0, next_at, delivered_at: None, last_error: None, ..message };
            let writes = vec![Write::Replace(Row::Message(again.clone())), Write::Create(Row::Audit(audit.clone()))];
            if self.commit(caller.id(), writes).await? == Fate::Done {
                return Ok(Message { version: again.version + 1, ..again });
            }
            self.breathe(round).await?;
        }
        Err(Error::Busy)
    }

    async fn read_message(&self, tenant: &TenantId, id: &MessageId) -> Result<Option<Message>, Error> {
        Ok(match self.read(tenant, &Address::message(id)).await? {
            Some(Row::Message(message)) => Some(message),
            _ => None,
        })
    }
}
