//! A provider made of a socket: keeps what it was sent, answers what the test wants, byte for byte.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// What it does once it has read a request.
#[derive(Clone)]
pub(crate) enum Deed {
    /// These pieces, each in a write of its own; then the connection ends.
    Write(Vec<Vec<u8>>),
    /// The same, to each request the next of these.
    InTurn(Vec<Vec<Vec<u8>>>),
    /// The same, after a permit was given: the test decides when.
    WriteWhenTold(Arc<Semaphore>, Vec<u8>),
    /// These bytes, then nothing until the other side goes away.
    Hang(Vec<u8>),
}

pub(crate) struct Provider {
    port: u16,
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
    /// How many requests came in, and how many other sides went away from a `Hang`.
    pub(crate) came: watch::Receiver<usize>,
    pub(crate) left: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Provider {
    pub(crate) async fn start(deed: Deed) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (coming, came) = watch::channel(0);
        let (leaving, left) = watch::channel(0);
        let (coming, leaving) = (Arc::new(coming), Arc::new(leaving));
        let kept = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (deed, kept) = (deed.clone(), Arc::clone(&kept));
                let (coming, leaving) = (Arc::clone(&coming), Arc::clone(&leaving));
                tokio::spawn(async move { answer(stream, deed, &kept, &coming, &leaving).await });
            }
        });
        Self { port, seen, came, left, task }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    mut stream: TcpStream,
    deed: Deed,
    seen: &Mutex<Vec<String>>,
    coming: &watch::Sender<usize>,
    leaving: &watch::Sender<usize>,
) {
    let Some(request) = read_request(&mut stream).await else { return };
    let before = {
        let mut seen = seen.lock().unwrap();
        seen.push(request);
        seen.len() - 1
    };
    coming.send_modify(|count| *count += 1);
    let deed = match deed {
        Deed::InTurn(mut answers) => Deed::Write(answers.swap_remove(before)),
        deed => deed,
    };
    match deed {
        Deed::InTurn(_) => unreachable!(),
        Deed::Write(pieces) => {
            for piece in pieces {
                // The gateway may have gone away: the test looks at its side.
                if stream.write_all(&piece).await.is_err() {
                    return;
                }
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
        }
        Deed::WriteWhenTold(told, bytes) => {
            told.acquire().await.unwrap().forget();
            let _ = stream.write_all(&bytes).await;
        }
        Deed::Hang(bytes) => {
            stream.write_all(&bytes).await.unwrap();
            let mut rest = [0; 1];
            while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
            leaving.send_modify(|count| *count += 1);
        }
    }
}

/// Head and body as text; the body by its length.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut taken = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.ok()?;
        if read == 0 {
            return None;
        }
        taken.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&taken).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.trim().parse::<usize>().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
    }
}

/// A whole answer with its length.
pub(crate) fn json(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// The head of a stream that ends with the connection.
pub(crate) const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nconnection: close\r\n\r\n";

pub(crate) fn stream(events: &str) -> Vec<u8> {
    [STREAM, events.as_bytes()].concat()
}

/// The same in chunks of one byte, with its end.
pub(crate) fn chunked(events: &str) -> Vec<Vec<u8>> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut pieces = vec![head.as_bytes().to_vec()];
    pieces.extend(events.bytes().map(|byte| [b"1\r\n", &[byte][..], b"\r\n"].concat()));
    pieces.push(b"0\r\n\r\n".to_vec());
    pieces
}
