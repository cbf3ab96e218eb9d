//! Secrets: theirs who left them, and nowhere in clear.

use std::time::Duration;

use super::{LOOKS, Subject, made, together};
use crate::id::TenantId;
use crate::ports::{Secret, SecretKind, SecretNote};
use crate::store::{Pending, Problem};

async fn put(subject: &dyn Subject, tenant: &TenantId, name: &str, text: &str) {
    let secret = Secret::new(text.to_owned());
    assert_eq!(subject.vault().put(tenant, name, &secret, subject.now()).await, Ok(()));
}

async fn get(subject: &dyn Subject, tenant: &TenantId, name: &str) -> Option<String> {
    let secret = subject.vault().get(tenant, name).await.expect("an answer")?;
    Some(secret.reveal().to_owned())
}

pub async fn a_secret_comes_back_and_goes(subject: &dyn Subject) {
    let tenant = made::tenant_id(subject.now());
    // As long as the API takes them, and as many as it knows of.
    let long = "k".repeat(8 * 1024);
    for name in SecretKind::ALL.map(SecretKind::as_str).into_iter().chain(["hook-whk_1.2"]) {
        assert_eq!(get(subject, &tenant, name).await, None);
        for text in ["sk-ant-first-and-longer-0001", "x", "line\nß\u{0}\u{1f511}", &long] {
            put(subject, &tenant, name, text).await;
            assert_eq!(get(subject, &tenant, name).await.as_deref(), Some(text));
        }
    }
    assert_eq!(subject.vault().remove(&tenant, "anthropic").await, Ok(true));
    assert_eq!(get(subject, &tenant, "anthropic").await, None);
    assert_eq!(subject.vault().remove(&tenant, "anthropic").await, Ok(false));
    assert_eq!(get(subject, &tenant, "openai").await, Some(long), "others stay");
    put(subject, &tenant, "anthropic", "another").await;
    assert_eq!(get(subject, &tenant, "anthropic").await.as_deref(), Some("another"), "and it may come again");
}

/// Changed at the same time, each as often as it has to be asked, none takes another with it.
pub async fn secrets_changed_at_once_are_all_there(subject: &dyn Subject) {
    let tenant = made::tenant_id(subject.now());
    put(subject, &tenant, "hook-old", "goes").await;
    let names: Vec<String> = (0..6).map(|number| format!("hook-{number}")).collect();
    let stored = names.iter().map(|name| -> Pending<'_, ()> {
        let tenant = &tenant;
        Box::pin(async move {
            let secret = Secret::new(format!("secret of {name}"));
            for _ in 0..LOOKS {
                match subject.vault().put(tenant, name, &secret, subject.now()).await {
                    Err(Problem::Busy) => subject.pause().await,
                    told => return assert_eq!(told, Ok(())),
                }
            }
            panic!("it stays busy");
        })
    });
    let removed: Pending<'_, ()> = Box::pin(async {
        for _ in 0..LOOKS {
            match subject.vault().remove(&tenant, "hook-old").await {
                Err(Problem::Busy) => subject.pause().await,
                told => return assert_eq!(told, Ok(true)),
            }
        }
        panic!("it stays busy");
    });
    together(stored.chain([removed]).collect()).await;
    for name in &names {
        assert_eq!(get(subject, &tenant, name).await, Some(format!("secret of {name}")));
    }
    assert_eq!(get(subject, &tenant, "hook-old").await, None);
}

pub async fn notes_tell_little(subject: &dyn Subject) {
    let tenant = made::tenant_id(subject.now());
    let notes = async || subject.vault().notes(&tenant).await.expect("an answer");
    assert_eq!(notes().await, []);
    let note = |name: &str, last4: &str| SecretNote {
        name: name.to_owned(),
        last4: last4.to_owned(),
        updated_at: subject.now(),
    };
    put(subject, &tenant, "xai", "xai-0123456789abcdef-WXYZ").await;
    put(subject, &tenant, "anthropic", "short").await;
    put(subject, &tenant, "github_token", "ghp_0123456789abcdef9876").await;
    let (first, second) = (note("anthropic", ""), note("github_token", "9876"));
    assert_eq!(notes().await, [first.clone(), second.clone(), note("xai", "WXYZ")]);
    subject.pass(Duration::from_secs(5)).await;
    put(subject, &tenant, "xai", "xai-0123456789abcdef-1234").await;
    assert_eq!(notes().await, [first.clone(), second, note("xai", "1234")]);
    assert_eq!(subject.vault().remove(&tenant, "github_token").await, Ok(true));
    assert_eq!(notes().await, [first, note("xai", "1234")]);
}

pub async fn secrets_stay_with_their_tenant(subject: &dyn Subject) {
    let (mine, other) = (made::tenant_id(subject.now()), made::tenant_id(subject.now()));
    put(subject, &other, "openai", "sk-theirs-0123456789").await;
    assert_eq!(get(subject, &mine, "openai").await, None);
    assert_eq!(subject.vault().notes(&mine).await, Ok(Vec::new()));
    assert_eq!(subject.vault().remove(&mine, "openai").await, Ok(false));
    put(subject, &mine, "openai", "sk-mine-0123456789").await;
    assert_eq!(subject.vault().remove(&mine, "openai").await, Ok(true));
    assert_eq!(get(subject, &other, "openai").await.as_deref(), Some("sk-theirs-0123456789"));
}

pub async fn secrets_are_nowhere_in_clear(subject: &dyn Subject) {
    let tenant = made::tenant_id(subject.now());
    let canary = format!("sk-ant-{}-end", made::text());
    put(subject, &tenant, "anthropic", &canary).await;
    put(subject, &tenant, "hook-1", &format!("whsec_{canary}")).await;
    // The name is found, where anything can be looked at: the look is no idle one.
    if subject.holds(b"anthropic") {
        assert!(subject.holds(tenant.as_str().as_bytes()));
    }
    let clear = canary.trim_start_matches("sk-ant-").trim_end_matches("-end").as_bytes();
    assert!(!subject.holds(clear), "in clear");
    assert_eq!(subject.vault().remove(&tenant, "anthropic").await, Ok(true));
    put(subject, &tenant, "hook-1", "another").await;
    assert!(!subject.holds(clear), "what was there once");
    let told = format!("{:?} {:?}", Secret::new(canary), subject.vault());
    assert!(!told.contains("sk-ant"), "{told}");
}
