//! An AWS on this machine: [moto](https://pypi.org/project/moto), which `.ci/emulator` brings into `target/python`.
//!
//! One per test binary, on a loopback port that the system chooses. It lives as long as the binary: its standard input
//! is a pipe of ours, and where that ends, however we do, it ends. Tests share it, so each takes names of its own for
//! buckets and parameters. Where it is missing a test says so and is skipped; where `CI` is set that is a failure.

use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use outpost_bp::engine::net;

/// Serves until its standard input ends; the first line tells the port. What completes an upload of several parts answers
/// under another name than that of S3, which the SDK does not take: it is renamed on the way.
const SERVE: &str = "
import os, sys, threading
from moto.core.serialize import S3Serializer
body = S3Serializer._serialize_body
wrong, right = ('CompleteMultipartUpload' + end for end in ('Response', 'Result'))
S3Serializer._serialize_body = lambda self, parts: body(
    self, {right if name == wrong else name: part for name, part in parts.items()})
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app
server = make_server('127.0.0.1', 0, DomainDispatcherApplication(create_backend_app), threaded=True)
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
print(server.port, flush=True)
server.serve_forever()
";

/// Far beyond what an answer takes, so that only a hang runs into it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Emulator {
    port: u16,
    /// Holds the pipe.
    _child: Child,
}

/// The emulator of this test binary, for a test that goes without where there is none.
pub(crate) fn emulator() -> Option<&'static Emulator> {
    static SHARED: OnceLock<Result<Emulator, String>> = OnceLock::new();
    match SHARED.get_or_init(Emulator::start) {
        Ok(emulator) => Some(emulator),
        Err(problem) => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            assert!(std::env::var_os("CI").is_none(), "{test} needs the AWS emulator: {problem}");
            // Around what the test framework keeps for itself: a skipped test passes, and must not do so in silence.
            let line = format!("SKIPPED {test}: no AWS emulator ({problem}); .ci/emulator brings it\n");
            let _ = io::Write::write_all(&mut io::stderr(), line.as_bytes());
            None
        }
    }
}

impl Emulator {
    fn start() -> Result<Self, String> {
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python");
        if !packages.join("moto").is_dir() {
            return Err(format!("there is no moto in `{}`", packages.display()));
        }
        let mut command = Command::new("python3");
        command.args(["-c", SERVE]).env("PYTHONPATH", &packages).env("MOTO_ALLOW_NONEXISTENT_REGION", "true");
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.map_err(|error| format!("`python3`: {error}"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        // It listens already: whoever connects from now on is served.
        match line.trim().parse() {
            Ok(port) => Ok(Self { port, _child: child }),
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                Err("moto does not start".to_owned())
            }
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Has a command take this for AWS, and see nothing of the AWS of whoever tests.
    pub(crate) fn place(&self, command: &mut Command) {
        command.env("AWS_ENDPOINT_URL", self.endpoint());
        command.env("AWS_ACCESS_KEY_ID", "AKIAEMULATOR").env("AWS_SECRET_ACCESS_KEY", "emulated");
        command.env("AWS_REGION", "us-east-1").env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    }

    /// Asks one of its services directly: status and body. S3 has the path `/bucket/key`; others are told by headers
    /// what to do.
    pub(crate) fn ask(
        &self,
        service: &str,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let method = method.parse().expect("a method");
            let client = net::client(PATIENCE).expect("a client");
            let mut request = client.request(method, format!("{}{path}", self.endpoint())).body(body.to_vec());
            // The scope says which service is meant; the emulator checks no signatures.
            let scope = format!("AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/{service}/aws4_request");
            request = request.header("authorization", scope);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = request.send().await.expect("the emulator answers");
            let status = answer.status().as_u16();
            (status, answer.bytes().await.expect("a whole answer").to_vec())
        })
    }
}
