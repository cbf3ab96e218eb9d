//! Listens on loopback, and ends with everything it started.
//!
//! One task accepts; each connection is a task below it. Closing, or dropping, the [`Gateway`] ends them all.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use reqwest::{Url, redirect};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::forward::{Desk, Provider};
use crate::ledger::Ledger;
use crate::protocol::Protocol;
use crate::relay::Pulse;
use crate::settings::{Key, Settings, Upstream};
use crate::usage::{Cap, Usage};

/// How long to wait after a connection could not be taken: usually descriptors ran out.
const BREATH: Duration = Duration::from_millis(50);

const CONNECT: Duration = Duration::from_secs(30);

/// A gateway that is listening. Needs a tokio runtime with I/O and time.
pub struct Gateway {
    address: SocketAddr,
    desk: Arc<Desk>,
    stop: Option<oneshot::Sender<()>>,
    accepting: JoinHandle<()>,
}

impl Gateway {
    /// Listens on a free port of 127.0.0.1 with a token of its own.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let mut providers: Vec<Provider> = Vec::new();
        let mut clients = [None, None];
        for upstream in settings.upstreams {
            if providers.iter().any(|provider| provider.protocol == upstream.protocol) {
                return Err(StartError::Twice(upstream.protocol));
            }
            providers.push(provider(upstream, &mut clients)?);
        }
        if providers.is_empty() {
            return Err(StartError::NoUpstream);
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(StartError::Listen)?;
        let address = listener.local_addr().map_err(StartError::Listen)?;
        let desk = Arc::new(Desk {
            token: token()?,
            providers,
            ledger: Ledger::new(settings.caps, settings.prices),
            pulse: Pulse::new(),
            bounds: settings.bounds,
        });
        let (stop, stopped) = oneshot::channel();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&desk), stopped));
        Ok(Self { address, desk, stop: Some(stop), accepting })
    }

    /// `http://127.0.0.1:PORT`, without a path: what an agent puts `/v1/messages` behind.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What the agent takes for its provider's key. Worthless elsewhere, and after this run.
    pub fn token(&self) -> &str {
        self.desk.token.reveal()
    }

    /// What was used so far.
    pub fn usage(&self) -> Usage {
        self.desk.ledger.usage()
    }

    /// When a model last sent a byte of an answer; the start, if it never did.
    pub fn last_activity(&self) -> Instant {
        self.desk.pulse.last()
    }

    /// The cap for whose sake a call was refused, if one was.
    pub fn stopped_by(&self) -> Option<Cap> {
        self.desk.ledger.stopped_by()
    }

    /// Ends all connections, and tells what was used in the end.
    pub async fn close(mut self) -> Usage {
        if let Some(stop) = self.stop.take() {
            // An error means that the task is gone already: it is what was asked for.
            let _ = stop.send(());
        }
        let _ = (&mut self.accepting).await;
        self.usage()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>, mut stopped: oneshot::Receiver<()>) {
    let places = Arc::new(Semaphore::new(desk.bounds.connections));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            _ = &mut stopped => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => {
                let desk = Arc::clone(&desk);
                connections.spawn(async move {
                    converse(stream, &desk).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(BREATH).await,
        }
    }
    connections.shutdown().await;
}

async fn converse(stream: TcpStream, desk: &Desk) {
    // Events are small and each is waited for.
    let _ = stream.set_nodelay(true);
    let service = service_fn(async |request| Ok::<_, Infallible>(desk.serve(request).await));
    // How a conversation ended is told by its account; there is nobody to tell of a bad request line.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(desk.bounds.header_time)
        .max_buf_size(desk.bounds.header_bytes.max(8192))
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// `clients` are those for other machines and for this one: each is made once, reading certificates takes a while.
fn provider(upstream: Upstream, clients: &mut [Option<reqwest::Client>; 2]) -> Result<Provider, StartError> {
    let Upstream { protocol, base, key } = upstream;
    let bad = |why| StartError::Base { protocol, why };
    let url = Url::parse(&base).map_err(|_| bad("it is no address"))?;
    let host = url.host_str().ok_or_else(|| bad("it names no host"))?;
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let here = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if here => {}
        _ => return Err(bad("it has to begin with `https://`, so that nobody reads the key on the way")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it holds a user or a password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it has to end with its path"));
    }
    if key.reveal().is_empty() || HeaderValue::try_from(key.reveal()).is_err() {
        return Err(StartError::Key(protocol));
    }
    let known = &mut clients[usize::from(here)];
    let client = match known {
        Some(client) => client.clone(),
        None => known.insert(client(here).map_err(StartError::Client)?).clone(),
    };
    Ok(Provider { protocol, base: url.as_str().trim_end_matches('/').to_owned(), key, client })
}

fn client(here: bool) -> reqwest::Result<reqwest::Client> {
    let mut client = reqwest::Client::builder().redirect(redirect::Policy::none()).connect_timeout(CONNECT);
    if here {
        client = client.no_proxy();
    }
    client.build()
}

/// 256 random bits, in letters that no header, address or shell minds.
fn token() -> Result<Key, StartError> {
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).map_err(|_| StartError::Random)?;
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Key::new(format!("outpost-{digits}")))
}

/// Why a gateway did not start.
#[derive(Debug)]
pub enum StartError {
    NoUpstream,
    Twice(Protocol),
    Base {
        protocol: Protocol,
        why: &'static str,
    },
    /// The key is empty, or holds what no header may.
    Key(Protocol),
    Random,
    Client(reqwest::Error),
    Listen(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("start the model gateway: ")?;
        match self {
            Self::NoUpstream => f.write_str("no provider is named"),
            Self::Twice(protocol) => write!(f, "`{protocol:?}` is given two providers"),
            Self::Base { protocol, why } => write!(f, "the address of `{protocol:?}` cannot be used: {why}"),
            Self::Key(protocol) => {
                write!(f, "the key for `{protocol:?}` is empty or holds a line break or the like; look at the secret")
            }
            Self::Random => f.write_str("the system gives no random bytes for the run's token"),
            Self::Client(error) => write!(f, "{error}"),
            Self::Listen(error) => write!(f, "listen on 127.0.0.1: {error}"),
        }
    }
}

impl std::error::Error for StartError {}
