//! Work that an agent does: a scripted one, as a user would define it, hired by the real tool.

mod budgets;
mod commands;
mod courses;
mod landing;
mod trees;
mod walls;
mod working;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::project::{Ended, Project, Running};

pub(super) const KEY: &str = "sk-canary-0a4b9c77aa02";

/// A project, and what the user has outside of it.
pub(super) struct Office {
    pub(super) project: Project,
    home: TempDir,
}

impl Office {
    /// A project whose agents have these scripts: `("task", ["first start", "second", …])`.
    pub(super) fn of(document: &str, scripts: &[(&str, &[&str])]) -> Self {
        let office = Self { project: Project::of(document), home: TempDir::new().expect("a folder") };
        let fake = office.at("fake-agent");
        fs::write(&fake, include_str!("fake.sh")).expect("a file");
        fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).expect("ours");
        for folder in ["config/outpost-bp/agents", "scripts", "tmp"] {
            fs::create_dir_all(office.at(folder)).expect("a folder");
        }
        let definition = include_str!("../../../executors/agent/tests/fake.toml")
            .replace("env_pass = [", "env_pass = [\"LEDGER\", \"OUTPOST_TEST_FOLDER\", ")
            .replace("\"outpost-fake-agent\"", &format!("{:?}", fake.display().to_string()));
        fs::write(office.at("config/outpost-bp/agents/fake.toml"), definition).expect("a file");
        office.project.write("ledger", "");
        for (task, starts) in scripts {
            for (number, script) in (1..).zip(*starts) {
                office.script(task, number, script);
            }
        }
        office
    }

    /// The same, in a git repository with all that was written into it.
    pub(super) fn committed(self) -> Self {
        fs::write(self.project.path(".gitignore"), ".outpost/\nledger\n").expect("a file");
        self.git(&["init", "-q", "-b", "main"]);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "begin"]);
        self
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(super) fn script(&self, task: &str, start: usize, script: &str) {
        fs::write(self.at("scripts").join(format!("{task}.{start}")), format!("{script}\n")).expect("a file");
    }

    /// What git prints in the project.
    pub(super) fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]).args(arguments);
        let output = command.current_dir(self.project.path("")).output().expect("git");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.command(arguments);
        command
            .env("XDG_CONFIG_HOME", self.at("config"))
            .env("XDG_CACHE_HOME", self.at("cache"))
            .env("HOME", self.at(""));
        command.env("FAKE_AGENT_SCRIPT", self.at("scripts")).env("FAKE_KEY", KEY).env("TMPDIR", self.at("tmp"));
        command
    }

    pub(super) fn start(&self, arguments: &[&str]) -> Running {
        self.project.start(self.command(arguments))
    }

    pub(super) fn outpost(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    pub(super) fn run(&self) -> Ended {
        self.outpost(&["run", "blueprint.md"])
    }

    /// What agents noted when they started, as `task start how`.
    pub(super) fn starts(&self) -> Vec<String> {
        let lines = self.project.ledger().into_iter();
        lines.filter_map(|line| Some(line.strip_prefix("agent ")?.to_owned())).collect()
    }

    /// A file of an attempt.
    pub(super) fn kept(&self, task: &str, attempt: u32, name: &str) -> String {
        let folder = self.project.run_folder().expect("a run");
        let path = folder.join("tasks").join(format!("{task}@{attempt}.agent")).join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(super) fn outcome(&self, task: &str, attempt: u32) -> Value {
        serde_json::from_str(&self.kept(task, attempt, "outcome.json")).expect("JSON")
    }

    /// Every file below a folder, as one text.
    pub(super) fn everything(&self) -> String {
        let mut all = String::new();
        let mut open = vec![self.project.path(".outpost")];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                // What an agent was lent of a home is kept there.
                if path.is_symlink() {
                    continue;
                }
                if path.is_dir() {
                    open.push(path);
                } else {
                    all.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap_or_default()));
                }
            }
        }
        all
    }
}

/// A document of these tasks: `(id, needs, the rest of the block)`, with an agent that is not patient.
pub(super) fn document(terms: &str, tasks: &[(&str, &str, &str)]) -> String {
    // What an agent says is no evidence: the format wants some of each of its tasks.
    let texts: Vec<String> = tasks.iter().map(|(_, _, rest)| evident(rest)).collect();
    let tasks: Vec<(&str, &str, &str)> =
        tasks.iter().zip(&texts).map(|((id, needs, _), text)| (*id, *needs, text.as_str())).collect();
    // In a sandbox, where there is one: with what scripted agents need beside their trees.
    let mut terms: Vec<&str> = Some(terms).into_iter().filter(|terms| !terms.is_empty()).collect();
    if !terms.iter().any(|terms| terms.contains("sandbox:")) {
        terms.insert(0, "sandbox: {write: [ledger, ~/scripts]}");
    }
    let terms = terms.join(", ");
    super::document(&format!("executor: fake, retry_policy: {{retry_delay: PT0S}}, agent: {{{terms}}}"), &tasks)
}

/// A task with a verification that passes, where it has none of its own.
pub(super) fn evident(rest: &str) -> String {
    if rest.contains("verification:") {
        return rest.to_owned();
    }
    format!("{rest}\nverification: {{smoke: {{command: 'test -n \"$OUTPOST_RUN\"'}}}}")
}
