//! With the engine that is here, and an image with `bash`, `cat` and `sleep` that `OUTPOST_TEST_IMAGE` names.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::time::Duration;

use outpost_container::{Container, Engine, contain};
use outpost_executor::{Token, Work};
use rustix::process::{Pid, Signal, kill_process};

use crate::script::{guard, image, place, start, until};

pub(crate) fn engine() -> Option<(Engine, Container)> {
    let found = Engine::find(None, &std::env::var_os("PATH").expect("a PATH"));
    let image_name = std::env::var("OUTPOST_TEST_IMAGE");
    match (found, image_name) {
        (Ok(engine), Ok(name)) => Some((engine, Container { network: Some("none".into()), ..image(&name) })),
        (found, name) => {
            let why = found
                .err()
                .map(|fault| fault.to_string())
                .or(name.err().map(|_| "OUTPOST_TEST_IMAGE is not set".into()));
            eprintln!("SKIPPED, nothing was tried with a real container engine: {}", why.unwrap_or_default());
            None
        }
    }
}

fn work(dir: &Path, stage: &str, script: &str) -> Work {
    let token = Token { run: format!("r{}", std::process::id()), task: "T1".into(), attempt: 1, stage: stage.into() };
    let mut work = Work::new(token, "bash", dir, dir.join("log"));
    work.args = ["-e".into(), "-c".into(), script.into()].into();
    work
}

fn is_left(engine: &Engine, token: &Token) -> bool {
    engine.leftovers("/the/store").expect("a list").contains(token)
}

#[test]
fn work_is_done_in_a_container() {
    let Some((engine, container)) = engine() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut work = work(dir.path(), "run", "cat > copy; echo \"$KEY $OUTPOST_TOKEN $(pwd)\"; exit 7");
    work.env = vec![("KEY".into(), "a value".into())];
    work.stdin = Some(Vec::new());
    let token = work.token.clone();
    let work = contain(&container, &engine, &guard(), &place(dir.path()), work).unwrap();
    let mut child = start(&work);
    child.stdin.take().unwrap().write_all(b"some input").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{said}");
    let wanted = format!("a value {token} {}\n", dir.path().display());
    assert_eq!(String::from_utf8_lossy(&output.stdout), wanted);
    assert_eq!(std::fs::read(dir.path().join("copy")).unwrap(), b"some input");
    assert!(!is_left(&engine, &token));
}

#[test]
fn a_container_that_ignores_the_request_is_gone_when_its_guard_is() {
    let Some((engine, container)) = engine() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut work = work(dir.path(), "stubborn", "trap '' TERM; echo started; while :; do sleep 1; done");
    work.grace = Duration::from_secs(1);
    let token = work.token.clone();
    let work = contain(&container, &engine, &guard(), &place(dir.path()), work).unwrap();
    let mut child = start(&work);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "started\n");
    assert!(is_left(&engine, &token));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(!is_left(&engine, &token));
}

/// Killed with guard and client, it is found by whoever looks for it, and removed.
#[test]
fn a_container_that_nobody_watches_is_found_and_removed() {
    let Some((engine, container)) = engine() else { return };
    let dir = tempfile::tempdir().unwrap();
    let work = work(dir.path(), "orphan", "echo started; while :; do sleep 1; done");
    let token = work.token.clone();
    let work = contain(&container, &engine, &guard(), &place(dir.path()), work).unwrap();
    let mut child = start(&work);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let guard = child.id();
    let client = std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).unwrap();
    let client = client.trim().parse().ok().and_then(Pid::from_raw).expect("the client");
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    kill_process(client, Signal::KILL).unwrap();
    child.wait().unwrap();
    assert!(is_left(&engine, &token));
    engine.remove(&token).unwrap();
    until(|| !is_left(&engine, &token));
}
