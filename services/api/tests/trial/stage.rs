//! The real server over a folder of its own, with a worker and an agent that asks no model; and a trial of it, which is this
//! program again.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Under this word this program is a trial.
pub(crate) const TRIAL: &str = "outpost-trial";

pub(crate) struct Server {
    child: Child,
    pub(crate) base: String,
    pub(crate) folder: TempDir,
}

/// A child that is told to end.
pub(crate) fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("an id");
    // One that has ended is as good.
    let _ = kill_process(id, signal);
}

impl Drop for Server {
    fn drop(&mut self) {
        signal(&self.child, Signal::TERM);
        drop(self.child.wait());
    }
}

impl Server {
    /// For others than this machine's owner: who registers begins on the tier `free`, which may ask `claude` only. So the agent
    /// that asks no model goes by that name, too.
    pub(crate) fn start(options: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let fake = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/agents/fake.toml");
        let fake = fs::read_to_string(fake).expect("an agent");
        let claude = fake.replace("id = \"fake\"", "id = \"claude\"");
        assert_ne!(fake, claude);
        let agents = folder.path().join("agents");
        fs::create_dir(&agents).expect("a folder");
        fs::write(agents.join("claude.toml"), claude).expect("an agent");
        let mut child = Command::new(env!("CARGO_BIN_EXE_outpost-api"))
            .args(["--listen", "127.0.0.1:0", "--tenants", "others", "--with-worker", "--data"])
            .arg(folder.path().join("data"))
            .arg("--agents")
            .arg(agents)
            .args(options)
            .envs(variables.iter().copied())
            .env_remove("OUTPOST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .expect("a server");
        let mut lines = BufReader::new(child.stderr.take().expect("its log"));
        let mut line = String::new();
        while !line.contains(" serving ") {
            line.clear();
            assert_ne!(lines.read_line(&mut line).expect("a line"), 0, "the server has ended");
        }
        let base = line.split("base=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an address").to_owned();
        // Somebody reads what else it says.
        std::thread::spawn(move || lines.lines().for_each(drop));
        Self { child, base, folder }
    }

    pub(crate) fn admin(&self, words: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-admin"));
        command.arg("--json").arg("--data").arg(self.folder.path().join("data")).args(words);
        let output = command.output().expect("outpost-admin");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// A key of the operator.
    pub(crate) fn operator(&self) -> String {
        let made =
            self.admin(&["tenant", "create", "operator", "operator@example.com", "--admin", "--tier", "enterprise"]);
        made["api_key"].as_str().expect("a key").to_owned()
    }

    /// Tenants that are there, but for the operator.
    pub(crate) fn tenants(&self) -> Vec<String> {
        let tenants = self.admin(&["tenant", "list"]);
        let there = tenants.as_array().expect("a list").iter().filter(|tenant| tenant["standing"] == "active");
        let names = there.filter(|tenant| tenant["name"] != "operator");
        names.map(|tenant| tenant["tenant_id"].as_str().expect("an id").to_owned()).collect()
    }

    /// How many keys open something.
    pub(crate) fn open_keys(&self) -> usize {
        let keys = |tenant: &String| self.admin(&["key", "list", tenant]).as_array().expect("a list").clone();
        self.tenants().iter().flat_map(keys).filter(|key| key["revoked_at"].is_null()).count()
    }
}

/// A trial before it is begun.
pub(crate) fn command(url: &str, words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OUTPOST_") {
            command.env_remove(name);
        }
    }
    command.args([TRIAL, "--url", url]).args(words).env("NO_PROXY", "127.0.0.1");
    command
}

/// How a trial ended.
pub(crate) struct Tried {
    pub(crate) code: Option<i32>,
    pub(crate) report: Value,
    pub(crate) told: String,
}

impl From<Output> for Tried {
    fn from(output: Output) -> Self {
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let report = serde_json::from_slice(&output.stdout);
        Self { code: output.status.code(), report: report.unwrap_or_else(|error| panic!("{error}: {told}")), told }
    }
}

pub(crate) fn tried(url: &str, words: &[&str]) -> Tried {
    command(url, words).output().expect("a trial").into()
}

impl Tried {
    /// All is as it should be.
    pub(crate) fn passes(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.told);
        assert_eq!(self.report["passed"], true);
        assert_eq!(self.failed(), Vec::<String>::new());
        self
    }

    /// Exactly these checks failed.
    pub(crate) fn fails(self, checks: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "{}", self.told);
        assert_eq!(self.report["passed"], false);
        assert_eq!(self.failed(), checks, "{}", self.told);
        for check in checks {
            assert!(self.told.contains(&format!("FAILED  {check}")), "{}", self.told);
        }
        self
    }

    fn failed(&self) -> Vec<String> {
        let checks = self.report["checks"].as_array().expect("checks").iter();
        let failed = checks.filter(|check| check["passed"] == false);
        failed.map(|check| check["what"].as_str().expect("a text").to_owned()).collect()
    }

    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.told.contains(words), "no `{words}` in\n{}", self.told);
        self
    }
}
