//! The same trees again and again: a race that is lost once in a hundred times is lost here.
//!
//! `OUTPOST_TREES=n` is how often each kind of tree is ended in each way. What is looked for is whoever has the folder of
//! the test as its own, in its environment or among its words, so that it is found wherever it went.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use outpost_executor::{Executor as _, Outcome};
use outpost_shell::Shell;

use crate::stage::{HOSTILE, Stage, keepers, meanwhile, on_tokio, perform, pids, until};

/// Kinds of trees. Each makes `all-there` when it has all it wants. `$HERE` is the folder.
const KINDS: [(&str, &str); 6] = [
    ("everything at once", HOSTILE),
    (
        "a bomb of 127 processes, each in a session of its own",
        r#"bomb() { if [ "$1" -gt 0 ]; then setsid "$HERE/bomb" $(($1 - 1)) & setsid "$HERE/bomb" $(($1 - 1)) & fi; }
        bomb 6; until [ "$(ls burst.* 2>/dev/null | wc -l)" -ge 64 ]; do sleep 0.02; done; touch all-there;"#,
    ),
    ("one that goes on starting others", "./runaway & until [ -e ready ]; do sleep 0.01; done; touch all-there;"),
    (
        "readers of a terminal",
        r#"(cat /dev/tty; touch refused.1) 2>/dev/null & (setsid sh -c 'read x </dev/tty; touch refused.2') 2>/dev/null &
        read x </dev/tty 2>/dev/null; until [ -e refused.1 ] && [ -e refused.2 ]; do sleep 0.01; done; touch all-there;"#,
    ),
    (
        "holders of the pipes that went elsewhere",
        r#"for i in 1 2 3 4; do (cd /; trap '' TERM HUP INT QUIT; setsid sh -c "touch $HERE/holder.$i; sleep 1000; : $HERE" &) done
        until [ -e holder.1 ] && [ -e holder.2 ] && [ -e holder.3 ] && [ -e holder.4 ]; do sleep 0.01; done; touch all-there;"#,
    ),
    (
        "a stopped tree",
        r#"setsid sh -c 'setsid sh -c "touch deep; sleep 1000" & until [ -e deep ]; do sleep 0.01; done; touch all-there; kill -STOP 0' &
        until [ -e all-there ]; do sleep 0.01; done;"#,
    ),
];

#[derive(Clone, Copy, Debug)]
enum End {
    Cancelled,
    TimedOut,
    /// Its program ends by itself and leaves the rest.
    Left,
}

#[test]
fn no_tree_outlives_its_task_however_often() {
    let times: usize = std::env::var("OUTPOST_TREES").map_or(1, |times| times.parse().expect("a number"));
    let mut ended = 0;
    for round in 0..times {
        for (kind, script) in KINDS {
            for end in [End::Cancelled, End::TimedOut, End::Left] {
                let survivors = survivors(script, end);
                assert_eq!(survivors, [""; 0], "{kind}, {end:?}, round {round}");
                ended += 1;
            }
        }
    }
    let line = format!("{ended} trees of {} kinds, 0 survivors\n", KINDS.len());
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).expect("somebody listens");
}

/// Grows a tree, has it ended, and answers who is left.
fn survivors(script: &str, end: End) -> Vec<String> {
    let stage = Stage::new();
    let program = |name: &str, text: &str| {
        fs::write(stage.path(name), text).expect("a script");
        fs::set_permissions(stage.path(name), fs::Permissions::from_mode(0o755)).expect("a script");
    };
    program("runaway", "#!/bin/sh\n[ -e ready ] || touch ready\n./runaway &\n");
    let bomb = "#!/bin/sh\nn=$1\nif [ $n -gt 0 ]; then setsid \"$HERE/bomb\" $((n-1)) & setsid \"$HERE/bomb\" $((n-1)) &\nelse touch burst.$$; fi\nsleep 1000\n";
    program("bomb", bomb);
    let here = stage.path("").display().to_string();
    let after = if matches!(end, End::Left) { "exit 5" } else { "wait; sleep 1000" };
    let mut work = stage.work(&format!("export HERE='{}'\n{script} {after}", here.trim_end_matches('/')));
    work.grace = Duration::from_millis(30);
    work.leak_timeout = Duration::from_millis(30);
    on_tokio(async {
        let shell = Shell::new(keepers());
        match end {
            End::Cancelled => {
                let handle = shell.start(work).await.expect("a start");
                meanwhile("all are there", || stage.has("all-there")).await;
                shell.cancel(&handle).await;
                assert_eq!(shell.wait(&handle).await.outcome, Outcome::Cancelled);
                shell.settle(&handle);
            }
            // It may come before all are there: that is a tree, too.
            End::TimedOut => {
                work.timeout = Some(Duration::from_millis(150));
                assert_eq!(perform(&shell, work).await.outcome, Outcome::TimedOut);
            }
            End::Left => assert_eq!(perform(&shell, work).await.outcome, Outcome::Exited(5)),
        }
    });
    let found = left_behind(&stage);
    // The search finds who is there.
    let mut witness = std::process::Command::new("sleep").arg("1000").env("HERE", &here).spawn().expect("a process");
    until("the search finds who is there", || left_behind(&stage).len() > found.len());
    witness.kill().expect("ours");
    witness.wait().expect("ours");
    found
}

/// Whoever has to do with the folder of a test.
fn left_behind(stage: &Stage) -> Vec<String> {
    let folder = stage.path("").canonicalize().expect("a folder");
    let sought = folder.to_string_lossy().into_owned();
    let holds = |pid: u32, file: &str| {
        let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(&sought)
    };
    let is_there = |pid: u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&folder));
    let words = |pid: u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ");
    pids()
        .filter(|pid| *pid != std::process::id())
        .filter(|pid| is_there(*pid) || holds(*pid, "environ") || holds(*pid, "cmdline"))
        .map(|pid| format!("{pid} {}", words(pid)))
        .collect()
}
