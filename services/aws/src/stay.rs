//! Tells ECS that a task has jobs: then no rule that wants fewer tasks ends this one.
//!
//! Each task of ECS is told where its agent is, which needs no signature: it acts as the task's own role, which has to be
//! allowed `ecs:UpdateTaskProtection`. A protection ends by itself, later than the longest job; AWS takes Spot capacity
//! back in spite of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use outpost_core::ports::Stay;
use outpost_core::store::{Pending, Problem};
use serde_json::{Value, json};

use crate::trouble::Call;

/// Twice as long as a job may take.
const MINUTES: u32 = 120;
const PATIENCE: Duration = Duration::from_secs(4);
const CALL: Call<'static> = Call { service: "ECS", operation: "UpdateTaskProtection", on: "this task" };

struct Task {
    http: reqwest::Client,
    url: String,
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

/// Who is to be told, by the variable that ECS sets in its tasks; nobody elsewhere.
pub fn stay(read: impl Fn(&str) -> Option<String>) -> Result<Option<Arc<dyn Stay>>, Problem> {
    let Some(agent) = read("ECS_AGENT_URI").filter(|agent| !agent.is_empty()) else { return Ok(None) };
    // It is on this machine: no proxy leads there.
    let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build();
    let http = http.map_err(|error| CALL.broken(&error.to_string()))?;
    let url = format!("{}/task-protection/v1/state", agent.trim_end_matches('/'));
    Ok(Some(Arc::new(Task { http, url })))
}

impl Stay for Task {
    fn stay(&self, busy: bool) -> Pending<'_, Result<(), Problem>> {
        Box::pin(async move {
            let broken = |error: reqwest::Error| CALL.broken(&error.without_url().to_string());
            let body = if busy {
                json!({"ProtectionEnabled": true, "ExpiresInMinutes": MINUTES})
            } else {
                json!({"ProtectionEnabled": false})
            };
            let request = self.http.put(&self.url).header("content-type", "application/json").body(body.to_string());
            let answer = request.send().await.map_err(broken)?;
            let status = answer.status();
            let told: Value = serde_json::from_str(&answer.text().await.map_err(broken)?).unwrap_or_default();
            // A task that it cannot protect is told of with a good status, too.
            if status.is_success() && told["protection"]["ProtectionEnabled"] == busy {
                return Ok(());
            }
            let why = told["failure"]["Reason"].as_str().or_else(|| told["error"]["Message"].as_str());
            Err(CALL.refused(told["error"]["Code"].as_str(), why, status.as_u16()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Asks an agent that answers with this, and gives what came of it, and the request.
    async fn ask(busy: bool, status: &'static str, answer: &'static str) -> (Result<(), Problem>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let agent = format!("http://{}/api/task/", listener.local_addr().expect("an address"));
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let (mut heard, mut chunk) = (String::new(), [0; 1024]);
            while !heard.ends_with('}') {
                let count = stream.read(&mut chunk).await.expect("a request");
                heard += &String::from_utf8_lossy(&chunk[..count]);
            }
            let length = answer.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}");
            stream.write_all(head.as_bytes()).await.expect("an answer");
            heard
        });
        let stay = stay(|name| (name == "ECS_AGENT_URI").then(|| agent.clone())).expect("a client").expect("a task");
        (stay.stay(busy).await, served.await.expect("a request"))
    }

    #[tokio::test]
    async fn the_agent_is_told_and_believed_by_what_it_says() {
        let (told, heard) = ask(true, "200 OK", r#"{"protection": {"ProtectionEnabled": true}}"#).await;
        assert_eq!(told, Ok(()));
        assert!(heard.starts_with("PUT /api/task/task-protection/v1/state HTTP/1.1"), "{heard}");
        assert!(heard.ends_with(r#"{"ProtectionEnabled":true,"ExpiresInMinutes":120}"#), "{heard}");
        let (told, heard) = ask(false, "200 OK", r#"{"protection": {"ProtectionEnabled": false}}"#).await;
        assert_eq!(told, Ok(()));
        assert!(heard.ends_with(r#"{"ProtectionEnabled":false}"#), "{heard}");
    }

    #[tokio::test]
    async fn what_it_could_not_do_is_told() {
        let failure = r#"{"failure": {"Reason": "TASK_NOT_VALID"}}"#;
        let denied = r#"{"error": {"Code": "AccessDeniedException", "Message": "no"}}"#;
        for (status, answer, named) in [
            ("200 OK", failure, "TASK_NOT_VALID"),
            ("400 Bad Request", denied, "the role"),
            ("500 Oh", "?", "status 500"),
        ] {
            let told = ask(true, status, answer).await.0.expect_err("a fault").to_string();
            assert!(told.contains(named), "{told}");
        }
        let throttled = r#"{"error": {"Code": "ThrottlingException", "Message": "slow"}}"#;
        assert_eq!(ask(true, "429 Slow", throttled).await.0, Err(Problem::Busy));
    }

    #[test]
    fn elsewhere_nobody_is_told() {
        assert!(stay(|_| None).expect("no client").is_none());
        assert!(stay(|_| Some(String::new())).expect("no client").is_none());
    }
}
