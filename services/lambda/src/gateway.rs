//! Requests and answers as API Gateway's HTTP API hands them over, in its payload format 2.0.
//!
//! The gateway has read the request: a path that may be decoded, headers of the same name in one, a body as text or in base64.
//! What comes out of here is what a server would have read. An event that is no such request is an error of whoever sent it:
//! the gateway does not.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::body::Body;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use outpost_api::Peer;
use serde::{Deserialize, Serialize};

/// A request, with as much of it as matters here.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    version: String,
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: Context,
}

#[derive(Clone, Debug, Deserialize)]
struct Context {
    #[serde(default)]
    stage: String,
    http: Http,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    method: String,
    source_ip: IpAddr,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub status_code: u16,
    pub headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cookies: Vec<String>,
    pub body: String,
    pub is_base64_encoded: bool,
}

impl Event {
    /// The request that a server would have read.
    pub fn request(self) -> Result<Request<Body>, String> {
        if self.version != "2.0" {
            return Err(format!("an event in payload format `{}`; the API needs 2.0", self.version.escape_debug()));
        }
        let method = Method::from_bytes(self.request_context.http.method.as_bytes());
        let method = method.map_err(|_| "an event without a method".to_owned())?;
        let path = path(&self.raw_path, &self.request_context.stage);
        let query = plain(&self.raw_query_string);
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        let target: Uri = target.parse().map_err(|error| format!("an event whose path is none: {error}"))?;
        let body = match self.body {
            None => Vec::new(),
            Some(text) if self.is_base64_encoded => {
                STANDARD.decode(text).map_err(|error| format!("an event whose body is no base64: {error}"))?
            }
            Some(text) => text.into_bytes(),
        };
        let mut headers = headers(&self.headers)?;
        if !self.cookies.is_empty() {
            let cookies = HeaderValue::from_bytes(self.cookies.join("; ").as_bytes());
            headers.insert(COOKIE, cookies.map_err(|_| "an event whose cookies are none".to_owned())?);
        }
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = target;
        *request.headers_mut() = headers;
        request.extensions_mut().insert(Peer(self.request_context.http.source_ip));
        Ok(request)
    }
}

/// Headers of the same name come as one, parted by commas.
pub(crate) fn headers(told: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(told.len());
    for (name, value) in told {
        let unfit = || format!("an event with the header `{}`, which is none", name.escape_debug());
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| unfit())?);
    }
    Ok(headers)
}

/// The path below the stage: a stage with a name stands before what was asked for.
fn path(raw: &str, stage: &str) -> String {
    let below = match raw.strip_prefix('/').and_then(|path| path.strip_prefix(stage)) {
        Some(below) if !stage.is_empty() && stage != "$default" && (below.is_empty() || below.starts_with('/')) => {
            below
        }
        _ => raw,
    };
    // A path that begins with two slashes would be read as a host.
    format!("/{}", plain(below.trim_start_matches('/')))
}

/// What may not stand in a path or a query as it is was decoded on its way, or never encoded.
fn plain(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut plain, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%?[]".contains(&byte) {
            plain.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(plain, "%{byte:02X}");
        }
        plain
    })
}

impl Answer {
    /// Reads an answer to its end.
    pub async fn of(response: Response<Body>) -> Result<Self, String> {
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| format!("an answer that breaks off: {error}"))?.to_bytes();
        let (mut headers, mut cookies) = (BTreeMap::<String, String>::new(), Vec::new());
        for (name, value) in &head.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            if name == SET_COOKIE {
                cookies.push(value.into_owned());
                continue;
            }
            let joined = headers.entry(name.as_str().to_owned()).or_default();
            if !joined.is_empty() {
                joined.push_str(", ");
            }
            joined.push_str(&value);
        }
        let (body, is_base64_encoded) = match String::from_utf8(body.into()) {
            Ok(text) => (text, false),
            Err(bytes) => (STANDARD.encode(bytes.as_bytes()), true),
        };
        Ok(Self { status_code: head.status.as_u16(), headers, cookies, body, is_base64_encoded })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(change: &Value) -> Value {
        let mut event = json!({
            "version": "2.0", "routeKey": "ANY /{proxy+}", "rawPath": "/v1/jobs", "rawQueryString": "limit=2&cursor=a%20b",
            "cookies": ["a=1", "b=2"],
            "headers": {"x-api-key": "op_live_x", "accept": "a/b,c/d", "content-type": "application/json"},
            "requestContext": {
                "accountId": "1", "apiId": "a", "stage": "$default", "requestId": "r", "routeKey": "ANY /{proxy+}",
                "http": {"method": "POST", "path": "/v1/jobs", "protocol": "HTTP/1.1", "sourceIp": "2001:db8::1",
                         "userAgent": "u"},
                "authorizer": {"lambda": {"auth": "good"}},
            },
            "body": "eyJhIjoxfQ==", "isBase64Encoded": true,
        });
        for (name, value) in change.as_object().expect("a map") {
            event[name] = value.clone();
        }
        event
    }

    fn read(change: &Value) -> Result<Request<Body>, String> {
        serde_json::from_value::<Event>(event(change)).map_err(|error| error.to_string())?.request()
    }

    #[test]
    fn a_request_is_what_a_server_would_have_read() {
        let request = read(&json!({})).expect("a request");
        assert_eq!(
            (request.method(), request.uri().to_string().as_str()),
            (&Method::POST, "/v1/jobs?limit=2&cursor=a%20b")
        );
        assert_eq!(
            (&request.headers()["accept"], &request.headers()["cookie"]),
            (&"a/b,c/d".parse().expect("x"), &"a=1; b=2".parse().expect("x"))
        );
        let peer = request.extensions().get::<Peer>().expect("a peer").0;
        assert_eq!(peer, "2001:db8::1".parse::<IpAddr>().expect("an address"));
    }

    #[test]
    fn paths_are_read_below_their_stage_and_never_as_hosts() {
        let mut context = event(&json!({}))["requestContext"].clone();
        for (stage, raw, read_as) in [
            ("$default", "/dev/v1", "/dev/v1"),
            ("dev", "/dev/v1/jobs", "/v1/jobs"),
            ("dev", "/dev", "/"),
            ("dev", "/develop", "/develop"),
            ("", "//evil.example/x", "/evil.example/x"),
            ("$default", "/a b/ä?#\n", "/a%20b/%C3%A4?%23%0A"),
            ("$default", "", "/"),
        ] {
            context["stage"] = json!(stage);
            let request =
                read(&json!({"rawPath": raw, "rawQueryString": "", "requestContext": context})).expect("a request");
            assert_eq!(request.uri().to_string(), read_as, "{raw}");
            assert_eq!(request.uri().host(), None);
        }
    }

    #[test]
    fn what_is_no_request_is_told() {
        for (change, told) in [
            (json!({"version": "1.0"}), "payload format `1.0`"),
            (json!({"body": "!"}), "base64"),
            (json!({"headers": {"a b": "c"}}), "`a b`"),
            (json!({"headers": {"a": "c\nd"}}), "`a`"),
            (json!({"requestContext": {}}), "http"),
        ] {
            let error = read(&change).expect_err("a fault");
            assert!(error.contains(told), "{change}: {error}");
        }
    }

    #[tokio::test]
    async fn answers_are_text_where_they_are_and_base64_where_not() {
        let answer = |body: &'static [u8]| async move {
            let response = Response::builder().status(429).header("ratelimit", "a").header("ratelimit", "b");
            let response = response.header("set-cookie", "c=1").body(Body::from(body)).expect("an answer");
            Answer::of(response).await.expect("an answer")
        };
        let text = answer("{\"a\": \"ä\"}".as_bytes()).await;
        assert_eq!((text.status_code, text.body.as_str(), text.is_base64_encoded), (429, "{\"a\": \"ä\"}", false));
        assert_eq!((text.headers["ratelimit"].as_str(), text.cookies), ("a, b", vec!["c=1".to_owned()]));
        let bytes = answer(&[0xff, 0]).await;
        assert_eq!((bytes.body.as_str(), bytes.is_base64_encoded), ("/wA=", true));
    }
}
