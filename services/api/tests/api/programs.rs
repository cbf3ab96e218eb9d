//! The two programs themselves: they start, work on one folder, and end in order.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

pub(crate) fn server(data: &Path, listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-api"));
    command.arg("--data").arg(data).args(["--listen", listen]).stderr(Stdio::piped()).env_remove("OUTPOST_LOG");
    command
}

/// A server that is up, and where. It is ended with its test.
pub(crate) struct Served {
    pub(crate) base: String,
    child: Child,
    log: Option<JoinHandle<String>>,
}

impl Served {
    /// The command's standard error has to be a pipe.
    pub(crate) fn begin(mut command: Command) -> Self {
        let mut child = command.spawn().expect("a server");
        let mut lines = BufReader::new(child.stderr.take().expect("its log"));
        let mut line = String::new();
        while !line.contains(" serving ") {
            line.clear();
            assert_ne!(lines.read_line(&mut line).expect("a line"), 0, "the server has ended");
        }
        let base = line.split("base=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an address").to_owned();
        // Somebody reads what else it says.
        let log = thread::spawn(move || std::io::read_to_string(lines).expect("a log"));
        Self { base, child, log: Some(log) }
    }

    fn term(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        // One that has ended is as good.
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }

    /// Ends it in order, and gives what it wrote since it served.
    pub(crate) fn end(mut self) -> String {
        self.term();
        let (code, log) = (self.child.wait().expect("an end").code(), self.log.take());
        assert_eq!(code, Some(0));
        log.and_then(|log| log.join().ok()).expect("a log")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that was waited for has no process any more, and its number may be another's.
        if self.log.is_some() {
            self.term();
            drop(self.child.wait());
        }
    }
}

fn admin(data: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-admin"));
    command.arg("--data").arg(data).args(words).output().expect("an answer")
}

fn told(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test]
async fn a_server_serves_and_an_operator_looks_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // Neither where there is no folder, nor in one of something else, which stays as it is.
    for place in [&data, &folder.path().to_owned()] {
        let missing = admin(place, &["tenant", "create", "Ada", "ada@example.com"]);
        assert_eq!(missing.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&missing.stderr).contains("one begins with outpost-api"));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let served = Served::begin(server(&data, "127.0.0.1:0"));
    let base = served.base.clone();
    let client = reqwest::Client::new();
    let made = told(&admin(&data, &["--json", "tenant", "create", "Ada", "ada@example.com", "--tier", "pro"]));
    let (tenant, key) = (made["tenant_id"].as_str().unwrap(), made["api_key"].as_str().unwrap());
    let ask = async |key: &str| {
        let answer = client.get(format!("{base}/v1/tenant")).bearer_auth(key).send().await.expect("an answer");
        (answer.status().as_u16(), serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).unwrap())
    };
    let (status, me) = ask(key).await;
    assert_eq!((status, &me["tier"], &me["name"]), (200, &json!("pro"), &json!("Ada")));
    told(&admin(&data, &["--json", "tenant", "set-tier", tenant, "enterprise"]));
    told(&admin(&data, &["--json", "tenant", "set-limits", tenant, "--jobs-per-day", "500"]));
    let (_, me) = ask(key).await;
    assert_eq!((&me["tier"], &me["limits"]["jobs_per_day"]), (&json!("enterprise"), &json!(500)));
    told(&admin(&data, &["--json", "tenant", "suspend", tenant]));
    assert_eq!(ask(key).await.0, 403);
    told(&admin(&data, &["--json", "tenant", "resume", tenant]));
    let keys = told(&admin(&data, &["--json", "key", "list", tenant]));
    assert!(!keys.to_string().contains(key));
    told(&admin(&data, &["--json", "key", "revoke", tenant, keys[0]["key_id"].as_str().unwrap()]));
    assert_eq!(ask(key).await.0, 401);
    assert_eq!(told(&admin(&data, &["--json", "dlq", "list"])), json!([]));
    assert_eq!(told(&admin(&data, &["--json", "reap"]))["lost"], 0);
    let listed = String::from_utf8(admin(&data, &["tenant", "list"]).stdout).unwrap();
    assert!(listed.contains("ada@example.com  Ada  enterprise  active"), "{listed}");

    // Its port is taken, and it says so.
    let address = base.strip_prefix("http://").unwrap();
    let second = server(&folder.path().join("other"), address).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("listens on"), "{second:?}");

    let log = served.end();
    assert!(log.contains("no more requests are taken") && !log.contains(&key[..20]), "{log}");
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let told = server(&file, "127.0.0.1:0").output().unwrap();
    assert_eq!(told.status.code(), Some(1));
    let text = String::from_utf8_lossy(&told.stderr);
    assert!(text.contains("cannot be used") && text.contains("--data"), "{text}");
}

#[test]
fn prices_that_say_nothing_or_two_things_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (prices, says) in [
        ("p", "no `=`"),
        ("p=gold", "names no tier"),
        ("p=pro,q=pro,p=enterprise", "`--stripe-price p=enterprise` names"),
    ] {
        let mut command = server(&folder.path().join("data"), "127.0.0.1:0");
        let told = command.env("OUTPOST_STRIPE_PRICES", prices).output().unwrap();
        let text = String::from_utf8_lossy(&told.stderr);
        assert!(told.status.code() == Some(1) && text.contains(says), "{prices}: {text}");
    }
}

#[test]
fn the_pages_name_no_option_that_a_program_lacks() {
    let pages = [include_str!("../../../../docs/API.md"), include_str!("../../../../docs/SECURITY.md")];
    let mut known = String::new();
    let (api, admin) = (env!("CARGO_BIN_EXE_outpost-api"), env!("CARGO_BIN_EXE_outpost-admin"));
    for words in [
        &[api, "--help"][..],
        &[admin, "--help"],
        &[admin, "tenant", "create", "--help"],
        &[admin, "stripe", "products", "--help"],
    ] {
        let help = Command::new(words[0]).args(&words[1..]).output().expect("a help");
        known.push_str(&String::from_utf8_lossy(&help.stdout));
    }
    let named = pages.iter().flat_map(|page| page.split('`')).filter_map(|code| code.strip_prefix("--"));
    let named: Vec<&str> = named.filter_map(|code| code.split([' ', '=']).next()).collect();
    assert!(named.len() > 5, "{named:?}");
    for name in named {
        assert!(known.contains(&format!("--{name} ")) || known.contains(&format!("--{name}\n")), "--{name}");
    }
}
