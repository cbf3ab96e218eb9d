//! Email over SMTP, encrypted: `smtps://` speaks TLS from the start, `smtp://` begins in clear and must come to TLS by
//! STARTTLS before anything is said. Without encryption nothing leaves this machine, unless the address says so
//! (`?tls=none`): only a server on the loopback is trusted as it is.
//!
//! The `Message-ID` is that of the notice: mail servers and readers show what comes twice once.

use std::net::IpAddr;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use reqwest::Url;

use super::deliver::Fault;
use super::letter::Letter;
use super::way::Lookup;
use crate::blueprint::model::MailServer;
use crate::document::Text;

/// Of one command of the protocol; the whole attempt has its own limit.
const PATIENCE: Duration = Duration::from_secs(10);

type Transport = AsyncSmtpTransport<Tokio1Executor>;

#[derive(Debug)]
pub struct Mail {
    transport: Transport,
    from: Mailbox,
    to: Mailbox,
}

impl Mail {
    /// The document's server, else that of the environment.
    pub(super) fn new(
        recipient: &str,
        server: Option<&MailServer<'_>>,
        filled: &dyn Fn(&Text<'_>) -> Result<String, String>,
        environment: &Lookup<'_>,
    ) -> Result<Self, String> {
        let (url, from, account) = match server {
            Some(server) => {
                let account = match (&server.username, &server.password) {
                    (Some(username), Some(password)) => Some((filled(username)?, filled(password)?)),
                    _ => None,
                };
                (filled(&server.url)?, server.from.as_ref().map(ToString::to_string), account)
            }
            None => {
                let missing = "there is no `execution.smtp`, and OUTPOST_SMTP_URL is not set";
                (environment("OUTPOST_SMTP_URL").ok_or(missing)?, environment("OUTPOST_SMTP_FROM"), None)
            }
        };
        let from = from.unwrap_or_else(|| match &account {
            Some((name, _)) if name.contains('@') => name.clone(),
            _ => format!("outpost-bp@{}", rustix::system::uname().nodename().to_string_lossy()),
        });
        Ok(Self { transport: transport(&url, account)?, from: mailbox(&from)?, to: mailbox(recipient)? })
    }

    pub(super) async fn send(&self, letter: &Letter) -> Result<(), Fault> {
        let message =
            self.message(Message::builder(), letter).map_err(|problem| Fault::Lasting(problem.to_string()))?;
        self.transport.send(message).await.map(|_| ()).map_err(|error| {
            let problem = told(&error);
            if error.is_permanent() || error.is_client() { Fault::Lasting(problem) } else { Fault::passing(problem) }
        })
    }

    fn message(&self, message: MessageBuilder, letter: &Letter) -> Result<Message, lettre::error::Error> {
        let mut body = format!("{}\n\n", letter.title);
        for line in &letter.lines {
            body += &format!("{line}\n");
        }
        for command in &letter.commands {
            body += &format!("\n    {command}");
        }
        message
            .from(self.from.clone())
            .to(self.to.clone())
            .subject(format!("[outpost] {}", letter.title))
            .message_id(Some(format!("<{}@outpost-bp>", letter.id)))
            .header(ContentType::TEXT_PLAIN)
            .body(body + "\n")
    }
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|problem| format!("`{text}` is no email address: {problem}"))
}

/// A way to the server. What is wrong is said without the address: it may hold a password.
fn transport(text: &str, account: Option<(String, String)>) -> Result<Transport, String> {
    let mut url =
        Url::parse(text.trim()).map_err(|problem| format!("the mail server's `url` is no address: {problem}"))?;
    let is_plain = match url.query() {
        None => false,
        Some("tls=none") => true,
        Some(_) => return Err("the mail server's `url` has another setting than `tls=none`".to_owned()),
    };
    url.set_query(None);
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let parameters = || TlsParameters::new(host.clone()).map_err(|error| told(&error));
    let tls = match url.scheme() {
        "smtps" => Tls::Wrapper(parameters()?),
        "smtp" if is_plain => Tls::None,
        "smtp" if is_loopback(&host) => Tls::Opportunistic(parameters()?),
        "smtp" => Tls::Required(parameters()?),
        _ => return Err("the mail server's `url` does not begin with `smtps://` or `smtp://`".to_owned()),
    };
    let mut builder = Transport::from_url(url.as_str()).map_err(|error| told(&error))?.tls(tls).timeout(Some(PATIENCE));
    if let Some((name, password)) = account {
        builder = builder.credentials(Credentials::new(name, password));
    }
    Ok(builder.build())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What went wrong, to the bottom of it.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let words = deeper.to_string();
        if !text.contains(&words) {
            text += &format!(": {words}");
        }
        cause = deeper.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::transport;

    #[test]
    fn only_what_is_encrypted_or_stays_here_is_used_unless_said() {
        // How each is spoken shows in what the transport is made of.
        let tls = |url: &str| {
            let shown = format!("{:?}", transport(url, None).map_err(|problem| panic!("{url}: {problem}")));
            ["Wrapper", "Required", "Opportunistic", "None"]
                .into_iter()
                .find(|word| shown.contains(&format!("tls: {word}")))
        };
        for (url, word) in [
            ("smtps://mail.example.org", "Wrapper"),
            ("smtp://mail.example.org", "Required"),
            ("smtp://192.0.2.1:25", "Required"),
            ("smtp://localhost.example.org", "Required"),
            ("smtp://localhost", "Opportunistic"),
            ("smtp://127.0.0.1:2525", "Opportunistic"),
            ("smtp://[::1]:2525", "Opportunistic"),
            ("smtp://mail.example.org?tls=none", "None"),
        ] {
            assert_eq!(tls(url), Some(word), "{url}");
        }
        for wrong in ["http://x", "hunter2", "smtp://x?tls=opportunistic", "smtps://a:hunter2@"] {
            let problem = transport(wrong, None).map(|_| ()).expect_err(wrong);
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
