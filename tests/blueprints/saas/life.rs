//! The whole life, where Terraform is: it stands up, serves, and leaves nothing; and it does so although its runner is
//! killed again and again.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use outpost_bp::blueprint::read;
use outpost_bp::document::Source;
use rustix::process::Signal;
use serde_json::Value;

use super::{BLUEPRINT, Checkout, is_emulator_here, is_here, root, say, skipped};
use crate::project::{Ended, Running};

/// Building all of it on a slow machine is part of it.
const PATIENCE: Duration = Duration::from_secs(2 * 3600);
const TASKS: usize = 52;

struct Life {
    checkout: Checkout,
    /// What the document sets.
    settings: Vec<(String, String)>,
    began: Instant,
}

impl Life {
    /// Nothing where this machine cannot live it, and then that is said.
    fn new() -> Option<Self> {
        if !is_here("terraform") {
            skipped("no `terraform`; README.md says where it comes from");
            return None;
        }
        if !is_emulator_here(&["python", "ministack", "awscli"]) {
            return None;
        }
        let (source, _) = Source::from_bytes(BLUEPRINT, fs::read(root().join(BLUEPRINT)).expect("the document"));
        let reading = read(&source, true);
        let mut environments = reading.draft.execution.environments.iter();
        let emulator = environments.find(|environment| environment.name.value == "emulator").expect("an environment");
        let settings = emulator.variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let life = Self { checkout: Checkout::new(), settings, began: Instant::now() };
        let data = life.checkout.project.path("providers");
        let asked = life.hands(&format!("TF_DATA_DIR={} tf init -no-color -backend=false", data.display()));
        // Where it comes from is this machine's matter; what is wrong with our files is not.
        let words = ["available provider packages", "install provider"];
        if asked.code != Some(0) && words.iter().any(|words| asked.stderr.contains(words)) {
            skipped(&format!("Terraform gets no provider: {}", asked.stderr));
            return None;
        }
        asked.with(0);
        life.said("Terraform has its provider");
        Some(life)
    }

    fn said(&self, what: &str) {
        say(&format!("{:6.1} s  {what}", self.began.elapsed().as_secs_f32()));
    }

    /// A command of the blueprint, by hand.
    fn hands(&self, text: &str) -> Ended {
        let mut command = Command::new("bash");
        command.args(["-c", text]);
        self.checkout.place(&mut command);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        self.checkout.project.start(command).end_within(PATIENCE)
    }

    fn start(&self, arguments: &[&str]) -> Running {
        self.checkout.project.start(self.checkout.command(arguments))
    }

    fn outpost(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end_within(PATIENCE)
    }

    fn statuses(&self) -> Vec<(String, String)> {
        let told: Value = serde_json::from_str(&self.outpost(&["status", "--json"]).stdout).expect("JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let tasks = told["tasks"].as_array().expect("tasks");
        tasks.iter().map(|task| (text(&task["id"]), text(&task["status"]))).collect()
    }

    /// The one that waits for a person.
    fn gate(&self) -> String {
        let told: Value = serde_json::from_str(&self.outpost(&["gates", "--json"]).stdout).expect("JSON");
        told["gates"][0]["task"].as_str().expect("a gate").to_owned()
    }

    /// All are complete; where no podman is, two are skipped.
    fn is_complete(&self) {
        let image = ["T2.2.1", "T2.2.3"];
        let expected = |task: &str| if image.contains(&task) && !is_here("podman") { "skipped" } else { "complete" };
        let statuses = self.statuses();
        assert_eq!(statuses.len(), TASKS);
        let other: Vec<_> = statuses.iter().filter(|(task, status)| *status != expected(task)).collect();
        assert!(other.is_empty(), "{other:?}");
    }

    /// What there is, as `service name`.
    fn inventory(&self) -> String {
        let script = "infrastructure/proof/tests/infrastructure/hands.py";
        let asked =
            format!("PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=target/python python3 {script} inventory | LC_ALL=C sort");
        let told = self.hands(&asked).with(0).stdout;
        // A queue is called by its address, which no two runs share.
        let name = |line: &str| match line.strip_prefix("sqs ").and_then(|url| url.rsplit('/').next()) {
            Some(queue) => format!("sqs {queue}\n"),
            None => format!("{line}\n"),
        };
        told.lines().map(name).collect()
    }

    /// It is what an undisturbed run made, and a plan has nothing to do.
    fn is_whole(&self) {
        let kept = root().join("tests/blueprints/saas/inventory.txt");
        let found = self.inventory();
        if std::env::var_os("BLESS").is_some() {
            fs::write(&kept, &found).expect("the list");
        }
        assert_eq!(found, fs::read_to_string(kept).expect("the list"));
        self.hands("unchanged").with(0);
        self.said("what there is is what there should be, and a plan has nothing to do");
    }

    fn is_gone(&self) {
        self.outpost(&["rollback", "--yes"]).with(5);
        assert_eq!(fs::read_to_string(self.checkout.house("left")).expect("what is left"), "");
        self.checkout.project.until_nothing_runs();
        self.said("all of it is gone");
    }

    /// What the journal holds of stages that began.
    fn stages(&self) -> usize {
        self.checkout.project.told("stage_started").len()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let mut command = Command::new(root().join("infrastructure/emulator/down"));
        command.arg(self.checkout.house("aws"));
        self.checkout.place(&mut command);
        let _ = command.output();
        if self.checkout.house("images").exists() {
            let _ = self.hands("image gone");
        }
    }
}

#[test]
fn it_stands_up_serves_and_leaves_nothing() {
    let Some(life) = Life::new() else { return };
    let told = life.outpost(&["run", BLUEPRINT, "--env", "emulator"]).with(3);
    assert_eq!(life.gate(), "T4.2.1", "{}", told.stderr);
    life.said("the plan waits for a person");
    life.outpost(&["approve", "T4.2.1"]).with(0);
    let told = life.outpost(&["resume"]).with(3);
    assert_eq!(life.gate(), "T4.2", "{}", told.stderr);
    life.said("it is applied, and waits for the last word");
    life.outpost(&["approve", "T4.2"]).with(0);
    life.outpost(&["resume"]).with(0);
    life.is_complete();
    life.said("it is done");
    life.is_whole();

    // As the run tells its first tenant.
    let told = fs::read_to_string(life.checkout.house("service")).expect("where it is");
    let steps: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let mut command = Command::new("bash");
    command.args(["-e", "-c", &steps.join("\n")]);
    life.checkout.place(&mut command);
    let tenant = life.checkout.project.start(command).end().with(0).stdout;
    let tenant: Value = serde_json::from_str(&tenant).unwrap_or_else(|_| panic!("{tenant}"));
    assert!(tenant["api_key"].as_str().is_some_and(|key| key.starts_with("op_live_")), "a tenant without a key");
    let report: Value = serde_json::from_str(&life.hands("trial end-to-end").with(0).stdout).expect("JSON");
    assert_eq!(report["passed"], true, "{report}");
    life.said("a tenant came by invitation, and had a job done");

    let before = life.checkout.project.events().len();
    life.outpost(&["resume"]).with(0);
    assert_eq!(life.checkout.project.events().len(), before, "something began");
    life.said("going on does nothing");
    life.is_gone();
}

/// Not of every day: `SAAS_KILLS=10` kills the runner ten times over one run, at moments that `OUTPOST_SEED` begins.
#[test]
fn a_runner_that_is_killed_again_and_again_ends_as_one_that_is_not() {
    let Ok(kills) = std::env::var("SAAS_KILLS").map(|kills| kills.parse::<usize>().expect("a number")) else {
        return;
    };
    let Some(life) = Life::new() else { return };
    let seed = std::env::var("OUTPOST_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let mut random = Random(seed.unwrap_or_else(|| u64::from(std::process::id())).max(1));
    life.said(&format!("seed {}", random.0));
    let share = 150 / kills.max(1);
    let (mut killed, mut hands, mut resumes) = (0, 0, 0);
    let begin: &[&str] = &["run", BLUEPRINT, "--env", "emulator"];
    let mut next = begin;
    loop {
        let running = life.start(next);
        let is_killed = killed < kills && {
            let target = life.stages() + 1 + random.below(2 * share);
            let pause = Duration::from_millis(random.below(3000) as u64);
            is_killed(&life, &running, target, pause)
        };
        let ended = if is_killed {
            killed += 1;
            let under_way: Vec<_> = life
                .statuses()
                .into_iter()
                .filter(|(_, status)| !["complete", "not_started"].contains(&&**status))
                .collect();
            life.said(&format!("kill {killed} in the middle of {under_way:?}"));
            running.end_within(PATIENCE);
            None
        } else {
            Some(running.end_within(PATIENCE))
        };
        if next != begin {
            resumes += 1;
        }
        next = &["resume"];
        let Some(ended) = ended else { continue };
        match ended.code {
            Some(0) => break,
            Some(3) => {
                let gate = life.gate();
                life.outpost(&["approve", &gate]).with(0);
                life.said(&format!("{gate} is approved"));
            }
            // Somebody looks, and has it go on.
            _ => {
                hands += 1;
                say(&format!("a hand was needed:\n{}\n{}", ended.stdout, ended.stderr));
                assert!(hands <= kills, "it does not go on");
            }
        }
    }
    say(&format!("{killed} kills, {resumes} times resumed, {hands} times a hand was needed"));
    assert_eq!((killed, hands), (kills, 0));
    life.is_complete();
    life.is_whole();
    life.is_gone();
}

/// Kills the runner when so many stages have begun, and then after a pause; not if it ends before.
fn is_killed(life: &Life, running: &Running, stages: usize, pause: Duration) -> bool {
    let is_over = || {
        let stat: PathBuf = format!("/proc/{}/stat", running.child.id()).into();
        fs::read_to_string(stat).map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
    };
    while life.stages() < stages {
        if is_over() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(pause);
    if is_over() {
        return false;
    }
    running.signal(Signal::KILL);
    true
}

/// Marsaglia's xorshift: moments that can be had again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}
