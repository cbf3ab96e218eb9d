//! What is told to webhooks and callbacks: sent to the internet only, once each time it is due.
//!
//! The address of a tenant is a name that somebody else resolves. So it is resolved here, every address that it has is
//! judged, and the connection goes to one that was judged and to no other. Nothing is followed elsewhere, no proxy is asked,
//! and of an answer only the status is read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use outpost_core::actions::{Desk, Post, Sent};
use outpost_core::web::is_public;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, redirect};
use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};
use url::{Host, Url};

const PATIENCE: Duration = Duration::from_secs(10);
/// Messages that are sent at the same time.
const MANY: usize = 16;

/// Sends messages that are due.
#[derive(Debug)]
pub struct Sender {
    desk: Arc<Desk>,
    /// Whether a message may go to this machine and its neighbours.
    anywhere: bool,
}

impl Sender {
    pub fn new(desk: Arc<Desk>) -> Result<Self, String> {
        let anywhere = desk.settings().offer.callbacks_anywhere;
        // Made anew for each message, because each is bound to one address; whether it can be made is known now.
        client(SocketAddr::from(([192, 0, 2, 1], 443)))?;
        Ok(Self { desk, anywhere })
    }

    /// Sends what is due, again and again.
    pub async fn run(&self, every: Duration) {
        loop {
            match self.round().await {
                Ok(MANY..) => {}
                Ok(_) => sleep(every).await,
                Err(error) => {
                    tracing::error!(error, "messages to webhooks cannot be looked up");
                    sleep(every.max(PATIENCE)).await;
                }
            }
        }
    }

    /// Sends what is due now, and tells how much that was.
    pub async fn round(&self) -> Result<usize, String> {
        let posts = self.desk.due(MANY).await.map_err(|error| error.to_string())?;
        join_all(posts.iter().map(|post| self.post(post))).await;
        Ok(posts.len())
    }

    async fn post(&self, post: &Post) {
        let sent = match timeout(PATIENCE, self.send(post)).await {
            Ok(sent) => sent,
            Err(_) => Err(format!("no answer within {} seconds", PATIENCE.as_secs())),
        };
        let sent = sent.map_or_else(Sent::Failed, |()| Sent::Delivered);
        let (id, attempt) = (&post.message.id, post.message.attempts);
        tracing::info!(%id, attempt, ?sent, "told a webhook");
        if let Err(error) = self.desk.sent(post, &sent).await {
            tracing::error!(%id, %error, "what became of a message could not be written down");
        }
    }

    async fn send(&self, post: &Post) -> Result<(), String> {
        let url = Url::parse(&post.message.url).map_err(|_| "the address is none".to_owned())?;
        if url.scheme() != "https" && !(self.anywhere && url.scheme() == "http") {
            return Err("the address is not `https`".to_owned());
        }
        let mut request = client(self.resolve(&url).await?)?
            .post(url)
            .header("content-type", "application/json")
            .body(post.message.body.clone());
        for (name, value) in &post.headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.map_err(|error| why(&error))?;
        // What else it says is not read: the status is all that counts.
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("it answered {status}")),
        }
    }

    /// One of the addresses of a host, if all of them may be told something.
    async fn resolve(&self, url: &Url) -> Result<SocketAddr, String> {
        let port = url.port_or_known_default().unwrap_or(443);
        let found: Vec<SocketAddr> = match url.host() {
            Some(Host::Ipv4(ip)) => vec![(ip, port).into()],
            Some(Host::Ipv6(ip)) => vec![(ip, port).into()],
            Some(Host::Domain(name)) => {
                let found = lookup_host((name, port)).await;
                found.map_err(|_| "its name cannot be resolved".to_owned())?.collect()
            }
            None => return Err("the address has no host".to_owned()),
        };
        if !self.anywhere && !found.iter().all(|address| is_public(address.ip())) {
            return Err("its name leads to an address that is not the internet's".to_owned());
        }
        found.first().copied().ok_or_else(|| "its name leads nowhere".to_owned())
    }
}

/// Knows one address, whatever the name, however it is written: nothing is looked up a second time.
struct Pinned(SocketAddr);

impl Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(std::iter::once(self.0));
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

fn client(address: SocketAddr) -> Result<Client, String> {
    Client::builder()
        .dns_resolver(Arc::new(Pinned(address)))
        .no_proxy()
        .redirect(redirect::Policy::none())
        .timeout(PATIENCE)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("outpost/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| format!("a client cannot be made: {error}"))
}

fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        "no answer that can be read".to_owned()
    }
}
