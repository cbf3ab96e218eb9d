//! An HTTP server on loopback that keeps what it is sent, and answers its next requests as a test tells it.

use std::collections::{HashMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

/// How a request is answered; without any, by what is kept.
pub(crate) enum Answer {
    /// Status, and a header line or none.
    Status(u16, String),
    /// Refused, with words at whose cut the credential stands.
    Echo,
    /// By what is kept.
    Usual,
    /// Never, as long as anybody waits.
    Silence,
    /// As usual, once this is dropped or told.
    After(Receiver<()>),
    /// `200`, and a body without an end.
    Endless,
    /// `200`, and half of the body that was promised.
    Half,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) what: String,
    headers: String,
}

#[derive(Default)]
struct State {
    kept: HashMap<String, Vec<u8>>,
    asked: Vec<Asked>,
    next: VecDeque<Answer>,
}

pub(crate) struct Shelf {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

impl Shelf {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that goes away ends its own request only.
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { port, state }
    }

    pub(crate) fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn next(&self, answer: Answer) -> &Self {
        lock(&self.state).next.push_back(answer);
        self
    }

    /// The next request waits until the sender is dropped.
    pub(crate) fn hold(&self) -> Sender<()> {
        let (release, held) = channel();
        self.next(Answer::After(held));
        release
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        lock(&self.state).asked.clone()
    }

    /// The requests, as `PUT /path`.
    pub(crate) fn what(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.what).collect()
    }

    pub(crate) fn kept(&self, path: &str) -> Option<String> {
        lock(&self.state).kept.get(path).map(|body| String::from_utf8_lossy(body).into_owned())
    }

    pub(crate) fn keep(&self, path: &str, body: &str) {
        lock(&self.state).kept.insert(path.to_owned(), body.as_bytes().to_vec());
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no test panics while it holds this")
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let Some((what, headers, body)) = request(&mut stream) else {
        return;
    };
    let answer = {
        let mut state = lock(state);
        let asked = Asked { what: what.clone(), headers };
        state.asked.push(asked.clone());
        (state.next.pop_front(), asked)
    };
    let (answer, asked) = answer;
    match answer {
        Some(Answer::Status(status, header)) => {
            let header = if header.is_empty() { header } else { format!("{header}\r\n") };
            let _ = write!(stream, "HTTP/1.1 {status} So\r\n{header}Content-Length: 2\r\nConnection: close\r\n\r\nso");
        }
        Some(Answer::Echo) => {
            let body = format!("{:-<180} {}", "no", asked.header("authorization").unwrap_or_default());
            let _ =
                write!(stream, "HTTP/1.1 403 So\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        }
        Some(Answer::Silence) => {
            let _ = stream.read(&mut [0; 1]);
        }
        Some(Answer::Endless) => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        }
        Some(Answer::Half) => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhalf");
        }
        Some(Answer::After(held)) => {
            let _ = held.recv();
            usual(&mut stream, &what, body, state);
        }
        Some(Answer::Usual) | None => usual(&mut stream, &what, body, state),
    }
}

/// Method and path, headers, body.
fn request(stream: &mut TcpStream) -> Option<(String, String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65536];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        match stream.read(&mut buffer).ok()? {
            0 => return None,
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let (line, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
    let asked = Asked { what: line.rsplit_once(' ')?.0.to_owned(), headers: headers.to_owned() };
    let length: usize = asked.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        match stream.read(&mut buffer).ok()? {
            0 => return None,
            count => body.extend_from_slice(&buffer[..count]),
        }
    }
    Some((asked.what, asked.headers, body))
}

fn usual(stream: &mut TcpStream, what: &str, body: Vec<u8>, state: &Mutex<State>) {
    let (method, path) = what.split_once(' ').unwrap_or((what, ""));
    let mut state = lock(state);
    let (status, body) = match method {
        "PUT" => {
            state.kept.insert(path.to_owned(), body);
            (201, Vec::new())
        }
        "DELETE" => (if state.kept.remove(path).is_some() { 204 } else { 404 }, Vec::new()),
        _ => match state.kept.get(path) {
            Some(body) => (200, body.clone()),
            None => (404, Vec::new()),
        },
    };
    let _ = write!(stream, "HTTP/1.1 {status} So\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&body);
}
