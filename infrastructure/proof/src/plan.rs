//! A plan of Terraform's, as `terraform show -json` writes it: what there will be, and what is to change.
//!
//! What Terraform learns only while it applies is not in it.

use serde::Deserialize;
use serde_json::Value;

/// What there will be.
#[derive(Clone, Debug, Deserialize)]
pub struct Resource {
    /// `module.sqs.aws_sqs_queue.lane["free"]`
    pub address: String,
    #[serde(rename = "type")]
    pub kind: String,
    mode: String,
    #[serde(default)]
    pub values: Value,
}

impl Resource {
    /// The outermost module: `sqs`; empty for what is in none.
    #[must_use]
    pub fn module(&self) -> &str {
        module(&self.address)
    }

    /// A number of its own, 0 where there is none.
    #[must_use]
    pub fn number(&self, key: &str) -> f64 {
        let value = &self.values[key];
        value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0.0)
    }

    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        self.values[key].as_str().unwrap_or_default()
    }
}

/// The outermost module of an address.
#[must_use]
pub fn module(address: &str) -> &str {
    let Some(rest) = address.strip_prefix("module.") else { return "" };
    &rest[..rest.find(['.', '[']).unwrap_or(rest.len())]
}

#[derive(Clone, Debug, Deserialize)]
struct Module {
    #[serde(default)]
    resources: Vec<Resource>,
    #[serde(default)]
    child_modules: Vec<Self>,
}

#[derive(Debug, Deserialize)]
struct Planned {
    root_module: Module,
}

/// What is to change.
#[derive(Clone, Debug, Deserialize)]
pub struct Change {
    pub address: String,
    change: Actions,
}

#[derive(Clone, Debug, Deserialize)]
struct Actions {
    actions: Vec<String>,
}

impl Change {
    /// `update`, `delete`, `delete create`, …; empty where all stays as it is.
    #[must_use]
    pub fn action(&self) -> String {
        let done = |action: &&String| !matches!(action.as_str(), "no-op" | "read");
        self.change.actions.iter().filter(done).map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

#[derive(Debug, Deserialize)]
pub struct Plan {
    planned_values: Planned,
    #[serde(default)]
    resource_changes: Vec<Change>,
}

impl Plan {
    pub fn read(json: &str) -> Result<Self, String> {
        serde_json::from_str(json)
            .map_err(|error| format!("this is no plan as `terraform show -json` writes it: {error}"))
    }

    /// All that Terraform will keep, in the order of their modules.
    #[must_use]
    pub fn resources(&self) -> Vec<&Resource> {
        fn walk<'a>(module: &'a Module, found: &mut Vec<&'a Resource>) {
            found.extend(module.resources.iter().filter(|resource| resource.mode == "managed"));
            module.child_modules.iter().for_each(|module| walk(module, found));
        }
        let mut found = Vec::new();
        walk(&self.planned_values.root_module, &mut found);
        found
    }

    /// What does not stay as it is.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.resource_changes.iter().filter(|change| !change.action().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_begins_with_its_module() {
        for (address, name) in [
            ("module.sqs.aws_sqs_queue.lane[\"free\"]", "sqs"),
            ("module.vpc[0].aws_vpc.this", "vpc"),
            ("module.ecs.module.autoscaling.aws_x.y", "ecs"),
            ("aws_x.y", ""),
        ] {
            assert_eq!(module(address), name, "{address}");
        }
    }

    #[test]
    fn resources_of_all_modules_are_found_and_data_is_not() {
        let text = r#"{"planned_values": {"root_module": {
            "resources": [{"address": "data.a.b", "type": "a", "mode": "data"}],
            "child_modules": [{"child_modules": [{"resources": [
                {"address": "module.m.module.n.c.d", "type": "c", "mode": "managed", "values": {"n": "7", "m": 2}}]}]}]}},
            "resource_changes": [{"address": "x", "change": {"actions": ["no-op"]}},
                                 {"address": "y", "change": {"actions": ["delete", "create"]}}]}"#;
        let plan = Plan::read(text).expect("a plan");
        let found = plan.resources();
        assert_eq!((found.len(), found[0].module(), found[0].number("n"), found[0].number("m")), (1, "m", 7.0, 2.0));
        let changes: Vec<_> = plan.changes().map(|change| (change.address.as_str(), change.action())).collect();
        assert_eq!(changes, [("y", "delete create".to_owned())]);
        assert!(Plan::read("{}").is_err());
    }
}
