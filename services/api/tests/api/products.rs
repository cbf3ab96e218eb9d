//! `outpost-admin stripe` and the server, as programs, against a double of the payment provider that checks what is sent.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::double::{Double, KEY, SECRET};
use crate::programs::{Served, server};

fn command(base: &str, key: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-admin"));
    command.args(["--json", "stripe"]).args(words).env_remove("OUTPOST_DATA");
    command.env("OUTPOST_STRIPE_URL", base).env("OUTPOST_STRIPE_KEY", key);
    command
}

/// Runs beside the double, which shares no thread with it.
fn admin(double: &Double, words: &[&str]) -> Output {
    command(&double.base, KEY, words).output().expect("an answer")
}

#[track_caller]
fn told(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty() && !String::from_utf8_lossy(&output.stdout).contains(KEY), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What it complains about; nothing of it is secret, and nothing else is said.
#[track_caller]
fn fails(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && output.stdout.is_empty(), "{output:?}");
    assert!(text.starts_with("error: ") && text.lines().count() == 1 && !text.contains(KEY), "{text}");
    text
}

fn actives(state: &Value) -> Vec<(&str, bool)> {
    let all = ["products", "prices"].into_iter().flat_map(|kind| state[kind].as_array().expect("a list"));
    all.map(|one| (one["lookup_key"].as_str().or(one["id"].as_str()).unwrap(), one["active"] == true)).collect()
}

const ALL: [&str; 3] = ["outpost_pro", "outpost_enterprise", "outpost_pro_month"];

#[tokio::test]
async fn products_are_made_once_and_found_again() {
    let Some(double) = Double::start("products_are_made_once_and_found_again") else { return };
    let nothing = json!({ "pro_product": null, "pro_price": null, "enterprise_product": null, "live": null });
    assert_eq!(told(&admin(&double, &["archive"])), nothing);
    let made = told(&admin(&double, &["products"]));
    let price = made["pro_price"].as_str().expect("a price");
    let expected = json!({
        "pro_product": "outpost_pro", "pro_price": price, "enterprise_product": "outpost_enterprise",
        "prices": format!("{price}=pro"), "live": false,
    });
    assert_eq!(made, expected);
    let state = double.state().await;
    assert_eq!(actives(&state), ALL.map(|name| (name, true)));
    assert_eq!(
        (&state["products"][0]["name"], &state["products"][1]["name"]),
        (&json!("Outpost Pro"), &json!("Outpost Enterprise"))
    );
    let sold = &state["prices"][0];
    assert_eq!((&sold["unit_amount"], &sold["currency"]), (&json!(2900), &json!("usd")));
    assert_eq!((&sold["recurring"]["interval"], &sold["product"]), (&json!("month"), &json!("outpost_pro")));
    assert_eq!(told(&admin(&double, &["products"])), made);
    assert_eq!(double.state().await, state);
    // For people.
    let mut plain = Command::new(env!("CARGO_BIN_EXE_outpost-admin"));
    plain.args(["stripe", "products", "--stripe-url", &double.base]).env("OUTPOST_STRIPE_KEY", KEY);
    let plain = String::from_utf8(plain.output().expect("an answer").stdout).unwrap();
    assert!(plain.contains(&format!("prices: {price}=pro\n")), "{plain}");
}

#[tokio::test]
async fn what_is_archived_is_sold_no_more_and_comes_back() {
    let Some(double) = Double::start("what_is_archived_is_sold_no_more_and_comes_back") else { return };
    let made = told(&admin(&double, &["products"]));
    let price = made["pro_price"].as_str().unwrap();
    // As somebody may have set it in the dashboard: the provider keeps such a price.
    double.make("/v1/products/outpost_pro", &format!("default_price={price}")).await;
    assert_eq!(double.ask("POST", &format!("/v1/prices/{price}"), "active=false").await.status, 400);
    for _ in 0..2 {
        let archived = told(&admin(&double, &["archive"]));
        assert_eq!((&archived["pro_price"], &archived["pro_product"]), (&made["pro_price"], &made["pro_product"]));
        assert_eq!(actives(&double.state().await), ALL.map(|name| (name, false)));
    }
    assert_eq!(told(&admin(&double, &["products"])), made);
    assert_eq!(actives(&double.state().await), ALL.map(|name| (name, true)));
}

/// Wherever it is cut off, before or after the provider did what it was asked for, the next run ends it.
#[tokio::test]
async fn a_run_that_is_cut_off_anywhere_leaves_nothing_twice() {
    let Some(double) = Double::start("a_run_that_is_cut_off_anywhere_leaves_nothing_twice") else { return };
    for how in ["lose_request", "lose_answer", "error"] {
        for (first, calls) in [("products", 7), ("archive", 6)] {
            for after in 0..=calls {
                double.make("/_double/reset", "").await;
                if first == "archive" {
                    told(&admin(&double, &["products"]));
                }
                double.make("/_double/fault", &format!("how={how}&after={after}")).await;
                let cut = admin(&double, &[first]);
                if after == calls {
                    told(&cut);
                } else {
                    assert!(fails(&cut).contains("run this again"), "{how} {first} {after}");
                }
                double.make("/_double/fault", "how=error&after=1000").await;
                told(&admin(&double, &[first]));
                let active = first == "products";
                assert_eq!(actives(&double.state().await), ALL.map(|name| (name, active)), "{how} {first} {after}");
            }
        }
    }
}

#[tokio::test]
async fn two_at_once_make_no_two() {
    let Some(double) = Double::start("two_at_once_make_no_two") else { return };
    for _ in 0..4 {
        double.make("/_double/reset", "").await;
        let begin = || {
            let mut command = command(&double.base, KEY, &["products"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a process")
        };
        let both = [begin(), begin()].map(|child| child.wait_with_output().expect("an answer"));
        // Who comes second somewhere is told to look again; who was first there goes on alone.
        assert!(both.iter().any(|output| output.status.success()), "{both:?}");
        for output in both.iter().filter(|output| !output.status.success()) {
            assert!(fails(output).contains("run this again"));
        }
        assert_eq!(actives(&double.state().await), ALL.map(|name| (name, true)));
        told(&admin(&double, &["products"]));
    }
}

#[tokio::test]
async fn what_is_there_and_differs_is_named_and_left_alone() {
    let Some(double) = Double::start("what_is_there_and_differs_is_named_and_left_alone") else { return };
    let pro = "id=outpost_pro&name=Outpost+Pro&metadata[outpost_tier]=pro";
    let price = |change: (&str, &str)| {
        let good = "product=outpost_pro&currency=usd&unit_amount=2900&recurring[interval]=month\
                    &lookup_key=outpost_pro_month&metadata[outpost_tier]=pro";
        good.replace(change.0, change.1)
    };
    let product = "the product `outpost_pro`";
    let cases = [
        (pro.replace("Pro&", "Plus&"), None, vec![product, "called \"Outpost Plus\"", "\"Outpost Pro\" again"]),
        (
            pro.replace("&metadata[outpost_tier]=pro", ""),
            None,
            vec![product, "was not made by this", "`outpost_tier` = `pro`"],
        ),
        (pro.to_owned(), Some(price(("2900", "1900"))), vec!["amount 1900, not 2900", "--amount"]),
        (pro.to_owned(), Some(price(("usd", "eur"))), vec!["currency eur, not usd", "--currency"]),
        (pro.to_owned(), Some(price(("=month&", "=year&"))), vec!["interval year, not month"]),
        (pro.to_owned(), Some(price(("&recurring[interval]=month", ""))), vec!["interval none, not month"]),
        (pro.to_owned(), Some(price(("product=outpost_pro", "product=other"))), vec!["product other, not outpost_pro"]),
        (pro.to_owned(), Some(price(("&metadata[outpost_tier]=pro", ""))), vec!["the price ", "was not made by this"]),
        (pro.replace("Pro&", "Plus&"), Some(price(("2900", "1900"))), vec!["Outpost Plus", "amount 1900"]),
    ];
    for (pro, price, says) in cases {
        for active in ["true", "false"] {
            double.make("/_double/reset", "").await;
            double.make("/v1/products", "id=other&name=Other").await;
            double.make("/v1/products", &pro).await;
            if let Some(price) = &price {
                double.make("/v1/prices", &format!("{price}&active={active}")).await;
            }
            let before = double.state().await;
            for verb in ["products", "archive"] {
                let text = fails(&admin(&double, &[verb]));
                assert!(says.iter().all(|part| text.contains(part)), "{verb}: {text}\n{says:?}");
                assert!(text.contains("nothing was changed"), "{text}");
            }
            assert_eq!(double.state().await, before);
        }
    }
    // What it has can be said instead.
    double.make("/_double/reset", "").await;
    double.make("/v1/products", pro).await;
    let there = double.make("/v1/prices", &price(("2900", "1900"))).await;
    assert_eq!(told(&admin(&double, &["products", "--amount", "1900"]))["pro_price"], there["id"]);
}

#[tokio::test]
async fn a_key_or_a_place_that_does_not_work_is_named() {
    let Some(double) = Double::start("a_key_or_a_place_that_does_not_work_is_named") else { return };
    let with = |base: &str, key: &str, words: &[&str]| fails(&command(base, key, words).output().expect("an answer"));
    let base = double.base.as_str();
    let products = &["products"][..];
    assert!(with(base, "", products).contains("OUTPOST_STRIPE_KEY is not set"));
    assert!(with(base, "pk_test_abcdefgh", products).contains("no secret key"));
    let live = with(base, "sk_live_abcdefghijkl", products);
    assert!(live.contains("does not take OUTPOST_STRIPE_KEY: A live key") && !live.contains("abcdefgh"), "{live}");
    assert!(with(base, KEY, &["products", "--amount", "0"]).contains("--amount 0"));
    assert!(with(base, KEY, &["products", "--currency", "USD"]).contains("--currency USD"));
    // A port that was this test's, and is nobody's now.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = with(&format!("http://{free}"), KEY, products);
    assert!(nobody.contains(&free.to_string()) && nobody.contains("no answer"), "{nobody}");
    assert_eq!(double.state().await["products"], json!([]));
}

/// From an empty account to a tenant that pays, and to one that does not any more. Nothing of the service is asked in a way that
/// its users do not have.
#[tokio::test]
async fn a_tier_is_sold_paid_and_given_up() {
    let Some(double) = Double::start("a_tier_is_sold_paid_and_given_up") else { return };
    let prices = told(&admin(&double, &["products"]))["prices"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let mut command = server(&folder.path().join("data"), "127.0.0.1:0");
    command.args(["--tenants", "others"]).env("OUTPOST_STRIPE_PRICES", &prices).env("OUTPOST_STRIPE_KEY", KEY);
    command.env("OUTPOST_STRIPE_URL", &double.base).env("OUTPOST_STRIPE_WEBHOOK_SECRETS", SECRET);
    let api = Served::begin(command);
    let hook = format!("{}/v1/webhooks/stripe", api.base);
    let form = format!("url={}&enabled_events[]=*", hook.replace(':', "%3A").replace('/', "%2F"));
    double.make("/v1/webhook_endpoints", &form).await;

    let post = async |path: &str, key: &str, body: Value| {
        let request = double.client.post(format!("{}{path}", api.base)).bearer_auth(key);
        let answer = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).unwrap())
    };
    let registered = post("/v1/auth/register", "", json!({ "email": "ada@example.com" })).await.1;
    let key = registered["api_key"].as_str().expect("a key").to_owned();
    let tier = async || {
        let answer = double.client.get(format!("{}/v1/tenant", api.base)).bearer_auth(&key).send().await.unwrap();
        let me: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        me["tier"].as_str().expect("a tier").to_owned()
    };
    assert_eq!(tier().await, "free");
    assert_eq!(post("/v1/billing/subscribe", &key, json!({ "tier": "enterprise" })).await.0, 422);
    let (status, page) = post("/v1/billing/subscribe", &key, json!({ "tier": "pro" })).await;
    assert_eq!(status, 200, "{page}");
    assert_eq!(tier().await, "free", "nothing was paid yet");

    let state = double.state().await;
    let session = &state["sessions"][0];
    assert_eq!(page["url"], session["url"]);
    assert_eq!(session["client_reference_id"], registered["tenant_id"]);
    // What nobody signed, or somebody else, is not believed.
    let forged =
        json!({ "id": "evt_1", "type": "customer.subscription.created", "created": 1, "data": { "object": {} } });
    for signature in [None, Some("t=1,v1=00")] {
        let mut request = double.client.post(&hook).body(forged.to_string());
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        assert_eq!(request.send().await.unwrap().status().as_u16(), 400);
    }
    let pay = format!("/_double/pay/{}", session["id"].as_str().unwrap());
    let paid = double.make(&pay, "").await;
    let results = |told: &Value| -> Vec<(u64, String, Value)> {
        let deliveries = told["deliveries"].as_array().expect("deliveries");
        let taken = deliveries.iter().map(|one| {
            let answer = serde_json::from_str::<Value>(one["answer"].as_str().unwrap()).unwrap_or_default();
            (one["status"].as_u64().unwrap(), one["type"].as_str().unwrap().to_owned(), answer["result"].clone())
        });
        taken.collect()
    };
    let applied = |kind: &str| (200, kind.to_owned(), json!("applied"));
    let expected = ["customer.subscription.created", "checkout.session.completed"].map(applied);
    assert_eq!(results(&paid), expected);
    assert_eq!(tier().await, "pro");
    assert_eq!(double.ask("POST", &pay, "").await.status, 400, "it was paid");
    assert_eq!(post("/v1/billing/subscribe", &key, json!({ "tier": "pro" })).await.0, 409);
    let (status, portal) = post("/v1/billing/portal", &key, json!({})).await;
    assert_eq!((status, &portal["url"]), (200, &double.state().await["portals"][0]["url"]));

    // Late with a payment is not out; an event that comes again is known.
    let subscription = format!("/_double/subscriptions/{}", paid["subscription"]["id"].as_str().unwrap());
    let late = double.make(&subscription, "status=past_due").await;
    assert_eq!((results(&late), tier().await), (vec![applied("customer.subscription.updated")], "pro".to_owned()));
    let again = double.make(&format!("/_double/events/{}", late["events"][0].as_str().unwrap()), "").await;
    assert_eq!(results(&again).last().unwrap().2, "known");

    // Who sells no more still serves who pays.
    told(&admin(&double, &["archive"]));
    assert_eq!(tier().await, "pro");
    // As the portal of the provider ends it.
    let ends = format!("/v1/subscriptions/{}", paid["subscription"]["id"].as_str().unwrap());
    let ended = double.ask("DELETE", &ends, "").await;
    assert_eq!((ended.status, &ended.body["status"]), (200, &json!("canceled")));
    let state = double.state().await;
    let last = state["deliveries"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["type"], &last["status"]), (&json!("customer.subscription.deleted"), &json!(200)));
    assert_eq!(tier().await, "free");
    // It is archived: nobody can buy it.
    assert_eq!(post("/v1/billing/subscribe", &key, json!({ "tier": "pro" })).await.0, 503);
    told(&admin(&double, &["products"]));
    assert_eq!(post("/v1/billing/subscribe", &key, json!({ "tier": "pro" })).await.0, 200);
    api.end();
}
