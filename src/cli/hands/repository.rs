//! The project's repository, as the processes of an agent's task find it.

use outpost_workspace::{Author, Error, Name, Repository, Settings};

use crate::engine::agent::order::Names;
use crate::engine::bench::private;

/// Opens it for a run.
pub(super) fn open(names: &Names) -> Result<Repository, String> {
    let settings = Settings {
        cache: names.cache.clone(),
        run: Name::of(&names.run).map_err(|error| failed(&error))?,
        author: Author { name: "outpost-bp".to_owned(), email: "outpost-bp@localhost".to_owned() },
        git: None,
        path: std::env::var_os("PATH").unwrap_or_default(),
        private: private(),
    };
    Repository::open(&names.project, &settings).map_err(|error| failed(&error))
}

pub(super) fn task(names: &Names) -> Result<Name, String> {
    Name::of(&names.task).map_err(|error| failed(&error))
}

pub(super) fn failed(error: &Error) -> String {
    format!("failed to {error}")
}
