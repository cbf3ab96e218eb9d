//! What the operations answer, and what they do first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Cloud, Fault, Invocation, Job, Sent};

impl Cloud {
    pub(super) fn send(&self, body: &Value, fault: Option<Fault>) -> Result<Value, (u16, Value)> {
        let wrong = |kind: &str, words: &str| (400, json!({"__type": kind, "message": words}));
        let seconds = body["TimeoutSeconds"].as_u64().unwrap_or(3600);
        let comment = body["Comment"].as_str().unwrap_or_default();
        if !(30..=2_592_000).contains(&seconds) || comment.len() > 100 {
            return Err(wrong("ValidationException", "TimeoutSeconds or Comment"));
        }
        if body["DocumentName"] != "AWS-RunShellScript" {
            return Err(wrong("InvalidDocument", "there is no such document"));
        }
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
        };
        let lines = texts(&body["Parameters"]["commands"]);
        let limit: u64 = texts(&body["Parameters"]["executionTimeout"])
            .first()
            .and_then(|text| text.parse().ok())
            .filter(|seconds| (1..=172_800).contains(seconds))
            .ok_or_else(|| wrong("InvalidParameters", "executionTimeout"))?;
        // It would be replaced by a parameter of that name.
        if lines.is_empty() || lines.iter().any(|line| line.contains("{{")) || lines.join("\n").len() > 64_000 {
            return Err(wrong("InvalidParameters", "commands"));
        }
        let mut machines = texts(&body["InstanceIds"]);
        for target in body["Targets"].as_array().into_iter().flatten() {
            let name = target["Key"].as_str().and_then(|key| key.strip_prefix("tag:")).unwrap_or_default();
            let values = texts(&target["Values"]);
            let world = self.world();
            let has = |(_, tag, value): &&(String, String, String)| tag == name && values.contains(value);
            machines.extend(world.tags.iter().filter(has).map(|(machine, ..)| machine.clone()));
        }
        if machines.iter().any(|machine| !machine.starts_with("i-")) {
            return Err(wrong("InvalidInstanceId", "it is not in a valid state"));
        }
        let mut world = self.world();
        let id = format!("00000000-0000-4000-8000-{:012}", world.commands.len());
        let cancelled = Arc::new(AtomicBool::new(false));
        let prefix = body["OutputS3KeyPrefix"].as_str().map(|prefix| format!("{prefix}/")).unwrap_or_default();
        let bucket = body["OutputS3BucketName"].as_str();
        let mut invocations = BTreeMap::new();
        for machine in &machines {
            let path = bucket
                .map(|bucket| format!("/{bucket}/{prefix}{id}/{machine}/awsrunShellScript/0.awsrunShellScript/stdout"));
            let address = path.as_ref().map(|path| format!("https://s3.us-east-1.amazonaws.com{path}"));
            let (status, details) = match fault {
                Some(Fault::Canned) => ("Success", "Success"),
                Some(Fault::Offline) => ("TimedOut", "DeliveryTimedOut"),
                _ => ("InProgress", "InProgress"),
            };
            let address = address.unwrap_or_default();
            let (stdout, stderr) = (Vec::new(), Vec::new());
            let (status, details) = (status.to_owned(), details.to_owned());
            invocations.insert(machine.clone(), Invocation { status, details, code: -1, stdout, stderr, address });
            if matches!(fault, Some(Fault::Canned | Fault::Offline)) {
                continue;
            }
            for copy in 0..if fault == Some(Fault::Twice) { 2 } else { 1 } {
                let folder = self.0.folder.path().join(&id).join(format!("{machine}-{copy}"));
                let job = Job { lines: elsewhere(&lines, machine), limit, folder, path: path.clone() };
                let (cloud, id, machine, cancelled) =
                    (self.clone(), id.clone(), machine.clone(), Arc::clone(&cancelled));
                self.0.performing.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    cloud.perform(&id, &machine, &job, &cancelled);
                    cloud.0.performing.fetch_sub(1, Ordering::SeqCst);
                });
            }
        }
        let (comment, document) = (comment.to_owned(), "AWS-RunShellScript".to_owned());
        world.commands.push(Sent { id: id.clone(), comment, document, looks: 0, machines: invocations, cancelled });
        Ok(json!({"Command": {"CommandId": id, "Status": "Pending"}}))
    }

    pub(super) fn list(&self, body: &Value) -> Result<Value, (u16, Value)> {
        let mut world = self.world();
        let mut found = Vec::new();
        for sent in world.commands.iter_mut().rev() {
            if body["CommandId"].as_str().is_some_and(|id| id != sent.id) {
                continue;
            }
            for filter in body["Filters"].as_array().into_iter().flatten() {
                // There is no filter for comments.
                if filter["key"] != "DocumentName" || filter["value"] != *sent.document {
                    return Err((400, json!({"__type": "InvalidFilterKey"})));
                }
            }
            sent.looks += 1;
            if sent.looks > 1 {
                found.push(sent.shown());
            }
        }
        // A page has two, so that there is more than one.
        let from = body["NextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0_usize);
        let page: Vec<Value> = found.iter().skip(from).take(2).cloned().collect();
        let next = (from + 2 < found.len()).then(|| (from + 2).to_string());
        Ok(json!({"Commands": page, "NextToken": next}))
    }

    pub(super) fn invocations(&self, body: &Value) -> Result<Value, (u16, Value)> {
        let world = self.world();
        let sent = world.commands.iter().find(|sent| body["CommandId"] == *sent.id);
        let shown = |(machine, it): (&String, &Invocation)| json!({"InstanceId": machine, "Status": it.status, "StatusDetails": it.details});
        let all: Vec<Value> = sent.into_iter().flat_map(|sent| sent.machines.iter().map(shown)).collect();
        Ok(json!({"CommandInvocations": all}))
    }

    pub(super) fn invocation(&self, body: &Value) -> Result<Value, (u16, Value)> {
        let world = self.world();
        let sent = world.commands.iter().find(|sent| body["CommandId"] == *sent.id);
        let found = sent.and_then(|sent| sent.machines.get(body["InstanceId"].as_str()?));
        let Some(it) = found else {
            return Err((400, json!({"__type": "InvocationDoesNotExist"})));
        };
        let first =
            |bytes: &[u8], most: usize| -> String { String::from_utf8_lossy(bytes).chars().take(most).collect() };
        Ok(json!({
            "CommandId": body["CommandId"], "InstanceId": body["InstanceId"], "Status": it.status,
            "StatusDetails": it.details, "ResponseCode": it.code, "StandardOutputContent": first(&it.stdout, 24_000),
            "StandardErrorContent": first(&it.stderr, 8_000), "StandardOutputUrl": it.address,
        }))
    }
}

impl Sent {
    fn shown(&self) -> Value {
        let is_going = self.machines.values().any(|it| it.status == "InProgress");
        let worst = self.machines.values().find(|it| it.status != "Success");
        let status = match worst {
            _ if is_going => "InProgress",
            Some(worst) => &worst.status,
            None => "Success",
        };
        let details = if self.machines.is_empty() { "NoInstancesInTag" } else { status };
        json!({
            "CommandId": self.id, "Comment": self.comment, "DocumentName": self.document, "Status": status,
            "StatusDetails": details, "TargetCount": self.machines.len(),
        })
    }
}

/// All machines are this one: each gets a folder of its own for what a target keeps.
fn elsewhere(lines: &[String], machine: &str) -> Vec<String> {
    let moved = |line: &String| {
        let Some(encoded) = line.strip_prefix("outpost_state64='").and_then(|rest| rest.strip_suffix('\'')) else {
            return line.clone();
        };
        let folder = String::from_utf8(STANDARD.decode(encoded).expect("base64")).expect("text");
        format!("outpost_state64='{}'", STANDARD.encode(format!("{folder}/{machine}")))
    };
    lines.iter().map(moved).collect()
}
