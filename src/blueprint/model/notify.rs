//! `notify:` — who is told of what, and how.
//!
//! Which fields a channel needs is judged by `check`; here all of them may be absent.

use std::time::Duration;

use crate::diagnostic::Span;
use crate::document::Text;

/// The way a word goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    Email,
    Slack,
    Webhook,
    /// A variable that a decision is read from: it asks, and tells nobody.
    Env,
    Console,
    Command,
}

impl Channel {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Slack => "slack",
            Self::Webhook => "webhook",
            Self::Env => "env",
            Self::Console => "console",
            Self::Command => "command",
        }
    }
}

/// Somebody to be told.
#[derive(Clone, Debug)]
pub struct Recipient<'s> {
    pub channel: Channel,
    /// Where the channel is named.
    pub span: Span,
    pub recipient: Option<Text<'s>>,
    pub variable: Option<Text<'s>>,
    /// Whether a variable that holds neither a yes nor a no is a yes.
    pub any_value: bool,
    pub url: Option<Text<'s>>,
    pub secret: Option<Text<'s>>,
    pub headers: Box<[(Text<'s>, Text<'s>)]>,
    pub command: Option<Text<'s>>,
    pub message: Option<Text<'s>>,
}

/// Who is told of a gate, from when on and how often.
#[derive(Clone, Debug)]
pub struct GateNotice<'s> {
    pub to: Recipient<'s>,
    /// Absent for those who are told as soon as the gate is open.
    pub after: Option<Duration>,
    /// Between two words, until somebody decides.
    pub remind: Option<Duration>,
    pub remind_span: Span,
}

/// What a run may be told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A gate opened.
    Gate,
    /// Only people can make it go on.
    Waiting,
    /// It failed, or a gate ended it.
    Failed,
    Done,
    Cancelled,
    /// It was rolled back, or tried to be.
    RolledBack,
}

/// Who is told how a run goes.
#[derive(Clone, Debug)]
pub struct RunNotice<'s> {
    pub on: Box<[Occasion]>,
    pub to: Recipient<'s>,
}

/// The server that sends email.
#[derive(Clone, Debug)]
pub struct MailServer<'s> {
    pub url: Text<'s>,
    pub from: Option<Text<'s>>,
    pub username: Option<Text<'s>>,
    pub password: Option<Text<'s>>,
}
