//! Makes folders with the files of a commit, and a git repository to play with.
//!
//! A folder is complete as soon as it has its name: it is made under another one. The repository in it belongs to
//! whoever works there. It borrows the objects of the project, has no remote, and nothing of ours reads it again.

use std::fs;
use std::path::{Path, PathBuf};

use crate::names::{CommitId, Name, TreeId};
use crate::path::quoted;
use crate::repository::{Repository, write};
use crate::{Error, removal};

use std::os::unix::ffi::OsStrExt as _;

impl Repository {
    /// A folder with the files of a commit, to verify what a branch would become. The task's earlier one is replaced.
    pub fn checkout(&self, task: &Name, commit: &CommitId) -> Result<PathBuf, Error> {
        let place = self.folder.join("checks").join(task.as_str());
        self.sweep(&place)?;
        let tree = self.tree_of(commit)?;
        self.replace(&place, |new| self.fill(new, commit, &tree))
    }

    /// Removes what `checkout` made.
    pub fn discard(&self, task: &Name) -> Result<(), Error> {
        removal::remove(&self.folder.join("checks").join(task.as_str()))
    }

    /// Makes `tree` in a place anew. What was there is out of the way before anything else happens.
    pub(crate) fn replace(
        &self,
        place: &Path,
        make: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<PathBuf, Error> {
        fs::create_dir_all(place).map_err(Error::file(place))?;
        let (tree, old, new) = (place.join("tree"), place.join("old"), place.join("new"));
        if fs::symlink_metadata(&tree).is_ok() {
            fs::rename(&tree, &old).map_err(Error::file(&tree))?;
            removal::remove(&old)?;
        }
        make(&new)?;
        fs::rename(&new, &tree).map_err(Error::file(&new))?;
        Ok(tree)
    }

    /// What a crash has left of `replace`.
    pub(crate) fn sweep(&self, place: &Path) -> Result<(), Error> {
        removal::remove(&place.join("old"))?;
        removal::remove(&place.join("new"))
    }

    /// The files of a tree, in a repository that stands at a commit.
    pub(crate) fn fill(&self, new: &Path, commit: &CommitId, tree: &TreeId) -> Result<(), Error> {
        self.init(new, false)?;
        let git = new.join(".git");
        let borrowed = format!("{}\n", quoted(self.objects.as_os_str().as_bytes()));
        let info = git.join("objects/info");
        fs::create_dir_all(&info).map_err(Error::file(&info))?;
        write(&info.join("alternates"), borrowed.as_bytes())?;
        self.write_exclude(&git)?;
        self.copy_shallow(&git)?;
        let own = |doing| self.git.call(doing).dir(new).env("GIT_DIR", &git).env("GIT_WORK_TREE", new);
        own("begin a branch in a tree").args(["update-ref", "refs/heads/work", commit.as_str()]).run()?;
        own("write the files of a tree").args(["read-tree", "--reset", "-u", tree.as_str()]).run()?;
        Ok(())
    }
}
