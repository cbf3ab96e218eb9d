//! The server: connections with limits, and what has to be done beside them.
//!
//! Whoever is slow with the head of a request is cut off; whoever comes when the house is full waits for a place in the
//! kernel's queue. When it has to go, it takes nothing new, lets those that are served end, and goes after a while anyway.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use outpost_core::actions::Desk;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tower_service::Service as _;

use crate::envelope::Peer;
use crate::outgoing::Sender;
use crate::settings::Settings;

/// The largest head of a request.
const HEAD: usize = 32 * 1024;

/// Serves until `shutdown` is over.
pub async fn serve(
    desk: Arc<Desk>,
    listener: TcpListener,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> Result<(), String> {
    let server = settings.server;
    let beside = Beside::begin(&desk, &settings)?;
    let router = crate::router(desk, settings)?;
    let places = Arc::new(Semaphore::new(server.connections));
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place.map_err(|error| error.to_string())?,
            () = &mut shutdown => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    refused(&error).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        let connection = graceful.watch(connection(stream, peer, router.clone(), server.header));
        tokio::spawn(async move {
            // Broken by the other side, most of the time: nothing that anybody could mend.
            drop(connection.await);
            drop(place);
        });
    }
    drop(listener);
    beside.end();
    tracing::info!("no more requests are taken; those under way may end");
    if tokio::time::timeout(server.grace, graceful.shutdown()).await.is_err() {
        tracing::warn!(seconds = server.grace.as_secs(), "some requests did not end in time");
    }
    Ok(())
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    header: Duration,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    drop(stream.set_nodelay(true));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer::from(peer));
        router.clone().call(request)
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service)
}

/// A client that is gone already costs nothing; a machine without descriptors gets some air.
async fn refused(error: &io::Error) {
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tracing::error!(%error, "no connection could be taken");
        sleep(Duration::from_millis(200)).await;
    }
}

/// What is done beside requests.
struct Beside(Vec<JoinHandle<()>>);

impl Beside {
    fn begin(desk: &Arc<Desk>, settings: &Settings) -> Result<Self, String> {
        let mut tasks = Vec::new();
        if let Some(every) = settings.server.reap {
            tasks.push(tokio::spawn(reap(Arc::clone(desk), every)));
        }
        if let Some(every) = settings.server.send {
            let sender = Sender::new(Arc::clone(desk))?;
            tasks.push(tokio::spawn(async move { sender.run(every).await }));
        }
        Ok(Self(tasks))
    }

    /// Everything that they do may stop anywhere: a commit happens whole or not at all.
    fn end(self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

async fn reap(desk: Arc<Desk>, every: Duration) {
    loop {
        crate::sweep::reap(&desk).await;
        sleep(every).await;
    }
}
