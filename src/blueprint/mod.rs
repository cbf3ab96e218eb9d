//! MODEL: a document becomes a [`Blueprint`], or a list of everything that is wrong with it.
//!
//! The story: `read` turns blocks into a [`Draft`] (right or wrong), `check` judges what only the
//! whole can show, and
//! [`Reading::into_blueprint`] gives a `Blueprint` when no error is left. A `Blueprint` that
//! exists is valid: ids are unique, references resolve, and its tasks can be put in order.

pub mod capability;
mod check;
pub mod checksum;
pub mod duration;
pub mod format;
mod mend;
pub mod model;
mod read;
pub mod schema;
pub mod secret;
pub mod shape;
pub mod site;
pub mod status;
pub mod statuses;
pub mod variable;

pub use check::links::{Links, Need, NeedKind};
pub use mend::{Mended, mend};
pub use model::{Draft, TaskIndex};
pub use status::Status;

use sha2::{Digest, Sha256};

use crate::diagnostic::{Code, Diagnostic, Severity, nearest, sort};
use crate::document::{Document, Source};

/// Everything a document says and everything that is wrong with it.
#[derive(Debug)]
pub struct Reading<'s> {
    pub draft: Draft<'s>,
    /// Who needs whom, as far as references resolve.
    pub links: Links,
    /// Sorted by place.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a document and reports all of its problems. `strict` turns warnings into errors.
pub fn read(source: &Source, strict: bool) -> Reading<'_> {
    let mut found = read::read(Document::read(source), strict);
    let links = check::check(&mut found, source);
    let mut diagnostics = found.problems;
    if strict {
        for diagnostic in &mut diagnostics {
            if diagnostic.severity == Severity::Warning {
                diagnostic.severity = Severity::Error;
            }
        }
    }
    sort(&mut diagnostics);
    Reading { draft: found.draft, links, diagnostics }
}

/// A valid blueprint.
#[derive(Debug)]
pub struct Blueprint<'s> {
    draft: Draft<'s>,
    links: Links,
}

impl<'s> std::ops::Deref for Blueprint<'s> {
    type Target = Draft<'s>;

    fn deref(&self) -> &Draft<'s> {
        &self.draft
    }
}

impl Blueprint<'_> {
    pub const fn links(&self) -> &Links {
        &self.links
    }
}

impl<'s> Reading<'s> {
    pub fn is_valid(&self) -> bool {
        !self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The blueprint, if nothing is wrong with it, and the remaining diagnostics.
    pub fn into_blueprint(self) -> (Option<Blueprint<'s>>, Vec<Diagnostic>) {
        let valid = self.is_valid();
        let blueprint = valid.then_some(Blueprint { draft: self.draft, links: self.links });
        (blueprint, self.diagnostics)
    }
}

/// The digest that names a version of a document: SHA-256 of its bytes.
pub fn digest(source: &Source) -> String {
    format!("sha256:{}", checksum::hex(&Sha256::digest(source.text().as_bytes())))
}

/// The digest that names a version of a task: SHA-256 of its YAML, and of its whole section where an alias may
/// stand for text outside of it.
pub fn task_digest(source: &Source, task: &model::Task<'_>) -> String {
    let own = source.slice(task.span);
    let text = if may_hold_alias(own) { source.slice(task.section) } else { own };
    format!("sha256:{}", checksum::hex(&Sha256::digest(text.as_bytes())))
}

/// Whether a `*` stands where a value may begin. It may be no alias: that only makes the digest change more often.
fn may_hold_alias(text: &str) -> bool {
    text.match_indices('*').any(|(at, _)| {
        let before = text[..at].trim_end();
        before.is_empty() || before.ends_with([':', '-', ',', '[', '{', '?'])
    })
}

/// The longest id of a task.
pub const MAX_ID_BYTES: usize = 128;

/// Why a text cannot be a task's id. Ids become file names, environment values and arguments.
pub fn id_problem(id: &str) -> Result<(), &'static str> {
    if id.is_empty() {
        return Err("it is empty");
    }
    if id.len() > MAX_ID_BYTES {
        return Err("it is longer than 128 characters");
    }
    if !id.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err("it does not start with a letter or digit");
    }
    if !id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
        return Err("it holds something other than letters, digits, `.`, `-` and `_`");
    }
    if id.ends_with('.') || id.contains("..") {
        return Err("its dots separate nothing");
    }
    Ok(())
}

/// The executor of a task that names none: its assignee, the document's, or the shell's.
pub fn executor<'a>(draft: &'a Draft<'_>, index: TaskIndex) -> &'a str {
    let task = draft.task(index);
    if let Some(executor) = task.executor() {
        return executor;
    }
    // An assignee may be a person's name; it chooses an executor only if it is one.
    if let Some(assignee) = task.assignee().filter(|name| format::EXECUTORS.contains(&name.as_str())) {
        return assignee;
    }
    if let Some(executor) = &draft.execution.executor {
        return executor;
    }
    "shell"
}

/// The agent that does a task, if one does: here, or on the fleet of a service.
pub fn agent<'a>(draft: &'a Draft<'_>, index: TaskIndex) -> Option<&'a str> {
    let executor = executor(draft, index);
    if executor != "outpost" {
        return Some(executor).filter(|name| !format::NO_AGENTS.contains(name));
    }
    let task = draft.task(index);
    let own = task.agent().and_then(|terms| terms.name.as_ref());
    // What is said for all tasks is for those that have no command.
    own.or_else(|| draft.execution.agent.name.as_ref().filter(|_| task.run.is_none())).map(|name| name.as_str())
}

/// The terms on which an agent does a task: its own, and the document's where it says nothing.
pub fn agent_terms<'s>(draft: &Draft<'s>, index: TaskIndex) -> model::AgentTerms<'s> {
    let all = &draft.execution.agent;
    draft.task(index).agent().map_or_else(|| all.clone(), |own| own.over(all))
}

/// Whether a task is done in a tree of its own, out of which its work has to land.
pub fn is_isolated(draft: &Draft<'_>, index: TaskIndex) -> bool {
    if agent(draft, index).is_some() {
        return agent_terms(draft, index).is_isolated();
    }
    let own = draft.task(index).context.as_ref().and_then(|context| context.isolation.as_ref());
    let isolation = own.map(|(isolation, _)| *isolation).or(draft.execution.isolation);
    executor(draft, index) == "shell" && isolation == Some(model::Isolation::Worktree)
}

/// Whether nobody is named to do a task's work: it is complete when its verification passes.
pub fn is_verify_only(draft: &Draft<'_>, index: TaskIndex) -> bool {
    draft.task(index).run.is_none() && matches!(executor(draft, index), "shell" | "ssm")
}

/// The diagnostic for a word that is near one of the known executors but is none.
fn misspelt_executor(name: &crate::document::Text<'_>) -> Option<Diagnostic> {
    if format::EXECUTORS.contains(&name.as_str()) {
        return None;
    }
    let meant = nearest(name, format::EXECUTORS.iter().copied())?;
    Some(
        Diagnostic::new(Code::UnknownExecutor, name.span, format!("`{name}` is no executor of this tool"))
            .label(format!("did you mean `{meant}`?"))
            .help(format!(
                "the executors are {}; other names need a definition file",
                shape::choices(format::EXECUTORS)
            )),
    )
}
