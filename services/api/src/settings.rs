//! What may differ from one front door to the next. What all of an installation share lies in the settings of the `Desk`.

use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use outpost_core::ports::Secret;
use outpost_core::store::{Pending, Problem};

/// Settings of a front door.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it is reached from outside, without a slash at its end.
    pub base: String,
    /// Pages of which origins may call it from a browser; `*` for all.
    pub origins: Vec<String>,
    /// Under which names it may be asked, without ports; empty: any. A server that trusts whoever reaches it has to know
    /// them: else a page of anywhere could have its own name lead to this machine, and ask in its place.
    pub hosts: Vec<String>,
    /// How many proxies stand before it, each of which adds to `X-Forwarded-For`. None: the header is not read.
    pub proxies: usize,
    pub rate: Rate,
    /// Whether it can keep an answer open and go on with it: logs as a stream of events.
    pub streams: bool,
    /// Requests of a tenant that may wait at the same time.
    pub waiters: usize,
    /// Links to files, where this door serves them itself.
    pub files: Option<Arc<dyn Files>>,
    pub stripe: Option<Stripe>,
    pub server: Server,
}

/// How often a tenant may ask, and how often an address may show keys that open nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u32,
    /// As many at once, after a time of quiet.
    pub burst: u32,
}

/// What a server does that a function in a cloud leaves to others.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    pub connections: usize,
    /// For the head of a request; whoever is slower is cut off.
    pub header: Duration,
    /// How often it looks for what was lost.
    pub reap: Option<Duration>,
    /// How often it looks for messages to webhooks.
    pub send: Option<Duration>,
    /// How long those that are served may take to end when it has to go.
    pub grace: Duration,
}

/// Where the payment provider is, unless it is said otherwise.
pub const STRIPE: &str = "https://api.stripe.com";

/// The payment provider.
#[derive(Clone)]
pub struct Stripe {
    pub base: String,
    pub key: Secret,
    /// What events are signed with: two while one is replaced.
    pub webhook_secrets: Vec<Secret>,
    /// Where a browser goes on after a checkout, after leaving one, and after the portal.
    pub success_url: String,
    pub cancel_url: String,
    pub return_url: String,
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stripe").field("base", &self.base).finish_non_exhaustive()
    }
}

/// Files behind links that the service signed itself. Where a cloud serves them, there is none of these.
pub trait Files: Send + Sync + fmt::Debug {
    /// The file that a link leads to, by the path and the query of the request; none if it is no such link, or has ended.
    fn open<'a>(&'a self, path: &'a str, query: &'a str) -> Pending<'a, Result<Option<File>, Problem>>;
}

impl Settings {
    /// Answers only where it is asked as this machine, or as what it is called itself.
    pub fn at_home(&mut self) {
        let own = url::Url::parse(&self.base).ok().and_then(|url| url.host_str().map(str::to_owned));
        self.hosts = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).into_iter().chain(own).collect();
    }

    /// What holds unless an installation says otherwise.
    #[must_use]
    pub fn new(base: impl Into<String>) -> Self {
        Self {
            base: base.into().trim_end_matches('/').to_owned(),
            origins: Vec::new(),
            hosts: Vec::new(),
            proxies: 0,
            rate: Rate { per_second: 50, burst: 100 },
            streams: true,
            waiters: 32,
            files: None,
            stripe: None,
            server: Server {
                connections: 2048,
                header: Duration::from_secs(10),
                reap: Some(Duration::from_secs(60)),
                send: Some(Duration::from_secs(2)),
                grace: Duration::from_secs(25),
            },
        }
    }
}
