//! What a blueprint says about machines that Systems Manager reaches.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where work goes and how. Everything has a default but the targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// As the machine says (environment, profile) if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// In the place of AWS: an emulator, or an address inside of a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// One whose parameters are those of `AWS-RunShellScript`.
    #[serde(default = "document")]
    pub document: String,
    pub targets: Targets,
    /// The folder in which work runs on a target, in the place of the one that the work names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Where a target keeps what tells that a token was there.
    #[serde(default = "state_directory")]
    pub state_directory: String,
    /// Seconds until a machine has taken a command; 30 at least.
    #[serde(default = "delivery_timeout")]
    pub delivery_timeout: u32,
    /// Seconds that AWS may be out of reach before nobody can say how work ended.
    #[serde(default = "patience")]
    pub patience: u32,
    /// How much of the output comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Store>,
    /// Of many targets, so many at once: a number or a percentage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<String>,
    /// How many may fail before no more are begun: a number or a percentage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_errors: Option<String>,
    /// Whether work is held together by a cgroup of its own where the target has the means.
    #[serde(default = "yes")]
    pub contain: bool,
    /// Whether secrets may be part of a command's parameters, which AWS shows for thirty days to whoever may list commands.
    #[serde(default)]
    pub send_secrets: bool,
}

/// Which machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// 50 at most.
    Instances(Vec<String>),
    /// Those that have all of these tags, each with one of its values; five tags at most.
    Tags(Vec<Tag>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    pub name: String,
    pub values: Vec<String>,
}

/// Where a machine leaves output that is longer than the 24,000 characters which Systems Manager keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    pub bucket: String,
    #[serde(default)]
    pub prefix: String,
}

fn document() -> String {
    "AWS-RunShellScript".to_owned()
}

fn state_directory() -> String {
    "/var/lib/outpost".to_owned()
}

const fn delivery_timeout() -> u32 {
    600
}

const fn patience() -> u32 {
    900
}

const fn yes() -> bool {
    true
}

/// A tag is asked for with so many at most.
const MOST_TAGS: usize = 5;
const MOST_INSTANCES: usize = 50;

impl Settings {
    /// The defaults, for these machines.
    pub fn for_targets(targets: Targets) -> Self {
        Self {
            region: None,
            profile: None,
            endpoint: None,
            document: document(),
            targets,
            directory: None,
            state_directory: state_directory(),
            delivery_timeout: delivery_timeout(),
            patience: patience(),
            output: None,
            max_concurrency: None,
            max_errors: None,
            contain: true,
            send_secrets: false,
        }
    }

    /// All that is wrong with them, each with the way out; nothing if they are fine.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        match &self.targets {
            Targets::Instances(ids) if ids.is_empty() => problems.push("`instances` names no machine".to_owned()),
            Targets::Instances(ids) if ids.len() > MOST_INSTANCES => {
                problems.push(format!("`instances` names {}, AWS takes {MOST_INSTANCES}: use `tags`", ids.len()));
            }
            Targets::Instances(ids) => {
                let is_id = |id: &str| {
                    let rest = id.strip_prefix("i-").or_else(|| id.strip_prefix("mi-")).unwrap_or_default();
                    matches!(rest.len(), 8 | 17) && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
                };
                for id in ids.iter().filter(|id| !is_id(id)) {
                    problems
                        .push(format!("`{id}` is no id of a machine: `i-` or `mi-` and 8 or 17 hexadecimal digits"));
                }
            }
            Targets::Tags(tags) => {
                if tags.is_empty() || tags.len() > MOST_TAGS {
                    problems.push(format!("`tags` names {}: between 1 and {MOST_TAGS} are taken", tags.len()));
                }
                for tag in tags.iter().filter(|tag| tag.name.is_empty() || tag.values.is_empty()) {
                    problems.push(format!("the tag `{}` needs a name and at least one value", tag.name));
                }
            }
        }
        if !self.state_directory.starts_with('/') {
            problems.push(format!("`state_directory` is `{}`: it has to be absolute", self.state_directory));
        }
        if !(30..=2_592_000).contains(&self.delivery_timeout) {
            problems.push(format!(
                "`delivery_timeout` is {}: between 30 seconds and 30 days are taken",
                self.delivery_timeout
            ));
        }
        problems
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{Settings, Targets};

    #[test]
    fn little_has_to_be_said() {
        let settings: Settings =
            serde_json::from_str(r#"{"targets": {"instances": ["i-0123456789abcdef0"]}}"#).expect("settings");
        assert_eq!(settings, Settings::for_targets(Targets::Instances(vec!["i-0123456789abcdef0".into()])));
        assert_eq!(settings.problems(), [""; 0]);
        let again = serde_json::to_string(&settings).expect("plain data");
        assert_eq!(serde_json::from_str::<Settings>(&again).expect("what was written"), settings);
        let tags = r#"{"targets": {"tags": [{"name": "role", "values": ["web", "worker"]}]}}"#;
        assert_eq!(serde_json::from_str::<Settings>(tags).expect("settings").problems(), [""; 0]);
        assert!(serde_json::from_str::<Settings>(r#"{"targets": {"tags": []}, "regoin": "x"}"#).is_err());
    }

    #[test]
    fn what_is_wrong_is_said_at_once() {
        let mut settings = Settings::for_targets(Targets::Instances(vec!["web-1".into(), "i-0$(x)".into()]));
        settings.state_directory = "outpost".into();
        settings.delivery_timeout = 5;
        assert_eq!(settings.problems().len(), 4, "{:?}", settings.problems());
        for targets in [Targets::Instances(Vec::new()), Targets::Tags(Vec::new())] {
            assert_eq!(Settings::for_targets(targets).problems().len(), 1);
        }
    }
}
