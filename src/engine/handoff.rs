//! Hand-off: what a task keeps of its state, taken over while it works, and given to the next attempt.
//!
//! The task writes its state to one file, whenever it likes. The runner takes a copy: of the file as it is, so that
//! the next attempt finds what it wrote, and as the checkpoint of the format, with the fields that the document names,
//! judged and numbered. A copy is whole or not there. What does not hold what it should is refused and told; the copy
//! before it stays.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::fence::Fence;
use super::output;
use super::secret::Resolved;
use super::store::RunFiles;
use crate::blueprint::model::{Handoff, StateField};
use crate::document::Text;
use crate::run::{Checkpoint, Moment};

/// What a checkpoint is of.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) files: &'a RunFiles,
    pub(super) handoff: &'a Handoff<'a>,
    pub(super) task: &'a str,
    pub(super) attempt: u32,
    /// Where the task writes.
    pub(super) path: PathBuf,
    pub(super) directory: &'a Path,
    pub(super) started: Moment,
    /// The version of the document's format.
    pub(super) format: &'a str,
    pub(super) executor: &'a str,
    /// The last one that was taken over.
    pub(super) last: Option<&'a Checkpoint>,
    /// What may not be in it.
    pub(super) secrets: &'a Resolved,
    pub(super) fence: Fence,
    /// Whether the file may be removed where it holds one: the task writes another.
    pub(super) is_ours: bool,
}

/// A checkpoint that was taken over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) version: u64,
    pub(super) digest: String,
}

/// The copy of what the task wrote.
pub(super) fn copy(files: &RunFiles, task: &str, attempt: u32, version: u64) -> PathBuf {
    files.of_attempt(task, attempt, &format!("checkpoint-{version}"))
}

/// The checkpoint in the form of the format.
pub(super) fn told(files: &RunFiles, task: &str, kept: &Checkpoint) -> PathBuf {
    files.of_attempt(task, kept.attempt, &format!("checkpoint-{}.json", kept.version))
}

impl Subject<'_> {
    /// Takes over what the task wrote, if it wrote something since.
    pub(super) fn take(&self, now: Moment) -> Result<Option<Taken>, String> {
        if !self.path.exists() {
            return Ok(None);
        }
        let bytes =
            output::content(&self.fence, &self.path).map_err(|why| format!("`{}`: {why}", self.path.display()))?;
        let digest = digest(&bytes);
        if bytes.is_empty() || self.last.is_some_and(|last| last.digest == digest) {
            return Ok(None);
        }
        // The task may be writing: what is judged is what is kept.
        self.refuse_secrets(&bytes)?;
        let version = self.last.map_or(0, |last| last.version) + 1;
        let written = self.written(bytes.as_slice())?;
        self.refuse_stale(&written)?;
        let state = self.state(&written)?;
        let document = json!({
            "blueprint_version": self.format,
            "task_id": self.task,
            "checkpoint_id": format!("{}-{}-{version}", self.files.id(), self.task),
            "version": version,
            "previous_version": self.last.map(|last| last.version),
            "created_at": now.to_string(),
            "executor_id": self.executor,
            "attempt": self.attempt,
            "state": state,
            "resume_instructions": written.get("resume_instructions"),
            "executor_hints": written.get("executor_hints"),
            "required_context": self.handoff.required_context.iter().map(Text::as_str).collect::<Vec<_>>(),
        });
        let document = format!("{document:#}\n");
        // An escape may have hidden it before.
        self.refuse_secrets(document.as_bytes())?;
        let kept = |path: &Path, bytes: &[u8]| {
            self.replace(path, bytes).map_err(|error| format!("`{}` cannot be written: {error}", path.display()))
        };
        kept(&copy(self.files, self.task, self.attempt, version), &bytes)?;
        let taken = Checkpoint { attempt: self.attempt, version, digest: digest.clone(), at: now };
        kept(&told(self.files, self.task, &taken), document.as_bytes())?;
        Ok(Some(Taken { version, digest }))
    }

    /// Where it is the run's file, it would be kept.
    fn refuse_secrets(&self, bytes: &[u8]) -> Result<(), String> {
        let Some(secret) = self.secrets.find(bytes) else {
            return Ok(());
        };
        let fate = if self.is_ours && self.fence.clear(&self.path).is_ok() { " and was removed" } else { "" };
        Err(format!("it holds the secret `{secret}`{fate}: a task finds its secrets again by name"))
    }

    /// Prepares the file for an attempt: what was taken over last is there again, and nothing else is.
    pub(super) fn offer(&self) -> Result<(), String> {
        let fault = |path: &Path, error: io::Error| format!("`{}` cannot be prepared: {error}", path.display());
        let Some(last) = self.last else {
            // Of an earlier run, or of somebody else: it is not this run's state, and not lost either.
            if fs::symlink_metadata(&self.path).is_ok() {
                let mut aside = self.path.file_name().unwrap_or_default().to_owned();
                aside.push(format!(".before-{}", self.files.id()));
                self.fence.rename(&self.path, &aside).map_err(|error| fault(&self.path, error))?;
            }
            return self.fence.make_folder(&self.path).map_err(|error| fault(&self.path, error));
        };
        let copy = copy(self.files, self.task, last.attempt, last.version);
        let bytes = fs::read(&copy).map_err(|error| fault(&copy, error))?;
        if digest(&bytes) != last.digest {
            return Err(format!("`{}` is not what was taken over as checkpoint {}", copy.display(), last.version));
        }
        let made = self.fence.make_folder(&self.path);
        made.and_then(|()| self.replace(&self.path, &bytes)).map_err(|error| fault(&self.path, error))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.fence.replace(path, |file| file.write_all(bytes))
    }

    /// What the task wrote, as a value; nothing is known of what is binary.
    fn written(&self, bytes: &[u8]) -> Result<Value, String> {
        let form = self.handoff.checkpoint_format.as_deref().unwrap_or("json");
        if form == "binary" {
            return Ok(Value::Null);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        if form == "yaml" {
            return output::yaml(text);
        }
        serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))
    }

    /// Whoever numbers what it writes must have begun from the last number, where the document asks for that.
    fn refuse_stale(&self, written: &Value) -> Result<(), String> {
        let decides = matches!(self.handoff.conflict_resolution.as_deref(), Some("optimistic_lock" | "manual"));
        let (Some(last), Some(version), true) = (self.last, written["version"].as_u64(), decides) else {
            return Ok(());
        };
        if version == last.version || version == last.version + 1 {
            return Ok(());
        }
        Err(format!(
            "it is stale: it goes on from version {version}, and version {} was taken over since",
            last.version
        ))
    }

    /// The fields that the document names, judged; all of it where it names none.
    fn state(&self, written: &Value) -> Result<Value, String> {
        let own = written.get("state").filter(|state| state.is_object()).unwrap_or(written);
        let state = if self.handoff.state_fields.is_empty() {
            own.clone()
        } else {
            let context = self.context(written);
            let mut state = Map::new();
            for field in &self.handoff.state_fields {
                let value = found(field, &context, own)?;
                state.insert(field.name.to_string(), value);
            }
            Value::Object(state)
        };
        if let Some(schema) = &self.handoff.state_schema {
            output::satisfies(&state, &schema.tree().to_json(), "its state")?;
        }
        Ok(state)
    }

    /// What paths of state fields look into: the task's words, and below `context` and `custom` the format's.
    fn context(&self, written: &Value) -> Value {
        let mut context = json!({
            "task_id": self.task,
            "started_at": self.started.to_string(),
            "working_directory": self.directory,
            "custom": written,
            "context": written,
        });
        if let (Value::Object(all), Value::Object(own)) = (&mut context, written) {
            all.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        context
    }
}

/// The value of a field, of the type it is to have.
fn found(field: &StateField<'_>, context: &Value, own: &Value) -> Result<Value, String> {
    let name = field.name.as_str();
    let value = match field.path.as_deref() {
        None => own.get(name).cloned(),
        Some(path) => {
            let path =
                serde_json_path::JsonPath::parse(path).map_err(|error| format!("the path of `{name}`: {error}"))?;
            path.query(context).first().cloned()
        }
    };
    let default = || field.default.as_ref().map(|default| default.tree().to_json());
    let Some(value) = value.or_else(default) else {
        return Err(match field.path.as_deref() {
            Some(path) => format!("its state has no `{name}`: nothing is at `{path}`"),
            None => format!("its state has no `{name}`"),
        });
    };
    let Some(kind) = field.kind.as_deref() else {
        return Ok(value);
    };
    let value = coerced(value, kind);
    let mut schema = json!({ "type": kind });
    if let (Some(items), "array") = (field.items.as_deref(), kind) {
        schema["items"] = json!({ "type": items });
    }
    output::satisfies(&value, &schema, &format!("its field `{name}`"))?;
    Ok(value)
}

/// A text that means a number or a flag, where one is wanted; and the other way round.
fn coerced(value: Value, kind: &str) -> Value {
    match (&value, kind) {
        (Value::String(text), "integer" | "number" | "boolean") => match serde_json::from_str::<Value>(text.trim()) {
            Ok(meant) if meant.is_number() || meant.is_boolean() => meant,
            _ => value,
        },
        (Value::Number(number), "string") => Value::String(number.to_string()),
        _ => value,
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
