//! The tables: one client, their names, and what is done with one item at a time.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use outpost_core::moment::Moment;
use outpost_core::ports::{Chance, Clock};
use outpost_core::store::{Address, Problem, Table};

use crate::item::{self, Item};
use crate::settings::Settings;
use crate::trouble::Call;

/// What the tables are: keys, indexes and what they expire by. What makes them is held to this text.
pub const TABLES: &str = include_str!("../tables.json");

/// How many items may be asked for at once.
pub(crate) const BATCH: usize = 100;
/// How often what was left out of an answer is asked for again.
const ROUNDS: usize = 8;

#[derive(Debug)]
pub(crate) struct Tables {
    /// Asks again by itself: for what changes nothing.
    pub(crate) client: Client,
    /// Asks once: who changes something has to know what became of it.
    pub(crate) once: Client,
    names: [String; Table::ALL.len()],
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Arc<dyn Chance>,
}

impl Tables {
    pub(crate) fn new(config: &SdkConfig, settings: &Settings) -> Self {
        let once = aws_sdk_dynamodb::config::Builder::from(config).retry_config(RetryConfig::disabled()).build();
        Self {
            client: Client::new(config),
            once: Client::from_conf(once),
            names: Table::ALL.map(|table| settings.table(table)),
            clock: Arc::clone(&settings.clock),
            chance: Arc::clone(&settings.chance),
        }
    }

    pub(crate) fn name(&self, table: Table) -> &str {
        let at = Table::ALL.iter().position(|other| *other == table);
        at.map_or("", |at| self.names[at].as_str())
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    pub(crate) fn call(&self, operation: &'static str, table: Table) -> Call<'_> {
        Call { service: "DynamoDB", operation, on: self.name(table) }
    }

    /// An item as it is now.
    pub(crate) async fn item(&self, address: &Address) -> Result<Option<Item>, Problem> {
        let got = self
            .client
            .get_item()
            .table_name(self.name(address.table))
            .set_key(Some(item::key(address)))
            .consistent_read(true)
            .send()
            .await;
        Ok(got.map_err(|error| self.call("GetItem", address.table).failed(&error))?.item)
    }

    /// Items as they are now, in no order.
    pub(crate) async fn items(&self, table: Table, mut keys: Vec<Item>) -> Result<Vec<Item>, Problem> {
        let mut found = Vec::with_capacity(keys.len());
        for _ in 0..ROUNDS.max(keys.len().div_ceil(BATCH) * ROUNDS) {
            if keys.is_empty() {
                return Ok(found);
            }
            let later = keys.split_off(keys.len().min(BATCH));
            let asked = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
            let asked = asked.map_err(|error| self.call("BatchGetItem", table).broken(&error.to_string()))?;
            let answer = self.client.batch_get_item().request_items(self.name(table), asked).send().await;
            let answer = answer.map_err(|error| self.call("BatchGetItem", table).failed(&error))?;
            found.extend(answer.responses.unwrap_or_default().into_values().flatten());
            // An answer has 16 MB at most; what did not fit, or was too much at once, is named in it.
            let left = answer.unprocessed_keys.unwrap_or_default().into_values();
            keys = left.flat_map(|left| left.keys).chain(later).collect();
        }
        Err(Problem::Busy)
    }

    /// A number that no other call of this process or another gets.
    pub(crate) fn nonce(&self) -> Result<String, Problem> {
        let mut bytes = [0; 16];
        self.chance.fill(&mut bytes)?;
        Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The code speaks of the same tables and keys as the text that they are made by.
    #[test]
    fn the_text_has_the_tables_of_the_code() {
        let told: Value = serde_json::from_str(TABLES).expect("JSON");
        let told = told["tables"].as_array().expect("a list");
        assert_eq!(told.len(), Table::ALL.len());
        for table in Table::ALL {
            let one = told.iter().find(|one| one["name"] == table.name()).expect("a table");
            let (partition, sort) = item::key_names(table);
            assert_eq!((one["hash_key"].as_str(), one["range_key"].as_str()), (Some(partition), sort), "{table:?}");
            let indexes = one["indexes"].as_array().expect("a list");
            let keys = indexes.iter().chain([one]).flat_map(|one| [&one["hash_key"], &one["range_key"]]);
            for key in keys.filter_map(Value::as_str) {
                assert!(one["attributes"][key].is_string(), "{table:?} does not say what `{key}` is");
            }
        }
    }
}
