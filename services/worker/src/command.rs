//! A command in place of an agent: in the same tree, behind the same walls, with an environment made from nothing.
//!
//! It finds its inputs in `OUTPOST_INPUTS` (a JSON file) and in `OUTPOST_INPUT_<NAME>`, and may leave values in the file
//! that `OUTPOST_OUTPUT` names. Data never becomes words of a command.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read as _;
use std::process::Command;

use outpost_core::spec::{Port, PortKind};
use outpost_executor::{Limit, Resource, Work};
use outpost_sandbox::{Network, Policy};
use serde_json::{Map, Value};

use crate::attempt::Attempt;
use crate::files;
use crate::settings::Walls;

const INPUTS: &str = "inputs.json";
const OUTPUT: &str = "output.json";
/// The largest file of values.
const LONGEST: u64 = 64 << 10;

impl Attempt<'_> {
    /// The command of the job, as it is started; an error is the worker's own.
    pub(crate) fn command_work(&self) -> Result<Work, String> {
        let spec = self.spec();
        let asked = spec.command.as_ref().ok_or("the job has no command")?;
        let (program, args) = asked.argv.split_first().ok_or("the command has no words")?;
        let inputs = self.place.io().join(INPUTS);
        let text = serde_json::to_vec_pretty(&spec.inputs).map_err(|error| error.to_string())?;
        std::fs::write(&inputs, text).map_err(|error| format!("its inputs could not be written: {error}"))?;
        let mut env = self.plain_environment();
        env.extend(spec.env.iter().map(|(name, value)| (name.into(), value.into())));
        env.insert("OUTPOST_INPUTS".into(), inputs.into());
        env.insert("OUTPOST_OUTPUT".into(), self.place.io().join(OUTPUT).into());
        for (name, value) in &spec.inputs {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            if let Some(name) = variable(name)
                && !text.contains('\0')
            {
                env.insert(name.into(), text.into());
            }
        }
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(env).current_dir(self.place.tree());
        let command = self.behind_walls(command)?;
        let mut work = self.work("work", command.get_program());
        work.args = command.get_args().map(Into::into).collect();
        work.env = command.get_envs().filter_map(|(name, value)| Some((name.into(), value?.into()))).collect();
        work.dir = self.place.tree();
        work.stdin = Some(asked.stdin.clone().into_bytes());
        work.limits = self.limits();
        Ok(work)
    }

    /// What every process of a job has around it.
    pub(crate) fn plain_environment(&self) -> BTreeMap<OsString, OsString> {
        let job = self.claim.job();
        let mut env: BTreeMap<OsString, OsString> = BTreeMap::new();
        env.insert("PATH".into(), Self::path_variable());
        env.insert("LANG".into(), "C.UTF-8".into());
        env.insert("HOME".into(), self.place.home().into());
        env.insert("TMPDIR".into(), self.place.temporary().into());
        env.insert("CI".into(), "1".into());
        env.insert("OUTPOST_JOB".into(), job.id.as_str().into());
        env.insert("OUTPOST_ATTEMPT".into(), self.claim.epoch().to_string().into());
        env
    }

    /// Limits that hold for each process by itself, whatever walls there are.
    pub(crate) fn limits(&self) -> Vec<Limit> {
        let disk = self.worker.settings.bounds.disk(self.claim.job().lane);
        vec![Limit { resource: Resource::Core, most: 0 }, Limit { resource: Resource::FileSize, most: disk }]
    }

    fn behind_walls(&self, command: Command) -> Result<Command, String> {
        let fence = self.worker.settings.fence;
        if fence.walls == Walls::Off || (fence.walls == Walls::Preferred && !self.worker.layers.hold_files()) {
            return Ok(command);
        }
        let mut policy = Policy::new(self.place.tree(), self.place.home());
        policy.read_write = vec![self.place.io()];
        policy.network = if fence.gateway_only { Network::Off } else { Network::On };
        let required = fence.walls == Walls::Required;
        self.worker.layers.wrap(&policy, &command, required).map_err(|error| format!("failed to {error}"))
    }

    /// The values that the command left, held to the ports of the job.
    pub(crate) fn command_outputs(&self) -> Result<Map<String, Value>, String> {
        let ports = &self.spec().ports;
        let file = match files::below(&self.place.io(), OUTPUT) {
            Ok(file) => file,
            Err(_) if ports.iter().all(|port| port.optional) => return Ok(Map::new()),
            Err(error) => return Err(format!("the file in `OUTPOST_OUTPUT` cannot be read: {error}")),
        };
        let mut text = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
        if text.len() as u64 > LONGEST {
            return Err(format!("the file in `OUTPOST_OUTPUT` has more than {LONGEST} bytes"));
        }
        let text = String::from_utf8(text).map_err(|_| "the file in `OUTPOST_OUTPUT` is no text".to_owned())?;
        let text = self.redaction.as_ref().map_or_else(|| text.clone(), |redaction| redaction.text(&text));
        let values: Map<String, Value> = serde_json::from_str(&text)
            .map_err(|error| format!("the file in `OUTPOST_OUTPUT` is no JSON object: {error}"))?;
        judged(values, ports)
    }
}

/// Of these values, those that were asked for; all that have to be there, and of their kinds.
fn judged(mut values: Map<String, Value>, ports: &[Port]) -> Result<Map<String, Value>, String> {
    // A job that asks for nothing by name takes what it gets.
    if ports.is_empty() {
        return Ok(values);
    }
    values.retain(|name, _| ports.iter().any(|port| port.name == *name));
    for port in ports {
        let name = &port.name;
        match values.get(name) {
            None if !port.optional => return Err(format!("the command left no output `{name}`")),
            Some(value) if !takes(port.kind, value) => {
                return Err(format!("the output `{name}` of the command is not of its kind"));
            }
            _ => {}
        }
    }
    Ok(values)
}

fn takes(kind: PortKind, value: &Value) -> bool {
    match kind {
        PortKind::String | PortKind::Path => value.is_string(),
        PortKind::Integer => value.is_i64() || value.is_u64(),
        PortKind::Number => value.is_number(),
        PortKind::Boolean => value.is_boolean(),
        PortKind::Json => true,
    }
}

/// What an input is called as a variable, if its name can be one.
fn variable(name: &str) -> Option<String> {
    let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    fits.then(|| format!("OUTPOST_INPUT_{}", name.to_ascii_uppercase().replace(['-', '.'], "_")))
}

#[cfg(test)]
mod tests {
    use outpost_core::spec::{Port, PortKind};
    use serde_json::{Map, Value, json};

    use super::{judged, variable};

    fn values(value: &Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn values_are_held_to_their_ports() {
        let port = |name: &str, kind, optional| Port { name: name.into(), kind, description: String::new(), optional };
        let ports = [port("n", PortKind::Integer, false), port("s", PortKind::String, true)];
        assert_eq!(judged(values(&json!({"n": 1, "x": 2})), &ports), Ok(values(&json!({"n": 1}))));
        assert!(judged(values(&json!({"s": "a"})), &ports).is_err());
        assert!(judged(values(&json!({"n": "1"})), &ports).is_err());
        assert!(judged(values(&json!({"n": 1, "s": 2})), &ports).is_err());
        assert_eq!(judged(values(&json!({"any": [1]})), &[]), Ok(values(&json!({"any": [1]}))));
    }

    #[test]
    fn inputs_become_variables_where_they_can() {
        assert_eq!(variable("a-b.c").as_deref(), Some("OUTPOST_INPUT_A_B_C"));
        assert_eq!(variable("a=b"), None);
    }
}
