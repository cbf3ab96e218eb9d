//! Agents of the fleet: the real tool, the real service, real workers with an agent that a file defines, and real git. What it
//! does stands in the prose of its task, in lines that begin with `RUN:`: what it looks for in its prompt must not be found
//! in these.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use outpost_core::actions::RequestInfo;
use outpost_core::job::{Job, Status};
use outpost_core::ports::{Secret, SecretKind};
use outpost_core::tenant::{Agents, Overrides};
use outpost_fleet::{KEY, URL};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::Test;
use super::project::{Ended, Project, Running};
use super::stage::{SHARED, Stage};

pub(super) const TESTS: &[Test] = &[
    ("x_06_what_an_agent_of_the_fleet_did_lands_here", || Box::pin(what_an_agent_of_the_fleet_did_lands_here())),
    ("x_06_another_session_is_told_what_failed", || Box::pin(another_session_is_told_what_failed())),
    ("x_06_nobody_loses_the_job_of_an_agent", || Box::pin(nobody_loses_the_job_of_an_agent())),
    ("x_06_what_landed_is_pushed_for_the_next_agent", || Box::pin(what_landed_is_pushed_for_the_next_agent())),
    ("x_06_a_commit_that_is_not_there_is_told", || Box::pin(a_commit_that_is_not_there_is_told())),
];

/// The tenant's own, at the service.
const SECRET: &str = "sk-canary-5Rq8Zt1Yw6Ls3Np9Kd2Vx";

const AGENT: &str = r#"#!/bin/sh
if [ "$1" = --version ]; then echo "fake 1.2.3"; exit; fi
cat > "$HOME/prompt"
answer() { mkdir -p .outpost; printf '%s' "${1:-{\"status\":\"done\",\"summary\":\"did it\"\}}" > .outpost/result.json; }
finish() { answer "$@"; echo '{"type":"end","ok":true,"turns":1,"cost":0.25,"usage":{"input":10,"cached":0,"output":5}}'; }
trouble() { echo "{\"type\":\"error\",\"message\":\"$*\"}"; exit 1; }
told() { grep -q -- "$1" "$HOME/prompt"; }
echo '{"type":"session","id":"s"}'
echo '{"type":"say","text":"here I am"}'
sed -n 's/^ *RUN: //p' "$HOME/prompt" > "$HOME/script"
. "$HOME/script"
"#;

/// A project in a git repository, a service, and a worker that knows the agent.
struct Office {
    project: Project,
    stage: Stage,
    /// Of the user, and what tests and agents tell each other.
    home: TempDir,
}

impl Office {
    async fn open() -> Self {
        let folder = TempDir::new().expect("a folder");
        let (program, agents) = (folder.path().join("fake-agent"), folder.path().join("agents"));
        fs::write(&program, AGENT).expect("a file");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
        fs::create_dir(&agents).expect("a folder");
        let definition = include_str!("../../executors/agent/tests/fake.toml")
            .replace("\"outpost-fake-agent\"", &format!("{:?}", program.display().to_string()));
        fs::write(agents.join("fake.toml"), definition).expect("a file");
        let allow = |overrides: &mut Overrides| overrides.agents = Some(Agents::All);
        let stage = Stage::at(folder, allow).await;
        let office = Self { project: Project::of(""), stage, home: TempDir::new().expect("a folder") };
        symlink(office.project.path(""), office.stage.folder.path().join(SHARED)).expect("a link");
        let desk = office.stage.desk();
        let request = RequestInfo { request_id: "r".to_owned(), ip: None, traceparent: None };
        let caller = desk.authenticate(&office.stage.key, request).await.expect("a caller");
        let secret = Secret::new(SECRET.to_owned());
        desk.put_secret(&caller, SecretKind::Openai, &secret).await.expect("a secret");
        office
    }

    /// The document, and all else that was written, as the first commit.
    fn commit(&self, settings: &str, tasks: &[(&str, &str, &str)]) {
        let settings = settings.replace("HERE", &self.root());
        let mut text = format!(
            "# Shop\n\n```yaml\nexecution: {{executor: outpost, max_parallel_tasks: 6, retry_policy: {{retry_delay: PT0S}}, agent: {{name: fake}}, \
             outpost: {{{settings}}}}}\n```\n\n"
        );
        for (id, runs, rest) in tasks {
            text += &format!("## {id}\n\n");
            for line in runs.lines() {
                text += &format!("RUN: {}\n", line.trim());
            }
            let place = self.home.path().display();
            text += &format!(
                "\n```yaml\ntask_id: {id}\nname: Do {id}\nexecution_context: {{environment_variables: {{PLACE: {place}}}}}\n{rest}\n```\n\n"
            );
        }
        self.project.write("blueprint.md", &text);
        self.project.write(".gitignore", ".outpost/\nledger\n");
        self.git(&["init", "-q", "-b", "main"]);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "begin"]);
    }

    fn root(&self) -> String {
        self.project.path("").canonicalize().expect("a folder").display().to_string()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]).args(arguments);
        let output = command.current_dir(self.project.path("")).output().expect("git");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn start(&self, words: &[&str]) -> Running {
        let mut command = self.project.command(words);
        command.env("HOME", self.home.path()).env("XDG_CACHE_HOME", self.at("cache"));
        command.env(URL, self.stage.settings().url).env(KEY, &self.stage.key);
        self.project.start(command)
    }

    async fn run(&self) -> Ended {
        self.end(self.start(&["run", "blueprint.md"])).await
    }

    /// Waits, and lets the service go on meanwhile.
    async fn end(&self, running: Running) -> Ended {
        tokio::task::block_in_place(|| running.end())
    }

    fn until(&self, what: &str, is_so: impl FnMut() -> bool) {
        tokio::task::block_in_place(|| self.project.until(what, is_so));
    }

    /// What is on the branch of the run.
    fn landed(&self, path: &str) -> String {
        self.git(&["show", &format!("{}:{path}", self.branch())])
    }

    fn branch(&self) -> String {
        self.git(&["branch", "--list", "--format=%(refname:short)", "outpost/*"])
    }

    fn kept(&self, task: &str, attempt: u32, name: &str) -> String {
        let tasks = self.project.run_folder().expect("a run").join("tasks");
        let path = tasks.join(format!("{task}@{attempt}.agent")).join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The jobs of a task, oldest first.
    async fn jobs(&self, task: &str) -> Vec<Job> {
        let mut jobs = super::jobs(&self.stage).await;
        jobs.retain(|job| job.spec.labels["outpost/task"] == task);
        jobs.sort_by_key(|job| job.created_at);
        jobs
    }
}

async fn what_an_agent_of_the_fleet_did_lands_here() {
    let office = Office::open().await;
    office.project.write("run.sh", "#!/bin/sh\necho one\n");
    let port = "files_to_modify: [run.sh]\noutput: {location: stdout, ports: {n: {type: integer}}}\nverification: {unit: {command: 'test \"$(./run.sh)\" = two'}}";
    let next = "dependencies: [T1]\ninput_bindings: {n: {source: T1, output_port: n}}\nagent: {budget: {usd: 3}}\nfiles_to_create: [src/b]\n\
                verification: {unit: {command: 'test \"$(cat src/b)\" = two7'}}";
    office.commit(
        "repo: HERE",
        &[
            (
                "T1",
                "printf '#!/bin/sh\\necho two\\n' > run.sh; chmod 755 run.sh; printf 'a\\0b' > bin; mkdir -p .outpost\nfinish '{\"status\":\"done\",\"outputs\":{\"n\":7}}'",
                port,
            ),
            // It sees what the first one landed, and its input.
            ("T2", "mkdir src; told '^7$' && printf '%s7' \"$(./run.sh)\" > src/b\nfinish", next),
        ],
    );
    let _worker = office.stage.worker_of("2");
    let ended = office.run().await.with(0);
    assert_eq!((office.landed("src/b"), office.landed("bin")), ("two7".into(), "a\0b".into()), "{ended:?}");
    assert_eq!(office.git(&["status", "--porcelain"]), "", "the project's directory is as it was");
    assert!(office.git(&["log", "--format=%B", &office.branch()]).contains("Outpost-Task: T2"));

    // The job: what the document says, on the commit that the tree began with, and nothing of this machine.
    let (first, second) = (office.jobs("T1").await, office.jobs("T2").await);
    let [first, second] = [&first[..], &second[..]].map(|jobs| match jobs {
        [job] => job,
        other => panic!("{other:?}"),
    });
    assert_eq!(first.spec.reference.as_deref(), Some(office.git(&["rev-parse", "main"]).as_str()));
    assert_ne!(first.spec.reference, second.spec.reference);
    assert_eq!(second.spec.budget.and_then(|budget| budget.micro_usd), Some(3_000_000));
    assert_eq!((second.spec.agent.as_str(), second.spec.inputs["n"].as_i64()), ("fake", Some(7)));
    assert_eq!(second.spec.env.keys().collect::<Vec<_>>(), ["PLACE"]);

    // What was asked and what came of it is kept as of an agent that works here.
    let prompt = office.kept("T2", 1, "prompt.md");
    assert_eq!(prompt, second.spec.task);
    assert!(prompt.contains("test \"$(cat src/b)\" = two7") && prompt.contains("- `src/b`"), "{prompt}");
    let outcome: Value = serde_json::from_str(&office.kept("T2", 1, "outcome.json")).expect("JSON");
    assert_eq!((&outcome["class"], &outcome["session_id"]), (&"done".into(), &Value::Null));
    assert_eq!(outcome["prompt_sha256"], sha256(&prompt));
    let place: Value = serde_json::from_str(&office.kept("T2", 1, "place.json")).expect("JSON");
    assert!(place["terms"][0].as_str().is_some_and(|told| told.contains("of the fleet")), "{place}");
    let used: Vec<_> = office
        .project
        .events()
        .iter()
        .filter(|event| event.name() == "usage_counted")
        .map(|e| e.0["usage"].clone())
        .collect();
    assert_eq!(used.len(), 2, "{used:?}");
    let log = office.end(office.start(&["logs", "T1"])).await.with(0);
    assert!(log.stdout.contains("here I am"), "{log:?}");
    let again = office.end(office.start(&["plan", "blueprint.md"])).await.with(0);
    assert!(again.stdout.contains("at the service"), "{again:?}");
}

fn sha256(text: &str) -> String {
    let mut command = Command::new("sha256sum");
    let mut child =
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().expect("sha256sum");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), text.as_bytes()).expect("room");
    let printed = child.wait_with_output().expect("an end").stdout;
    String::from_utf8_lossy(&printed).split_whitespace().next().unwrap_or_default().to_owned()
}

async fn another_session_is_told_what_failed() {
    let office = Office::open().await;
    // Where a secret of the tenant stands in a file, what comes back of it is marked, and fits nowhere.
    office.project.write("notes", &format!("{SECRET}\nsecond\n"));
    let good = |what: &str| format!("verification: {{unit: {{command: '{what}'}}}}");
    let both = |own: &str, other: &str| {
        format!(
            "touch $PLACE/at{own}; while [ ! -e $PLACE/at{other} ]; do sleep 0.05; done; echo {own} >> both\nfinish"
        )
    };
    office.commit(
        "repo: HERE",
        &[
            (
                "T1",
                "if told 'The last attempt[ ]failed'; then told '^+bad$' && ! [ -e n ] && echo good > n; else echo bad > n; fi\nfinish",
                &good("test \"$(cat n)\" = good"),
            ),
            (
                "T2",
                "if told 'outside[.]txt. is'; then mkdir src; echo x > src/x; else echo x > outside.txt; fi\nfinish",
                &format!("agent: {{paths: [src/**]}}\n{}", good("test -e src/x")),
            ),
            (
                "T3",
                "if told 'does not[ ]apply'; then echo third > third; else echo changed >> notes; fi\nfinish",
                &good("test -e third"),
            ),
            // The provider asks for a moment: that is no attempt.
            (
                "T4",
                "if [ -e $PLACE/asked ]; then echo x > rested; finish; else touch $PLACE/asked; trouble '429: try again in 1 seconds'; fi",
                &format!("on_failure: {{max_retries: 0}}\n{}", good("test -e rested")),
            ),
            // Two that write the same file at once: who lands second begins anew on what the first one left.
            ("T5", &both("5", "6"), &good("grep -q 5 both")),
            ("T6", &both("6", "5"), &good("grep -q 6 both")),
        ],
    );
    let _worker = office.stage.worker_of("6");
    office.run().await.with(0);
    assert_eq!(
        (office.landed("n"), office.landed("src/x"), office.landed("third")),
        ("good".into(), "x".into(), "third".into())
    );
    assert!(!office.git(&["ls-tree", "-r", "--name-only", &office.branch()]).contains("outside.txt"));
    assert_eq!(office.landed("rested"), "x");
    let mut both: Vec<String> = office.landed("both").lines().map(str::to_owned).collect();
    both.sort_unstable();
    assert_eq!(both, ["5", "6"]);
    assert_eq!(office.jobs("T5").await.len() + office.jobs("T6").await.len(), 3);
    for task in ["T1", "T2", "T3", "T4"] {
        let jobs = office.jobs(task).await;
        assert_eq!(jobs.len(), 2, "{task}: {jobs:?}");
        assert_eq!(jobs[0].spec.reference.as_deref().map(str::len), Some(40), "{task}");
    }
    let failed = |task: &str| office.kept(task, 1, "failed.json");
    assert!(
        failed("T2").contains("outside.txt") && failed("T3").contains("does not apply"),
        "{}{}",
        failed("T2"),
        failed("T3")
    );
    assert!(office.kept("T1", 2, "prompt.md").contains("none of this is in it"));
    assert!(failed("T4").contains("rate_limit"), "{}", failed("T4"));
}

async fn nobody_loses_the_job_of_an_agent() {
    let office = Office::open().await;
    let waits = "touch $PLACE/begun.$$; while [ ! -e $PLACE/go ]; do sleep 0.05; done; echo x > TASK; finish";
    office.commit(
        "repo: HERE",
        &[
            ("T1", &waits.replace("TASK", "one"), "verification: {unit: {command: 'test -e one'}}"),
            ("T2", "while :; do sleep 0.1; done", "dependencies: [T1]\nverification: {unit: {command: 'test -e two'}}"),
        ],
    );
    let begun = || {
        fs::read_dir(office.home.path())
            .expect("a folder")
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("begun"))
            .count()
    };
    let mut worker = office.stage.worker_of("1");
    let runner = office.start(&["run", "blueprint.md"]);
    office.until("the agent begins", || begun() == 1);
    // The runner dies, and so does the worker: the service gives the job to another one.
    runner.signal(Signal::KILL);
    office.end(runner).await;
    worker.kill();
    let _worker = office.stage.worker_of("1");
    office.until("another one begins", || begun() == 2);
    let runner = office.start(&["resume"]);
    office.until("it is taken up", || {
        let takeovers = office.project.events().iter().filter(|event| event.name() == "runner_took_over").count();
        takeovers == 2
    });
    fs::write(office.at("go"), "").expect("a file");
    office.until("the first task lands", || office.project.told("task_completed") == ["T1"]);
    assert_eq!(office.landed("one"), "x");
    let jobs = office.jobs("T1").await;
    assert_eq!((jobs.len(), jobs[0].epoch), (1, 2), "{jobs:?}");

    // The second one never ends by itself.
    let running = async || office.jobs("T2").await.first().map(|job| job.status);
    while running().await != Some(Status::Running) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let cancelled = office.end(office.start(&["cancel"])).await;
    let ended = office.end(runner).await;
    assert_ne!(ended.code, Some(0), "{cancelled:?} {ended:?}");
    assert_eq!(running().await, Some(Status::Cancelled), "{cancelled:?} {ended:?}");
}

async fn what_landed_is_pushed_for_the_next_agent() {
    let office = Office::open().await;
    let remote = office.stage.folder.path().join("remote.git");
    let shown = remote.display().to_string();
    let good = |what: &str| format!("verification: {{unit: {{command: '{what}'}}}}");
    office.commit(
        &format!("repo: {shown}, push: shop"),
        &[
            ("T1", "echo one > one; finish", &good("test -e one")),
            (
                "T2",
                "cat one one > two; finish",
                &format!("dependencies: [T1]\n{}", good("test \"$(cat two)\" = \"$(cat one one)\"")),
            ),
        ],
    );
    office.git(&["init", "-q", "--bare", &shown]);
    office.git(&["remote", "add", "shop", &shown]);
    let _worker = office.stage.worker_of("1");
    office.run().await.with(0);
    assert_eq!(office.landed("two"), "one\none");
    // What was brought there for the workers is gone again.
    assert_eq!(office.git(&["--git-dir", &shown, "branch", "--list"]), "");
}

async fn a_commit_that_is_not_there_is_told() {
    let office = Office::open().await;
    let remote = office.stage.folder.path().join("remote.git").display().to_string();
    office.commit(&format!("repo: {remote}"), &[("T1", "finish", "verification: {unit: {command: 'true'}}")]);
    office.git(&["init", "-q", "--bare", &remote]);
    let _worker = office.stage.worker_of("1");
    let ended = office.run().await;
    assert_ne!(ended.code, Some(0));
    let told = office.project.events().iter().map(|event| event.0.to_string()).collect::<String>();
    assert!(told.contains("clone_failed") && told.contains("outpost: {push: …}"), "{told}");
    assert_eq!(office.jobs("T1").await.len(), 1, "asked again, it would not be there either");
}
