//! The Runtime API of Lambda on loopback: it starts a function, hands it events one after the other, and takes what it answers.
//!
//! It knows as much HTTP as the function's side speaks: requests with a length, one connection at a time.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Whoever waits longer than this waits for ever.
const FOR_EVER: Duration = Duration::from_secs(120);

/// A function's program, by its name: of this build, or of the folder that `OUTPOST_LAMBDA_PROGRAMS` names.
pub(crate) fn program(name: &str) -> PathBuf {
    let own = match name {
        "outpost-lambda" => env!("CARGO_BIN_EXE_outpost-lambda"),
        "outpost-authorizer" => env!("CARGO_BIN_EXE_outpost-authorizer"),
        "outpost-reaper" => env!("CARGO_BIN_EXE_outpost-reaper"),
        other => panic!("no function `{other}`"),
    };
    std::env::var_os("OUTPOST_LAMBDA_PROGRAMS").map_or_else(|| own.into(), |folder| PathBuf::from(folder).join(name))
}

/// What a function said to an event: its answer, or what went wrong in it.
pub(crate) type Told = Result<Value, Value>;

/// A function that runs.
pub(crate) struct Function {
    events: mpsc::UnboundedSender<Vec<u8>>,
    told: mpsc::UnboundedReceiver<Told>,
    child: Child,
    /// From its start until it asked for its first event.
    pub(crate) ready_after: Duration,
}

impl Drop for Function {
    fn drop(&mut self) {
        // One that has ended is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Function {
    /// Starts a function and waits until it asks for an event.
    pub(crate) async fn start(name: &str, variables: &[(String, String)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut command = Command::new(program(name));
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().expect("an address").to_string());
        command.env("AWS_LAMBDA_FUNCTION_NAME", name).env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST");
        command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256").envs(variables.iter().cloned());
        let (events, queue) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        let (asks, mut asked) = mpsc::unbounded_channel();
        tokio::spawn(serve(listener, queue, tell, asks));
        let began = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("a function");
        let ready = tokio::time::timeout(FOR_EVER, asked.recv()).await.expect("it starts").expect("it asks");
        Self { events, told, child, ready_after: ready.duration_since(began) }
    }

    pub(crate) async fn call(&mut self, event: &Value) -> Told {
        self.events.send(event.to_string().into_bytes()).expect("it runs");
        tokio::time::timeout(FOR_EVER, self.told.recv()).await.expect("it answers").expect("it runs")
    }
}

async fn serve(
    listener: TcpListener,
    mut events: mpsc::UnboundedReceiver<Vec<u8>>,
    tell: mpsc::UnboundedSender<Told>,
    asks: mpsc::UnboundedSender<Instant>,
) {
    let mut number = 0_u32;
    while let Ok((stream, _)) = listener.accept().await {
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            let mut words = head.split(' ');
            let (Some(method), Some(path)) = (words.next(), words.next()) else { break };
            let field = |name: &str| {
                let lines = head.lines().filter_map(|line| line.split_once(':'));
                lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
            };
            assert_eq!(field("transfer-encoding"), None, "{head}");
            let length = field("content-length").map_or(0, |length| length.parse().expect("a length"));
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.expect("a body");
            let answer = match (method, path.strip_prefix("/2018-06-01/runtime/").expect("the path of the API")) {
                ("GET", "invocation/next") => {
                    let _ = asks.send(Instant::now());
                    let Some(event) = events.recv().await else { return };
                    number += 1;
                    let deadline = SystemTime::now() + Duration::from_secs(29);
                    let deadline = deadline.duration_since(UNIX_EPOCH).expect("a time").as_millis();
                    let mut answer = format!(
                        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: call-{number}\r\n\
                         Lambda-Runtime-Deadline-Ms: {deadline}\r\nLambda-Runtime-Invoked-Function-Arn: \
                         arn:aws:lambda:us-east-1:1:function:f\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                        event.len()
                    )
                    .into_bytes();
                    answer.extend(event);
                    answer
                }
                ("POST", told) => {
                    let what: Value = serde_json::from_slice(&body).expect("JSON");
                    let _ = match told.split('/').collect::<Vec<_>>()[..] {
                        ["invocation", id, "response"] if id == format!("call-{number}") => tell.send(Ok(what)),
                        ["invocation", id, "error"] if id == format!("call-{number}") => tell.send(Err(what)),
                        _ => panic!("{head}"),
                    };
                    b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_vec()
                }
                _ => panic!("{head}"),
            };
            if stream.get_mut().write_all(&answer).await.is_err() {
                break;
            }
        }
    }
}
