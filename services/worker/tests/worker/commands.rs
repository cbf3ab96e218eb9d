//! Commands: how they end, what they say, what they leave running.

use outpost_core::actions::Stream;
use outpost_core::job::{Code, Status};
use outpost_core::spec::{Command, Port, PortKind, Spec};
use outpost_core::tenant::Tier;
use serde_json::json;

use crate::bench::{World, shell};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_what_it_is_given_and_its_end_is_told() {
    let world = World::new().await;
    let caller = world.tenant(Tier::Pro).await;
    let _worker = world.worker().start(&world.path("said"));
    let line = r#"read first; echo "$first $OUTPOST_INPUT_N $COLOUR"; echo bad >&2; echo '{"n": 3, "x": 1}' > "$OUTPOST_OUTPUT"; exit "$1""#;
    let asked = |status: &str| Spec {
        command: Some(Command {
            argv: ["sh", "-c", line, "sh", status].map(str::to_owned).to_vec(),
            stdin: "hello\n".to_owned(),
        }),
        inputs: json!({"n": 7}).as_object().expect("an object").clone(),
        env: [("COLOUR".to_owned(), "red".to_owned())].into(),
        ports: vec![Port { name: "n".into(), kind: PortKind::Integer, description: String::new(), optional: false }],
        ..shell("")
    };
    let good = world.submit(&caller, asked("0")).await;
    let bad = world.submit(&caller, asked("3")).await;
    let (job, outcome) = world.ended(&caller, &good).await;
    assert_eq!((job.status, outcome.exit_code, outcome.code), (Status::Succeeded, Some(0), None), "{outcome:?}");
    assert_eq!(json!(outcome.outputs), json!({"n": 3}));
    let log = world.log(&caller, &good).await;
    let said = |stream| -> Vec<&str> {
        log.iter().filter(|line| line.stream == stream).map(|line| line.text.as_str()).collect()
    };
    assert_eq!((said(Stream::Out), said(Stream::Err)), (vec!["hello 7 red"], vec!["bad"]));
    let (job, outcome) = world.ended(&caller, &bad).await;
    assert_eq!(job.status, Status::Failed);
    assert_eq!((outcome.exit_code, outcome.code), (Some(3), Some(Code::CommandFailed)));
    assert_eq!(job.epoch, 1);
}

/// Whether a process runs that has this word.
fn runs(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let mut lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.any(|line| line.split(|byte| *byte == 0).any(|part| part == word.as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_command_stays_behind() {
    let world = World::new().await;
    let caller = world.tenant(Tier::Pro).await;
    let _worker = world.worker().start(&world.path("said"));
    // Two forks and a session of its own; and one that does not end by itself, nor by being asked. Known by a word that
    // no other run of this on the machine has.
    let (first, second) = (format!("7{}.1", std::process::id()), format!("7{}.2", std::process::id()));
    let line = format!("(setsid sh -c 'sleep {first} & sleep {first}' &) ; echo done");
    let daemon = world.submit(&caller, shell(&line)).await;
    let line = format!("trap '' TERM; echo begun; sleep {second}; sleep {second}");
    let deaf = Spec { timeout_seconds: 1, ..shell(&line) };
    let deaf = world.submit(&caller, deaf).await;
    let (job, _) = world.ended(&caller, &daemon).await;
    assert_eq!(job.status, Status::Succeeded);
    assert!(!runs(&first));
    let (job, outcome) = world.ended(&caller, &deaf).await;
    assert_eq!((job.status, outcome.code), (Status::TimedOut, Some(Code::Timeout)));
    assert!(!runs(&second));
    let log = world.log(&caller, &deaf).await;
    assert!(log.iter().any(|line| line.text == "begun"), "{log:?}");
    assert_eq!(world.left(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_of_output_is_kept_within_bounds_and_told() {
    let world = World::new().await;
    let caller = world.tenant(Tier::Pro).await;
    let _worker = world.worker().start(&world.path("said"));
    let id = world.submit(&caller, shell("yes 0123456789abcdef | head -c 1000000000; echo; echo the end")).await;
    let (job, outcome) = world.ended(&caller, &id).await;
    assert_eq!(job.status, Status::Succeeded, "{outcome:?}");
    let log = world.log(&caller, &id).await;
    let bytes: usize = log.iter().map(|line| line.text.len()).sum();
    assert!((1 << 18..16 << 20).contains(&bytes), "{bytes}");
    let told = log.iter().filter(|line| line.stream == Stream::Worker && line.text.contains("were left out here"));
    assert!(told.count() >= 1);
    let last: Vec<&str> = log.iter().rev().take(2).map(|line| line.text.as_str()).collect();
    assert_eq!(last.last(), Some(&"the end"), "{last:?}");
    assert!(log.windows(2).all(|pair| pair[0].seq < pair[1].seq));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_reaches_nothing_but_its_own() {
    let world = World::new().await;
    let caller = world.tenant(Tier::Pro).await;
    let _worker = world.worker().env("WORKER_SECRET", "canary-of-the-worker").start(&world.path("said"));
    let data = world.path("data");
    let workspaces = world.path("workspaces");
    let other = workspaces.join("other");
    std::fs::create_dir_all(&other).expect("a folder");
    std::fs::write(other.join("file"), "of another job").expect("a file");
    // Where walls are a file system of its own, what it writes outside of its folder is gone with it.
    let lines = format!(
        "cat {0}/vault.key && exit 9; ls {0} && exit 8; ls {1}/other && exit 7; echo x > {1}/other/x && exit 6; \
         echo x > {1}/x; env; cat /proc/*/environ 2>/dev/null; echo here > file && echo home > $HOME/file && mktemp",
        data.display(),
        workspaces.display()
    );
    let id = world.submit(&caller, shell(&lines)).await;
    let (job, outcome) = world.ended(&caller, &id).await;
    assert_eq!(job.status, Status::Succeeded, "{outcome:?}");
    let log = world.log(&caller, &id).await;
    assert!(log.iter().any(|line| line.text.starts_with("OUTPOST_JOB=job_")));
    assert!(!log.iter().any(|line| line.text.contains("canary-of-the-worker")));
    assert!(!workspaces.join("x").exists() && !other.join("x").exists(), "what is outside is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_of_a_job_mean_something_to_its_command_only() {
    let world = World::new().await;
    let caller = world.tenant(Tier::Pro).await;
    let _worker = world.worker().start(&world.path("said"));
    // To the loader of every program they are orders: this one has it write a file, others have it load one.
    let trace = world.path("trace").display().to_string();
    let env = [("LD_DEBUG", "files"), ("LD_DEBUG_OUTPUT", trace.as_str()), ("PWD", "/elsewhere"), ("EMPTY", "")];
    let line = "printf '%s|' \"$LD_DEBUG\" \"$LD_DEBUG_OUTPUT\" \"${EMPTY-unset}\"; echo";
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let id = world.submit(&caller, Spec { env, ..shell(line) }).await;
    let (job, outcome) = world.ended(&caller, &id).await;
    assert_eq!(job.status, Status::Succeeded, "{outcome:?}");
    let log = world.log(&caller, &id).await;
    assert!(log.iter().any(|line| line.text == format!("files|{trace}||")), "{log:?}");
    let found: Vec<_> = std::fs::read_dir(world.path("")).expect("a folder").flatten().collect();
    let traces: Vec<_> =
        found.iter().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"trace")).collect();
    assert!(traces.is_empty(), "written outside of the walls: {traces:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fills_the_disk_is_ended() {
    let world = World::new().await;
    let caller = world.tenant(Tier::Pro).await;
    let _worker = world.worker().args(["--disk", "30000000"]).start(&world.path("said"));
    let line = "i=0; while :; do head -c 1000000 /dev/zero > f$i; i=$((i+1)); done";
    let id = world.submit(&caller, shell(line)).await;
    let (job, outcome) = world.ended(&caller, &id).await;
    assert_eq!((job.status, outcome.code), (Status::Failed, Some(Code::DiskFull)), "{outcome:?}");
    assert_eq!(world.left(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_wanted_any_more_is_ended_or_never_begun() {
    let world = World::new().await;
    let caller = world.tenant(Tier::Pro).await;
    let queued = world.submit(&caller, shell("exit 1")).await;
    world.desk.cancel(&caller, &queued).await.expect("it waits");
    let running = world.submit(&caller, shell("echo begun; sleep 73737")).await;
    let _worker = world.worker().start(&world.path("said"));
    world.until(&caller, &running, |job| job.status == Status::Running).await;
    world.desk.cancel(&caller, &running).await.expect("it runs");
    let (job, outcome) = world.ended(&caller, &running).await;
    assert_eq!((job.status, outcome.code), (Status::Cancelled, Some(Code::Cancelled)));
    assert!(!runs("73737"));
    let (job, _) = world.ended(&caller, &queued).await;
    assert_eq!((job.status, job.epoch), (Status::Cancelled, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_an_output_names_is_kept_and_one_outside_of_the_tree_is_not() {
    let world = World::new().await;
    let caller = world.tenant(Tier::Pro).await;
    let _worker = world.worker().start(&world.path("said"));
    let port =
        |name: &str| Port { name: name.into(), kind: PortKind::Path, description: String::new(), optional: true };
    let line = r#"mkdir out; echo text > out/a.txt; ln -s /etc/passwd link; mkfifo pipe
        echo '{"a": "out/a.txt", "b": "link", "c": "../../x", "d": "pipe"}' > "$OUTPOST_OUTPUT""#;
    let spec = Spec { ports: ["a", "b", "c", "d"].map(port).to_vec(), ..shell(line) };
    let id = world.submit(&caller, spec).await;
    let (job, outcome) = world.ended(&caller, &id).await;
    assert_eq!(job.status, Status::Succeeded, "{outcome:?}");
    let names: Vec<&str> = outcome.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
    assert_eq!(names, ["outputs/a/a.txt"]);
    assert_eq!(world.artifact(&job, "outputs/a/a.txt").await, b"text\n");
}
