//! `blueprints/OUTPOST_LOCAL.md`: a service of this machine that stands up, does a job, and leaves what it should.
//!
//! The programs are those beside the tool, which building the workspace makes; a blueprint that is told where they are builds
//! none. Each test has a project of its own, which links to the folders of the checkout.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::project::{Ended, Project};

const BLUEPRINT: &str = "blueprints/OUTPOST_LOCAL.md";
const TASKS: usize = 9;

/// A checkout with a service in it, which ends with the value.
struct Local {
    project: Project,
    programs: PathBuf,
}

impl Local {
    /// Nothing where this machine cannot run it, and then that is said.
    fn new() -> Option<Self> {
        let programs = Path::new(env!("CARGO_BIN_EXE_outpost-bp")).parent().expect("a folder").to_owned();
        let is_built = |name: &&str| programs.join(name).exists();
        let is_here = |name: &&str| Command::new(name).arg("--version").output().is_ok();
        let programs_missing =
            ["outpost-api", "outpost-worker", "outpost-admin"].into_iter().find(|name| !is_built(name));
        let tools_missing = ["bash", "curl", "jq", "git"].into_iter().find(|name| !is_here(name));
        if let Some(missing) = programs_missing.or(tools_missing) {
            assert!(std::env::var_os("CI").is_none(), "{BLUEPRINT} needs `{missing}`");
            // Around what the test framework keeps for itself: a skipped test must not pass in silence.
            let _ = writeln!(std::io::stderr(), "SKIPPED a test of {BLUEPRINT}: no `{missing}`");
            return None;
        }
        let project = Project::of("");
        fs::create_dir(project.path(".git")).expect("a project");
        for name in ["blueprints", "examples"] {
            symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join(name), project.path(name)).expect("a link");
        }
        Some(Self { project, programs })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.command(arguments);
        // A machine behind a proxy reaches itself all the same.
        command.env("LOCAL_PROGRAMS", &self.programs).env("http_proxy", "http://127.0.0.1:1");
        command
    }

    fn outpost(&self, arguments: &[&str]) -> Ended {
        self.project.start(self.command(arguments)).end()
    }

    fn service(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(self.project.path("blueprints/local/service"));
        command.args(arguments);
        self.project.place(&mut command);
        command.env("LOCAL_PROGRAMS", &self.programs);
        self.project.start(command).end()
    }

    /// What the latest run made.
    fn folder(&self) -> PathBuf {
        let run = self.project.run_folder().expect("a run");
        self.project.path("target/local").join(run.file_name().expect("its name"))
    }

    /// Where its service is, and which processes it is.
    fn state(&self) -> Value {
        let text = fs::read(self.folder().join("service.json")).expect("a service");
        serde_json::from_slice(&text).expect("JSON")
    }

    fn base(&self) -> String {
        self.state()["base"].as_str().expect("an address").to_owned()
    }

    /// Every task was done once, and did what it was to do.
    fn is_done(&self) {
        let mut done = self.project.told("task_completed");
        done.sort();
        done.dedup();
        assert_eq!((done.len(), self.project.told("task_completed").len()), (TASKS, TASKS), "{done:?}");
        let changes = fs::read_to_string(self.folder().join("changes.diff")).expect("the changes");
        assert!(changes.ends_with("\n+Say hello\n"), "{changes}");
    }

    /// The key of the tenant, as it was shown this once.
    fn key(&self) -> String {
        let access = fs::read_to_string(self.folder().join("access")).expect("what opens the service");
        access.split_whitespace().last().expect("a key").trim_end_matches('"').to_owned()
    }

    /// The status that the service answers with.
    fn answers(&self, base: &str) -> String {
        let mut command = Command::new("curl");
        command.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", &format!("{base}/health")]);
        self.project.place(&mut command);
        self.project.start(command).end().stdout
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let mut command = Command::new(self.project.path("blueprints/local/service"));
        command.arg("stop");
        self.project.place(&mut command);
        // Where there is none, it is as good.
        let _ = command.output();
    }
}

/// Files below a folder that hold a text.
fn holding(folder: &Path, text: &str, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() && !path.is_symlink() {
            holding(&path, text, found);
        } else if let Ok(bytes) = fs::read(&path)
            && bytes.windows(text.len()).any(|part| part == text.as_bytes())
        {
            found.push(path);
        }
    }
}

#[test]
fn it_stands_up_does_a_job_and_ends_and_does_so_again() {
    let Some(local) = Local::new() else { return };
    let checked = local.outpost(&["check", "--strict", BLUEPRINT]).with(0);
    assert_eq!(checked.stderr, "", "{}", checked.stdout);
    for _ in 0..2 {
        local.outpost(&["run", BLUEPRINT]).with(0);
        local.is_done();
        local.project.until_nothing_runs();
        let key = local.key();
        assert!(key.starts_with("op_live_"), "no key");
        let mut found = Vec::new();
        holding(&local.project.path(""), &key, &mut found);
        assert_eq!(found, [local.folder().join("access")]);
    }
    let runs = fs::read_dir(local.project.path("target/local")).expect("a folder").count();
    assert_eq!(runs, 2, "each run has a folder of its own");
}

#[test]
fn a_service_that_is_to_stay_is_up_until_it_is_stopped() {
    let Some(local) = Local::new() else { return };
    local.outpost(&["run", BLUEPRINT, "--env", "keep"]).with(0);
    local.is_done();
    let base = local.base();
    assert_eq!(local.answers(&base), "200");
    let told = local.outpost(&["logs", "hooks", "--stage", "on_exit"]).with(0);
    let run = local.folder().file_name().expect("a name").to_string_lossy().into_owned();
    let line = format!("{base}  ends with: blueprints/local/service stop {run}\n");
    assert_eq!(told.stdout, line);
    // Another one beside it, which ends alone.
    local.outpost(&["run", BLUEPRINT]).with(0);
    assert_eq!(local.service(&["list"]).with(0).stdout, line);
    assert_eq!(local.service(&["stop", &run]).with(0).stdout, format!("the service of run {run} has ended\n"));
    local.project.until_nothing_runs();
    assert_eq!(local.service(&["list"]).with(0).stdout, "");
    // Its data is still there, and its address is kept: another program there is told of, and nothing is left half-way.
    let other = TcpListener::bind(base.trim_start_matches("http://")).expect("its port is free");
    local.service(&["start", &run]).with(1).says(&["another program listens on"]);
    local.project.until_nothing_runs();
    drop(other);
    local.service(&["start", &run]).with(0);
    assert_eq!(local.service(&["list"]).with(0).stdout, line);
    // A number that is another process by now is left alone.
    let state = local.project.path(&format!("target/local/{run}/service.json"));
    let text = fs::read_to_string(&state).expect("a service");
    let others = text.replace("\"born\": \"", "\"born\": \"not-");
    fs::write(&state, others).expect("ours");
    assert_eq!(local.service(&["stop"]).with(0).stdout, "");
    assert_eq!(local.answers(&base), "200");
    fs::write(&state, text).expect("ours");
    local.service(&["stop"]).with(0);
    local.project.until_nothing_runs();
}

#[test]
fn a_runner_that_is_killed_finds_the_same_service_again() {
    let Some(local) = Local::new() else { return };
    // Before anything depends on the key, when it is used, and when the job is on its way.
    for last in ["T0.1", "T1.1", "T2.1"] {
        let before = local.project.run_folder();
        let runner = local.project.start(local.command(&["run", BLUEPRINT]));
        let is_complete = || local.project.told("task_completed").iter().any(|task| task == last);
        local.project.until(last, || local.project.run_folder() != before && is_complete());
        runner.signal(Signal::KILL);
        runner.end();
        let state = local.state();
        assert_eq!(local.answers(&local.base()), "200");
        local.outpost(&["resume"]).with(0);
        assert_eq!(local.state(), state, "the service was begun twice");
        local.is_done();
        local.project.until_nothing_runs();
    }
}

#[test]
fn a_runner_that_is_killed_while_it_starts_the_service_starts_it_again() {
    let Some(local) = Local::new() else { return };
    let runner = local.project.start(local.command(&["run", BLUEPRINT]));
    let folders = || fs::read_dir(local.project.path("target/local")).into_iter().flatten().flatten();
    local.project.until("the server", || folders().any(|folder| folder.path().join("api.log").exists()));
    runner.signal(Signal::KILL);
    runner.end();
    local.outpost(&["resume"]).with(0);
    local.is_done();
    local.project.until_nothing_runs();
}

#[test]
fn what_was_done_is_undone_and_nothing_is_left() {
    let Some(local) = Local::new() else { return };
    local.outpost(&["run", BLUEPRINT]).with(0);
    local.outpost(&["rollback", "--yes"]).with(5).says(&["8 of 9 tasks are undone", "1 irreversible"]);
    assert!(!local.folder().exists(), "something is left");
    local.project.until_nothing_runs();
}

#[test]
fn what_is_missing_is_said_before_anything_begins() {
    let Some(local) = Local::new() else { return };
    let tools = local.project.path("tools");
    fs::create_dir(&tools).expect("a folder");
    let path = std::env::var_os("PATH").expect("a path");
    for name in ["bash", "git"] {
        let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|tool| tool.exists());
        symlink(found.expect("a tool"), tools.join(name)).expect("a link");
    }
    let mut command = local.command(&["run", BLUEPRINT]);
    command.env("PATH", &tools).env_remove("LOCAL_PROGRAMS");
    let said = ["`curl>=7.82`", "`jq>=1.6`", "https://rustup.rs"];
    local.project.start(command).end().with(8).says(&said);
    // Programs that were not built.
    let mut command = local.command(&["run", BLUEPRINT]);
    command.env("LOCAL_PROGRAMS", &tools);
    local.project.start(command).end().with(8).says(&["lacks outpost-api, outpost-worker or outpost-admin"]);
    // Elsewhere than at the root.
    fs::create_dir(local.project.path("elsewhere")).expect("a folder");
    fs::copy(local.project.path(BLUEPRINT), local.project.path("elsewhere/local.md")).expect("the document");
    let mut command = local.command(&["run", "local.md"]);
    command.current_dir(local.project.path("elsewhere"));
    local.project.start(command).end().with(8).says(&["not the root of a checkout"]);
    assert!(local.project.run_folder().is_none());
}

/// Without what no two runs share: numbers, and how long something took.
fn plain(text: &str) -> Vec<String> {
    let one = |line: &str| {
        let line = line.rsplit_once(" (").filter(|(_, took)| took.ends_with(" s)")).map_or(line, |(line, _)| line);
        line.split(|char: char| char.is_ascii_digit()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("#")
    };
    let mut lines: Vec<String> = text.lines().map(one).collect();
    // What runs at once is told in either order.
    lines.sort();
    lines
}

#[test]
fn the_session_of_the_page_is_what_is_printed() {
    let Some(local) = Local::new() else { return };
    let page = fs::read_to_string(local.project.path("blueprints/README.md")).expect("the page");
    let session = page.split_once("```console\n").expect("a session").1.split_once("```").expect("its end").0;
    let mut tried = 0;
    for step in session.strip_prefix("$ ").expect("a command").split("\n$ ") {
        let (line, shown) = step.split_once('\n').expect("what is shown");
        let mut command = Command::new("bash");
        command.args(["-c", &format!("exec 2>&1; {line}")]);
        local.project.place(&mut command);
        let path = std::env::var("PATH").expect("a path");
        command.env("PATH", format!("{}:{path}", local.programs.display())).env("LOCAL_PROGRAMS", &local.programs);
        let printed = local.project.start(command).end().with(0).stdout;
        assert_eq!(plain(printed.trim_end()), plain(shown.trim_end()), "{line}\n{printed}");
        tried += 1;
    }
    assert_eq!(tried, 4);
    local.project.until_nothing_runs();
}
