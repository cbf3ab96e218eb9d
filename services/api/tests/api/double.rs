//! `infrastructure/emulator/stripe.py` as a process, and that it takes nothing which the payment provider would not take:
//! what passes there has to mean something.
//!
//! A double that forgives is none. So this is a table of what it refuses, beside what the service sends in earnest
//! (`products.rs`, where the service and the double meet).

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

pub(crate) const KEY: &str = "sk_test_house1";
pub(crate) const SECRET: &str = "whsec_house";

pub(crate) struct Double {
    pub(crate) base: String,
    pub(crate) client: Client,
    child: Child,
}

impl Drop for Double {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

/// An answer of the double: its status, whether it was given before, and its body.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    replayed: bool,
    pub(crate) body: Value,
}

impl Double {
    /// None where there is no Python; then it was said.
    pub(crate) fn start(test: &str) -> Option<Self> {
        if Command::new("python3").arg("--version").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "`{test}` needs `python3`");
            // Around what the test framework keeps for itself: a skipped test must not pass in silence.
            let _ = writeln!(std::io::stderr(), "SKIPPED {test}: no `python3`");
            return None;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infrastructure/emulator/stripe.py");
        let mut child = Command::new("python3")
            .args([script, "0", "--secret", SECRET])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a double");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let port: u16 = line.trim().parse().expect("a port");
        let client = Client::builder().no_proxy().build().expect("a client");
        Some(Self { base: format!("http://127.0.0.1:{port}"), client, child })
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Said {
        let response = request.send().await.expect("an answer");
        let (status, replayed) = (response.status().as_u16(), response.headers().contains_key("idempotent-replayed"));
        Said { status, replayed, body: serde_json::from_slice(&response.bytes().await.unwrap()).expect("JSON") }
    }

    /// A call as the service makes it.
    fn call(&self, method: Method, path: &str, form: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(KEY);
        if form.is_empty() {
            return request;
        }
        request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned())
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, form: &str) -> Said {
        self.send(self.call(method.parse().expect("a method"), path, form)).await
    }

    /// Asks for what has to be done.
    pub(crate) async fn make(&self, path: &str, form: &str) -> Value {
        let said = self.ask("POST", path, form).await;
        assert_eq!(said.status, 200, "{path} {form}: {}", said.body);
        said.body
    }

    pub(crate) async fn state(&self) -> Value {
        self.ask("GET", "/_double/state", "").await.body
    }
}

#[tokio::test]
async fn a_call_without_a_test_key_is_refused() {
    let Some(double) = Double::start("a_call_without_a_test_key_is_refused") else { return };
    let url = format!("{}/v1/products", double.base);
    let form = "name=X";
    for (header, says) in [
        (None, "did not provide"),
        (Some("Basic c2tfdGVzdF9hOg=="), "did not provide"),
        (Some("Bearer "), "did not provide"),
        (Some("Bearer pk_test_a"), "Invalid API Key"),
        (Some("Bearer sk_test_"), "Invalid API Key"),
        (Some("Bearer sk_test_a b"), "Invalid API Key"),
        (Some("Bearer sk_live_abcdefghijklmnop"), "A live key"),
        (Some("Bearer rk_live_abcdefghijklmnop"), "A live key"),
    ] {
        let mut request =
            double.client.post(&url).header("content-type", "application/x-www-form-urlencoded").body(form);
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let said = double.send(request).await;
        let message = said.body["error"]["message"].as_str().unwrap();
        assert!(said.status == 401 && message.contains(says), "{header:?}: {said:?}");
        assert!(!message.contains("abcdefgh"), "{message}");
    }
    assert_eq!(double.state().await["products"], json!([]));
}

#[tokio::test]
async fn what_is_not_as_the_provider_has_it_is_refused() {
    let Some(double) = Double::start("what_is_not_as_the_provider_has_it_is_refused") else { return };
    double.make("/v1/products", "id=p&name=P").await;
    let price = "/v1/prices";
    let good = "product=p&currency=usd&unit_amount=1&recurring[interval]=month";
    let id = double.make(price, &format!("{good}&lookup_key=k")).await["id"].as_str().unwrap().to_owned();
    let once = double.make(price, "product=p&currency=usd&unit_amount=1").await["id"].as_str().unwrap().to_owned();
    let gone = double.make(price, &format!("{good}&active=false")).await["id"].as_str().unwrap().to_owned();
    let cus = double.make("/v1/customers", "email=a%40b").await["id"].as_str().unwrap().to_owned();
    let session = |change: (&str, &str)| {
        format!("mode=subscription&customer={cus}&line_items[0][price]={id}&success_url=http%3A%2F%2Fx%2F")
            .replace(change.0, change.1)
    };
    let checkout = "/v1/checkout/sessions";
    let before = double.state().await;
    let long = format!("name=x&metadata[a]={}", "x".repeat(501));
    let session = [
        session(("mode=subscription", "mode=payment")),
        session(("mode=subscription&", "")),
        session((&cus, "cus_nobody")),
        session((&id, "price_none")),
        session((&id, &once)),
        session((&id, &gone)),
        session(("[price]", "[quantity]")),
        session(("http", "ftp")),
        session(("&success_url=http%3A%2F%2Fx%2F", "")),
        format!("{}&line_items[0][quantity]=0", session(("", ""))),
        format!("{}&trial=1", session(("", ""))),
    ];
    let checkouts = [
        ("", "mode"),
        ("parameter_missing", "mode"),
        ("resource_missing", "customer"),
        ("resource_missing", "line_items[0][price]"),
        ("", "line_items[0][price]"),
        ("", "line_items[0][price]"),
        ("parameter_invalid_integer", "line_items[0][quantity]"),
        ("", "success_url"),
        ("parameter_missing", "success_url"),
        ("parameter_invalid_integer", "line_items[0][quantity]"),
        ("parameter_unknown", "trial"),
    ];
    let mut table = vec![
        ("POST", "/v1/products", "", 400, "parameter_missing", "name"),
        ("POST", "/v1/products", "name=", 400, "parameter_invalid_empty", "name"),
        ("POST", "/v1/products", "name=P&colour=red", 400, "parameter_unknown", "colour"),
        ("POST", "/v1/products", "name=P&id=p", 400, "resource_already_exists", "id"),
        ("POST", "/v1/products", "name=P&active=yes", 400, "", "active"),
        ("POST", "/v1/products", "name=P&name=Q", 400, "", "name"),
        ("POST", "/v1/products", "name=P&metadata=x", 400, "parameter_unknown", "metadata"),
        ("POST", "/v1/products", &long, 400, "", "metadata[a]"),
        ("POST", "/v1/products", "name=%zz", 400, "", ""),
        ("POST", "/v1/products", "name=%ff", 400, "", ""),
        ("POST", "/v1/products?name=P", "", 400, "", ""),
        ("POST", "/v1/products/p", "default_price=price_none", 400, "resource_missing", "default_price"),
        ("POST", "/v1/products/q", "active=false", 404, "resource_missing", "id"),
        ("GET", "/v1/products/q", "", 404, "resource_missing", "id"),
        ("GET", "/v1/nothing", "", 404, "", ""),
        ("DELETE", "/v1/products/p", "", 404, "", ""),
        ("PUT", "/v1/products/p", "", 404, "", ""),
        ("GET", "/v1/prices?lookup_key=k", "", 400, "parameter_unknown", "lookup_key"),
        ("POST", price, "product=p&unit_amount=1", 400, "parameter_missing", "currency"),
        ("POST", price, "currency=usd&unit_amount=1", 400, "parameter_missing", "product"),
        ("POST", price, "product=p&currency=usd", 400, "parameter_missing", "unit_amount"),
        ("POST", price, "product=q&currency=usd&unit_amount=1", 400, "resource_missing", "product"),
        ("POST", price, "product=p&currency=USD&unit_amount=1", 400, "", "currency"),
        ("POST", price, "product=p&currency=usd&unit_amount=29.00", 400, "parameter_invalid_integer", "unit_amount"),
        (
            "POST",
            price,
            "product=p&currency=usd&unit_amount=1&recurring[interval]=moon",
            400,
            "",
            "recurring[interval]",
        ),
        ("POST", price, "product=p&currency=usd&unit_amount=1&lookup_key=k", 400, "", "lookup_key"),
        ("POST", "/v1/customers", "email=nobody", 400, "", "email"),
        ("POST", "/v1/billing_portal/sessions", "", 400, "parameter_missing", "customer"),
        ("POST", "/v1/billing_portal/sessions", "customer=cus_nobody", 400, "resource_missing", "customer"),
        ("GET", "/v1/subscriptions/sub_none", "", 404, "resource_missing", "id"),
        ("POST", "/_double/pay/cs_test_none", "", 404, "resource_missing", "id"),
    ];
    table.extend(
        session.iter().zip(checkouts).map(|(form, (code, param))| ("POST", checkout, form.as_str(), 400, code, param)),
    );
    for (method, path, form, status, code, param) in table {
        let said = double.ask(method, path, form).await;
        let error = &said.body["error"];
        let found = (said.status, error["code"].as_str().unwrap_or(""), error["param"].as_str().unwrap_or(""));
        assert_eq!(found, (status, code, param), "{method} {path} {form}: {error}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    // The form of the body and of the version.
    let json = double.call(Method::POST, "/v1/products", "").header("content-type", "application/json").body("{}");
    assert_eq!(double.send(json).await.status, 400);
    let version = double.call(Method::GET, "/v1/products/p", "").header("stripe-version", "newest");
    assert_eq!(double.send(version).await.status, 400);
    assert_eq!(double.state().await, before, "what is refused changes nothing");
}

#[tokio::test]
async fn an_idempotency_key_has_one_answer() {
    let Some(double) = Double::start("an_idempotency_key_has_one_answer") else { return };
    let send = async |path: &str, form: &str| {
        double.send(double.call(Method::POST, path, form).header("idempotency-key", "k1")).await
    };
    // What was not valid was not done: the key is still free.
    assert_eq!(send("/v1/customers", "emial=a%40b").await.status, 400);
    let first = send("/v1/customers", "email=a%40b&name=A").await;
    let second = send("/v1/customers", "name=A&email=a%40b").await;
    assert!(!first.replayed && second.replayed);
    assert_eq!((first.status, &first.body), (200, &second.body));
    for (path, form) in [("/v1/customers", "email=c%40d"), ("/v1/products", "name=A")] {
        let other = send(path, form).await;
        assert_eq!((other.status, &other.body["error"]["type"]), (400, &json!("idempotency_error")), "{other:?}");
    }
    let state = double.state().await;
    assert_eq!((state["customers"].as_array().unwrap().len(), &state["products"]), (1, &json!([])));
    // Failures of the provider's own are repeated, too.
    double.make("/_double/fault", "how=error").await;
    for replayed in [false, true] {
        let request = double.call(Method::POST, "/v1/customers", "email=e%40f").header("idempotency-key", "k2");
        let said = double.send(request).await;
        assert_eq!((said.status, said.replayed), (500, replayed));
    }
    assert_eq!(double.state().await["customers"].as_array().unwrap().len(), 1);
}

/// What it sends is signed as the provider signs, over the bytes that arrive: judged here by the definition, and by the
/// service in `products.rs`.
#[tokio::test]
async fn events_are_signed_and_tell_how_they_were_taken() {
    let Some(double) = Double::start("events_are_signed_and_tell_how_they_were_taken") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let form = format!("url={}&enabled_events[]=customer.subscription.deleted", url.replace('/', "%2F"));
    assert_eq!(double.make("/v1/webhook_endpoints", &form).await["secret"], SECRET);
    double.make("/v1/products", "id=p&name=P").await;
    let price = double.make("/v1/prices", "product=p&currency=usd&unit_amount=1&recurring[interval]=month").await;
    let customer = double.make("/v1/customers", "email=a%40b").await;
    let form = format!(
        "mode=subscription&customer={}&line_items[0][price]={}&success_url=http%3A%2F%2Fx%2F",
        customer["id"].as_str().unwrap(),
        price["id"].as_str().unwrap()
    );
    let session = double.make("/v1/checkout/sessions", &form).await;
    let paid = double.make(&format!("/_double/pay/{}", session["id"].as_str().unwrap()), "").await;
    assert_eq!(paid["deliveries"], json!([]), "nobody asked for these events");
    let subscription = paid["subscription"]["id"].as_str().unwrap();
    let ends = format!("/_double/subscriptions/{subscription}");
    let heard = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = vec![0; 64 * 1024];
        let mut length = 0;
        let (head, body) = loop {
            length += stream.read(&mut bytes[length..]).await.unwrap();
            let text = std::str::from_utf8(&bytes[..length]).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let wanted = header(head, "content-length").parse::<usize>().unwrap();
            if body.len() == wanted {
                break (head.to_owned(), body.to_owned());
            }
        };
        stream.write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy").await.unwrap();
        (head, body)
    };
    let (ended, (head, body)) = tokio::join!(double.make(&ends, "status=canceled"), heard);
    let signature = header(&head, "stripe-signature");
    let (time, hex) = signature.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")).expect("a signature");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{time}.{body}").as_bytes());
    let own: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, own);
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(event["type"], "customer.subscription.deleted");
    assert_eq!(
        (&event["data"]["object"]["id"], &event["data"]["object"]["status"]),
        (&json!(subscription), &json!("canceled"))
    );
    let taken = &ended["deliveries"][0];
    assert_eq!((&taken["status"], &taken["answer"], &taken["event"]), (&json!(503), &json!("busy"), &event["id"]));
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let found = head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.expect("a header").1
}
