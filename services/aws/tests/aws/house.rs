//! An installation for one test: an account with tables, queues and a bucket, and the adapters on it.
//!
//! Tables are made as `tables.json` has them: what Terraform makes is held to the same text.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TimeToLiveSpecification,
};
use aws_sdk_sqs::types::QueueAttributeName;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use outpost_aws::{Settings, TABLES};
use outpost_core::actions::Ports;
use outpost_core::moment::Moment;
use outpost_core::ports::{Chance as _, Clock};
use outpost_here::{SystemChance, SystemClock};
use serde_json::{Value, json};

use crate::emulator::{Emulator, SECRET};
use crate::proxy::endpoint;

pub(crate) const ENVIRONMENT: &str = "test";

/// The machine's time, so far ahead as the test sets it; standing still between.
#[derive(Debug)]
pub(crate) struct Hand {
    began: Moment,
    ahead: AtomicI64,
}

impl Hand {
    pub(crate) fn ahead(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.ahead.load(Ordering::SeqCst)).expect("forward only"))
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.ahead.fetch_add(i64::try_from(time.as_millis()).expect("a short time"), Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Moment {
        self.began.plus(self.ahead())
    }
}

#[derive(Debug)]
pub(crate) struct House {
    pub(crate) aws: Ports,
    pub(crate) config: SdkConfig,
    pub(crate) account: String,
    pub(crate) clock: Arc<Hand>,
    pub(crate) bucket: String,
    pub(crate) settings: Settings,
}

/// Whom a test is.
pub(crate) async fn config(endpoint: &str, account: &str) -> SdkConfig {
    let who = SharedCredentialsProvider::new(Credentials::new(account, SECRET, None, None, "test"));
    // The emulator is shared by all tests, and so slower than AWS is.
    let patience = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(60)).build();
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(who)
        .endpoint_url(endpoint)
        .timeout_config(patience)
        .load()
        .await
}

pub(crate) fn account() -> String {
    let mut random = [0; 8];
    SystemChance.fill(&mut random).expect("randomness");
    // Never with a nought in front.
    format!("{}", 100_000_000_000 + u64::from_be_bytes(random) % 800_000_000_000)
}

impl House {
    pub(crate) async fn make(emulator: &Emulator) -> Self {
        let account = account();
        Self::of(config(&endpoint(emulator), &account).await, account, |_| {}).await
    }

    pub(crate) async fn of(config: SdkConfig, account: String, change: impl FnOnce(&mut Settings)) -> Self {
        let clock = Arc::new(Hand { began: SystemClock::default().now(), ahead: AtomicI64::new(0) });
        let bucket = format!("outpost-artifacts-{account}");
        let mut settings = Settings::new(ENVIRONMENT, &bucket);
        settings.clock = Arc::<Hand>::clone(&clock);
        change(&mut settings);
        tables(&config, &settings).await;
        queues(&config, &settings).await;
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        let made = aws_sdk_s3::Client::from_conf(s3).create_bucket().bucket(&bucket).send().await;
        made.expect("a bucket");
        let aws = outpost_aws::open_as(&config, &settings).await.expect("an installation");
        Self { aws, config, account, clock, bucket, settings }
    }
}

/// Asks a service that has no client here, as the SDK would: signed. The text of its answer.
pub(crate) async fn signed(
    config: &SdkConfig,
    account: &str,
    service: &str,
    headers: &[(&str, &str)],
    body: String,
) -> String {
    let url = format!("{}/", config.endpoint_url().expect("an endpoint"));
    let who = Credentials::new(account, SECRET, None, None, "test").into();
    let how = v4::SigningParams::builder().identity(&who).region("us-east-1").name(service);
    let how = how.time(SystemTime::now()).settings(SigningSettings::default()).build().expect("how").into();
    let signable = SignableRequest::new("POST", &url, headers.iter().copied(), SignableBody::Bytes(body.as_bytes()));
    let signature = sign(signable.expect("a request"), &how).expect("signed");
    let mut request = reqwest::Client::new().post(&url);
    for (name, value) in headers.iter().copied().chain(signature.output().headers()) {
        request = request.header(name, value);
    }
    let answer = request.body(body.clone()).send().await.expect("an answer");
    let (status, text) = (answer.status(), answer.text().await.expect("a text"));
    assert!(status.is_success(), "{service} {body}: {text}");
    text
}

fn text<'a>(of: &'a Value, name: &str) -> Option<&'a str> {
    of[name].as_str()
}

fn keys(of: &Value) -> Vec<KeySchemaElement> {
    let parts = [("hash_key", KeyType::Hash), ("range_key", KeyType::Range)];
    let parts = parts.into_iter().filter_map(|(name, kind)| Some((text(of, name)?, kind)));
    parts
        .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("a key"))
        .collect()
}

async fn tables(config: &SdkConfig, settings: &Settings) {
    let client = aws_sdk_dynamodb::Client::new(config);
    let told: Value = serde_json::from_str(TABLES).expect("JSON");
    for table in told["tables"].as_array().expect("a list") {
        let name = text(table, "name").expect("a name");
        let name = format!("{}-{name}-{}", settings.table_prefix, settings.environment);
        let mut made = client.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
        made = made.set_key_schema(Some(keys(table)));
        for (name, kind) in table["attributes"].as_object().expect("attributes") {
            let kind = ScalarAttributeType::from(kind.as_str().expect("a kind"));
            let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
            made = made.attribute_definitions(attribute.build().expect("an attribute"));
        }
        for index in table["indexes"].as_array().expect("a list") {
            let projection = ProjectionType::from(text(index, "projection").expect("a projection"));
            let index = GlobalSecondaryIndex::builder()
                .index_name(text(index, "name").expect("a name"))
                .set_key_schema(Some(keys(index)))
                .projection(Projection::builder().projection_type(projection).build());
            made = made.global_secondary_indexes(index.build().expect("an index"));
        }
        made.send().await.expect("a table");
        if let Some(attribute) = text(table, "ttl") {
            let ttl = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true).build();
            let ttl = client.update_time_to_live().table_name(&name).time_to_live_specification(ttl.expect("a ttl"));
            ttl.send().await.expect("an end of things");
        }
    }
}

async fn queues(config: &SdkConfig, settings: &Settings) {
    let client = aws_sdk_sqs::Client::new(config);
    let dead = client.create_queue().queue_name(&settings.dead).send().await.expect("a queue");
    let asked = client.get_queue_attributes().queue_url(dead.queue_url().expect("an address"));
    let told = asked.attribute_names(QueueAttributeName::QueueArn).send().await.expect("an answer");
    let arn = &told.attributes().expect("attributes")[&QueueAttributeName::QueueArn];
    let redrive = json!({"deadLetterTargetArn": arn, "maxReceiveCount": 3}).to_string();
    for name in &settings.queues {
        let made = client.create_queue().queue_name(name).attributes(QueueAttributeName::RedrivePolicy, &redrive);
        made.send().await.expect("a queue");
    }
}

/// A runtime for one test.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}
