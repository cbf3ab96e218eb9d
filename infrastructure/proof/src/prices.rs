//! What AWS asks for, on a day, in a region: `prices.json`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Hours in a month, as AWS counts them.
pub const HOURS: f64 = 730.0;

#[derive(Clone, Debug, Deserialize)]
pub struct Prices {
    /// When they were looked up.
    pub date: String,
    pub region: String,
    pub source: String,
    dollars: BTreeMap<String, f64>,
}

impl Prices {
    /// Those beside this crate.
    pub fn known() -> Result<Self, String> {
        serde_json::from_str(include_str!("../prices.json")).map_err(|error| format!("`prices.json`: {error}"))
    }

    pub fn of(&self, name: &str) -> Result<f64, String> {
        self.dollars.get(name).copied().ok_or_else(|| format!("`prices.json` has no `{name}`"))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.dollars.keys().map(String::as_str)
    }
}
