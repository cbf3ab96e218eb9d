//! What the client is told, and how it ends.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use outpost_container::{Container, Mount, contain};
use outpost_executor::{Limit, NotStarted, Resource, Secrets};
use rustix::process::{Pid, Signal, kill_process};

use crate::script::{NAME, Script, guard, image, place, start};

#[test]
fn the_same_work_goes_through_the_client() {
    let script = Script::that("cat; exit 7", "");
    let mut work = script.work();
    work.stdin = Some(b"some input".to_vec());
    work.env =
        vec![("API_KEY".into(), "hunter22".into()), ("TERM".into(), "dumb".into()), ("PATH".into(), "/in/it".into())];
    work.secrets = Secrets::new([("API_KEY".to_owned(), b"hunter22".to_vec())]);
    let container = Container {
        network: Some("none".to_owned()),
        env: vec![("TERM".into(), "xterm".into())],
        mounts: vec![Mount { source: "/var/cache".into(), target: "/cache".into(), read_only: true }],
        ..image("alpine:3")
    };
    let contained = script.contained(&container, work).expect("work");
    let mut child = start(&contained);
    child.stdin.take().expect("its input").write_all(b"some input").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"some input");
    let project = script.dir.path().join("project").display().to_string();
    let wanted = format!(
        "--context\nx\nrun\n--rm\n--init\n--log-driver\nnone\n--name\n{NAME}\n--label\noutpost.scope=/the/store\n--interactive\n\
         --network=none\n--user=7:8\n--mount\ntype=bind,source={project},target={project}\n--mount\n\
         type=bind,source=/var/cache,target=/cache,readonly\n--workdir\n{project}\n--env=OUTPOST_TOKEN\n--env=API_KEY\n--env=PATH=/in/it\n\
         --env=TERM\n--entrypoint=bash\nalpine:3\n-e\n-c\nmake it\n"
    );
    assert_eq!(script.read("run.args"), wanted);
    let env = script.read("run.env");
    assert!(env.contains("API_KEY=hunter22\n") && env.contains("TERM=xterm\n"), "{env}");
    assert!(env.contains("OUTPOST_TOKEN=r1/T1.2/2/run\n") && !env.contains("PATH=/in/it"), "{env}");
    assert_eq!(script.read("rm.args"), "", "it is gone by itself");
}

#[test]
fn what_would_not_be_the_same_is_refused() {
    let script = Script::that("exit 0", "");
    let refused = |container: &Container, change: &dyn Fn(&mut outpost_executor::Work)| {
        let mut work = script.work();
        change(&mut work);
        match script.contained(container, work) {
            Err(NotStarted::Refused(reason)) => reason,
            other => format!("{other:?}"),
        }
    };
    let fine = image("alpine");
    let said = refused(&fine, &|work| {
        work.env.push(("DOCKER_HOST".into(), "tcp://hunter22".into()));
        work.secrets = Secrets::new([("X".to_owned(), b"hunter22".to_vec())]);
    });
    assert!(said.contains("`DOCKER_HOST`") && !said.contains("hunter22"), "{said}");
    let said = refused(&fine, &|work| work.limits.push(Limit { resource: Resource::AddressSpace, most: 1 }));
    assert!(said.contains("address space"), "{said}");
    for (source, target) in [("/a,b", "/x"), ("relative", "/x"), ("/a", "/x\"y")] {
        let mounts = vec![Mount { source: source.into(), target: target.into(), read_only: false }];
        let said = refused(&Container { mounts, ..fine.clone() }, &|_| {});
        assert!(said.contains("cannot be mounted"), "{said}");
    }
    for name in ["AWS_*", "*", "A=B", ""] {
        let said = refused(&fine, &|work| work.env.push((name.into(), "x".into())));
        assert!(said.contains("no name of a variable"), "{said}");
    }
    let said = refused(&fine, &|work| {
        work.env.push(("_CONTAINERS_ROOTLESS_UID".into(), "hunter22".into()));
        work.secrets = Secrets::new([("X".to_owned(), b"hunter22".to_vec())]);
    });
    assert!(said.contains("would obey it"), "{said}");
    for name in ["", "--privileged"] {
        assert!(refused(&image(name), &|_| {}).contains("no image"));
    }
}

#[test]
fn limits_folders_users_and_directories_are_the_containers() {
    let script = Script::that("exit 0", "");
    let mut work = script.work();
    work.limits.push(Limit { resource: Resource::OpenFiles, most: 99 });
    let folders = [PathBuf::from("/run/files"), script.dir.path().join("project/within")];
    let container = Container { user: Some("me".into()), workdir: Some("/w".into()), ..image("alpine") };
    let project = script.dir.path().join("project");
    let place = outpost_container::Place { folders: &folders, ..place(&project) };
    let work = contain(&container, &script.engine(), &guard(), &place, work).expect("work");
    let args: Vec<_> = work.args.iter().map(|arg| arg.to_string_lossy()).collect();
    assert!(args.contains(&"--ulimit=nofile=99:99".into()) && args.contains(&"--user=me".into()), "{args:?}");
    assert_eq!(args.iter().filter(|arg| *arg == "--mount").count(), 2, "{args:?}");
    assert!(args.windows(2).any(|pair| pair == ["--workdir", "/w"]), "{args:?}");
    assert!(work.limits.is_empty() && work.inherit_env && !work.direct);
}

/// Podman on a small machine is given limits that the machine grants, but for those that the work has itself.
#[test]
fn podman_is_told_the_limits_of_the_machine() {
    let script = Script::that("exit 0", "");
    let mut engine = script.engine();
    engine.kind = outpost_container::Kind::Podman;
    engine.limits = vec![(Resource::OpenFiles, "10:20".into()), (Resource::Processes, "-1:-1".into())];
    let project = script.dir.path().join("project");
    let mut work = script.work();
    work.limits.push(Limit { resource: Resource::OpenFiles, most: 5 });
    let work = contain(&image("alpine"), &engine, &guard(), &place(&project), work).expect("work");
    assert!(work.args.contains(&"--http-proxy=false".into()), "{work:?}");
    let limits: Vec<_> = work.args.iter().filter(|arg| arg.to_string_lossy().starts_with("--ulimit")).collect();
    assert_eq!(limits, ["--ulimit=nproc=-1:-1", "--ulimit=nofile=5:5"]);
    assert!(work.args.contains(&"--userns=keep-id".into()), "{work:?}");
}

#[test]
fn a_client_that_does_not_end_loses_its_container() {
    // As a client does: it passes the request on to a container that ignores it, and ends when that is gone.
    let script = Script::that(
        "trap '' TERM; echo started; until test -e gone; do sleep 0.05; done; exit 137",
        "rm) touch gone;;",
    );
    let mut work = script.work();
    work.grace = Duration::from_millis(400);
    let work = script.contained(&image("alpine"), work).expect("work");
    let mut child = start(&work);
    let mut first = [0; 8];
    std::io::Read::read_exact(child.stdout.as_mut().expect("its output"), &mut first).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(137));
    assert_eq!(script.read("rm.args"), format!("--context\nx\nrm\n--force\n--volumes\n{NAME}\n"));
}

#[test]
fn a_client_that_ends_in_time_ends_by_itself() {
    let script = Script::that("trap 'exit 143' TERM; echo started; while :; do sleep 0.05; done", "");
    let work = script.contained(&image("alpine"), script.work()).expect("work");
    let mut child = start(&work);
    let mut first = [0; 8];
    std::io::Read::read_exact(child.stdout.as_mut().expect("its output"), &mut first).unwrap();
    // The keeper asks the whole tree; here the client is asked through its parent's children.
    let guard = child.id();
    let children = std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).unwrap();
    let client = children.trim().parse().ok().and_then(Pid::from_raw).expect("the client");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    kill_process(client, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(script.read("rm.args"), "");
}

#[test]
fn a_client_that_was_killed_leaves_no_container() {
    let script = Script::that("kill -9 $$", "");
    let work = script.contained(&image("alpine"), script.work()).expect("work");
    assert_eq!(start(&work).wait().unwrap().code(), Some(137));
    assert!(script.read("rm.args").contains(NAME));
}
