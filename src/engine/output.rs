//! What a task left: found, judged against its declaration, and kept with the run.
//!
//! A file in `/tmp/blueprint` is honoured but not trusted: only a regular file that was not there before
//! the attempt counts. Ports are kept as one JSON file, so that those who bind them get what was judged.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::fence::Fence;
use super::secret::Resolved;
use crate::blueprint::model::{Output, Port, Task, Transfer};
use crate::run::KeptPort;

/// The largest output that is read.
pub const MOST_BYTES: u64 = 16 << 20;

/// Where an attempt's output may be.
#[derive(Debug)]
pub struct Places {
    /// What `OUTPOST_OUTPUT` names: wins when it exists.
    pub offered: PathBuf,
    /// What the document names.
    pub declared: Option<PathBuf>,
    /// What the task printed, if that is its output.
    pub printed: PathBuf,
    /// Whether what the document names lies where files are only exchanged, not in the project.
    pub is_exchanged: bool,
    pub fence: Fence,
}

impl Places {
    /// What becomes of an output that holds a secret.
    pub fn refuse(&self, path: &Path, secret: &str) -> String {
        let is_ours = self.is_exchanged || self.declared.as_deref() != Some(path);
        let is_gone = is_ours && self.fence.clear(path).is_ok();
        let fate = if is_gone { "was removed" } else { "was left where it is" };
        format!("its output holds the secret `{secret}` and {fate}: {KEPT}")
    }
}

/// Why an output may hold no secret, and the way out.
pub const KEPT: &str = "outputs are kept and shown; hand a secret on by its name, `${secrets.NAME}`";

/// The ports of a task with their values.
pub type Values = BTreeMap<String, Value>;

/// Kept beside the ports of some tasks: the file that they came in, and where it went. No port can be called so.
pub const RECORD: &str = "@output";

/// Reads and judges what a task left. The error says what is missing or wrong. What holds a secret is removed, unless
/// it is a file of the project: outputs are kept, shown, and handed on. What is not looked into is looked through when it
/// is sent: it may be large.
pub fn collect(task: &Task<'_>, places: &Places, secrets: &Resolved) -> Result<Values, String> {
    let Some(output) = task.output.as_deref().filter(|output| !output.ports.is_empty()) else {
        return Ok(Values::new());
    };
    let fixed = output.ports.iter().all(|port| port.value.is_some());
    let left = match find(output, places) {
        Some(path) if is_opaque(output) => Some(Value::String(path.to_string_lossy().into_owned())),
        Some(path) => Some(read(output, &path, places, secrets)?),
        None if fixed => None,
        None => return Err(missing(output, places)),
    };
    judged(task, left.as_ref())
}

/// The ports of what a task left, if it is what the task promised. Ports with a value of their own need nothing.
pub fn judged(task: &Task<'_>, left: Option<&Value>) -> Result<Values, String> {
    let Some(output) = task.output.as_deref() else {
        return Ok(Values::new());
    };
    if let (Some(left), Some(schema)) = (left, task.output_schema()) {
        satisfies(left, &schema.tree().to_json(), "its output")?;
    }
    let mut values = Values::new();
    for port in &*output.ports {
        let value = match (&port.value, left) {
            (Some(value), _) => value.tree().to_json(),
            (None, Some(left)) => pick(left, port, output.ports.len() == 1)?,
            (None, None) => return Err(format!("it left nothing, and `{}` is one of its ports", port.name)),
        };
        judge(port, &value)?;
        values.insert(port.name.to_string(), value);
    }
    Ok(values)
}

/// Whether what a task leaves is sent as it is, and not looked into: its ports are the path of a file.
pub fn is_opaque(output: &Output<'_>) -> bool {
    output.location == Transfer::Network && output.format.as_deref() == Some("binary")
}

/// The file that a task left its output in.
pub fn find(output: &Output<'_>, places: &Places) -> Option<PathBuf> {
    if places.offered.exists() {
        return Some(places.offered.clone());
    }
    match output.location {
        Transfer::Stdout => Some(places.printed.clone()).filter(|path| path.exists()),
        _ => places.declared.clone().filter(|path| path.exists()),
    }
}

pub fn missing(output: &Output<'_>, places: &Places) -> String {
    match (output.location, &places.declared) {
        (Transfer::Stdout, _) => "it printed nothing, and its output is what it prints".to_owned(),
        (_, Some(path)) => format!("it left no output: there is no `{}`", path.display()),
        (_, None) => "it left no output: nothing was written to the file that `OUTPOST_OUTPUT` names".to_owned(),
    }
}

/// The content of an output file as a value, if it holds no secret: neither as it is written, nor as it is understood.
fn read(output: &Output<'_>, path: &Path, places: &Places, secrets: &Resolved) -> Result<Value, String> {
    let bytes = content(&places.fence, path).map_err(|why| format!("its output `{}`: {why}", path.display()))?;
    let held = secrets.find(&bytes).map(str::to_owned);
    let value = value_of(output, path, bytes);
    let held = held.or_else(|| Some(secrets.find(value.as_ref().ok()?.to_string().as_bytes())?.to_owned()));
    held.map_or(value, |secret| Err(places.refuse(path, &secret)))
}

/// What a file that a task left holds. No link is followed and no device is read.
pub(super) fn content(fence: &Fence, path: &Path) -> Result<Vec<u8>, String> {
    let fault = |what: &dyn std::fmt::Display| format!("it cannot be read: {what}");
    let file = fence.open(path).map_err(|error| fault(&error))?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| fault(&error))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(fault(&format!("it is larger than {} MiB", MOST_BYTES >> 20)));
    }
    Ok(bytes)
}

fn value_of(output: &Output<'_>, path: &Path, bytes: Vec<u8>) -> Result<Value, String> {
    let fault = |what: &dyn std::fmt::Display| format!("its output `{}`: {what}", path.display());
    let text = String::from_utf8(bytes).map_err(|_| fault(&"it is not UTF-8"))?;
    match output.format.as_deref() {
        Some("text" | "binary") => Ok(Value::String(text)),
        Some("yaml") => yaml(&text).map_err(|error| fault(&error)),
        // A task with one port may leave the bare text of its value.
        _ => match serde_json::from_str(&text) {
            Ok(value) => Ok(value),
            Err(_) if output.ports.len() == 1 && output.ports[0].kind.json_type() == Some("string") => {
                Ok(Value::String(text.trim_end_matches('\n').to_owned()))
            }
            Err(error) => Err(fault(&format!("it is not JSON: {error}"))),
        },
    }
}

pub(super) fn yaml(text: &str) -> Result<Value, String> {
    use crate::document::{origin::Origin, yaml};
    let parsed = yaml::parse(text, Origin::Base(0));
    match (parsed.problems.first(), parsed.documents.first()) {
        (Some(problem), _) => Err(format!("it is not YAML: {}", problem.message)),
        (None, Some(node)) => Ok(node.to_json()),
        (None, None) => Ok(Value::Null),
    }
}

/// The value of a port within what was left: the field of its name, or all of it if it is the only one.
fn pick(left: &Value, port: &Port<'_>, only: bool) -> Result<Value, String> {
    match left.get(port.name.as_str()) {
        Some(value) => Ok(value.clone()),
        None if only => Ok(left.clone()),
        None => Err(format!("its output has no `{}`, which is one of its ports", port.name)),
    }
}

fn judge(port: &Port<'_>, value: &Value) -> Result<(), String> {
    let name = format!("its port `{}`", port.name);
    if let Some(schema) = &port.schema {
        satisfies(value, &schema.tree().to_json(), &name)?;
    }
    let Some(wanted) = port.kind.json_type() else {
        return Ok(());
    };
    satisfies(value, &serde_json::json!({ "type": wanted }), &name)
}

pub(super) fn satisfies(value: &Value, schema: &Value, what: &str) -> Result<(), String> {
    let validator = jsonschema::options().build(schema).map_err(|error| format!("the schema of {what}: {error}"))?;
    match validator.iter_errors(value).next() {
        None => Ok(()),
        Some(error) => {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { String::new() } else { format!(" at `{place}`") };
            Err(format!("{what} does not satisfy its schema{place}: {error}"))
        }
    }
}

/// Keeps the ports with the run, and says what they are in the journal's words. They are on the disk when the
/// journal names them.
pub fn keep(file: &Path, values: &Values) -> std::io::Result<Vec<KeptPort>> {
    let text = serde_json::to_vec_pretty(values).map_err(std::io::Error::other)?;
    let mut file = File::create(file)?;
    file.write_all(&text)?;
    file.sync_data()?;
    Ok(named(values))
}

/// The ports in the journal's words.
pub fn named(values: &Values) -> Vec<KeptPort> {
    values.iter().map(|(port, value)| KeptPort { port: port.clone(), digest: digest(value) }).collect()
}

/// Reads the ports that were kept, if they are what the journal says.
pub fn kept(file: &Path, ports: &[KeptPort]) -> Result<Values, String> {
    let text = fs::read(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display()))?;
    let values: Values =
        serde_json::from_slice(&text).map_err(|error| format!("`{}` is damaged: {error}", file.display()))?;
    for port in ports {
        if values.get(&port.port).map(digest).as_ref() != Some(&port.digest) {
            return Err(format!("the port `{}` in `{}` is not what the task left", port.port, file.display()));
        }
    }
    Ok(values)
}

fn digest(value: &Value) -> String {
    Sha256::digest(value.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use std::fs;

    use super::{Fence, MOST_BYTES, Places, Resolved, Values, collect, content, keep, kept};
    use crate::blueprint::read;
    use crate::document::Source;

    /// Collects the output of a task with this `output:` block from a file with this text.
    fn collected(output: &str, left: Option<&str>) -> Result<Values, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!("```yaml\ntask_id: a\nname: a\nrun: x\noutput: {output}\n```\n");
        let (source, _) = Source::from_bytes("t.md", text.into_bytes());
        let reading = read(&source, false);
        let file = folder.path().join("left");
        if let Some(left) = left {
            fs::write(&file, left).expect("write");
        }
        let nowhere = folder.path().join("nowhere");
        let places = Places {
            offered: nowhere,
            declared: Some(file.clone()),
            printed: file,
            is_exchanged: false,
            fence: Fence::default(),
        };
        collect(&reading.draft.tasks[0], &places, &Resolved::default())
    }

    #[test]
    fn f_18_ports_are_read_and_judged() {
        let two = "{location: file, path: /x, ports: {n: {type: integer}, s: {type: string, schema: {minLength: 2}}}}";
        assert_eq!(
            collected(two, Some(r#"{"n": 3, "s": "ab", "more": 1}"#)).map(|values| json!(values)),
            Ok(json!({"n": 3, "s": "ab"}))
        );
        for (left, said) in [
            (None, "there is no `"),
            (Some("nonsense"), "not JSON"),
            (Some(r#"{"n": 3}"#), "has no `s`"),
            (Some(r#"{"n": 3.5, "s": "ab"}"#), "`n` does not satisfy"),
            (Some(r#"{"n": 3, "s": "a"}"#), "`s` does not satisfy"),
        ] {
            assert!(collected(two, left).is_err_and(|error| error.contains(said)), "{left:?}");
        }
    }

    #[test]
    fn f_18_a_task_with_one_port_may_leave_the_bare_value() {
        let one = |kind: &str| format!("{{location: stdout, ports: {{p: {{type: {kind}}}}}}}");
        assert_eq!(collected(&one("integer"), Some("42\n")).map(|values| json!(values)), Ok(json!({"p": 42})));
        assert_eq!(
            collected(&one("text"), Some("so it is\n")).map(|values| json!(values)),
            Ok(json!({"p": "so it is"}))
        );
        assert_eq!(collected(&one("json"), Some(r#"{"p": [1]}"#)).map(|values| json!(values)), Ok(json!({"p": [1]})));
        let fixed = "{location: file, path: /x, ports: {p: {type: string, value: always}}}";
        assert_eq!(collected(fixed, None).map(|values| json!(values)), Ok(json!({"p": "always"})));
        let yaml = "{location: file, path: /x, format: yaml, ports: {p: {type: integer}}}";
        assert_eq!(collected(yaml, Some("p: 7\n")).map(|values| json!(values)), Ok(json!({"p": 7})));
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "1").expect("write");
        std::os::unix::fs::symlink(&target, &link).expect("a link");
        let text = "```yaml\ntask_id: a\nname: a\nrun: x\noutput: {location: file, path: /x, ports: {p: {type: integer}}}\n```\n";
        let (source, _) = Source::from_bytes("t.md", text.as_bytes().to_vec());
        let reading = read(&source, false);
        let places = Places {
            offered: link,
            declared: None,
            printed: "/nowhere".into(),
            is_exchanged: false,
            fence: Fence::default(),
        };
        assert!(collect(&reading.draft.tasks[0], &places, &Resolved::default()).is_err());
    }

    #[test]
    fn what_is_too_large_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("large");
        let file = fs::File::create(&path).expect("a file");
        file.set_len(MOST_BYTES).expect("a hole");
        assert_eq!(content(&Fence::default(), &path).map(|bytes| bytes.len() as u64), Ok(MOST_BYTES));
        file.set_len(MOST_BYTES + 1).expect("a hole");
        assert_eq!(
            content(&Fence::default(), &path).map(|bytes| bytes.len()),
            Err("it cannot be read: it is larger than 16 MiB".to_owned())
        );
    }

    #[test]
    fn what_was_kept_is_what_is_bound() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ports.json");
        let values = Values::from([("p".to_owned(), json!({"a": 1}))]);
        let ports = keep(&file, &values).expect("kept");
        assert_eq!(kept(&file, &ports), Ok(values));
        fs::write(&file, r#"{"p": {"a": 2}}"#).expect("write");
        assert!(kept(&file, &ports).is_err_and(|error| error.contains("not what the task left")));
    }
}
