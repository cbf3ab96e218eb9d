//! Tasks of the executor `ssm`, driven by the real tool with the real SDK, against the double of Systems Manager whose
//! machines really run what they are sent: this one, in another shell.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::cloud::Cloud;
use crate::project::{Ended, Project, Running};
use crate::{blocked, document, kept};

const TARGETS: &str = "targets: {instances: [i-00000001]}";
const WAITS: &str = "until [ -e go ]; do sleep 0.02; done";

/// A project, and machines that share its folder.
struct Farm {
    project: Project,
    cloud: Cloud,
    state: TempDir,
}

impl Drop for Farm {
    fn drop(&mut self) {
        self.cloud.close();
    }
}

impl Farm {
    fn of(execution: &str, tasks: &[(&str, &str, &str)]) -> Self {
        let farm = Self { project: Project::of(""), cloud: Cloud::new(), state: TempDir::new().expect("a folder") };
        let settings = format!(
            "ssm: {{endpoint: '{}', region: us-east-1, state_directory: '{}', directory: '{}', {TARGETS}}}",
            farm.cloud.endpoint(),
            farm.state.path().join("state").display(),
            farm.folder().display()
        );
        let separator = if execution.is_empty() { "" } else { ", " };
        farm.project.write("blueprint.md", &document(&format!("{settings}{separator}{execution}"), tasks));
        farm
    }

    fn folder(&self) -> PathBuf {
        self.project.path("").canonicalize().expect("a folder")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.command(arguments);
        command.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "opens-nothing");
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", self.state.path());
        command
    }

    fn start(&self, arguments: &[&str]) -> Running {
        self.project.start(self.command(arguments))
    }

    fn outpost(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.project.path(name)).unwrap_or_default()
    }

    fn until_there(&self, name: &str) {
        self.project.until(name, || self.project.path(name).exists());
    }

    /// What machines run in the project, now.
    fn at_work(&self) -> Vec<u32> {
        let folder = self.folder();
        let pids =
            fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let own = std::process::id();
        let is_there = |pid: &u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder);
        pids.filter(|pid| *pid != own && is_there(pid)).collect()
    }

    /// Kills the runner without a word, once something is there.
    fn killed_once(&self, name: &str) {
        let running = self.start(&["run", "blueprint.md"]);
        self.until_there(name);
        // What was written down is there before what follows from it.
        self.project.until("a handle", || !self.project.told("stage_handle").is_empty());
        running.signal(Signal::KILL);
        running.end();
    }
}

#[test]
fn x_02_all_of_a_task_runs_on_its_machine_and_what_it_prints_comes_back() {
    let a = "executor: ssm\nexecution_context: {environment_variables: {WHO: '${task_id}'}, setup_command: 'echo setup > did'}\noutput: {location: stdout, ports: {n: {type: integer}, dir: {type: string}}}\nrun: |\n  echo \"run $WHO $OUTPOST_STAGE ${OUTPOST_OUTPUT:-none} ${LEDGER:-none}\" >> did\n  echo \"{\\\"n\\\": 7, \\\"dir\\\": \\\"$(pwd)\\\"}\"\nverification:\n  smoke: echo smoke ${LEDGER:-none} >> did\n  unit: {command: 'note here', on: here}";
    let b = "executor: ssm\ninput_bindings: {n: {source: a, output_port: n}}\nrun: test \"$OUTPOST_INPUT_N\" = 7 -a -z \"$OUTPOST_INPUTS\"";
    let c = "input_bindings: {dir: {source: a, output_port: dir}}\nrun: note \"$OUTPOST_INPUT_DIR\"";
    let farm = Farm::of("", &[("a", "", a), ("b", "a", b), ("c", "b", c)]);
    farm.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(farm.text("did"), "setup\nrun a run none none\nsmoke none\n");
    let folder = farm.folder();
    assert_eq!(farm.project.ledger(), ["a 1 verify:unit here".to_owned(), format!("c 1 run {}", folder.display())]);
    assert_eq!(farm.cloud.calls("SendCommand").len(), 4, "setup, run, smoke, and the run of `b`");
}

#[test]
fn x_02_work_on_a_machine_outlives_its_runner_and_is_taken_up() {
    let a = format!(
        "executor: ssm\nrun: |\n  echo x >> effects; {WAITS}; echo done >> effects; exit 0\nverification: {{smoke: test -s effects}}"
    );
    let farm = Farm::of(
        "",
        &[("a", "", &a), ("b", "", "idempotent: true\nrun: await begin; note beside"), ("c", "a", "run: note after")],
    );
    farm.killed_once("effects");
    assert!(!farm.at_work().is_empty(), "it goes on");
    let resumed = farm.start(&["resume"]);
    // Nothing else waits for it.
    farm.project.write("begin", "");
    farm.project.until("the other task", || farm.project.told("task_completed").contains(&"b".to_owned()));
    assert_eq!(farm.text("effects"), "x\n");
    farm.project.write("go", "");
    resumed.end().with(0);
    assert_eq!(farm.text("effects"), "x\ndone\n", "it was performed once");
    assert_eq!(farm.project.told("stage_started").iter().filter(|what| what.starts_with("a/")).count(), 2);
    let unknown = farm.project.told("task_unknown");
    assert!(!unknown.iter().any(|what| what.starts_with("a/")), "{unknown:?}");
}

#[test]
fn x_02_what_ended_while_nobody_looked_is_told_and_hides_its_secrets() {
    // The machine finds the secret out by itself: nobody sends it there.
    let a =
        format!("executor: ssm\nrun: |\n  touch begun; {WAITS}; a=correct; echo $a-horse-battery; touch over; exit 4");
    let b = "run: 'test -n ${secrets.KEY}'";
    let farm = Farm::of("", &[("a", "", &a), ("b", "a", b)]);
    let with_key = |arguments: &[&str]| {
        let mut command = farm.command(arguments);
        command.env("KEY", "correct-horse-battery");
        farm.project.start(command)
    };
    let running = with_key(&["run", "blueprint.md"]);
    farm.until_there("begun");
    farm.project.until("a handle", || !farm.project.told("stage_handle").is_empty());
    running.signal(Signal::KILL);
    running.end();
    farm.project.write("go", "");
    farm.until_there("over");
    with_key(&["resume"]).end().with(1).says(&["exited with 4"]);
    assert_eq!(blocked(&farm.project), ["a E_EXECUTION_FAILED"]);
    let log = String::from_utf8_lossy(&fs::read(kept(&farm.project, "a@1.run.log")).expect("a log")).into_owned();
    assert!(log.contains("***") && !log.contains("horse"), "{log}");
    let journal = fs::read(farm.project.run_folder().expect("a run").join("journal.log")).expect("a journal");
    assert!(!String::from_utf8_lossy(&journal).contains("horse"));
}

#[test]
fn x_02_cancel_ends_what_machines_do_also_when_its_runner_is_dead() {
    let a = format!("executor: ssm\nrun: touch begun; (setsid sleep 1000 &); {WAITS}");
    for dies in [false, true] {
        let farm = Farm::of("", &[("a", "", &a)]);
        if dies {
            farm.killed_once("begun");
            assert!(!farm.at_work().is_empty());
            farm.outpost(&["cancel"]);
        } else {
            let running = farm.start(&["run", "blueprint.md"]);
            farm.until_there("begun");
            farm.outpost(&["cancel"]).with(0);
            running.end().with(1);
        }
        assert_eq!(farm.project.told("run_ended").len(), 1, "dies: {dies}");
        assert_eq!(farm.at_work(), [0; 0], "dies: {dies}");
    }
}

#[test]
fn x_02_time_that_is_up_ends_the_whole_tree_there() {
    let a = "executor: ssm\nexecution_context: {timeout: PT3S}\nrun: touch begun; (setsid sleep 1000 &); sleep 1000";
    let farm = Farm::of("", &[("a", "", a)]);
    farm.outpost(&["run", "blueprint.md"]).with(1).says(&["took longer than 3s (execution_context.timeout)"]);
    assert!(farm.project.path("begun").exists());
    assert_eq!((blocked(&farm.project), farm.at_work()), (vec!["a E_TIMEOUT".to_owned()], Vec::new()));
}

#[test]
fn x_02_a_verification_that_was_cut_short_begins_again() {
    let a = format!(
        "executor: ssm\nrun: echo x >> effects\nverification: {{smoke: 'touch looks; {WAITS}; test -s effects'}}"
    );
    let farm = Farm::of("", &[("a", "", &a)]);
    let running = farm.start(&["run", "blueprint.md"]);
    farm.until_there("looks");
    running.signal(Signal::TERM);
    running.end();
    assert_eq!(farm.at_work(), [0; 0], "a runner that is told to go takes its work along");
    farm.project.write("go", "");
    farm.outpost(&["resume"]).with(0);
    assert_eq!(farm.text("effects"), "x\n");
}

#[test]
fn x_06_what_a_machine_did_is_undone_there() {
    let a = "executor: ssm\nrun: touch made\nrollback: rm made; echo \"undone ${LEDGER:-there}\" > undone";
    let farm = Farm::of("rollback: auto", &[("a", "", a), ("b", "a", "run: exit 1")]);
    farm.outpost(&["run", "blueprint.md"]).with(5);
    assert!(!farm.project.path("made").exists());
    assert_eq!(farm.text("undone"), "undone there\n");
}

#[test]
fn x_02_output_that_did_not_come_back_whole_is_no_output() {
    let a = "executor: ssm\noutput: {location: stdout, ports: {all: {type: string}}}\nrun: head -c 200000 /dev/zero | tr '\\\\0' x";
    let farm = Farm::of("", &[("a", "", a)]);
    farm.outpost(&["run", "blueprint.md"]).with(1).says(&["is not whole", "name a bucket in `output`"]);
}

#[test]
fn x_02_what_aws_does_not_take_did_not_start() {
    let a = "executor: ssm\nexecution_context: {ssm: {document: AWS-RunNothing}}\nrun: touch ran";
    let farm = Farm::of("", &[("a", "", a)]);
    farm.outpost(&["run", "blueprint.md"]).with(1).says(&["`run` did not start: AWS takes no command"]);
    assert!(!farm.project.path("ran").exists());
}
