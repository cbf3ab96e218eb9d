//! What stands between a runner and its service: passes bytes on, until it is told to cut every connection and take none.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    up: Arc<watch::Sender<bool>>,
}

impl Proxy {
    pub(crate) async fn before(service: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let up = Arc::new(watch::Sender::new(true));
        let told = Arc::clone(&up);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut told = told.subscribe();
                tokio::spawn(async move {
                    if !*told.borrow() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(service).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = told.wait_for(|up| !up) => {}
                    }
                });
            }
        });
        Self { address, up }
    }

    pub(crate) fn set_up(&self, up: bool) {
        self.up.send_replace(up);
    }

    /// Cuts what there is, and takes new connections at once.
    pub(crate) fn cut(&self) {
        self.set_up(false);
        self.set_up(true);
    }
}
