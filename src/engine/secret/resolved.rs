//! The secrets of a run: what commands get of them, and how everything else is kept free of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use outpost_executor::{Redaction, Secrets, TELLING, TooMany};
use serde_json::Value;

use super::Pair;
use crate::blueprint::secret::{Use, of_text};
use crate::blueprint::variable::replaced;
use crate::run::Failure;

/// Before the name of a secret, in the environment of a command that refers to it.
const VARIABLE: &str = "OUTPOST_SECRET_";

/// Values by name, and the forms in which they may turn up.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    secrets: Secrets,
    /// These and their parts: all that is hidden.
    hidden: Secrets,
    hides: Option<Redaction>,
    /// Those of them that are no word of others.
    telling: Secrets,
    tells: Option<Redaction>,
    /// What stands in for a missing secret although its reference has no default.
    defaults: BTreeMap<String, String>,
}

impl Resolved {
    /// `keys` are the names of secrets that are pairs of AWS keys, of which each may turn up alone.
    pub fn new(found: Vec<Pair>, defaults: BTreeMap<String, String>, keys: &BTreeSet<String>) -> Result<Self, TooMany> {
        let parts: Vec<Pair> = found.iter().flat_map(|(name, value)| parts(name, value)).collect();
        let keys = found.iter().filter(|(name, _)| keys.contains(name));
        let keys: Vec<Pair> = keys.flat_map(|(name, value)| parts_of_keys(name, value)).collect();
        let long =
            parts.iter().filter(|(_, part)| part.iter().filter(|byte| !byte.is_ascii_whitespace()).count() >= TELLING);
        let telling = Secrets::new(found.iter().chain(&keys).chain(long).cloned());
        let hidden = Secrets::new(found.iter().chain(&keys).chain(&parts).cloned());
        let (hides, tells) = (Redaction::of(&hidden)?, Redaction::beyond_doubt(&telling)?);
        Ok(Self { secrets: Secrets::new(found), hidden, hides, telling, tells, defaults })
    }

    pub const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// What work hides in what it prints.
    pub const fn hidden(&self) -> &Secrets {
        &self.hidden
    }

    /// The value of a secret, or what stands in for it.
    pub fn value(&self, name: &str, default: Option<&str>) -> Option<Vec<u8>> {
        let default =
            || default.or_else(|| self.defaults.get(name).map(String::as_str)).map(|text| text.as_bytes().to_vec());
        self.secrets.get(name).map(<[u8]>::to_vec).or_else(default)
    }

    /// The first of these that has no value.
    pub fn lacking<'u>(&self, uses: &'u BTreeSet<Use>) -> Option<&'u str> {
        uses.iter().find(|one| self.value(&one.name, one.default.as_deref()).is_none()).map(|one| one.name.as_str())
    }

    /// A text with the values of its secrets. It is for an environment or a request, and for nothing that is kept.
    pub fn fill(&self, text: &str) -> OsString {
        OsString::from_vec(replaced(text, |reference| {
            let (name, default) = reference.secret()?;
            self.value(name, default)
        }))
    }

    /// The same, as text; the error says what is missing.
    pub fn revealed(&self, text: &str) -> Result<String, String> {
        if let Some(name) = self.lacking(&of_text(text)) {
            return Err(format!("the secret `{name}` has no value here"));
        }
        self.fill(text).into_string().map_err(|_| "its secret is not UTF-8".to_owned())
    }

    /// A command with its secrets as references to variables, and these variables. No value becomes part of it.
    pub fn carry(&self, command: &str) -> (String, Vec<(OsString, OsString)>) {
        let mut variables: Vec<(OsString, OsString)> = Vec::new();
        let text = replaced(command, |reference| {
            let (name, default) = reference.secret()?;
            let value = OsString::from_vec(self.value(name, default)?);
            // A missing secret may have another default in each of its places.
            let mut variable = format!("{VARIABLE}{name}");
            let is_other = |variable: &str, pairs: &[(OsString, OsString)]| {
                pairs.iter().any(|(known, other)| known == variable && *other != value)
            };
            while is_other(&variable, &variables) {
                variable.push('_');
            }
            let reference = format!("${{{variable}}}").into_bytes();
            let pair = (OsString::from(variable), value);
            if !variables.contains(&pair) {
                variables.push(pair);
            }
            Some(reference)
        });
        (String::from_utf8_lossy(&text).into_owned(), variables)
    }

    /// A text without any secret in it.
    pub fn clean(&self, text: String) -> String {
        match &self.hides {
            Some(redaction) => redaction.text(&text),
            None => text,
        }
    }

    /// The same for a failure, whose words go into the journal.
    pub fn clean_failure(&self, failure: Failure) -> Failure {
        if self.hides.is_none() {
            return failure;
        }
        let Failure { message, stdout, stderr, .. } = failure.clone();
        Failure { message: self.clean(message), stdout: self.clean(stdout), stderr: self.clean(stderr), ..failure }
    }

    /// The name of a secret that is in there, beyond doubt: what holds it is refused.
    pub fn find(&self, bytes: &[u8]) -> Option<&str> {
        self.which(|redaction| redaction.finds(bytes))
    }

    /// Whether nothing could be found.
    pub const fn tells_nothing(&self) -> bool {
        self.tells.is_none()
    }

    /// The name of a secret that is in a regular file, however large.
    pub fn find_in(&self, path: &Path) -> Option<&str> {
        self.tells.as_ref()?;
        let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
        if is_file { self.which(|redaction| is_in(redaction, path).unwrap_or_default()) } else { None }
    }

    /// Looks for all at once, and only where there is one for which it is.
    fn which(&self, finds: impl Fn(&Redaction) -> bool) -> Option<&str> {
        if !finds(self.tells.as_ref()?) {
            return None;
        }
        let has = |name: &str| {
            let value = self.telling.get(name).map(<[u8]>::to_vec)?;
            Redaction::beyond_doubt(&Secrets::new([(name.to_owned(), value)])).ok()?.map(|one| finds(&one))
        };
        let name = self.telling.names().find(|name| has(name) == Some(true))?;
        Some(name.split_once(PART).map_or(name, |(whole, _)| whole))
    }
}

/// Between the name of a secret and the number of a part of it. No name has it.
const PART: char = '.';

/// The texts in a secret that is an object of JSON.
fn parts(name: &str, value: &[u8]) -> Vec<Pair> {
    fn gather(value: Value, texts: &mut Vec<String>) {
        match value {
            Value::String(text) => texts.push(text),
            Value::Array(all) => all.into_iter().for_each(|value| gather(value, texts)),
            Value::Object(all) => all.into_iter().for_each(|(_, value)| gather(value, texts)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut texts = Vec::new();
    if let Ok(value @ Value::Object(_)) = serde_json::from_slice(value) {
        gather(value, &mut texts);
    }
    numbered(name, "", texts.into_iter().map(String::into_bytes))
}

/// The secret ones of `ID:SECRET:TOKEN`.
fn parts_of_keys(name: &str, value: &[u8]) -> Vec<Pair> {
    let parts = value.trim_ascii().splitn(3, |byte| *byte == b':').skip(1);
    let is_json = value.trim_ascii().starts_with(b"{");
    if is_json { Vec::new() } else { numbered(name, "key", parts.map(<[u8]>::to_vec)) }
}

fn numbered(name: &str, kind: &str, parts: impl Iterator<Item = Vec<u8>>) -> Vec<Pair> {
    (1..).zip(parts).map(|(number, part)| (format!("{name}{PART}{kind}{number}"), part)).collect()
}

fn is_in(redaction: &Redaction, path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let (mut stream, mut clean, mut buffer) = (redaction.stream(), Vec::new(), vec![0; 64 * 1024]);
    while let read @ 1.. = file.read(&mut buffer)? {
        stream.push(&buffer[..read], &mut clean);
        clean.clear();
    }
    stream.finish(&mut clean);
    Ok(stream.found() > 0)
}
