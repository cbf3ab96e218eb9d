//! Notifications: each channel has what it needs, and nothing that it cannot use.
//!
//! What the environment may add (the address of a mail server or of Slack) is not missed here.

use std::time::Duration;

use crate::blueprint::model::{Channel, Execution, Gate, Recipient};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::Text;

/// The least time between two reminders: each is sent, and written down.
const SHORTEST: Duration = Duration::from_millis(100);

pub(super) fn check_gate(gate: &Gate<'_>, problems: &mut Vec<Diagnostic>) {
    for notice in &*gate.notify {
        check_recipient(&notice.to, problems);
        let Some(remind) = notice.remind else {
            continue;
        };
        let first = notice.after.unwrap_or_default().saturating_add(remind);
        let reason = if remind < SHORTEST {
            "a reminder needs time between it and the next"
        } else if first >= gate.timeout() {
            "the time to decide is over before the first reminder"
        } else if notice.to.channel == Channel::Env {
            "a variable is no person: nobody can be reminded"
        } else {
            continue;
        };
        problems.push(
            Diagnostic::new(Code::BadNotice, notice.remind_span, reason)
                .help("write a time that is less than `timeout`, such as `PT1H`, or leave `remind` out"),
        );
    }
    let env = gate.notify.iter().find(|notice| notice.to.channel == Channel::Env);
    if let Some(env) = env.filter(|_| gate.self_approval == Some(false)) {
        problems.push(
            Diagnostic::new(
                Code::BadNotice,
                env.to.span,
                "who begins the run sets its variables, and `self_approval: false` does not let them approve",
            )
            .label("could only reject")
            .help("take away the `env` channel, or `self_approval: false`"),
        );
    }
}

pub(super) fn check_run(execution: &Execution<'_>, problems: &mut Vec<Diagnostic>) {
    for notice in &*execution.notify {
        check_recipient(&notice.to, problems);
    }
    if let Some(server) = &execution.mail_server {
        check_address(&server.url, &["smtps://", "smtp://"], problems);
        if let Some(from) = &server.from {
            check_mailbox(from, problems);
        }
    }
}

fn check_recipient(to: &Recipient<'_>, problems: &mut Vec<Diagnostic>) {
    let needed = match to.channel {
        Channel::Env => ("variable", to.variable.is_some()),
        Channel::Webhook => ("url", to.url.is_some()),
        Channel::Email => ("recipient", to.recipient.is_some()),
        Channel::Command => ("command", to.command.is_some()),
        // Slack's address may come from the environment.
        Channel::Slack | Channel::Console => ("", true),
    };
    if let (needed, false) = needed {
        let word = to.channel.word();
        problems.push(
            Diagnostic::new(Code::MissingField, to.span, format!("the `{word}` channel needs `{needed}`"))
                .help(format!("add `{needed}:` beside `channel: {word}`")),
        );
    }
    // Keys of the format may stand anywhere; those of ours were meant for something.
    let header = to.headers.first().map(|(name, _)| name);
    let idle = [
        ("secret", to.secret.as_ref(), Channel::Webhook),
        ("headers", header, Channel::Webhook),
        ("command", to.command.as_ref(), Channel::Command),
    ];
    for (key, value, user) in idle {
        if let Some(value) = value.filter(|_| to.channel != user) {
            let message = format!("`{key}` has no effect on the `{}` channel", to.channel.word());
            problems.push(
                Diagnostic::new(Code::NoEffect, value.span, message)
                    .help(format!("remove it, or write `channel: {}`", user.word())),
            );
        }
    }
    match to.channel {
        Channel::Webhook | Channel::Slack => {
            if let Some(url) = &to.url {
                check_address(url, &["https://", "http://"], problems);
            }
        }
        Channel::Email => {
            if let Some(recipient) = &to.recipient {
                check_mailbox(recipient, problems);
            }
        }
        Channel::Env | Channel::Console | Channel::Command => {}
    }
}

/// An address begins with how to get there, unless a secret says all of it.
fn check_address(url: &Text<'_>, schemes: &[&str], problems: &mut Vec<Diagnostic>) {
    if url.starts_with("${") || schemes.iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme)) {
        return;
    }
    let schemes: Vec<String> = schemes.iter().map(|scheme| format!("`{scheme}`")).collect();
    problems.push(
        Diagnostic::new(Code::BadNotice, url.span, format!("the address does not begin with {}", schemes.join(" or ")))
            .help("write the whole address, or `${secrets.NAME}`"),
    );
}

/// `a@b.c` or `A Person <a@b.c>`; servers know the rest, and what a secret says.
fn check_mailbox(text: &Text<'_>, problems: &mut Vec<Diagnostic>) {
    if text.starts_with("${secrets.") {
        return;
    }
    let address = match text.rsplit_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text.as_str(),
    };
    let is_address = address
        .split_once('@')
        .is_some_and(|(who, place)| !who.is_empty() && !place.is_empty() && !place.contains('@'))
        && !address.contains(|c: char| c.is_whitespace() || c == ',');
    if !is_address {
        problems.push(
            Diagnostic::new(Code::BadNotice, text.span, format!("`{text}` is no email address"))
                .help("write `ada@example.org`, and one channel for each person"),
        );
    }
}
