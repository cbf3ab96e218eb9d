//! The tables of a definition, as they are written. docs/AGENTS.md explains each key.

use std::collections::BTreeMap;
use std::fmt;

use regex::Regex;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::classify::Class;

/// JSON pointers and what stands there; all must hold.
pub type Matches = BTreeMap<String, Value>;

/// A word of a command, or several that are left out together when one of their placeholders has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Word(String),
    Group(Vec<String>),
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or a list of strings that are used together")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Item, E> {
                Ok(Item::Word(word.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Item, A::Error> {
                let mut group = Vec::new();
                while let Some(word) = words.next_element::<String>()? {
                    group.push(word);
                }
                Ok(Item::Group(group))
            }
        }
        from.deserialize_any(Words)
    }
}

/// A regular expression that was compiled when its file was read.
#[derive(Clone, Debug)]
pub struct Pattern(pub Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let compiled = regex::RegexBuilder::new(&text).size_limit(1 << 20).build();
        compiled.map(Self).map_err(|error| D::Error::custom(format!("`{text}` is no regular expression: {error}")))
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Install {
    pub npm: Option<String>,
    pub pip: Option<String>,
    /// Anything else, as a sentence.
    pub note: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// Names that are looked for in `PATH`, or absolute paths; the first that is there counts.
    pub bin: Vec<String>,
    pub version: Option<Version>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    pub argv: Vec<String>,
    /// Its first group is the version.
    pub regex: Pattern,
    pub min: Option<String>,
}

/// What a model's server and the agent speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    Anthropic,
    OpenaiResponses,
    OpenaiChat,
    Gemini,
}

impl Protocol {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenaiResponses => "openai-responses",
            Self::OpenaiChat => "openai-chat",
            Self::Gemini => "gemini",
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    pub protocol: Protocol,
    pub secret: Secret,
    pub base_url: BaseUrl,
    /// What of a user's home is their login: in a sandbox it has these, and nothing else of it.
    #[serde(default)]
    pub login: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    pub env: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseUrl {
    /// The variable that takes it; or words for `{*base_url}`.
    pub env: Option<String>,
    #[serde(default)]
    pub arg: Vec<Item>,
    /// What the agent expects behind host and port.
    #[serde(default)]
    pub path: String,
    /// The provider's own, without `path`: where a gateway sends what it is asked.
    pub upstream: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Root {
    Home,
    Run,
    Secure,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRule {
    pub root: Root,
    pub path: String,
    pub content: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    Stdin,
    File,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    pub via: Via,
    #[serde(default)]
    pub arg: Vec<Item>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    pub full: Vec<Item>,
    pub edits: Vec<Item>,
    pub readonly: Vec<Item>,
    /// Those for which it starts a sandbox of its own, which needs namespaces: not within ours.
    #[serde(default)]
    pub sandboxed: Vec<crate::command::Approval>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    #[serde(default)]
    pub own: Vec<Item>,
    #[serde(default)]
    pub untrusted: Vec<Item>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionId {
    Assign,
    Capture,
    None,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    pub id: SessionId,
    #[serde(default)]
    pub start: Vec<Item>,
    pub resume: Option<Vec<Item>>,
    /// Replaces the whole command.
    pub resume_argv: Option<Vec<Item>>,
    #[serde(default)]
    pub cwd_bound: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub argv: Vec<Item>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Jsonl,
    Text,
}

/// What the numbers of a result count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// This process alone.
    #[default]
    Run,
    /// Everything since the session began.
    Session,
    /// It does not say.
    None,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    pub format: Format,
    /// Events are read from this file and not from what it prints.
    pub events_file: Option<String>,
    #[serde(default)]
    pub cost_scope: Scope,
    #[serde(default)]
    pub usage_scope: Scope,
    pub result: ResultRule,
    pub failure: Option<FailureRule>,
    pub text: Option<TextRule>,
    pub session: Option<SessionRule>,
    #[serde(default, rename = "event")]
    pub events: Vec<EventRule>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultRule {
    #[serde(rename = "match")]
    pub matches: Matches,
    #[serde(default)]
    pub ok: Matches,
    pub text: Option<String>,
    pub session: Option<String>,
    pub turns: Option<String>,
    pub cost_usd: Option<String>,
    pub usage: Option<UsageRule>,
    /// Whether `input` counts what came from the cache as well.
    #[serde(default)]
    pub cached_in_input: bool,
    pub status: Option<String>,
    pub http_status: Option<String>,
    pub error: Option<String>,
    /// `sum`: there is one for each message, and the numbers are added up.
    pub aggregate: Option<Aggregate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregate {
    Sum,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageRule {
    pub input: String,
    pub cached: Option<String>,
    pub output: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureRule {
    #[serde(rename = "match")]
    pub matches: Matches,
    pub text: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Join {
    #[default]
    Last,
    Concat,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextRule {
    #[serde(rename = "match")]
    pub matches: Matches,
    pub text: String,
    #[serde(default)]
    pub join: Join,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionRule {
    #[serde(rename = "match")]
    pub matches: Matches,
    pub session: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Text,
    Tool,
    /// The tool with this id failed.
    Failed,
    Progress,
    Retry,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventRule {
    #[serde(rename = "match")]
    pub matches: Matches,
    /// A list within the event; the rule is about those of its items that hold `where`.
    pub each: Option<String>,
    #[serde(default, rename = "where")]
    pub holds: Matches,
    pub kind: Kind,
    pub id: Option<String>,
    pub name: Option<String>,
    pub text: Option<String>,
    pub detail: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatternRule {
    pub regex: Pattern,
    pub class: Class,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchRule {
    #[serde(rename = "match")]
    pub matches: Matches,
    pub class: Class,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Classify {
    pub events: Vec<MatchRule>,
    pub status: BTreeMap<String, Class>,
    pub http: BTreeMap<String, Class>,
    pub text: Vec<PatternRule>,
    pub stderr: Vec<PatternRule>,
    pub stdout: Vec<PatternRule>,
    pub exit: BTreeMap<String, Class>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kill {
    pub grace_secs: u64,
}

impl Default for Kill {
    fn default() -> Self {
        Self { grace_secs: 10 }
    }
}

/// For trying the definition against a model on this machine.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trial {
    pub model: Option<String>,
}
