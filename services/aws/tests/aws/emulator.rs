//! An AWS on this machine: [ministack](https://pypi.org/project/ministack), which `.ci/ministack` brings into
//! `target/ministack`.
//!
//! One per test binary, on a loopback port that the system chooses; a test has an account of its own in it, by a key of twelve
//! digits, and a time of its own: what waits or ends goes by the account's time, which the test sets forward. It lives as long
//! as the binary: its standard input is a pipe of ours, and where that ends, however we do, it ends. Where it is missing a
//! test says so and is skipped; where `CI` is set that is a failure.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// What signs links; the emulator holds signed links to it.
pub(crate) const SECRET: &str = "emulated-emulated-emulated";

/// Each line of input sets the time of an account forward, by seconds; the first line of output tells the port. SQS says of a
/// message that is hidden no more that it is not in flight; this emulator does not, and is made to. IAM is asked about the
/// path or the names that SSM is asked for; this emulator asks about all of SSM, and is made to.
const SERVE: &str = "
import asyncio, datetime, json, os, socket, sys, threading, time
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen(512)
port = listener.getsockname()[1]
os.environ['GATEWAY_PORT'] = str(port)
from ministack.app import app
from ministack.core import iam_actions
from ministack.core.responses import get_account_id
from ministack.services import s3, sqs
ahead = {}
class Time:
    def __getattr__(self, name):
        return getattr(time, name)
    def time(self):
        return time.time() + ahead.get(get_account_id(), 0)
sqs.time = Time()
hide = sqs._HANDLERS['ChangeMessageVisibility']
def in_flight(data, url):
    for message in sqs._get_q(data.get('QueueUrl', url), 'sqs:ChangeMessageVisibility')['messages']:
        if message['receipt_handle'] == data.get('ReceiptHandle') and message['visible_at'] <= sqs.time.time():
            raise sqs._Err('MessageNotInflight', 'The specified message is not in flight.')
    return hide(data, url)
sqs._HANDLERS['ChangeMessageVisibility'] = in_flight
about = iam_actions.extract_resource_arn
def parameters(service, method, path, headers, body, params, region, account):
    asked = json.loads(body) if service == 'ssm' and body else {}
    place = asked.get('Path') or (asked.get('Names') or [''])[0]
    if place:
        return f'arn:aws:ssm:{region}:{account}:parameter{place}'
    return about(service, method, path, headers, body, params, region, account)
iam_actions.extract_resource_arn = parameters
expired = s3.presigned_request_is_expired
def later():
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=ahead.get(get_account_id(), 0))
s3.presigned_request_is_expired = lambda date, seconds: expired(date, seconds, now=later())
def follow():
    for line in sys.stdin:
        account, seconds = line.split()
        ahead[account] = float(seconds)
        print('set', flush=True)
    os._exit(0)
threading.Thread(target=follow, daemon=True).start()
from hypercorn.asyncio import serve
from hypercorn.config import Config
config = Config()
config.bind = [f'fd://{listener.fileno()}']
config.keep_alive_timeout = 75
print(port, flush=True)
asyncio.run(serve(app, config))
";

#[derive(Debug)]
pub(crate) struct Emulator {
    port: u16,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _child: Child,
    _home: tempfile::TempDir,
}

/// The emulator of this test binary, for a test that goes without where there is none.
pub(crate) fn emulator() -> Option<&'static Emulator> {
    static SHARED: OnceLock<Result<Emulator, String>> = OnceLock::new();
    told(SHARED.get_or_init(|| Emulator::start(false)))
}

/// Another one, that asks who may do what.
pub(crate) fn strict() -> Option<&'static Emulator> {
    static SHARED: OnceLock<Result<Emulator, String>> = OnceLock::new();
    told(SHARED.get_or_init(|| Emulator::start(true)))
}

fn told(started: &'static Result<Emulator, String>) -> Option<&'static Emulator> {
    match started {
        Ok(emulator) => Some(emulator),
        Err(problem) => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            assert!(std::env::var_os("CI").is_none(), "{test} needs ministack: {problem}");
            // Around what the test framework keeps for itself: a skipped test passes, and must not do so in silence.
            let line = format!("SKIPPED {test}: no ministack ({problem}); .ci/ministack brings it\n");
            let _ = io::stderr().write_all(line.as_bytes());
            None
        }
    }
}

impl Emulator {
    fn start(strict: bool) -> Result<Self, String> {
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/ministack");
        if !packages.join("ministack").is_dir() {
            return Err("it is not in `target/ministack`".to_owned());
        }
        let home = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut command = Command::new("python3");
        command.args(["-c", SERVE]).env("PYTHONPATH", &packages).env("BIND_HOST", "127.0.0.1");
        command.env("HOME", home.path()).env("TMPDIR", home.path()).env("AWS_SECRET_ACCESS_KEY", SECRET);
        command.env("AUTH", strict.to_string()).env("LOG_LEVEL", "ERROR").env("PYTHONDONTWRITEBYTECODE", "1");
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.map_err(|error| format!("`python3`: {error}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a child without pipes".to_owned());
        };
        let mut output = BufReader::new(output);
        // It listens already: whoever connects from now on is served.
        match line(&mut output).trim().parse() {
            Ok(port) => Ok(Self { port, pipes: Mutex::new((input, output)), _child: child, _home: home }),
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                Err("ministack does not start".to_owned())
            }
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sets the time of an account so much ahead of the machine's.
    pub(crate) fn ahead(&self, account: &str, by: Duration) {
        let mut pipes = self.pipes.lock().expect("no panic before");
        writeln!(pipes.0, "{account} {}", by.as_secs_f64()).expect("it listens");
        assert_eq!(line(&mut pipes.1).trim(), "set");
    }
}

fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    let _ = output.read_line(&mut line);
    line
}
