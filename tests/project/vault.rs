//! A vault on a loopback port: it has one secret of a KV engine, and remembers who asked for it and how.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// The only token that it knows.
pub(crate) const TOKEN: &str = "hvs.a-token-of-a-test";

pub(crate) struct Vault {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Vault {
    /// Has these values at `kv/data/app` until the test is over.
    pub(crate) fn with(values: &Value) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (heard, body) =
            (Arc::clone(&asked), json!({"data": {"data": values, "metadata": {"version": 1}}}).to_string());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let request = request(&stream);
                let (status, body) = answer(&request, &body);
                heard.lock().expect("no panic").push(request);
                let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n");
                // Whoever asked may be gone.
                let _ = write!(&stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
            }
        });
        Self { port, asked }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Requests so far, lines and headers in small letters.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

fn request(stream: &TcpStream) -> String {
    let lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    lines.map(|line| line.to_lowercase() + "\n").collect()
}

fn answer<'b>(request: &str, body: &'b str) -> (&'static str, &'b str) {
    if !request.contains(&format!("x-vault-token: {TOKEN}\n")) {
        ("403 Forbidden", r#"{"errors": ["permission denied"]}"#)
    } else if request.starts_with("get /v1/kv/data/app ") {
        ("200 OK", body)
    } else if request.starts_with("get /v1/no-engine/") {
        ("404 Not Found", r#"{"errors": ["no handler\n for\troute\u0007"]}"#)
    } else {
        ("404 Not Found", r#"{"errors": []}"#)
    }
}
