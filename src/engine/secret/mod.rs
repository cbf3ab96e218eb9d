//! Secrets: what the sources of a document say, and what of it reaches commands.
//!
//! The story: [`resolve`] asks the sources in their order, each once and only for names that nobody had before it,
//! and [`Resolved`] holds what they said, in memory only. A value is filled into the environment; a command gets a
//! reference to a variable instead, so that no value is ever part of a command line. Whatever a secret may slip into
//! goes through [`Resolved::clean`]. [`probe`](probe::probe) tells what is here without reading a value.

mod env;
mod file;
pub mod probe;
mod resolved;
#[cfg(feature = "aws")]
mod ssm;
#[cfg(test)]
mod tests;
mod vault;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use crate::blueprint::model::{SecretPolicy, SecretSourceKind};

pub use probe::{Standing, probe};
pub use resolved::Resolved;
pub use vault::standing as vault_standing;

/// A name and its value.
pub type Pair = (String, Vec<u8>);

/// What the sources said.
#[derive(Default)]
pub struct Answer {
    pub found: Vec<Pair>,
    /// What no source has.
    pub missing: BTreeSet<String>,
    /// What kept a source from answering. Nobody is hurt by it while nothing is missing.
    pub troubles: Vec<String>,
    /// What a person should know in any case.
    pub remarks: Vec<String>,
}

/// Names only.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let found: Vec<&str> = self.found.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Answer")
            .field("found", &found)
            .field("missing", &self.missing)
            .field("troubles", &self.troubles)
            .field("remarks", &self.remarks)
            .finish()
    }
}

/// What a source is asked with: the names, and the place it is asked from.
struct Question<'q> {
    names: &'q BTreeSet<String>,
    /// Where relative paths begin.
    root: &'q Path,
    /// The runner's environment.
    variable: &'q dyn Fn(&str) -> Option<OsString>,
}

/// What a source has of that.
type Found = Result<Vec<Pair>, String>;

/// Asks the sources of the document for these names; the environment where it has none.
pub fn resolve(
    names: BTreeSet<String>,
    policy: Option<&SecretPolicy<'_>>,
    root: &Path,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Answer {
    let mut answer = Answer { missing: names, ..Answer::default() };
    for source in SecretPolicy::sources_or_env(policy) {
        if answer.missing.is_empty() {
            break;
        }
        let question = Question { names: &answer.missing, root, variable };
        let found = match source.kind {
            SecretSourceKind::Env => Ok(env::ask(source, &question)),
            SecretSourceKind::File => file::ask(source, &question, &mut answer.remarks),
            SecretSourceKind::Vault => waited_for(vault::ask(source, &question)),
            #[cfg(feature = "aws")]
            SecretSourceKind::AwsSsm => waited_for(ssm::ask(source, &question)),
            #[cfg(not(feature = "aws"))]
            SecretSourceKind::AwsSsm => {
                Err("aws_ssm: this build has no AWS: build it with `--features aws`".to_owned())
            }
        };
        match found {
            Ok(pairs) => {
                // What is empty is not there: where a secret is missing, many set it to nothing.
                for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
                    if value.len() > outpost_executor::LONGEST {
                        answer.troubles.push(too_long(&name));
                    } else if answer.missing.remove(&name) {
                        answer.found.push((name, value));
                    }
                }
            }
            Err(trouble) => answer.troubles.push(trouble),
        }
    }
    answer
}

fn too_long(name: &str) -> String {
    let most = outpost_executor::LONGEST >> 10;
    format!("`{name}` is larger than {most} KiB: hand it over as a file, and its path as a variable")
}

/// A source that is asked over a network, before there is a loop to wait in.
fn waited_for(asked: impl Future<Output = Found>) -> Found {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("the event loop: {error}"))?.block_on(asked)
}
