//! Which agents there are here, and what keeps one from being asked.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use outpost_agent::attempt::program;
use outpost_agent::definition::{Definition, DefinitionError, Definitions};
use outpost_workspace::{Branch, Name};

use super::prepare::MOST;
use crate::blueprint::capability::{Range, Requirement, Version};
use crate::blueprint::{Blueprint, TaskIndex};
use crate::engine::agent;
use crate::engine::capability::{self, Outcome};
use crate::report::progress::ids;
use crate::run::{Run, Stage};

/// The built-in definitions and the user's own.
pub(super) struct Hired(Result<Definitions, DefinitionError>);

/// What is here of an agent.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) name: String,
    /// The file of its definition.
    pub(super) origin: String,
    pub(super) program: Option<PathBuf>,
    pub(super) version: Option<String>,
    /// How it reaches its model.
    pub(super) way: String,
    /// Why it cannot be asked.
    pub(super) lacking: Option<String>,
}

fn own(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

impl Hired {
    pub(super) fn here() -> Self {
        Self(Definitions::load(agent::definitions(own).as_deref()))
    }

    /// All definitions; or every fault of them.
    pub(super) fn definitions(&self) -> Result<&Definitions, String> {
        self.0.as_ref().map_err(ToString::to_string)
    }

    /// What is here of each agent, in the order of their names.
    pub(super) fn all(&self) -> Result<Vec<Found>, String> {
        let definitions = self.definitions()?;
        let all: Vec<&Definition> = definitions.names().filter_map(|name| definitions.get(name)).collect();
        let programs: Vec<Option<PathBuf>> = all.iter().map(|definition| program(definition, &own).ok()).collect();
        // By the names that `PATH` knows: a program elsewhere is not asked for its version.
        let names: Vec<&str> = all.iter().map(|one| one.detect.bin.first().map_or("", String::as_str)).collect();
        let range = Range::AtLeast(Version::default());
        let asked: Vec<Requirement<'_>> =
            names.iter().map(|name| Requirement { name, range, ambiguous: false }).collect();
        let versions = capability::probe(&asked, &own("PATH").unwrap_or_default());
        let found = all.into_iter().zip(programs).zip(versions).map(|((definition, program), version)| Found {
            id: definition.id.clone(),
            name: definition.name.clone(),
            origin: definition.origin.clone(),
            program,
            version: match version {
                Outcome::Present(Some(version)) | Outcome::Unfit(version) => Some(version.to_string()),
                _ => None,
            },
            way: way(definition).unwrap_or_else(|why| why),
            lacking: self.lacking(&definition.id),
        });
        Ok(found.collect())
    }

    pub(super) fn definition(&self, name: &str) -> Result<&Definition, String> {
        let definitions = self.definitions()?;
        definitions.get(name).ok_or_else(|| {
            let known: Vec<&str> = definitions.names().collect();
            format!(
                "there is no agent `{name}`; there are {}, and docs/AGENTS.md says how to add one",
                known.join(", ")
            )
        })
    }

    /// Whether the program of an agent is here.
    pub(super) fn has_program(&self, name: &str) -> bool {
        self.definition(name).is_ok_and(|definition| program(definition, &own).is_ok())
    }

    /// Why an agent cannot be asked; nothing where it can.
    pub(super) fn lacking(&self, name: &str) -> Option<String> {
        let definition = match self.definition(name) {
            Ok(definition) => definition,
            Err(why) => return Some(why),
        };
        if let Err(why) = program(definition, &own) {
            return Some(why);
        }
        way(definition).err()
    }
}

/// How what landed in a run comes onto the branch that is checked out; nothing where nothing did.
pub(super) fn way_home(run: &Run, blueprint: &Blueprint<'_>, id: &str) -> Option<String> {
    let has_landed = |index: &TaskIndex| {
        run.task(*index).is_complete()
            && run.task(*index).attempts > 0
            && run.program().tasks[index.get()].stages.contains(&Stage::Land)
    };
    let made: Vec<TaskIndex> = run.indices().filter(has_landed).collect();
    if made.is_empty() {
        return None;
    }
    let branch = Branch::of_run(&Name::of(id).ok()?);
    Some(format!("what landed ({}) is on the branch `{branch}`: git merge {branch}\n", ids(blueprint, &made, MOST)))
}

/// How an agent reaches its model: by the variable with its key, or by the user's login.
pub(super) fn way(definition: &Definition) -> Result<String, String> {
    let is_set = |name: &str| own(name).is_some_and(|value| !value.is_empty());
    let Some(auth) = &definition.auth else {
        return Ok("needs no key".to_owned());
    };
    let variable = &auth.secret.env;
    match (is_set(variable), is_set("HOME")) {
        (true, _) => Ok(format!("`{variable}` is set")),
        (false, true) => Ok(format!("`{variable}` is not set: it uses its login")),
        (false, false) => {
            Err(format!("`{variable}` is not set, and there is no `HOME` with a login for `{}`", definition.id))
        }
    }
}

/// Why tasks cannot have trees of their own here; nothing where they can.
pub(super) fn no_trees(root: &Path) -> Option<String> {
    const WAY_OUT: &str = "or let them work in the project with `isolation: none`";
    if !root.ancestors().any(|folder| folder.join(".git").exists()) {
        return Some(format!("`{}` is in no git repository: call `git init` and commit, {WAY_OUT}", root.display()));
    }
    let path = own("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|folder| folder.join("git").is_file()) {
        return Some(format!("`git` is not in `PATH`: install it, {WAY_OUT}"));
    }
    let place = agent::trees(root, own);
    place.is_none().then(|| format!("there is no place for their trees: set `HOME` or `XDG_CACHE_HOME`, {WAY_OUT}"))
}
