//! Agents: one that a file defines, with a model on this machine behind the gateway.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use outpost_core::actions::Stream;
use outpost_core::job::{Code, Status};
use outpost_core::ports::{Secret, SecretKind};
use outpost_core::spec::{Budget, Port, PortKind, Spec};
use outpost_core::tenant::Tier;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::bench::{World, spec};

const KEY: &str = "sk-canary-8Xw2Lq7ZpVt4Rm9Ks3Yd";

/// An agent that does what the lines of its task say.
const AGENT: &str = r#"#!/bin/sh
if [ "$1" = --version ]; then echo "fake 1.2.3"; exit; fi
cat > "$HOME/prompt"
say() { echo "{\"type\":\"say\",\"text\":\"$*\"}"; }
answer() { mkdir -p .outpost; printf '%s' "$*" > .outpost/result.json; }
ask() { curl -s -H "Authorization: Bearer $FAKE_KEY" -H 'Content-Type: application/json' "$FAKE_BASE_URL/chat/completions" \
    -d '{"model":"gpt-5","messages":[{"role":"user","content":"hi"}]}'; }
finish() { echo '{"type":"end","ok":true,"turns":1,"cost":0.5,"usage":{"input":1,"cached":0,"output":1}}'; }
echo '{"type":"session","id":"s"}'
sed -n 's/^ *RUN: //p' "$HOME/prompt" > "$HOME/script"
. "$HOME/script"
"#;

/// What the model was shown as keys.
type Shown = Arc<Mutex<Vec<String>>>;

/// A model that answers each call with the same usage: 100 tokens in, 20 out.
async fn model() -> (String, Shown) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let shown = Shown::default();
    let seen = Arc::clone(&shown);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let field = |name: &str| head.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
            let mut body = vec![0; field("content-length:").and_then(|text| text.parse().ok()).unwrap_or(0)];
            stream.read_exact(&mut body).await.expect("a body");
            seen.lock().expect("a lock").extend(field("authorization:"));
            let body = json!({
                "id": "x", "object": "chat.completion", "model": "gpt-5", "created": 1,
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
            })
            .to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    (base, shown)
}

async fn world() -> (World, Shown) {
    let world = World::new().await;
    let (base, shown) = model().await;
    let program = world.path("bin/fake");
    fs::create_dir(world.path("bin")).expect("room");
    fs::write(&program, AGENT).expect("room");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
    let path = world.path("agents/fake.toml");
    let definition = fs::read_to_string(&path).expect("a definition");
    let definition = definition
        .replace("\"outpost-fake-agent\"", &format!("{:?}", program.display().to_string()))
        .replace("https://127.0.0.1", &base);
    fs::write(path, definition).expect("room");
    (world, shown)
}

fn task(lines: &[&str]) -> Spec {
    let task = lines.iter().map(|line| format!("RUN: {line}\n")).collect();
    Spec { agent: "fake".to_owned(), task, ..spec() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_works_through_the_gateway_and_what_it_used_is_exact() {
    let (world, shown) = world().await;
    let caller = world.tenant(Tier::Pro).await;
    let secret = Secret::new(KEY.to_owned());
    world.desk.put_secret(&caller, SecretKind::Openai, &secret).await.expect("a secret");
    let _worker = world.worker().start(&world.path("said"));
    let (a, b) = KEY.split_at(9);
    let leak = format!("say {a}\"\"{b}");
    let spec = Spec {
        ports: vec![Port { name: "n".into(), kind: PortKind::Integer, description: String::new(), optional: false }],
        ..task(&[
            "ask > answer.json; ask > /dev/null; env > env.txt",
            &leak,
            "cp env.txt $HOME/; answer '{\"status\":\"done\",\"outputs\":{\"n\":3}}'; finish",
        ])
    };
    let id = world.submit(&caller, spec).await;
    let (job, outcome) = world.ended(&caller, &id).await;
    assert_eq!(
        (job.status, outcome.code),
        (Status::Succeeded, None),
        "{outcome:?}\n{:?}",
        world.log(&caller, &id).await
    );
    assert_eq!(json!(outcome.outputs), json!({"n": 3}));
    assert_eq!((outcome.usage.input_tokens, outcome.usage.output_tokens), (200, 40));
    assert_eq!(*shown.lock().expect("a lock"), vec![format!("bearer {}", KEY.to_lowercase()); 2]);
    let names: Vec<&str> = outcome.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
    assert!(names.contains(&"transcript.jsonl") && names.contains(&"outcome.json"), "{names:?}");
    for name in names {
        let text = String::from_utf8_lossy(&world.artifact(&job, name).await).into_owned();
        assert!(!text.contains(KEY), "{name}");
        assert!(name != "transcript.jsonl" || text.contains("***"), "{text}");
    }
    let log = world.log(&caller, &id).await;
    assert!(log.iter().any(|line| line.stream == Stream::Event), "{log:?}");
    assert!(!log.iter().any(|line| line.text.contains(KEY)), "{log:?}");
    assert_eq!(world.left(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_does_not_bring_it_off_says_why() {
    let (world, _) = world().await;
    let caller = world.tenant(Tier::Pro).await;
    let _worker = world.worker().start(&world.path("said"));
    let ended = async |spec: Spec| {
        let id = world.submit(&caller, spec).await;
        let (job, outcome) = world.ended(&caller, &id).await;
        (job.status, outcome.code)
    };
    assert_eq!(ended(task(&["finish"])).await, (Status::Failed, Some(Code::SecretMissing)));
    let secret = Secret::new(KEY.to_owned());
    world.desk.put_secret(&caller, SecretKind::Openai, &secret).await.expect("a secret");
    let person = "answer '{\"status\":\"needs_human\",\"human_action\":\"log in\"}'; finish";
    assert_eq!(ended(task(&[person])).await, (Status::Failed, Some(Code::NeedsHuman)));
    assert_eq!(ended(task(&["exit 1"])).await, (Status::Failed, Some(Code::AgentFailed)));
    let spent = Spec {
        budget: Some(Budget { micro_usd: None, tokens: Some(150) }),
        ..task(&["ask; ask; ask; ask > $HOME/last; echo '{\"type\":\"error\",\"message\":\"no more\"}'; exit 1"])
    };
    assert_eq!(ended(spent).await, (Status::Failed, Some(Code::BudgetExceeded)));
    let slow = Spec { timeout_seconds: 2, ..task(&["sleep 78787"]) };
    assert_eq!(ended(slow).await, (Status::TimedOut, Some(Code::Timeout)));
}
