//! Messages to webhooks and callbacks, in the form of Standard Webhooks: which are due, how they are signed, what became of
//! them.
//!
//! A message is taken before it is sent: its row says that it is tried, and left alone for a while, before anybody tries. So
//! two senders do not send it at once, one that dies loses nothing, and none is tried more often than eight times. It comes
//! at least once; who receives it twice knows it by its id. What one message fails at, no other waits for.

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
/// For how long a message is left to who took it: longer than a sender waits for an answer.
const HELD: Duration = Duration::from_secs(60);
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
    /// Takes messages that are due. Each is to be sent at once, and what became of it told to [`Desk::sent`]. An error: none
    /// could be taken.
    pub async fn due(&self, limit: usize) -> Result<Vec<Post>, Error> {
        let (mut posts, mut failed) = (Vec::new(), None);
        for (tenant, id) in self.ports.house.messages(self.now(), limit).await? {
            match self.take(&tenant, &id).await {
                Ok(post) => posts.extend(post),
                Err(error) => {
                    failed = Some(error);
                    self.put_off(&tenant, &id).await;
                }
            }
        }
        failed.filter(|_| posts.is_empty()).map_or(Ok(posts), Err)
    }

    /// Lets others go first that are due: what cannot be taken now may be for long. A failure here is one of the same kind.
    async fn put_off(&self, tenant: &TenantId, id: &MessageId) {
        let now = self.now();
        if let Ok(Some(message)) = self.read_message(tenant, id).await
            && message.next_at.is_some_and(|at| at <= now)
        {
            let later = Message { next_at: Some(now.plus(HELD)), ..message };
            drop(self.ports.store.commit(tenant, vec![Write::Replace(Row::Message(later))]).await);
        }
    }

    async fn take(&self, tenant: &TenantId, id: &MessageId) -> Result<Option<Post>, Error> {
        let now = self.now();
        let Some(message) = self.read_message(tenant, id).await? else { return Ok(None) };
        if message.next_at.is_none_or(|at| at > now) {
            return Ok(None);
        }
        let Some(names) = self.signers(&message, now).await? else {
            let why = "nobody wants it any more: the webhook or its tenant is gone";
            return self.give_up(message, why).await;
        };
        if usize::try_from(message.attempts).map_or(true, |attempts| attempts > WAITS.len()) {
            return self.give_up(message, "it was tried for the last time, and nobody knows what became of that").await;
        }
        // What it takes to sign it comes first: where that fails, it was not tried.
        let timestamp = now.seconds();
        let mut signatures = Vec::new();
        for name in names {
            if let Some(secret) = self.ports.vault.get(tenant, &name).await? {
                signatures.push(signature(&secret, id, timestamp, &message.body)?);
            }
        }
        let (attempts, next_at) = (message.attempts.saturating_add(1), Some(now.plus(HELD)));
        let taken = Message { attempts, next_at, ..message };
        if self.commit(tenant, vec![Write::Replace(Row::Message(taken.clone()))]).await? != Fate::Done {
            return Ok(None);
        }
        let message = Message { version: taken.version + 1, ..taken };
        let mut headers = vec![("webhook-id", id.to_string()), ("webhook-timestamp", timestamp.to_string())];
        if !signatures.is_empty() {
            headers.push(("webhook-signature", signatures.join(" ")));
        }
        Ok(Some(Post { message, headers }))
    }

    async fn give_up(&self, message: Message, why: &str) -> Result<Option<Post>, Error> {
        let tenant = message.tenant.clone();
        let given_up = Message { next_at: None, last_error: Some(why.to_owned()), ..message };
        self.commit(&tenant, vec![Write::Replace(Row::Message(given_up))]).await?;
        Ok(None)
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
        let Post { message: Message { tenant, id, attempts, .. }, .. } = post;
        for round in 0..ROUNDS {
            let Some(message) = self.read_message(tenant, id).await? else { return Ok(()) };
            if message.delivered_at.is_some() {
                return Ok(());
            }
            let after = match sent {
                Sent::Delivered => {
                    Message { next_at: None, delivered_at: Some(self.now()), last_error: None, ..message }
                }
                Sent::Failed(why) => {
                    // Who took it after this one says when it is tried again.
                    let next_at = if message.attempts == *attempts { self.again(*attempts) } else { message.next_at };
                    Message { next_at, last_error: Some(why.chars().take(ERROR).collect()), ..message }
                }
            };
            if self.commit(tenant, vec![Write::Replace(Row::Message(after))]).await? == Fate::Done {
                return Ok(());
            }
            self.breathe(round).await?;
        }
        Err(Error::Busy)
    }

    /// When a message is tried again that was tried so often.
    fn again(&self, attempts: u32) -> Option<Moment> {
        let wait = WAITS.get(usize::try_from(attempts).ok()?.checked_sub(1)?)?;
        Some(self.now().plus(Duration::from_secs(*wait)))
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
