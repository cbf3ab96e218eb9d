//! A whole installation in AWS: the desk over it, for every program that works there, and what it is told by its
//! surroundings.
//!
//! ```text
//! variables of the process ─┬─► Settings ─► Aws ─► Desk
//! the secret in             │
//! `OUTPOST_SECRET` ─────────┴─► Surroundings: what a front door reads besides
//! ```
//! A function has nobody who puts secrets into its variables, and variables are everybody's to see who may look at it. So one
//! secret in Secrets Manager stands in for those in [`SECRET`], where they are not set: a JSON object of names and texts.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use outpost_core::actions::{self, Desk};
use outpost_core::ports::{Chance as _, Secret};
use outpost_core::spec::Offer;
use outpost_core::store::{House, Problem, Store};
use outpost_here::SystemChance;

use crate::settings::Settings;
use crate::tables::Tables;
use crate::trouble::Call;

/// Variables that the secret may stand in for.
pub const SECRET: [&str; 4] = [CURSOR, "OUTPOST_INVITATIONS", "OUTPOST_STRIPE_KEY", "OUTPOST_STRIPE_WEBHOOK_SECRETS"];
/// What names the secret.
const NAMED: &str = "OUTPOST_SECRET";
const CURSOR: &str = "OUTPOST_CURSOR_KEY";

/// For one sending; then it is sent again, or its answer counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
const TO_CONNECT: Duration = Duration::from_secs(3);

/// Whom and what this process finds around it.
#[derive(Clone)]
pub struct Surroundings {
    config: SdkConfig,
    secret: BTreeMap<String, Secret>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("secret", &self.secret.keys()).finish_non_exhaustive()
    }
}

impl Surroundings {
    /// As whoever the environment says, by the rules that the `aws` command goes by. Needs a runtime of tokio's, with time.
    /// Nobody is asked for anything.
    pub async fn look() -> Self {
        let patience = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).connect_timeout(TO_CONNECT).build();
        let config = aws_config::defaults(BehaviorVersion::latest()).timeout_config(patience).load().await;
        Self { config, secret: BTreeMap::new() }
    }

    /// The same, with the secret that `OUTPOST_SECRET` names, if it names one: for front doors.
    pub async fn with_secret() -> Result<Self, Problem> {
        let mut around = Self::look().await;
        let Some(name) = around.read(NAMED) else { return Ok(around) };
        let call = Call { service: "Secrets Manager", operation: "GetSecretValue", on: &name };
        let asked = aws_sdk_secretsmanager::Client::new(&around.config).get_secret_value().secret_id(&name);
        let told = asked.send().await.map_err(|error| call.failed(&error))?;
        around.secret = read_secret(told.secret_string().unwrap_or_default()).map_err(|why| call.broken(&why))?;
        Ok(around)
    }

    /// What a variable is set to, or stands in the secret for it.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<String> {
        let set = env::var(name).ok().filter(|value| !value.is_empty());
        set.or_else(|| self.secret.get(name).map(|value| value.reveal().to_owned()))
    }

    /// The two faces of the tables, for who looks at keys and at nothing else.
    #[must_use]
    pub fn rows(&self) -> (Arc<dyn House>, Arc<dyn Store>) {
        let tables = Arc::new(Tables::new(&self.config, &Settings::of_tables(variable)));
        (Arc::<Tables>::clone(&tables), tables)
    }

    /// The desk over the installation that the variables name; `change` sets what is not as usual.
    pub async fn desk(&self, offer: Offer, change: impl FnOnce(&mut actions::Settings)) -> Result<Arc<Desk>, Problem> {
        let ports = crate::open_as(&self.config, &Settings::read(variable)?).await?;
        // Who hands out no cursors needs no key that others know, too.
        let mut key = [0; 32];
        SystemChance.fill(&mut key)?;
        let mut settings = actions::Settings::new(offer, key);
        change(&mut settings);
        Ok(Arc::new(Desk::new(ports, settings)))
    }

    /// What all front doors of the installation sign cursors with.
    pub fn cursor_key(&self) -> Result<[u8; 32], Problem> {
        let told = self.read(CURSOR);
        told.as_deref().and_then(bytes).ok_or_else(|| {
            let what = if told.is_some() { "is something else" } else { "is not set" };
            Problem::Broken(format!(
                "`{CURSOR}` has to be 64 hexadecimal digits, the same for all front doors, and {what}: make one with \
                 `openssl rand -hex 32`"
            ))
        })
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// The bytes of 64 hexadecimal digits.
fn bytes(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

/// What it holds is told to nobody, not even where it is wrong.
fn read_secret(text: &str) -> Result<BTreeMap<String, Secret>, String> {
    let told: BTreeMap<String, String> = serde_json::from_str(text)
        .map_err(|_| "it has to be a JSON object of texts, like `{\"OUTPOST_CURSOR_KEY\": \"…\"}`".to_owned())?;
    if let Some(other) = told.keys().find(|name| !SECRET.contains(&name.as_str())) {
        return Err(format!("it holds `{}`, and may hold: {}", other.escape_debug(), SECRET.join(", ")));
    }
    let kept = told.into_iter().filter(|(_, value)| !value.is_empty());
    Ok(kept.map(|(name, value)| (name, Secret::new(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_64_digits() {
        let mut expected = [0; 32];
        (expected[0], expected[31]) = (0xab, 0x10);
        assert_eq!(bytes(&format!("aB{}10", "0".repeat(60))), Some(expected));
        for other in ["", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(bytes(other), None, "{other}");
        }
    }

    #[test]
    fn the_secret_stands_in_for_some_variables_and_shows_nothing() {
        let read = read_secret(r#"{"OUTPOST_STRIPE_KEY": "sk_hush", "OUTPOST_INVITATIONS": ""}"#).expect("a secret");
        assert_eq!(read.keys().collect::<Vec<_>>(), ["OUTPOST_STRIPE_KEY"]);
        assert!(!format!("{read:?}").contains("hush"), "{read:?}");
        for (text, named) in [("", "JSON"), ("{\"hush", "JSON"), (r#"{"PATH": "hush"}"#, "`PATH`")] {
            let told = read_secret(text).expect_err("a fault");
            assert!(told.contains(named) && !told.contains("hush"), "{told}");
        }
    }
}
