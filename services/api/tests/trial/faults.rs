//! What a service may do wrong, one by one.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};

use crate::double::{Asked, Fault, Told};

/// Shows a job to whoever asks for it.
#[derive(Default)]
pub(crate) struct Leaks(Mutex<HashMap<String, HeaderValue>>);

impl Fault for Leaks {
    fn asked(&self, asked: &mut Asked) {
        if asked.method == "GET"
            && let Some(id) = asked.path.strip_prefix("/v1/jobs/")
            && let Some(owner) = self.0.lock().expect("a lock").get(id)
        {
            asked.headers.insert(AUTHORIZATION, owner.clone());
        }
    }

    fn told(&self, asked: &Asked, told: &mut Told) {
        if let (202, Some(id), Some(key)) = (told.status, told.body["id"].as_str(), asked.headers.get(AUTHORIZATION)) {
            self.0.lock().expect("a lock").insert(id.to_owned(), key.clone());
        }
    }
}

/// Jobs run for ever.
pub(crate) struct NeverEnds;

impl Fault for NeverEnds {
    fn told(&self, asked: &Asked, told: &mut Told) {
        if asked.method == "GET" && asked.path.starts_with("/v1/jobs/job_") && told.body.get("outcome").is_some() {
            told.body["status"] = json!("running");
        }
    }
}

/// Accepts one job too many, which nobody does.
#[derive(Default)]
pub(crate) struct OneTooMany(AtomicUsize);

impl Fault for OneTooMany {
    fn told(&self, _: &Asked, told: &mut Told) {
        if told.body["code"] == "quota_exceeded" && self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            *told = Told { status: 202, headers: told.headers.clone(), body: json!({"id": "job_one_too_many"}) };
        }
    }
}

/// Does not know a request again.
pub(crate) struct Forgets;

impl Fault for Forgets {
    fn asked(&self, asked: &mut Asked) {
        asked.headers.remove("idempotency-key");
    }
}

/// Refuses without a word about when and how many.
pub(crate) struct Curt;

impl Fault for Curt {
    fn told(&self, _: &Asked, told: &mut Told) {
        if told.body["code"] == "quota_exceeded" {
            told.headers.remove(RETRY_AFTER);
        }
    }
}

/// Charges for each job twice.
pub(crate) struct Twice;

impl Fault for Twice {
    fn told(&self, asked: &Asked, told: &mut Told) {
        if asked.path.starts_with("/v1/usage/events")
            && let Some(rows) = told.body["data"].as_array_mut()
        {
            let again: Vec<Value> = rows.clone();
            rows.extend(again);
        }
    }
}

/// Writes nothing down of keys that are made.
pub(crate) struct LooksAway;

impl Fault for LooksAway {
    fn told(&self, asked: &Asked, told: &mut Told) {
        if asked.path.starts_with("/v1/audit")
            && let Some(rows) = told.body["data"].as_array_mut()
        {
            rows.retain(|row| row["action"] != "key.create");
        }
    }
}

/// A key that was revoked still opens.
pub(crate) struct StillOpens;

impl Fault for StillOpens {
    fn told(&self, _: &Asked, told: &mut Told) {
        if told.body["code"] == "revoked_api_key" {
            *told = Told { status: 200, headers: told.headers.clone(), body: json!({}) };
        }
    }
}

/// Asks everybody to come again, so many times, after so many seconds.
pub(crate) struct Busy {
    pub(crate) times: AtomicUsize,
    pub(crate) seconds: u64,
}

impl Fault for Busy {
    fn told(&self, asked: &Asked, told: &mut Told) {
        let left = |times: usize| times.checked_sub(1);
        let again =
            asked.path == "/v1/meta" && self.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok();
        if again {
            told.headers.insert(RETRY_AFTER, HeaderValue::from(self.seconds));
            let body = json!({"code": "rate_limited", "detail": "this tenant asks more often than it may"});
            *told = Told { status: 429, headers: told.headers.clone(), body };
        }
    }
}
