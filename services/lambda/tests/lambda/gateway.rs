//! The functions behind a gateway that reads requests, asks the authorizer and hands on what it says, by itself: that of the
//! emulator, which runs a zip's `bootstrap` as Lambda does.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::emulator::{Emulator, emulator};
use crate::runtime::program;
use crate::stage::Stage;

/// A function's zip, in base64. Programs of a build for tests are too large to be carried about: the `bootstrap` leads to
/// them. With `OUTPOST_LAMBDA_PROGRAMS` it is the program.
fn zip(name: &str, folder: &Path) -> String {
    let bootstrap = folder.join("bootstrap");
    if std::env::var_os("OUTPOST_LAMBDA_PROGRAMS").is_some() {
        std::fs::copy(program(name), &bootstrap).expect("room");
    } else {
        std::fs::write(&bootstrap, format!("#!/bin/sh\nexec {}\n", program(name).display())).expect("room");
    }
    let pack = "import base64, io, sys, zipfile\n\
                held = io.BytesIO()\n\
                with zipfile.ZipFile(held, 'w', zipfile.ZIP_DEFLATED) as all:\n    all.write(sys.argv[1], 'bootstrap')\n\
                print(base64.b64encode(held.getvalue()).decode())";
    let packed = Command::new("python3").args(["-c", pack]).arg(&bootstrap).output().expect("python");
    assert!(packed.status.success(), "{packed:?}");
    String::from_utf8(packed.stdout).expect("base64").trim().to_owned()
}

struct Gateway {
    stage: Stage,
    base: String,
}

impl Gateway {
    async fn make(emulator: &Emulator) -> Self {
        // Where the emulator looks for the API of a request that no key of AWS signed.
        let stage = Stage::of(emulator, "000000000000".to_owned()).await;
        let folder = tempfile::tempdir().expect("a folder");
        let api = stage
            .rest("apigateway", "POST", "/v2/apis", Some(&json!({"name": "outpost", "protocolType": "HTTP"})))
            .await;
        let id = api["apiId"].as_str().expect("an id").to_owned();
        let base = format!("{}/_aws/execute-api/{id}/$default", stage.endpoint);
        for name in ["outpost-lambda", "outpost-authorizer"] {
            // Who it is, it is told by Lambda.
            let mut variables = stage.variables();
            variables.retain(|(name, _)| !name.starts_with("AWS_") || name == "AWS_ENDPOINT_URL");
            variables.push(("OUTPOST_PUBLIC_URL".to_owned(), base.clone()));
            let variables: serde_json::Map<String, Value> =
                variables.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
            let function = json!({
                "FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap", "Timeout": 29, "MemorySize": 256,
                "Role": format!("arn:aws:iam::{}:role/{name}", stage.account),
                "Environment": {"Variables": variables},
                "Code": {"ZipFile": zip(name, folder.path())},
            });
            stage.rest("lambda", "POST", "/2015-03-31/functions", Some(&function)).await;
        }
        let make = async |what: &str, how: Value| {
            stage.rest("apigateway", "POST", &format!("/v2/apis/{id}/{what}"), Some(&how)).await
        };
        let arn = |name: &str| format!("arn:aws:lambda:us-east-1:{}:function:{name}", stage.account);
        let invoked = |name: &str| {
            format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations", arn(name))
        };
        let integration = make(
            "integrations",
            json!({
                "integrationType": "AWS_PROXY", "integrationUri": arn("outpost-lambda"), "payloadFormatVersion": "2.0",
            }),
        );
        let target = format!("integrations/{}", integration.await["integrationId"].as_str().expect("an id"));
        let authorizer = make(
            "authorizers",
            json!({
                "name": "keys", "authorizerType": "REQUEST", "authorizerUri": invoked("outpost-authorizer"),
                "authorizerPayloadFormatVersion": "2.0", "enableSimpleResponses": true, "authorizerResultTtlInSeconds": 0,
            "identitySource": [],
            }),
        );
        let authorizer = authorizer.await["authorizerId"].clone();
        for public in ["GET /v1/health", "POST /v1/auth/register"] {
            make("routes", json!({"routeKey": public, "target": target})).await;
        }
        let rest = json!({
            "routeKey": "ANY /{proxy+}", "target": target, "authorizationType": "CUSTOM", "authorizerId": authorizer,
        });
        make("routes", rest).await;
        make("stages", json!({"stageName": "$default", "autoDeploy": true})).await;
        Self { stage, base }
    }

    async fn ask(&self, method: &str, path: &str, key: Option<&str>, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}{path}", self.base);
        let mut request = self.stage.client.request(method.parse().expect("a method"), url);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.expect("a text")).unwrap_or_default())
    }
}

#[tokio::test]
async fn a_gateway_asks_the_authorizer_and_the_api_believes_neither() {
    let Some(emulator) = emulator() else { return };
    let gateway = Gateway::make(emulator).await;
    let (status, health) = gateway.ask("GET", "/v1/health", None, None).await;
    assert_eq!((status, &health["status"]), (200, &json!("healthy")), "{health}");
    let (status, made) =
        gateway.ask("POST", "/v1/auth/register", None, Some(json!({"email": "ada@example.com"}))).await;
    assert_eq!(status, 201, "{made}");
    let key = made["api_key"].as_str().expect("a key");

    let (status, problem) = gateway.ask("GET", "/v1/jobs", None, None).await;
    assert_eq!((status, &problem["code"]), (401, &json!("missing_api_key")), "the API's words: {problem}");
    let (status, refused) = gateway.ask("GET", "/v1/jobs", Some("hunter2"), None).await;
    assert_eq!((status, refused), (403, json!({"message": "Forbidden"})), "the gateway's words");

    let job = json!({"agent": "claude", "task": "say hello"});
    let (status, job) = gateway.ask("POST", "/v1/jobs", Some(key), Some(job)).await;
    assert_eq!(status, 202, "{job}");
    let (status, jobs) = gateway.ask("GET", "/v1/jobs?limit=5", Some(key), None).await;
    assert_eq!((status, &jobs["data"][0]["id"]), (200, &job["id"]));
    let (status, nothing) = gateway.ask("GET", "/v1/nothing/here", Some(key), None).await;
    assert_eq!((status, &nothing["code"]), (404, &json!("not_found")));

    let (_, keys) = gateway.ask("GET", "/v1/auth/api-keys", Some(key), None).await;
    let path = format!("/v1/auth/api-keys/{}", keys["data"][0]["id"].as_str().expect("an id"));
    assert!(gateway.ask("DELETE", &path, Some(key), None).await.0 < 300);
    let (status, problem) = gateway.ask("GET", "/v1/jobs", Some(key), None).await;
    assert_eq!((status, &problem["code"]), (401, &json!("revoked_api_key")), "its next call: {problem}");
}
