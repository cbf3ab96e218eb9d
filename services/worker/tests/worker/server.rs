//! A git server on loopback that wants a token: git's own backend behind a few lines of HTTP. With each request it looks
//! whether any process of this machine has the token in its words or its environment.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

pub(crate) struct Server {
    pub(crate) base: String,
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    token: String,
    let_in: AtomicUsize,
    seen: Mutex<Vec<String>>,
}

impl Server {
    pub(crate) async fn start(root: PathBuf, token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let shared =
            Arc::new(Shared { root, token: token.to_owned(), let_in: AtomicUsize::new(0), seen: Mutex::default() });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = Arc::clone(&serving);
                tokio::spawn(async move { answer(stream, &serving).await });
            }
        });
        Self { base, shared }
    }

    /// Requests that had the token.
    pub(crate) fn let_in(&self) -> usize {
        self.shared.let_in.load(Ordering::SeqCst)
    }

    /// Processes that had it where others can see it.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.shared.seen.lock().expect("a lock").clone()
    }
}

fn look(shared: &Shared) {
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        for file in ["cmdline", "environ"] {
            let path = entry.path().join(file);
            let bytes = fs::read(&path).unwrap_or_default();
            if bytes.windows(shared.token.len()).any(|window| window == shared.token.as_bytes()) {
                shared.seen.lock().expect("a lock").push(path.display().to_string());
            }
        }
    }
}

async fn answer(mut stream: TcpStream, shared: &Shared) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).expect("a head");
    let field = |name: &str| {
        let found =
            head.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)));
        found.map(|(_, value)| value.to_owned())
    };
    let length: usize = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a body");
    look(shared);
    let wanted = format!("Basic {}", STANDARD.encode(format!("x-access-token:{}", shared.token)));
    if field("authorization").as_deref() != Some(&wanted) {
        let refusal =
            "HTTP/1.1 401 x\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(refusal.as_bytes()).await;
        return;
    }
    shared.let_in.fetch_add(1, Ordering::SeqCst);
    let mut words = head.split(' ');
    let (method, target) = (words.next().expect("a method"), words.next().expect("a target"));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &shared.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", field("content-type").unwrap_or_default())
        .env("CONTENT_LENGTH", length.to_string())
        .env("HTTP_CONTENT_ENCODING", field("content-encoding").unwrap_or_default())
        .env("GIT_PROTOCOL", field("git-protocol").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git's backend");
    backend.stdin.take().expect("a pipe").write_all(&body).await.expect("a body");
    let output = backend.wait_with_output().await.expect("an answer").stdout;
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let (fields, body) = output.split_at(end);
    let fields = String::from_utf8_lossy(fields);
    let status = fields.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{fields}", body.len());
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body).await;
}
