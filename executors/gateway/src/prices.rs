//! What models cost, from a table that a person maintains.
//!
//! The built-in table was put together by hand on its date, and says itself what it was compared with; a table of the
//! user's goes above it. A model that neither knows has no price: its cost is unknown, never zero. Surcharges for speed
//! tiers and for the provider's own tools are not known here.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::usage::Counts;

const BUILT_IN: &str = include_str!("../models.toml");

/// Versions of the file that are understood.
const VERSION: u64 = 1;

/// Dearer than any model: a larger number is a slip.
const DEAREST: f64 = 100_000.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u64,
    dated: String,
    #[serde(default)]
    model: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    input: f64,
    cached: Option<f64>,
    written: Option<f64>,
    written_1h: Option<f64>,
    output: f64,
    long: Option<Long>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    above: u64,
    input: f64,
    cached: Option<f64>,
    written: Option<f64>,
    written_1h: Option<f64>,
    output: f64,
}

/// Millionths of a dollar per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    input: u64,
    cached: u64,
    written: u64,
    written_1h: u64,
    output: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    usual: Rate,
    /// For prompts with more tokens than this, all of the call.
    long: Option<(u64, Rate)>,
}

impl Price {
    /// In 10⁻¹² dollars: a sum of products, without rounding.
    pub(crate) fn pico_usd(&self, counts: &Counts) -> u64 {
        let rate = match self.long {
            Some((above, rate)) if counts.prompt() > above => rate,
            _ => self.usual,
        };
        [
            (counts.input, rate.input),
            (counts.cached, rate.cached),
            (counts.written, rate.written),
            (counts.written_1h, rate.written_1h),
            (counts.output, rate.output),
        ]
        .into_iter()
        .fold(0, |sum: u64, (tokens, price)| sum.saturating_add(tokens.saturating_mul(price)))
    }
}

/// Prices by the name of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    dated: String,
    models: BTreeMap<String, Price>,
}

impl Prices {
    /// What this version of the program knows.
    pub fn built_in() -> Result<Self, PricesError> {
        Self::parse(BUILT_IN)
    }

    /// Reads a table in the format of `models.toml`.
    pub fn parse(text: &str) -> Result<Self, PricesError> {
        let file: File = toml::from_str(text).map_err(|error| PricesError(error.to_string()))?;
        if file.version != VERSION {
            return Err(PricesError(format!("`version` is {}, this program reads {VERSION}", file.version)));
        }
        let mut models = BTreeMap::new();
        for row in file.model {
            let place = |key: &str, price: f64| {
                if (0.0..=DEAREST).contains(&price) {
                    Ok((price * 1e6).round() as u64)
                } else {
                    Err(PricesError(format!("`{key}` of `{}` is {price}, not a price in dollars", row.name)))
                }
            };
            let rate = |input: f64, cached: Option<f64>, written: Option<f64>, hour: Option<f64>, output: f64| {
                let written = written.unwrap_or(input);
                Ok(Rate {
                    input: place("input", input)?,
                    cached: place("cached", cached.unwrap_or(input))?,
                    written: place("written", written)?,
                    written_1h: place("written_1h", hour.unwrap_or(written))?,
                    output: place("output", output)?,
                })
            };
            let usual = rate(row.input, row.cached, row.written, row.written_1h, row.output)?;
            let long = match &row.long {
                Some(long) => {
                    let rate = rate(long.input, long.cached, long.written, long.written_1h, long.output)?;
                    Some((long.above, rate))
                }
                None => None,
            };
            if models.insert(row.name.clone(), Price { usual, long }).is_some() {
                return Err(PricesError(format!("`{}` has two prices", row.name)));
            }
        }
        Ok(Self { dated: file.dated, models })
    }

    /// These prices, with the other table's in place of the same models.
    #[must_use]
    pub fn with(mut self, above: Self) -> Self {
        self.models.extend(above.models);
        if above.dated > self.dated {
            self.dated = above.dated;
        }
        self
    }

    /// The day the newest of the tables was compared with its sources.
    pub fn dated(&self) -> &str {
        &self.dated
    }

    /// Whether the model has a price.
    pub fn know(&self, model: &str) -> bool {
        self.of(model).is_some()
    }

    /// By the exact name, else without the date of a snapshot: `-20251001`, `-2025-10-01`, `-latest`.
    pub(crate) fn of(&self, model: &str) -> Option<&Price> {
        let model = model.strip_prefix("models/").unwrap_or(model);
        self.models.get(model).or_else(|| self.models.get(undated(model)?))
    }
}

fn undated(model: &str) -> Option<&str> {
    if let Some(family) = model.strip_suffix("-latest") {
        return Some(family);
    }
    for form in ["-00000000", "-0000-00-00"] {
        let Some((family, tail)) = model.len().checked_sub(form.len()).and_then(|at| model.split_at_checked(at)) else {
            continue;
        };
        let fits = |(found, wanted): (u8, u8)| if wanted == b'0' { found.is_ascii_digit() } else { found == wanted };
        if tail.bytes().zip(form.bytes()).all(fits) {
            return Some(family);
        }
    }
    None
}

/// Why a table was not read: names the row and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricesError(String);

impl fmt::Display for PricesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read the prices of models: {}", self.0.trim_end())
    }
}

impl std::error::Error for PricesError {}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"
version = 1
dated = "2026-01-02"
[[model]]
name = "big"
input = 3
cached = 0.3
written = 3.75
written_1h = 6
output = 15
[model.long]
above = 1000
input = 6
output = 22.5
"#;

    fn counts(input: u64, cached: u64, output: u64) -> Counts {
        Counts { input, cached, output, ..Counts::default() }
    }

    #[test]
    fn the_built_in_table_is_one_and_is_dated() {
        let prices = Prices::built_in().unwrap();
        assert_eq!(prices.dated().len(), "2026-11-21".len());
        // $5 in, $0.50 cached, $25 out per million.
        let price = prices.of("claude-opus-4-5-20251101").unwrap();
        assert_eq!(price.pico_usd(&counts(1_000_000, 1_000_000, 1_000_000)), 30_500_000_000_000);
    }

    #[test]
    fn a_long_prompt_has_its_own_rate_for_the_whole_call() {
        let prices = Prices::parse(TABLE).unwrap();
        let price = prices.of("big").unwrap();
        assert_eq!(price.pico_usd(&counts(800, 200, 10)), 800 * 3_000_000 + 200 * 300_000 + 10 * 15_000_000);
        assert_eq!(price.pico_usd(&counts(801, 200, 10)), 1001 * 6_000_000 + 10 * 22_500_000);
        let written = Counts { written: 4, written_1h: 2, ..Counts::default() };
        assert_eq!(price.pico_usd(&written), 4 * 3_750_000 + 2 * 6_000_000);
    }

    #[test]
    fn a_snapshot_costs_what_its_model_costs_and_another_model_is_unknown() {
        let prices = Prices::parse(TABLE).unwrap();
        for known in ["big", "big-20251001", "big-2025-10-01", "big-latest", "models/big"] {
            assert!(prices.know(known), "{known}");
        }
        for unknown in ["big-5", "bigger", "big-2025", "", "é-20251001", "-latest"] {
            assert!(!prices.know(unknown), "{unknown}");
        }
    }

    #[test]
    fn a_table_of_the_users_goes_above() {
        let own = TABLE.replace("input = 3\n", "input = 1\n").replace("2026-01-02", "2026-02-03");
        let prices = Prices::parse(TABLE).unwrap().with(Prices::parse(&own).unwrap());
        assert_eq!(prices.of("big").unwrap().pico_usd(&counts(1, 0, 0)), 1_000_000);
        assert_eq!(prices.dated(), "2026-02-03");
    }

    #[test]
    fn a_fault_in_the_table_is_named() {
        for (from, to, said) in [
            ("input = 3\n", "input = -3\n", "`input` of `big` is -3"),
            ("input = 3\n", "input = nan\n", "`input` of `big` is NaN"),
            ("version = 1", "version = 2", "`version` is 2"),
            ("output = 15", "outptu = 15", "outptu"),
        ] {
            let error = Prices::parse(&TABLE.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
