//! The ways a notice can go, made of what the document says, of secrets, and of the environment.

use super::command::Command;
use super::deliver::Fault;
use super::email::Mail;
use super::letter::Letter;
use super::slack::Slack;
use super::webhook::Webhook;
use crate::blueprint::model::{Channel, Draft, Recipient};
use crate::document::Text;
use crate::engine::secret::Resolved;

/// Where variables have their values. A seam: the names go in, the values stay with the way.
pub(super) type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// How one recipient is reached.
#[derive(Debug)]
pub enum Way {
    Webhook(Webhook),
    Slack(Slack),
    Email(Box<Mail>),
    Command(Command),
}

impl Way {
    /// The way to a recipient, or what is missing on it. `environment` has values by name.
    pub fn to(
        to: &Recipient<'_>,
        draft: &Draft<'_>,
        secrets: &Resolved,
        environment: &Lookup<'_>,
        command: impl FnOnce(&str) -> Command,
    ) -> Result<Self, String> {
        let filled = |text: &Text<'_>| secrets.revealed(text);
        match to.channel {
            Channel::Webhook => {
                let url = to.url.as_ref().ok_or("it has no `url`")?;
                let headers: Result<Vec<_>, String> =
                    to.headers.iter().map(|(name, value)| Ok((name.to_string(), filled(value)?))).collect();
                let secret = to.secret.as_ref().map(filled).transpose()?;
                Webhook::new(&filled(url)?, &headers?, secret.as_deref()).map(Self::Webhook)
            }
            Channel::Slack => {
                let url = match &to.url {
                    Some(url) => filled(url)?,
                    None => {
                        environment("OUTPOST_SLACK_URL").ok_or("it has no `url`, and OUTPOST_SLACK_URL is not set")?
                    }
                };
                let recipient = to.recipient.as_ref().map(filled).transpose()?;
                Slack::new(&url, recipient.as_deref()).map(Self::Slack)
            }
            Channel::Email => {
                let recipient = to.recipient.as_ref().ok_or("it has no `recipient`")?;
                Mail::new(&filled(recipient)?, draft.execution.mail_server.as_ref(), &filled, environment)
                    .map(|mail| Self::Email(Box::new(mail)))
            }
            Channel::Command => {
                let text = to.command.as_deref().ok_or("it has no `command`")?;
                Ok(Self::Command(command(text)))
            }
            Channel::Console | Channel::Env => Err("nothing is sent there".to_owned()),
        }
    }

    pub(super) async fn send(&self, letter: &Letter) -> Result<(), Fault> {
        match self {
            Self::Webhook(webhook) => webhook.send(letter).await,
            Self::Slack(slack) => slack.send(letter).await,
            Self::Email(mail) => mail.send(letter).await,
            Self::Command(command) => command.send(letter).await,
        }
    }
}
