//! Tasks whose commands run in a container: what the client of an engine is asked, by a script in its place that carries
//! everything out here; and the whole, by an engine that is here and an image with a shell that `OUTPOST_TEST_IMAGE` names.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use outpost_bp::engine::hands::engine_here;
use rustix::process::{Pid, Signal, kill_process};

use crate::project::Project;
use crate::{blocked, document, project};

/// Notes what it is asked for, and carries commands out where it stands.
pub(super) const CLIENT: &str = r#"#!/bin/bash
case $1 in
ps) cat "$ENGINE.left" 2>/dev/null; exit 0 ;;
rm) echo "rm ${!#}" >> "$ENGINE"; exit 0 ;;
run) shift ;;
*) exit 0 ;;
esac
while :; do case $1 in
  --name) name=$2; shift 2 ;;
  --workdir) cd "$2"; shift 2 ;;
  --label | --mount | --log-driver) shift 2 ;;
  --entrypoint=*) program=${1#*=}; shift ;;
  --*) shift ;;
  *) break ;;
esac; done
echo "run $1 ${name##*.}" >> "$ENGINE"
shift
CONTAINED=yes exec "$program" "$@"
"#;

const IMAGE: &str = "execution_context: {container: {image: 'tools:1', engine: docker";

/// A project with that client of an engine.
fn scripted(execution: &str, tasks: &[(&str, &str, &str)]) -> Project {
    let project = project(execution, tasks);
    fs::create_dir(project.path("bin")).expect("a folder");
    project.write("bin/docker", CLIENT);
    fs::set_permissions(project.path("bin/docker"), fs::Permissions::from_mode(0o755)).expect("ours");
    project
}

fn command(project: &Project, arguments: &[&str]) -> Command {
    let mut command = project.command(arguments);
    let path =
        command.get_envs().find_map(|(name, value)| value.filter(|_| name == "PATH")).expect("a path").to_owned();
    let mut first = project.path("bin").into_os_string();
    first.push(":");
    first.push(path);
    command.env("PATH", first).env("ENGINE", project.path("engine"));
    command
}

fn asked(project: &Project) -> Vec<String> {
    fs::read_to_string(project.path("engine")).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn x_02_all_commands_of_a_task_run_in_its_container_but_those_that_say_here() {
    let a = format!(
        "{IMAGE}, env: {{WHO: '${{task_id}}'}}}}, setup_command: 'note setup $CONTAINED'}}\noutput: {{location: file, path: out.json, ports: {{n: {{type: integer}}}}}}\nrun: |\n  note run $CONTAINED $WHO; echo '{{\"n\": 7}}' > out.json\nverification:\n  smoke: note smoke $CONTAINED\n  unit: {{command: 'note unit ${{CONTAINED:-no}}', on: here}}\non_success: note after $CONTAINED\nrollback: note undone $CONTAINED"
    );
    let b =
        "input_bindings: {n: {source: a, output_port: n}}\nrun: |\n  note $OUTPOST_INPUT_N ${CONTAINED:-no}; exit 1";
    let project = scripted("rollback: auto", &[("a", "", &a), ("b", "a", b)]);
    // What its commands see of the outside, they see because the script runs here.
    project.start(command(&project, &["run", "blueprint.md"])).end().with(5);
    let ledger = project.ledger();
    let of_a: Vec<&str> = ledger.iter().filter_map(|line| line.strip_prefix("a 1 ")).collect();
    let expected =
        ["setup setup yes", "run run yes a", "verify:smoke smoke yes", "verify:unit unit no", "rollback undone yes"];
    assert!(expected.iter().all(|line| of_a.contains(line)), "{ledger:?}");
    assert!(of_a.contains(&"on_success after yes") && ledger.contains(&"b 1 run 7 no".to_owned()), "{ledger:?}");
    assert!(asked(&project).contains(&"run tools:1 verify_3asmoke".to_owned()), "{:?}", asked(&project));
    assert!(!asked(&project).iter().any(|line| line.contains("unit")), "{:?}", asked(&project));
}

#[test]
fn x_02_a_guard_that_is_killed_leaves_no_container_behind_its_report() {
    let a = format!("{IMAGE}}}}}\nrun: note begins; sleep 1000");
    let project = scripted("", &[("a", "", &a)]);
    let running = project.start(command(&project, &["run", "blueprint.md"]));
    project.until_written("a 1 run begins");
    let guard = project.processes().into_iter().find(|process| process.contains(" __container docker"));
    let guard = guard.as_deref().and_then(|process| process.split(' ').next()?.parse().ok()).expect("a guard");
    kill_process(Pid::from_raw(guard).expect("a pid"), Signal::KILL).expect("it is there");
    running.end().with(1);
    assert_eq!(blocked(&project), ["a E_EXECUTION_FAILED"]);
    let asked = asked(&project);
    assert!(asked.len() == 2 && asked[1].starts_with("rm outpost-") && asked[1].ends_with(".1.run"), "{asked:?}");
    project.until_nothing_runs();
}

#[test]
fn x_02_containers_that_nobody_drives_are_removed_when_a_run_begins() {
    let a = format!("{IMAGE}}}}}\nrun: note begins; await go");
    let project = scripted("", &[("a", "", &a)]);
    let running = project.start(command(&project, &["run", "blueprint.md"]));
    project.until_written("a 1 run begins");
    // One of a run that is driven, one of a run that is gone, one that is somebody else's.
    let folder = project.run_folder().expect("a run").canonicalize().expect("a folder");
    let token =
        |run: &str| outpost_executor::Token { run: run.into(), task: "a".into(), attempt: 1, stage: "run".into() };
    let driven = outpost_container::name_of(&token(&folder.display().to_string()));
    let gone = outpost_container::name_of(&token("/no/such/run"));
    project.write("engine.left", &format!("{driven}\n{gone}\nmine\n"));
    let second = project.start(command(&project, &["run", "blueprint.md", "--new-run"]));
    let removed = |name: &str| asked(&project).iter().any(|line| *line == format!("rm {name}"));
    project.until("the removal", || removed(&gone));
    assert!(!removed(&driven) && !removed("mine"));
    project.write("go", "");
    running.end().with(0);
    second.end().with(0);
}

#[test]
fn x_02_a_missing_engine_is_told_before_anything_starts() {
    let a = format!("{}}}}}\nrun: note ran", "execution_context: {container: {image: 'tools:1'");
    let project = project("", &[("a", "", &a), ("b", "", "run: note ran")]);
    fs::create_dir(project.path("empty")).expect("a folder");
    let mut run = project.command(&["run", "blueprint.md"]);
    run.env("PATH", project.path("empty"));
    let said = ["E_CAPABILITY_MISSING: no container engine answers", "`docker` is not on the PATH", "(a)"];
    project.start(run).end().with(8).says(&said);
    assert_eq!((project.ledger(), project.run_folder()), (Vec::new(), None));
    let mut plan = project.command(&["plan", "blueprint.md"]);
    plan.env("PATH", project.path("empty"));
    let planned = project.start(plan).end().with(0);
    assert!(planned.stdout.contains("docker or podman: MISSING here"), "{}", planned.stdout);
    assert!(planned.stdout.contains("a [container tools:1]"), "{}", planned.stdout);
}

/// An image for the engine that is here.
fn image() -> Option<String> {
    let why = match (engine_here(None), std::env::var("OUTPOST_TEST_IMAGE")) {
        (Ok(_), Ok(image)) => return Some(image),
        (Err(why), _) => why,
        (_, Err(_)) => "OUTPOST_TEST_IMAGE is not set: name an image with bash and coreutils".to_owned(),
    };
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Around what the test framework keeps for itself: a skipped test passes, and must not do so in silence.
    let _ = std::io::stderr().write_all(format!("SKIPPED {test}: no container ({why})\n").as_bytes());
    None
}

/// A project whose only task works in a real container, without a network.
fn contained(image: &str, rest: &str) -> Project {
    let a = format!("execution_context: {{container: {{image: '{image}', network: none}}, timeout: PT60S}}\n{rest}");
    Project::of(&document("", &[("a", "", &a)]))
}

/// Containers of this project, as its engine lists them.
fn left(project: &Project) -> usize {
    let engine = engine_here(None).expect("an engine");
    engine
        .leftovers(&project.path(".outpost").canonicalize().expect("a store").display().to_string())
        .expect("a list")
        .len()
}

#[test]
fn x_02_work_in_a_real_container_is_work() {
    let Some(image) = image() else { return };
    let project = contained(
        &image,
        "output: {location: file, path: out.json, ports: {n: {type: integer}}}\nrun: |\n  echo \"$OUTPOST_TASK $OUTPOST_STAGE\" > did; echo '{\"n\": 7}' > out.json\nverification: {smoke: 'test -s did', unit: {command: 'test -s did && note here', on: here}}",
    );
    project.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(fs::read_to_string(project.path("did")).expect("a file"), "a run\n");
    assert_eq!((project.ledger(), left(&project)), (vec!["a 1 verify:unit here".to_owned()], 0));
}

#[test]
fn x_02_a_real_container_ends_with_its_cancel_its_time_and_its_runner() {
    let Some(image) = image() else { return };
    let stubborn = "run: |\n  trap '' TERM; touch begun; while :; do sleep 0.1; done";
    let handoff = "handoff: {on_interrupt: {timeout: PT1S}}\nidempotent: true\n";
    let project = contained(&image, &format!("{handoff}{stubborn}"));
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until("a container", || project.path("begun").exists());
    project.outpost(&["cancel"]).with(0);
    running.end().with(1);
    assert_eq!(left(&project), 0, "cancelled");

    let project = contained(&image, &format!("{handoff}resources: {{timeout: PT4S}}\n{stubborn}"));
    project.outpost(&["run", "blueprint.md"]).with(1);
    assert_eq!((blocked(&project), left(&project)), (vec!["a E_TIMEOUT".to_owned()], 0));

    let project = contained(
        &image,
        &format!("{handoff}run: |\n  touch begun; until [ -e go ]; do sleep 0.1; done; echo x >> effects"),
    );
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until("a container", || project.path("begun").exists());
    running.signal(Signal::KILL);
    running.end();
    project.write("go", "");
    project.outpost(&["resume"]).with(0);
    assert_eq!((fs::read_to_string(project.path("effects")).expect("a file"), left(&project)), ("x\n".to_owned(), 0));
}

#[test]
fn x_02_a_real_container_that_nobody_watches_is_removed_when_its_run_goes_on() {
    let Some(image) = image() else { return };
    let project = contained(&image, "idempotent: true\nrun: '[ -e second ] && exit 0; touch begun; sleep 1000'");
    let running = project.start(project.command(&["run", "blueprint.md"]));
    // Its engine may still be busy with the start when the command is not any more.
    project.until("a container", || project.path("begun").exists() && left(&project) == 1);
    // Runner, keepers, guards and clients, and nobody sees another one go.
    let ours = project.processes().into_iter().filter(|process| !process.contains("conmon"));
    let pids: Vec<Pid> = ours
        .filter_map(|process| process.split(' ').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw))
        .collect();
    for signal in [Signal::STOP, Signal::KILL] {
        for pid in &pids {
            // It may have ended with another one.
            let _ = kill_process(*pid, signal);
        }
    }
    running.end();
    assert_eq!(left(&project), 1, "it goes on");
    project.write("second", "");
    project.outpost(&["resume"]).with(0);
    assert_eq!(left(&project), 0);
}
