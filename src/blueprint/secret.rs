//! Where a blueprint refers to secrets: in values that are filled in, and in commands. Prose does not count.

use std::collections::BTreeSet;

use super::model::{AuthKind, Context, Draft, Execution, Recipient, SecretMissing, Task};
use super::variable::references;
use crate::document::Text;

/// A reference to a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    pub name: String,
    /// What stands in for a secret that nobody has.
    pub default: Option<String>,
}

/// The references of a task, each once.
pub fn of_task(task: &Task<'_>) -> BTreeSet<Use> {
    let mut uses = BTreeSet::new();
    let context = task.context.as_deref();
    let texts = [
        task.run.as_ref(),
        context.and_then(|context| context.setup_command.as_ref()),
        task.rollback.as_ref().and_then(|rollback| rollback.command.as_ref()),
        task.on_success(),
    ];
    let values = context.into_iter().flat_map(environment);
    let verifications = task.verification.iter().map(|stage| &stage.command);
    for text in texts.into_iter().flatten().chain(values).chain(verifications) {
        add(text, &mut uses);
    }
    uses.extend(of_network(task));
    uses.extend(of_gate(task));
    uses
}

/// Those of sending its output, and of fetching it.
pub fn of_network(task: &Task<'_>) -> BTreeSet<Use> {
    let network = task.output.as_ref().and_then(|output| output.network.as_ref());
    network.and_then(|network| network.auth.as_ref()?.secret.as_ref()).map_or_else(BTreeSet::new, |text| of_text(text))
}

/// The names of those that are pairs of AWS keys.
pub fn of_keys(draft: &Draft<'_>) -> BTreeSet<String> {
    let networks = draft.tasks.iter().filter_map(|task| task.output.as_ref()?.network.as_ref()?.auth.as_ref());
    let texts = networks.filter(|auth| auth.kind == AuthKind::Aws).filter_map(|auth| auth.secret.as_ref());
    texts.flat_map(|text| of_text(text)).map(|one| one.name).collect()
}

/// Those of telling people about a task's gate.
pub fn of_gate(task: &Task<'_>) -> BTreeSet<Use> {
    let mut uses = BTreeSet::new();
    for notice in task.gate.iter().flat_map(|gate| &gate.notify) {
        add_recipient(&notice.to, &mut uses);
    }
    uses
}

/// Those of one command of a task, and of the environment that it gets.
pub fn of_command(task: &Task<'_>, command: &str) -> BTreeSet<Use> {
    let mut uses = of_text(command);
    task.context.iter().flat_map(|context| environment(context)).for_each(|value| add(value, &mut uses));
    uses
}

/// The values of the environment of a task's commands, and of their container.
fn environment<'t, 's>(context: &'t Context<'s>) -> impl Iterator<Item = &'t Text<'s>> {
    let contained = context.container.iter().flat_map(|container| container.env.iter());
    context.environment.iter().chain(contained).map(|(_, value)| value)
}

/// Those of the settings, with the variables of the environment that was chosen.
pub fn of_settings(execution: &Execution<'_>, variables: &[(String, String)]) -> BTreeSet<Use> {
    let mut uses = BTreeSet::new();
    for check in &execution.preflight {
        add(&check.command, &mut uses);
    }
    execution.hooks.iter().for_each(|hook| add(&hook.command, &mut uses));
    variables.iter().for_each(|(_, value)| add(value, &mut uses));
    for notice in &execution.notify {
        add_recipient(&notice.to, &mut uses);
    }
    if let Some(mail) = &execution.mail_server {
        [Some(&mail.url), mail.username.as_ref(), mail.password.as_ref()]
            .into_iter()
            .flatten()
            .for_each(|text| add(text, &mut uses));
    }
    if let Some(key) = execution.storage.as_ref().and_then(|storage| storage.kms_key.as_ref()) {
        add(key, &mut uses);
    }
    uses
}

/// Whether a task is skipped where one of its secrets is missing.
pub fn may_skip(execution: &Execution<'_>, task: &Task<'_>) -> bool {
    let skips = execution.secrets.as_ref().is_some_and(|policy| policy.on_missing == SecretMissing::SkipTask);
    skips && of_task(task).iter().any(|one| one.default.is_none())
}

/// The references of a text.
pub fn of_text(text: &str) -> BTreeSet<Use> {
    let mut uses = BTreeSet::new();
    add(text, &mut uses);
    uses
}

fn add(text: &str, uses: &mut BTreeSet<Use>) {
    let references = references(text).filter_map(|reference| reference.secret());
    uses.extend(references.map(|(name, default)| Use { name: name.to_owned(), default: default.map(str::to_owned) }));
}

fn add_recipient(to: &Recipient<'_>, uses: &mut BTreeSet<Use>) {
    let texts = [to.recipient.as_ref(), to.url.as_ref(), to.secret.as_ref(), to.command.as_ref()];
    let headers = to.headers.iter().map(|(_, value)| value);
    texts.into_iter().flatten().chain(headers).for_each(|text| add(text, uses));
}
