//! The emulator that the rest of Outpost is tested with, `.ci/emulator`: it takes `SendCommand` for what it is and runs nothing,
//! and calls that a success. So it shows that our requests are well-formed to somebody else's reading of the protocol, and
//! that such a success is not believed.
//!
//! Where it is missing the test says so and is skipped; where `CI` is set that is a failure.

use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use outpost_executor::{Executor as _, Outcome};

use crate::stage::{Stage, on_tokio};

/// Serves until its standard input ends; the first line tells the port.
const SERVE: &str = "
import os, sys, threading
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app
server = make_server('127.0.0.1', 0, DomainDispatcherApplication(create_backend_app), threaded=True)
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
print(server.port, flush=True)
server.serve_forever()
";

#[test]
fn a_success_of_the_emulator_is_not_believed() {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python");
    if !packages.join("moto").is_dir() {
        assert!(std::env::var_os("CI").is_none(), "there is no moto in `{}`", packages.display());
        // Around what the test framework keeps for itself: a skipped test passes, and must not do so in silence.
        let line = "SKIPPED a_success_of_the_emulator_is_not_believed: no AWS emulator; .ci/emulator brings it\n";
        let _ = io::Write::write_all(&mut io::stderr(), line.as_bytes());
        return;
    }
    let mut command = Command::new("python3");
    command.args(["-c", SERVE]).env("PYTHONPATH", &packages);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut moto: Child = command.spawn().expect("python");
    let mut port = String::new();
    BufReader::new(moto.stdout.take().expect("its output")).read_line(&mut port).expect("a port");
    let mut stage = Stage::new();
    // It has no `ListCommandInvocations`: what it calls a success, no machine tells.
    stage.settings.patience = 5;
    stage.settings.endpoint = Some(format!("http://127.0.0.1:{}", port.trim()));
    let outcome = on_tokio(async {
        let ssm = stage.ssm();
        let handle = ssm.start(stage.work("touch ran")).await.expect("it is taken");
        ssm.wait(&handle).await.outcome
    });
    assert!(matches!(outcome, Outcome::Lost(_)), "{outcome:?}");
    assert!(!stage.has("ran"));
    moto.kill().expect("it is there");
    moto.wait().expect("its end");
}
