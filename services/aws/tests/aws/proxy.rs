//! What lies between a client and its service, and fails on demand: it knows HTTP and nothing of what is behind it.
//!
//! ```text
//! client ─► throttled: answered here, not passed on
//!        ─► lost:      passed on, done, and not answered
//!        ─► passed on, answered
//! ```

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::emulator::Emulator;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Throttled,
    Lost,
}

#[derive(Debug, Default)]
pub(crate) struct Weather {
    /// Of a thousand requests to DynamoDB and SQS, how many are throttled, and how many answers are lost.
    pub(crate) throttled: AtomicU64,
    pub(crate) lost: AtomicU64,
    /// What the next changes meet, before anything is rolled.
    pub(crate) next: Mutex<VecDeque<Fault>>,
    /// Whether the service forgets that it was sent the same change before.
    pub(crate) forgetful: AtomicBool,
    pub(crate) faults: AtomicU64,
    pub(crate) requests: AtomicU64,
}

impl Weather {
    fn fault(&self, target: &str) -> Fault {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        if target.ends_with(".TransactWriteItems")
            && let Some(next) = self.next.lock().expect("no panic before").pop_front()
        {
            return next;
        }
        if !target.starts_with("DynamoDB_") && !target.starts_with("AmazonSQS.") {
            return Fault::None;
        }
        // Numbers that follow each other are far apart.
        let roll = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 40;
        let (throttled, lost) = (self.throttled.load(Ordering::Relaxed), self.lost.load(Ordering::Relaxed));
        match roll % 1000 {
            roll if roll < throttled => Fault::Throttled,
            roll if roll < throttled + lost => Fault::Lost,
            _ => Fault::None,
        }
    }
}

/// Another DynamoDB than the emulator's, such as AWS's own for one machine: its port, by `OUTPOST_TEST_DYNAMODB`.
fn dynamodb() -> Option<u16> {
    std::env::var("OUTPOST_TEST_DYNAMODB").ok().map(|port| port.parse().expect("`OUTPOST_TEST_DYNAMODB` is a port"))
}

/// Where a client finds the emulator: at once, unless there is another DynamoDB beside it.
pub(crate) fn endpoint(emulator: &Emulator) -> String {
    match dynamodb() {
        Some(_) => listen(emulator.port(), Arc::default()),
        None => emulator.endpoint(),
    }
}

/// Listens on a port of the system's choice, in a thread of its own, for as long as the binary lives.
pub(crate) fn listen(upstream: u16, weather: Arc<Weather>) -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    listener.set_nonblocking(true).expect("a listener");
    std::thread::spawn(move || {
        crate::house::run(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((client, _)) = listener.accept().await {
                let weather = Arc::clone(&weather);
                // A client that goes away is no fault of the test.
                tokio::spawn(async move { drop(pass(client, upstream, &weather).await) });
            }
        });
    });
    format!("http://127.0.0.1:{port}")
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// One request, on a connection of its own.
async fn pass(mut client: TcpStream, upstream: u16, weather: &Weather) -> std::io::Result<()> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let length: usize = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while read.len() < end + length {
        if client.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
    let target = header(&head, "x-amz-target").unwrap_or_default();
    let fault = weather.fault(target);
    if fault != Fault::None {
        weather.faults.fetch_add(1, Ordering::Relaxed);
    }
    if fault == Fault::Throttled {
        let code = if target.starts_with("DynamoDB_") { "ThrottlingException" } else { "RequestThrottled" };
        let body = format!("{{\"__type\":\"com.amazonaws#{code}\",\"message\":\"slower\"}}");
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\nconnection: \
             close\r\n\r\n{body}",
            body.len()
        );
        return client.write_all(answer.as_bytes()).await;
    }
    let mut body = read[end..].to_vec();
    if weather.forgetful.load(Ordering::Relaxed) {
        forget(&mut body, weather.requests.load(Ordering::Relaxed));
    }
    let kept = head.trim_end().lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head = kept.chain(["connection: close", "", ""]).collect::<Vec<_>>().join("\r\n");
    let other = dynamodb().filter(|_| target.starts_with("DynamoDB_"));
    let mut server = TcpStream::connect(("127.0.0.1", other.unwrap_or(upstream))).await?;
    server.write_all(head.as_bytes()).await?;
    server.write_all(&body).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    if fault == Fault::Lost {
        return Ok(());
    }
    client.write_all(&answer).await?;
    client.shutdown().await
}

/// Writes another token over that of a change, so that it is not known again.
fn forget(body: &mut [u8], number: u64) {
    const NAME: &[u8] = b"\"ClientRequestToken\":\"";
    if let Some(at) = body.windows(NAME.len()).position(|window| window == NAME) {
        let other = format!("{number:032}");
        body[at + NAME.len()..][..32].copy_from_slice(other.as_bytes());
    }
}
