//! Workers where there are none: the one service of ECS that works is told to have some.
//!
//! ```text
//! a job was accepted ─► asked in the last 5 s? ─► no: how many are wanted ─► none: as many as the tickets need
//! ```
//! Where there are some, ECS's own rules add and take away. ECS has two operations that matter here, and no SDK of its own
//! for them is built: a request is JSON, signed as every other.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use outpost_core::ports::{Clock, Queue, Wake};
use outpost_core::store::{Pending, Problem};
use outpost_core::tenant::Tier;
use serde_json::{Value, json};

use crate::settings::{Settings, Workers};
use crate::trouble::Call;

/// How long what was learned is believed.
const BELIEVED_MS: i64 = 5_000;
const PATIENCE: Duration = Duration::from_secs(10);
const TO_CONNECT: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct Fleet {
    workers: Workers,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
    http: reqwest::Client,
    endpoint: String,
    region: String,
    credentials: SharedCredentialsProvider,
    /// When it was asked last, in milliseconds; before the beginning, if never.
    asked: AtomicI64,
}

impl Fleet {
    pub(crate) fn new(
        config: &SdkConfig,
        settings: &Settings,
        workers: &Workers,
        queue: Arc<dyn Queue>,
    ) -> Result<Self, Problem> {
        let call = Call { service: "ECS", operation: "prepare", on: &workers.service };
        let region = config.region().map(ToString::to_string);
        let region = region.ok_or_else(|| call.broken("no region is set; set `AWS_REGION`"))?;
        let credentials = config.credentials_provider().ok_or_else(|| call.broken("there are no credentials"))?;
        let http = reqwest::Client::builder().timeout(PATIENCE).connect_timeout(TO_CONNECT).build();
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let own = config.endpoint_url().map(|own| own.trim_end_matches('/').to_owned());
        Ok(Self {
            workers: workers.clone(),
            queue,
            clock: Arc::clone(&settings.clock),
            http: http.map_err(|error| call.broken(&error.to_string()))?,
            endpoint: own.unwrap_or_else(|| format!("https://ecs.{region}.{suffix}")),
            region,
            credentials,
            asked: AtomicI64::new(i64::MIN / 2),
        })
    }

    async fn look(&self) -> Result<(), Problem> {
        let Workers { cluster, service, most, jobs_each } = &self.workers;
        let told = self.ask("DescribeServices", &json!({"cluster": cluster, "services": [service]})).await?;
        let call = Call { service: "ECS", operation: "DescribeServices", on: service };
        let Some(found) = told["services"].as_array().and_then(|found| found.first()) else {
            return Err(call.broken(&format!("it is not there, in cluster `{cluster}`")));
        };
        let wanted = found["desiredCount"].as_u64().ok_or_else(|| call.broken("an answer without `desiredCount`"))?;
        if wanted > 0 {
            return Ok(());
        }
        let mut tickets = 0;
        for lane in Tier::ALL {
            tickets += self.queue.depth(lane).await?.ready;
        }
        let wanted = tickets.div_ceil(u64::from(*jobs_each)).clamp(1, u64::from(*most));
        let change = json!({"cluster": cluster, "service": service, "desiredCount": wanted});
        self.ask("UpdateService", &change).await.map(drop)
    }

    async fn ask(&self, operation: &'static str, question: &Value) -> Result<Value, Problem> {
        let call = Call { service: "ECS", operation, on: &self.workers.service };
        let broken = |error: &dyn std::fmt::Display| call.broken(&error.to_string());
        let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        let (url, body) = (format!("{}/", self.endpoint), question.to_string());
        let identity = self.credentials.provide_credentials().await.map_err(|error| broken(&error))?.into();
        let how = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ecs")
            .time(SystemTime::now())
            .settings(SigningSettings::default());
        let how = how.build().map_err(|error| broken(&error))?.into();
        let signable =
            SignableRequest::new("POST", &url, headers.iter().copied(), SignableBody::Bytes(body.as_bytes()));
        let signed = sign(signable.map_err(|error| broken(&error))?, &how).map_err(|error| broken(&error))?;
        let mut request = self.http.post(&url);
        for (name, value) in headers.iter().copied().chain(signed.output().headers()) {
            request = request.header(name, value);
        }
        let answer = request.body(body).send().await.map_err(|error| broken(&error.without_url()))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| broken(&error.without_url()))?;
        let told: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(told);
        }
        let code = told["__type"].as_str().map(|code| code.rsplit('#').next().unwrap_or(code));
        let message = told["message"].as_str().or_else(|| told["Message"].as_str());
        Err(call.refused(code, message, status.as_u16()))
    }
}

impl Wake for Fleet {
    fn wake(&self) -> Pending<'_, Result<(), Problem>> {
        Box::pin(async move {
            let now = self.clock.now().millis();
            let asked = self.asked.load(Ordering::Relaxed);
            let fresh = now.saturating_sub(asked) < BELIEVED_MS;
            // One of many who come at once asks.
            if fresh || self.asked.compare_exchange(asked, now, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                return Ok(());
            }
            let looked = self.look().await;
            if looked.is_err() {
                // The next one asks again.
                let _ = self.asked.compare_exchange(now, asked, Ordering::Relaxed, Ordering::Relaxed);
            }
            looked
        })
    }
}

/// Where nobody is to be woken: workers are started by hand, or by ECS alone.
#[derive(Debug)]
pub(crate) struct Asleep;

impl Wake for Asleep {
    fn wake(&self) -> Pending<'_, Result<(), Problem>> {
        Box::pin(async { Ok(()) })
    }
}
