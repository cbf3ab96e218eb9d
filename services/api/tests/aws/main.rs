//! The server and the operator's tool on an AWS of this machine: one installation, whoever looks at it.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "others use the rest of it")]
#[path = "../../../aws/tests/aws/emulator.rs"]
mod emulator;
#[expect(dead_code, reason = "others use the rest of it")]
#[path = "../../../aws/tests/aws/stage.rs"]
mod stage;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::stage::Stage;

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(path: &str, variables: &[(String, String)]) -> Command {
    let mut command = Command::new(path);
    command.env_clear().envs(variables.iter().cloned());
    command
}

fn serve(variables: &[(String, String)]) -> (Server, String) {
    let mut command = program(env!("CARGO_BIN_EXE_outpost-api"), variables);
    let spawned = command.args(["--aws", "--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn();
    let mut server = Server(spawned.expect("a server"));
    let mut lines = BufReader::new(server.0.stderr.take().expect("its log"));
    let mut line = String::new();
    while !line.contains(" serving ") {
        line.clear();
        assert_ne!(lines.read_line(&mut line).expect("a line"), 0, "the server has ended");
    }
    // A server whose log nobody reads stands still.
    std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    let base = line.split("base=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an address").to_owned();
    (server, base)
}

fn admin(variables: &[(String, String)], words: &[&str]) -> Value {
    let mut command = program(env!("CARGO_BIN_EXE_outpost-admin"), variables);
    let output = command.args(["--aws", "--json"]).args(words).output().expect("an end");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_serves_what_an_operator_looks_after_and_cursors_hold_at_every_door() {
    let Some(emulator) = emulator::emulator() else { return };
    let stage = Stage::make(emulator).await;
    // What is secret may lie in a secret.
    let mut variables = stage.variables();
    variables.retain(|(name, _)| name != "OUTPOST_CURSOR_KEY");
    let held = json!({"OUTPOST_CURSOR_KEY": "c5".repeat(32), "OUTPOST_INVITATIONS": "come-in"}).to_string();
    stage
        .ask("secretsmanager", "secretsmanager.CreateSecret", &json!({"Name": "outpost/doors", "SecretString": held}))
        .await;
    variables.push(("OUTPOST_SECRET".to_owned(), "outpost/doors".to_owned()));
    variables.push(("OUTPOST_REGISTER".to_owned(), "invite".to_owned()));

    let (_one, here) = serve(&variables);
    let (_two, there) = serve(&variables);
    let made = admin(&variables, &["tenant", "create", "Ada", "ada@example.com", "--tier", "pro"]);
    let key = made["api_key"].as_str().expect("a key").to_owned();
    let ask = async |method: &str, url: String, body: Option<Value>| {
        let mut request = stage.client.request(method.parse().expect("a method"), url).bearer_auth(&key);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, serde_json::from_str::<Value>(&answer.text().await.expect("a text")).unwrap_or_default())
    };
    // Never the owner's machine: nobody begins without limits, and no folder is a repository.
    let (status, me) = ask("GET", format!("{here}/v1/tenant"), None).await;
    assert_eq!((status, &me["tier"]), (200, &json!("pro")));
    let folder = json!({"agent": "claude", "task": "x", "repo": "/etc"});
    assert_eq!(ask("POST", format!("{here}/v1/jobs"), Some(folder)).await.0, 422);
    let (status, guest) = ask(
        "POST",
        format!("{here}/v1/auth/register"),
        Some(json!({"email": "eve@example.com", "invitation": "come-in"})),
    )
    .await;
    assert_eq!((status, &guest["tier"]), (201, &json!("free")), "{guest}");

    let mut ids = Vec::new();
    for _ in 0..3 {
        let (status, job) = ask("POST", format!("{here}/v1/jobs"), Some(json!({"agent": "claude", "task": "x"}))).await;
        assert_eq!(status, 202, "{job}");
        ids.push(job["id"].clone());
    }
    let (_, page) = ask("GET", format!("{here}/v1/jobs?limit=2"), None).await;
    let cursor = page["next_cursor"].as_str().expect("there is more");
    let (status, rest) = ask("GET", format!("{there}/v1/jobs?limit=2&cursor={cursor}"), None).await;
    assert_eq!((status, &rest["data"][0]["id"]), (200, &ids[0]), "the other door goes on: {rest}");
    assert_eq!(admin(&variables, &["reap"])["lost"], 0);
    let keys = admin(&variables, &["key", "list", made["tenant_id"].as_str().expect("an id")]);
    let id = keys[0]["key_id"].as_str().expect("an id");
    admin(&variables, &["key", "revoke", made["tenant_id"].as_str().expect("an id"), id]);
    assert_eq!(ask("GET", format!("{there}/v1/tenant"), None).await.0, 401);
}

#[test]
fn a_command_line_says_one_place_and_what_it_needs_there() {
    let told = |words: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-api"));
        let output = command.env_clear().envs(variables.iter().copied()).args(words).output().expect("an end");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let listen = ["--listen", "127.0.0.1:0"];
    let (code, text) = told(&listen, &[]);
    assert!(code == Some(2) && text.contains("--data") && text.contains("--aws"), "{text}");
    let (code, text) = told(&["--aws", "--data", "d"], &[]);
    assert!(code == Some(2) && text.contains("--data") && text.contains("--aws"), "{text}");
    let (code, text) = told(&["--aws", "--with-worker"], &[]);
    assert!(code == Some(2) && text.contains("--with-worker"), "{text}");
    let own = told(&["--aws", "--tenants", "owner", listen[0], listen[1]], &[]);
    assert!(own.0 == Some(1) && own.1.contains("--tenants owner"), "{own:?}");
    let region = ("AWS_REGION", "us-east-1");
    let (code, text) = told(&["--aws", listen[0], listen[1]], &[region, ("OUTPOST_CURSOR_KEY", "hush")]);
    assert!(code == Some(1) && text.contains("64 hexadecimal digits") && !text.contains("hush"), "{text}");
    let key = "0".repeat(64);
    let (code, text) = told(&["--aws", listen[0], listen[1]], &[region, ("OUTPOST_CURSOR_KEY", &key)]);
    assert!(code == Some(1) && text.contains("`S3_ARTIFACTS_BUCKET`"), "{text}");
}
