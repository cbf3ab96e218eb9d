//! An installation for programs that a test starts: an account of the emulator with tables, queues and a bucket, made over
//! plain HTTP. It shares no code with what it judges, and asks AWS without the SDK.

use serde_json::{Value, json};

use crate::emulator::{Emulator, SECRET};

pub(crate) const ENVIRONMENT: &str = "test";
const TABLES: &str = include_str!("../../tables.json");

pub(crate) struct Stage {
    pub(crate) endpoint: String,
    pub(crate) account: String,
    pub(crate) client: reqwest::Client,
}

impl Stage {
    pub(crate) async fn make(emulator: &Emulator) -> Self {
        // A number of twelve digits that no other test has: this process, and the time.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_nanos();
        let account = format!("{}", 100_000_000_000 + (now / 100 + u128::from(std::process::id())) % 800_000_000_000);
        Self::of(emulator, account).await
    }

    /// In an account of which there is one.
    pub(crate) async fn of(emulator: &Emulator, account: String) -> Self {
        let stage = Self { endpoint: emulator.endpoint(), account, client: reqwest::Client::new() };
        stage.tables().await;
        stage.queues().await;
        stage.rest("s3", "PUT", &format!("/{}", stage.bucket()), None).await;
        stage
    }

    pub(crate) fn bucket(&self) -> String {
        format!("outpost-artifacts-{}", self.account)
    }

    /// What programs are told: whom they are, and where everything is.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let all = [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", &self.account),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("OUTPOST_ENV", ENVIRONMENT),
            ("S3_ARTIFACTS_BUCKET", &self.bucket()),
            ("OUTPOST_CURSOR_KEY", &"5a".repeat(32)),
        ];
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    /// A service that is asked in JSON: `DynamoDB_20120810.CreateTable`.
    pub(crate) async fn ask(&self, service: &str, target: &str, question: &Value) -> Value {
        let request = self.client.post(format!("{}/", self.endpoint)).header("authorization", self.who(service));
        let version = if service == "ecs" || service == "secretsmanager" { "1.1" } else { "1.0" };
        let request = request.header("content-type", format!("application/x-amz-json-{version}"));
        let request = request.header("x-amz-target", target).body(question.to_string());
        answer(target, request.send().await.expect("an answer")).await
    }

    /// A service that is asked by paths.
    pub(crate) async fn rest(&self, service: &str, method: &str, path: &str, question: Option<&Value>) -> Value {
        let request = self.client.request(method.parse().expect("a method"), format!("{}{path}", self.endpoint));
        let mut request = request.header("authorization", self.who(service));
        if let Some(question) = question {
            request = request.header("content-type", "application/json").body(question.to_string());
        }
        answer(path, request.send().await.expect("an answer")).await
    }

    /// The emulator reads whose account it is, and no signature.
    fn who(&self, service: &str) -> String {
        let scope = format!("{}/20260101/us-east-1/{service}/aws4_request", self.account);
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0")
    }

    async fn tables(&self) {
        let told: Value = serde_json::from_str(TABLES).expect("JSON");
        let keys = |of: &Value| {
            let part =
                |name: &str, kind: &str| of[name].as_str().map(|name| json!({"AttributeName": name, "KeyType": kind}));
            Value::from_iter([part("hash_key", "HASH"), part("range_key", "RANGE")].into_iter().flatten())
        };
        for table in told["tables"].as_array().expect("a list") {
            let kinds = table["attributes"].as_object().expect("a map").iter();
            let kinds = kinds.map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind}));
            let mut asked = json!({
                "TableName": format!("outpost-{}-{ENVIRONMENT}", table["name"].as_str().expect("a name")),
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": keys(table),
                "AttributeDefinitions": Value::from_iter(kinds),
            });
            let indexes: Vec<Value> = table["indexes"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|index| {
                    json!({
                        "IndexName": index["name"],
                        "KeySchema": keys(index),
                        "Projection": {"ProjectionType": index["projection"]},
                    })
                })
                .collect();
            if !indexes.is_empty() {
                asked["GlobalSecondaryIndexes"] = Value::from(indexes);
            }
            self.ask("dynamodb", "DynamoDB_20120810.CreateTable", &asked).await;
        }
    }

    async fn queues(&self) {
        self.ask("sqs", "AmazonSQS.CreateQueue", &json!({"QueueName": "outpost-jobs-dlq"})).await;
        let dead = format!("arn:aws:sqs:us-east-1:{}:outpost-jobs-dlq", self.account);
        let redrive = json!({"deadLetterTargetArn": dead, "maxReceiveCount": 3}).to_string();
        for tier in ["free", "pro", "enterprise"] {
            let name = format!("outpost-jobs-{tier}");
            let asked = json!({"QueueName": name, "Attributes": {"RedrivePolicy": redrive}});
            self.ask("sqs", "AmazonSQS.CreateQueue", &asked).await;
        }
    }

    /// The address of a queue.
    pub(crate) async fn queue(&self, name: &str) -> Value {
        self.ask("sqs", "AmazonSQS.GetQueueUrl", &json!({"QueueName": name})).await["QueueUrl"].clone()
    }

    /// A service of ECS that has no tasks.
    pub(crate) async fn workers(&self) {
        let ask = async |operation: &str, question: Value| self.ecs(operation, &question).await;
        ask("CreateCluster", json!({"clusterName": "outpost"})).await;
        let container = json!({"name": "worker", "image": "worker", "memory": 512});
        ask("RegisterTaskDefinition", json!({"family": "worker", "containerDefinitions": [container]})).await;
        let service =
            json!({"cluster": "outpost", "serviceName": "worker", "taskDefinition": "worker", "desiredCount": 0});
        ask("CreateService", service).await;
    }

    /// How many tasks are wanted of it.
    pub(crate) async fn wanted(&self) -> u64 {
        let told = self.ecs("DescribeServices", &json!({"cluster": "outpost", "services": ["worker"]})).await;
        told["services"][0]["desiredCount"].as_u64().expect("a number")
    }

    async fn ecs(&self, operation: &str, question: &Value) -> Value {
        self.ask("ecs", &format!("AmazonEC2ContainerServiceV20141113.{operation}"), question).await
    }
}

async fn answer(what: &str, answer: reqwest::Response) -> Value {
    let (status, text) = (answer.status(), answer.text().await.expect("a text"));
    assert!(status.is_success(), "{what}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}
