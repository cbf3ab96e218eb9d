//! What `${…}` in a path stands for while a task runs.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::secret::Resolved;
use crate::blueprint::variable;

/// What `${executor_id}` stands for: who carries a blueprint out.
pub const EXECUTOR: &str = "outpost-bp";

/// The values of the format's variables for one attempt.
#[derive(Clone, Debug)]
pub struct Variables<'a> {
    pub task: &'a str,
    pub blueprint: &'a str,
    pub root: Cow<'a, Path>,
    pub directory: PathBuf,
    /// Seconds since 1970.
    pub seconds: u64,
    /// What a binding takes: its source and the port, for paths of its fallback.
    pub bound: Option<(&'a str, &'a str)>,
}

impl Variables<'_> {
    /// Name and value of each, as commands get them in their environment.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let timestamp = jiff::Timestamp::from_second(i64::try_from(self.seconds).unwrap_or(i64::MAX));
        let mut pairs = vec![
            ("task_id", self.task.to_owned()),
            ("blueprint_id", self.blueprint.to_owned()),
            ("blueprint_root", self.root.display().to_string()),
            ("working_directory", self.directory.display().to_string()),
            ("timestamp", timestamp.map_or_else(|_| self.seconds.to_string(), |time| time.to_string())),
            ("timestamp_unix", self.seconds.to_string()),
            ("executor_id", EXECUTOR.to_owned()),
        ];
        pairs.extend(self.bound.iter().flat_map(|(source, port)| {
            [("source_task_id", (*source).to_owned()), ("output_port", (*port).to_owned())]
        }));
        pairs
    }

    /// A path of the document with its variables replaced; relative ones begin in the working directory.
    pub fn path(&self, text: &str) -> PathBuf {
        self.directory.join(self.replace(text))
    }

    /// `check` has made sure that every name exists and every brace closes.
    pub fn replace(&self, text: &str) -> String {
        let filled = self.fill(text, &Resolved::default());
        // Without secrets all of it is text.
        filled.into_string().unwrap_or_else(|filled| filled.to_string_lossy().into_owned())
    }

    /// A value for an environment: variables and secrets replaced. What they hold is not looked into again.
    pub fn fill(&self, text: &str, secrets: &Resolved) -> OsString {
        let pairs = self.pairs();
        OsString::from_vec(variable::rewritten(text, unescaped, |reference| {
            let variable = pairs.iter().find(|(name, _)| *name == reference.name);
            let secret = || reference.secret().and_then(|(name, default)| secrets.value(name, default));
            variable.map(|(_, value)| value.clone().into_bytes()).or_else(secret)
        }))
    }
}

/// `$${…}` and `\${…}` stand for `${…}` itself.
fn unescaped(text: &str) -> String {
    text.replace("$${", "${").replace("\\${", "${")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Variables;

    #[test]
    fn f_33_paths_get_their_variables() {
        let variables = Variables {
            task: "T0.1",
            blueprint: "bp",
            root: Path::new("/project").into(),
            directory: "/project/src".into(),
            seconds: 0,
            bound: Some(("T0.0", "n")),
        };
        for (text, path) in [
            ("/tmp/${task_id}/x-${timestamp_unix}.json", "/tmp/T0.1/x-0.json"),
            ("out/${blueprint_id}", "/project/src/out/bp"),
            ("/tmp/${source_task_id}/${output_port}.json", "/tmp/T0.0/n.json"),
            ("${blueprint_root}/$${task_id}/\\${x}", "/project/${task_id}/${x}"),
        ] {
            assert_eq!(variables.path(text), Path::new(path), "{text}");
        }
        assert!(variables.pairs().contains(&("timestamp", "1970-01-01T00:00:00Z".to_owned())));
    }
}
