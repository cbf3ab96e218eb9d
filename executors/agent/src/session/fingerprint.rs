//! Tells whether two failures are the same one.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::definition::hex;

/// How many telling lines count.
const MOST_LINES: usize = 20;
/// How much of the end of an output is looked at.
const LOOKED_AT: usize = 256 << 10;

/// What failed and how, without what differs between two runs of the same: paths, numbers, addresses, times, colours.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is taken out, in this order, and what takes its place.
static NOISE: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\x1b\[[0-9;?]*[ -/]*[@-~]", ""),
        (r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", "#"),
        (r"0x[0-9a-fA-F]+", "#"),
        // Folders go, the name of the file stays.
        (r#"(?:[A-Za-z]:)?(?:[^\s'"`(),:;=\[\]<>]*/)+"#, ""),
        (r"\b[0-9a-f]{7,}\b", "#"),
        (r"\d+", "#"),
        (r"\s+", " "),
    ]
    .into_iter()
    .filter_map(|(pattern, by)| Some((Regex::new(pattern).ok()?, by)))
    .collect()
});

static TELLING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\berror\b|\bfail(?:ed|ure|s)?\b|panicked|exception|assert|not ok|cannot|undefined|expected").ok()
});

impl Fingerprint {
    /// Of a command of the verification that failed. `command` is its name in the blueprint.
    pub fn of(command: &str, exit: Option<i32>, output: &str) -> Self {
        let mut begin = output.len().saturating_sub(LOOKED_AT);
        while !output.is_char_boundary(begin) {
            begin += 1;
        }
        let output = output.get(begin..).unwrap_or_default();
        let is_telling = |line: &&str| TELLING.as_ref().is_some_and(|telling| telling.is_match(line));
        let mut lines: BTreeSet<String> =
            output.lines().filter(is_telling).map(normalised).filter(|line| line.len() > 2).take(MOST_LINES).collect();
        if lines.is_empty() {
            lines.extend(output.lines().rev().map(normalised).find(|line| !line.is_empty()));
        }
        let mut digest = Sha256::new();
        digest.update(command.as_bytes());
        digest.update([0]);
        digest.update(exit.map(|exit| exit.to_string()).unwrap_or_default().as_bytes());
        for line in lines {
            digest.update([0]);
            digest.update(line.as_bytes());
        }
        Self(hex(digest.finalize().get(..16).unwrap_or_default()))
    }
}

/// A line without what differs.
pub(crate) fn normalised(line: &str) -> String {
    let mut line = line.to_owned();
    for (noise, by) in NOISE.iter() {
        line = noise.replace_all(&line, *by).into_owned();
    }
    line.trim().to_owned()
}
