//! A workspace, an agent with a script, and a process that runs a job on them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use outpost_agent::attempt::{Access, Fence, JOB_VERSION, Job, Limits, Outcome};
use outpost_agent::command::{Approval, Trust};
use outpost_agent::prompt::Brief;
use outpost_sandbox::Layers;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const KEY: &str = "sk-canary-4f1b9c77aa02";

pub(crate) struct Bench {
    folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().expect("a folder") };
        for name in ["workspace", "agents", "bin"] {
            fs::create_dir(bench.path(name)).expect("room");
        }
        fs::write(bench.path("agents/fake.toml"), include_str!("../fake.toml")).expect("room");
        let fake = bench.path("bin/outpost-fake-agent");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_outpost-fake-agent"), fake).expect("a link");
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn script(&self, starts: &Value) {
        fs::write(self.path("script.json"), json!({ "*": starts }).to_string()).expect("room");
    }

    /// A definition of the user's whose program is a shell script.
    pub(crate) fn agent(&self, name: &str, script: &str) {
        let program = self.path("bin").join(name);
        fs::write(&program, script).expect("room");
        Command::new("chmod").arg("755").arg(&program).status().expect("chmod");
        let text = include_str!("../fake.toml").replace("id = \"fake\"", &format!("id = \"{name}\""));
        let text = text.replace("outpost-fake-agent\"]\nversion", &format!("{name}\"]\n# version"));
        fs::write(self.path("agents").join(format!("{name}.toml")), text.replace("grace_secs = 2", "grace_secs = 1"))
            .expect("room");
    }

    pub(crate) fn job(&self) -> Job {
        Job {
            version: JOB_VERSION,
            agent: "fake".into(),
            definitions: Some(self.path("agents")),
            folder: self.path("attempt"),
            state: self.path("state"),
            workspace: self.path("workspace"),
            brief: Brief { task_id: "t".into(), goal: "Write a file.".into(), ..Brief::default() },
            model: None,
            effort: None,
            approval: Approval::Full,
            trust: Trust::Untrusted,
            access: Access::Key { env: "MY_KEY".into(), base_url: None },
            resume: None,
            limits: Limits::default(),
            files: Vec::new(),
            env: BTreeMap::new(),
            hide: Vec::new(),
        }
    }

    fn command(&self, job: &Job) -> Command {
        let file = self.path("job.json");
        fs::write(&file, serde_json::to_vec(job).expect("plain data")).expect("room");
        let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-agent-probe"));
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        command.arg(file).env("PATH", path).env("MY_KEY", KEY).env("FAKE_AGENT_SCRIPT", self.path("script.json"));
        command.env("AWS_SECRET_ACCESS_KEY", "not for agents").env("SSH_AUTH_SOCK", "/nowhere");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, job: &Job) -> (Outcome, Output) {
        let output = self.command(job).output().expect("a process");
        let outcome = Outcome::read(&job.folder).expect("readable").unwrap_or_else(|| panic!("no outcome: {output:?}"));
        assert_eq!(output.status.success(), outcome.class.name() == "done", "{outcome:?}");
        (outcome, output)
    }

    /// Starts it, and returns when it has printed a line with these words.
    pub(crate) fn until(&self, job: &Job, words: &str) -> Child {
        let mut child = self.command(job).spawn().expect("a process");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(lines.read_line(&mut line).expect("a pipe") > 0, "it never said `{words}`");
        }
        // Whoever goes on writing must not be stopped by that nobody reads.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        child
    }

    /// Every file of the attempt and of the task, as one text.
    pub(crate) fn everything(&self) -> String {
        let mut all = String::new();
        let mut open = vec![self.path("attempt"), self.path("state")];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    all.push_str(&String::from_utf8_lossy(&fs::read(path).expect("a file")));
                }
            }
        }
        all
    }
}

/// A fence for each way that this machine has.
pub(crate) fn fences() -> Vec<(&'static str, Fence)> {
    let layers = Layers::probe_with(PathBuf::from(env!("CARGO_BIN_EXE_outpost-agent-probe")));
    let mut ways = Vec::new();
    if layers.landlock() > 0 {
        ways.push(("Landlock", Fence::new(layers.clone().without_bubblewrap())));
    } else {
        loudly("\n!!! SKIPPED: this kernel has no Landlock; it needs Linux 5.13\n");
    }
    if layers.bubblewrap().is_some() {
        ways.push(("bubblewrap", Fence::new(layers)));
    } else {
        loudly("\n!!! SKIPPED: there is no bubblewrap: `apt-get install bubblewrap`, and user namespaces\n");
    }
    ways
}

/// Speaks on the terminal although the test is captured.
pub(crate) fn loudly(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// The process groups that work in a folder, from outside.
pub(crate) fn is_quiet(folder: &Path) -> bool {
    let folder = folder.canonicalize().expect("a folder");
    let processes = fs::read_dir("/proc").expect("a /proc").flatten();
    !processes
        .into_iter()
        .any(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&folder)))
}
