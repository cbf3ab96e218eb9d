//! What an agent may reach behind its sandbox, as far as the document and its inputs say.

use std::path::{Path, PathBuf};

use outpost_executor::Work;

use super::Bench;
use crate::blueprint::TaskIndex;
use crate::blueprint::model::{AgentTerms, BindingSource, SandboxMode};
use crate::document::Text;
use crate::engine::agent::order::Sandbox;
use crate::engine::output::Values;

/// Variables that name files of the store, for who does the work to read.
const HANDED: [&str; 3] = ["OUTPOST_INPUTS", "OUTPOST_LAST_FAILURE", "OUTPOST_RESUME_FROM"];

impl Bench<'_> {
    /// What it runs behind.
    pub(super) fn sandbox(&self, terms: &AgentTerms<'_>) -> Option<Sandbox> {
        let texts = |texts: &[Text<'_>]| texts.iter().map(ToString::to_string).collect();
        let said = terms.sandbox.as_deref();
        let mode = said.map_or(SandboxMode::Auto, |said| said.mode);
        (mode != SandboxMode::None).then(|| Sandbox {
            required: mode == SandboxMode::Require,
            gateway_only: said.is_some_and(|said| said.gateway_only),
            read: said.map(|said| texts(&said.read)).unwrap_or_default(),
            write: said.map(|said| texts(&said.write)).unwrap_or_default(),
            handed: Vec::new(),
            project: self.root.clone(),
            store: self.store().to_owned(),
            trees: self.trees.clone(),
        })
    }

    /// Files that the work names, and those that other tasks hand over by their paths.
    pub(super) fn handed(&self, work: &Work, index: TaskIndex, inputs: &Values) -> Vec<PathBuf> {
        let named = work.env.iter().filter(|(name, _)| HANDED.iter().any(|handed| name == handed));
        let named = named.map(|(_, path)| PathBuf::from(path));
        let paths = self.task(index).bindings.iter().filter(|binding| match &binding.source {
            BindingSource::Path(_) => true,
            BindingSource::Task { port: Some(port), target: Some(target), .. } => {
                let mut ports = self.task(*target).ports().iter();
                ports.any(|known| known.name == *port && known.kind.0.as_str() == "file_path")
            }
            BindingSource::Task { .. } => false,
        });
        let paths = paths.filter_map(|binding| Some(self.root.join(inputs.get(binding.name.as_str())?.as_str()?)));
        let homes: Vec<PathBuf> = std::iter::once(self.root.clone()).chain(self.tree_of(index)).collect();
        named.chain(paths.filter(|path| stays(path, &homes))).filter(|path| path.exists()).collect()
    }
}

/// Whether what lies in one of these folders by its name does so really: it may be a link that an agent made.
fn stays(path: &Path, homes: &[PathBuf]) -> bool {
    let within = |home: &PathBuf| Some(path.canonicalize().ok()?.starts_with(home.canonicalize().ok()?));
    homes.iter().filter(|home| path.starts_with(home)).all(|home| within(home).unwrap_or_default())
}
