//! Where runs are kept: `.outpost/` at the root of the project.
//!
//! ```text
//! .outpost/
//!   .gitignore          everything: nothing here belongs into a repository
//!   runs/RUN/           one run
//!     blueprint         the document as it was when the run began
//!     blueprint-DIGEST  the document as it was after an edit that was accepted
//!     journal …         see docs/JOURNAL.md
//!     inbox/            notes for the runner: decisions, orders
//!     tasks/ID@N.…      logs, inputs and outputs of an attempt
//!   removed/            what `gc` has not finished removing
//! ```
//!
//! Directories are private to the user. It knows paths and names, not what stands in the files.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

const NAME: &str = ".outpost";

/// The runs of a project.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// The files of one run.
#[derive(Clone, Debug)]
pub struct RunFiles {
    folder: PathBuf,
    id: String,
}

/// Why there is no such run.
#[derive(Debug)]
pub enum NoRun {
    /// Nothing was ever run here.
    None,
    Unknown(String),
    /// Several runs begin like this.
    Ambiguous(String, Vec<String>),
    Unreadable(PathBuf, io::Error),
}

impl Store {
    /// The store of the project around a directory: the nearest one upwards that has `.outpost` or
    /// `.git`, else the directory itself.
    pub fn around(directory: &Path) -> Self {
        let is_project = |folder: &&Path| [NAME, ".git"].iter().any(|name| folder.join(name).exists());
        let project = directory.ancestors().find(is_project).unwrap_or(directory);
        Self { root: project.join(NAME) }
    }

    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Locks that are shared by all runs of the project.
    pub fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    fn runs_folder(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// Where runs go that are being removed: nothing there is a run any more.
    pub fn removed(&self) -> PathBuf {
        self.root.join("removed")
    }

    /// The directory itself; it is not there before the first run.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the place of a new run. `wanted` gets a number behind it if it is taken.
    pub fn create(&self, wanted: &str, document: &[u8]) -> io::Result<RunFiles> {
        private(&self.runs_folder())?;
        let ignore = self.root.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n")?;
        }
        let mut number = 1;
        let files = loop {
            let id = if number == 1 { wanted.to_owned() } else { format!("{wanted}-{number}") };
            let folder = self.runs_folder().join(&id);
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => break RunFiles { folder, id },
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        private(&files.inbox())?;
        private(&files.tasks())?;
        fs::write(files.no_inputs(), "{}\n")?;
        let mut copy = File::create_new(files.blueprint())?;
        copy.write_all(document)?;
        copy.sync_all()?;
        File::open(&files.folder)?.sync_all()?;
        File::open(self.runs_folder())?.sync_all()?;
        Ok(files)
    }

    /// All runs, oldest first: ids begin with the time.
    pub fn runs(&self) -> Result<Vec<RunFiles>, NoRun> {
        self.listed().map_err(|error| NoRun::Unreadable(self.root.clone(), error))
    }

    fn listed(&self) -> io::Result<Vec<RunFiles>> {
        let entries = match fs::read_dir(self.runs_folder()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry?;
            if let Ok(id) = entry.file_name().into_string()
                && entry.path().join("blueprint").exists()
            {
                runs.push(RunFiles { folder: entry.path(), id });
            }
        }
        // Of one second, `-10` comes after `-2`.
        let order = |id: &str| (id.chars().take(15).collect::<String>(), id.len(), id.to_owned());
        runs.sort_by_cached_key(|run| order(&run.id));
        Ok(runs)
    }

    /// The run whose id begins like this; the latest one without a beginning.
    pub fn find(&self, beginning: Option<&str>) -> Result<RunFiles, NoRun> {
        let mut runs = self.runs()?;
        let Some(beginning) = beginning else {
            return runs.pop().ok_or(NoRun::None);
        };
        // A whole id is that run's, also where a second one of the same moment has a number behind it.
        if let Some(exact) = runs.iter().position(|run| run.id == beginning) {
            return Ok(runs.swap_remove(exact));
        }
        runs.retain(|run| run.id.starts_with(beginning));
        match runs.len() {
            0 => Err(NoRun::Unknown(beginning.to_owned())),
            1 => runs.pop().ok_or(NoRun::None),
            _ => Err(NoRun::Ambiguous(beginning.to_owned(), runs.into_iter().map(|run| run.id).collect())),
        }
    }
}

impl RunFiles {
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn blueprint(&self) -> PathBuf {
        self.folder.join("blueprint")
    }

    /// The document after it was edited on the way.
    pub fn edited(&self, digest: &str) -> PathBuf {
        let short: String = digest.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        self.folder.join(format!("blueprint-{short}"))
    }

    /// Keeps an edited document with the run.
    pub fn keep_edited(&self, digest: &str, document: &[u8]) -> io::Result<()> {
        let mut copy = tempfile::Builder::new().prefix(".blueprint-").tempfile_in(&self.folder)?;
        copy.write_all(document)?;
        copy.as_file().sync_all()?;
        copy.persist(self.edited(digest)).map_err(|error| error.error)?;
        File::open(&self.folder)?.sync_all()
    }

    pub fn inbox(&self) -> PathBuf {
        self.folder.join("inbox")
    }

    /// Where attempts keep their files.
    pub fn tasks(&self) -> PathBuf {
        self.folder.join("tasks")
    }

    /// A file of an attempt. All lie in one directory: to make one for each attempt would cost more than
    /// many a task. Ids are safe as names and hold no `@`: `check` sees to it.
    pub fn of_attempt(&self, task: &str, attempt: u32, name: &str) -> PathBuf {
        self.tasks().join(format!("{task}@{attempt}.{name}"))
    }

    /// What a stage of an attempt printed.
    pub fn log(&self, task: &str, attempt: u32, stage: &str) -> PathBuf {
        self.of_attempt(task, attempt, &format!("{}.log", stage.replace(':', "-")))
    }

    /// What an attempt left, by port.
    pub fn ports(&self, task: &str, attempt: u32) -> PathBuf {
        self.of_attempt(task, attempt, "ports.json")
    }

    /// The inputs of a task that has none.
    pub fn no_inputs(&self) -> PathBuf {
        self.folder.join("no-inputs.json")
    }
}

/// Makes a directory and its parents, readable for nobody else.
pub fn private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{NoRun, Store};

    #[test]
    fn the_store_is_found_from_anywhere_in_the_project() {
        let project = tempfile::tempdir().expect("a folder");
        let deep = project.path().join("a/b");
        fs::create_dir_all(&deep).expect("folders");
        assert_eq!(Store::around(&deep).root, deep.join(".outpost"));
        fs::create_dir(project.path().join(".git")).expect(".git");
        assert_eq!(Store::around(&deep).root, project.path().join(".outpost"));
        fs::create_dir(project.path().join("a/.outpost")).expect(".outpost");
        assert_eq!(Store::around(&deep).root, project.path().join("a/.outpost"));
    }

    #[test]
    fn runs_are_private_numbered_and_found_by_their_beginning() {
        let project = tempfile::tempdir().expect("a folder");
        let store = Store::around(project.path());
        assert!(matches!(store.find(None), Err(NoRun::None)));
        let first = store.create("2026-01-01-a", b"text").expect("a run");
        let second = store.create("2026-01-01-a", b"text").expect("another run");
        store.create("2026-01-02-b", b"text").expect("a third run");
        assert_eq!((first.id(), second.id()), ("2026-01-01-a", "2026-01-01-a-2"));
        assert_eq!(fs::read(second.blueprint()).expect("a copy"), b"text");
        let mode = fs::metadata(first.folder()).expect("a folder").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(store.find(None).expect("the latest").id(), "2026-01-02-b");
        assert_eq!(store.find(Some("2026-01-02")).expect("one").id(), "2026-01-02-b");
        assert_eq!(store.find(Some("2026-01-01-a")).expect("a whole id").id(), "2026-01-01-a");
        assert!(matches!(store.find(Some("2026-01-01")), Err(NoRun::Ambiguous(_, ids)) if ids.len() == 2));
        assert!(matches!(store.find(Some("x")), Err(NoRun::Unknown(_))));
    }
}
