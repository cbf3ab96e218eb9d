//! An agent made of a socket.

use outpost_gateway::Gateway;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer as it came: status line and headers in lower case, and the body without its chunks.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// The body came to its own end.
    pub(crate) whole: bool,
}

pub(crate) async fn connect(gateway: &Gateway) -> TcpStream {
    TcpStream::connect(("127.0.0.1", gateway.port())).await.unwrap()
}

/// The bytes of a call, with the run's token where the protocol puts its key.
pub(crate) fn call(gateway: &Gateway, path: &str, body: &str) -> Vec<u8> {
    let key = if path.starts_with("/v1/messages") {
        "x-api-key: "
    } else if path.starts_with("/v1beta") {
        "x-goog-api-key: "
    } else {
        "authorization: Bearer "
    };
    with_headers(path, &format!("{key}{}\r\n", gateway.token()), body)
}

pub(crate) fn with_headers(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

pub(crate) async fn send(gateway: &Gateway, bytes: &[u8]) -> Got {
    let mut stream = connect(gateway).await;
    // A refusal may come before all was sent: what is answered is judged.
    let _ = stream.write_all(bytes).await;
    receive(&mut stream).await
}

pub(crate) async fn receive(stream: &mut TcpStream) -> Got {
    let mut taken = Vec::new();
    // An error is an end that is not a proper one: `whole` tells.
    let _ = stream.read_to_end(&mut taken).await;
    read(&taken)
}

fn read(taken: &[u8]) -> Got {
    let end = taken.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(taken.len());
    let head = String::from_utf8_lossy(&taken[..end]).to_lowercase();
    let rest = taken.get(end + 4..).unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let (body, whole) = if head.contains("transfer-encoding: chunked") {
        unchunk(rest)
    } else {
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).and_then(|it| it.parse().ok());
        (rest.to_vec(), length.is_none_or(|length: usize| length == rest.len()))
    };
    Got { status, head, body: String::from_utf8_lossy(&body).into_owned(), whole }
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let Some(size) = size else { break };
        if size == 0 {
            return (body, true);
        }
        let Some(piece) = rest.get(end + 2..end + 2 + size) else { break };
        body.extend_from_slice(piece);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    (body, false)
}
