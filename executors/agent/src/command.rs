//! Makes the command, the variables and the files of one start from a definition and its values.
//!
//! Pure. Values are put in once and never looked into again, and nothing of it passes a shell: a value is one word or
//! part of one, whatever it holds. `{name}` is a value, `{name|else}` one with a default, `{*name}` a list of words.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::definition::{Definition, Item, Root};

/// What may stand in braces.
pub const KNOWN: [&str; 13] = [
    "bin",
    "model",
    "effort",
    "max_turns",
    "budget_usd",
    "workspace",
    "home",
    "run_dir",
    "run_state",
    "secure",
    "prompt_file",
    "session_id",
    "base_url",
];

/// The lists that are spliced, beside those of `[vars]`.
pub const SPLICES: [&str; 6] = ["approval", "trust", "session", "prompt", "base_url", "files"];

/// What the agent may do without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    #[default]
    Full,
    Edits,
    Readonly,
}

impl Approval {
    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Edits => "edits",
            Self::Readonly => "readonly",
        }
    }
}

/// Whose the repository is: with `own`, its settings for the agent count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    Own,
    #[default]
    Untrusted,
}

/// What a start depends on.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// The program that was found.
    pub bin: String,
    pub model: Option<String>,
    pub effort: Option<String>,
    pub max_turns: Option<u32>,
    pub budget_usd: Option<f64>,
    pub workspace: PathBuf,
    pub home: PathBuf,
    /// Of this attempt.
    pub run_dir: PathBuf,
    /// Of the task, for all its attempts.
    pub run_state: PathBuf,
    pub secure: PathBuf,
    pub prompt_file: PathBuf,
    pub session_id: Option<String>,
    pub resume: bool,
    /// With the path that the definition wants.
    pub base_url: Option<String>,
    pub approval: Approval,
    pub trust: Trust,
    pub files: Vec<String>,
    pub is_root: bool,
}

/// What is to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub files: Vec<(Root, PathBuf, String)>,
    pub events_file: Option<PathBuf>,
}

/// A value that the definition needs and nobody gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub placeholder: String,
    pub place: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { placeholder, place } = self;
        write!(
            f,
            "`{place}` needs a value for `{{{placeholder}}}`: give one, or make the words optional by putting them in a list of \
             their own"
        )
    }
}

impl std::error::Error for Missing {}

/// The command, variables and files for these values.
pub fn render(definition: &Definition, values: &Values) -> Result<Command, Missing> {
    let texts = Texts(values);
    let argv = match &definition.session.resume_argv {
        Some(argv) if values.resume => words(definition, values, argv, "session.resume_argv")?,
        _ => words(definition, values, &definition.run.argv, "run.argv")?,
    };
    let mut env = BTreeMap::new();
    let own = definition.env_if_root.iter().filter(|_| values.is_root);
    for (name, value) in definition.env.iter().chain(own) {
        env.insert(name.clone(), texts.filled(value, "env")?);
    }
    if let (Some(auth), Some(url)) = (&definition.auth, &values.base_url)
        && let Some(name) = &auth.base_url.env
    {
        env.insert(name.clone(), url.clone());
    }
    let mut files = Vec::new();
    for file in &definition.files {
        let root = match file.root {
            Root::Home => &values.home,
            Root::Run => &values.run_dir,
            Root::Secure => &values.secure,
        };
        files.push((file.root, root.join(&file.path), texts.filled(&file.content, "file")?));
    }
    let events_file = definition.output.events_file.as_ref();
    let events_file = events_file.map(|file| texts.filled(file, "output.events_file")).transpose()?.map(PathBuf::from);
    Ok(Command { argv, env, files, events_file })
}

fn words(definition: &Definition, values: &Values, list: &[Item], place: &str) -> Result<Vec<String>, Missing> {
    let texts = Texts(values);
    let mut out = Vec::new();
    for item in list {
        let Item::Word(word) = item else {
            out.extend(texts.item(item, place)?);
            continue;
        };
        match splice(word) {
            // Names of files are no templates, and none may pass for an option.
            Some("files") => {
                out.extend(
                    values.files.iter().map(
                        |file| {
                            if file.starts_with('-') { format!("./{file}") } else { file.clone() }
                        },
                    ),
                );
            }
            Some(name) => {
                for item in spliced(definition, values, name) {
                    out.extend(texts.item(item, name)?);
                }
            }
            None => out.extend(texts.item(item, place)?),
        }
    }
    Ok(out)
}

fn spliced<'a>(definition: &'a Definition, values: &Values, name: &str) -> &'a [Item] {
    match name {
        "approval" => match values.approval {
            Approval::Full => &definition.approval.full,
            Approval::Edits => &definition.approval.edits,
            Approval::Readonly => &definition.approval.readonly,
        },
        "trust" => match values.trust {
            Trust::Own => &definition.trust.own,
            Trust::Untrusted => &definition.trust.untrusted,
        },
        "session" => match &definition.session.resume {
            Some(resume) if values.resume => resume,
            _ => &definition.session.start,
        },
        "prompt" => &definition.prompt.arg,
        // Without an address the agent has its own.
        "base_url" => match &definition.auth {
            Some(auth) if values.base_url.is_some() => &auth.base_url.arg,
            _ => &[],
        },
        name => definition.vars.get(name).map(Vec::as_slice).unwrap_or_default(),
    }
}

/// The list that a word names, if it names one.
pub fn splice(word: &str) -> Option<&str> {
    word.strip_prefix("{*")?.strip_suffix('}')
}

/// The names in braces.
pub fn placeholders(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    pieces(text, |piece| {
        if let Piece::Placeholder { name, .. } = piece {
            found.push(name);
        }
    });
    found
}

enum Piece<'a> {
    Text(&'a str),
    Placeholder { name: &'a str, default: Option<&'a str> },
}

/// `{`, small letters and `_`, perhaps `|` and a default, `}`: everything else is text, JSON above all.
fn pieces<'a>(text: &'a str, mut take: impl FnMut(Piece<'a>)) {
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, from) = rest.split_at(open);
        let inner = from.get(1..).and_then(|inner| inner.split_once('}'));
        let named = inner.and_then(|(inner, _)| {
            let (name, default) = inner.split_once('|').map_or((inner, None), |(name, default)| (name, Some(default)));
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            is_name.then_some((name, default))
        });
        take(Piece::Text(before));
        match (named, inner) {
            (Some((name, default)), Some((_, after))) => {
                take(Piece::Placeholder { name, default });
                rest = after;
            }
            _ => {
                take(Piece::Text("{"));
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    take(Piece::Text(rest));
}

struct Texts<'a>(&'a Values);

impl Texts<'_> {
    fn value(&self, name: &str) -> Option<String> {
        let path = |path: &Path| Some(path.to_string_lossy().into_owned());
        let values = self.0;
        match name {
            "bin" => Some(values.bin.clone()),
            "model" => values.model.clone(),
            "effort" => values.effort.clone(),
            "max_turns" => values.max_turns.map(|turns| turns.to_string()),
            "budget_usd" => values.budget_usd.map(|usd| format!("{usd:.4}")),
            "workspace" => path(&values.workspace),
            "home" => path(&values.home),
            "run_dir" => path(&values.run_dir),
            "run_state" => path(&values.run_state),
            "secure" => path(&values.secure),
            "prompt_file" => path(&values.prompt_file),
            "session_id" => values.session_id.clone(),
            "base_url" => values.base_url.clone(),
            _ => None,
        }
        .filter(|value| !value.is_empty())
    }

    /// `Err` names the placeholder that has no value.
    fn fill(&self, text: &str) -> Result<String, String> {
        let (mut out, mut missing) = (String::with_capacity(text.len()), None);
        pieces(text, |piece| match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Placeholder { name, default } => match self.value(name).or_else(|| default.map(str::to_owned)) {
                Some(value) => out.push_str(&value),
                None => missing = Some(name.to_owned()),
            },
        });
        missing.map_or(Ok(out), Err)
    }

    fn filled(&self, text: &str, place: &str) -> Result<String, Missing> {
        self.fill(text).map_err(|placeholder| Missing { placeholder, place: place.to_owned() })
    }

    fn item(&self, item: &Item, place: &str) -> Result<Vec<String>, Missing> {
        match item {
            Item::Word(word) => Ok(vec![self.filled(word, place)?]),
            Item::Group(words) => {
                Ok(words.iter().map(|word| self.fill(word)).collect::<Result<_, _>>().unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests;
