//! A tree out of a patch that was made elsewhere, on the commit that it was made on.
//!
//! The patch is applied to an index of ours in the object store, never to files: where a link in it leads does not matter.
//! All of it applies, exactly where it says, or nothing does. The files are laid out afterwards, as for any tree.

use std::fs;
use std::path::Path;

use crate::git::refused;
use crate::names::{CommitId, Name, TreeId};
use crate::repository::{Repository, id};
use crate::{Error, removal};

/// What came of a patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patched {
    Made(TreeId),
    /// It does not apply; in git's words.
    Unfit(String),
}

impl Repository {
    /// The tree that the patch in a file makes of a commit's. One process at a time may do that for a task.
    pub fn patched(&self, task: &Name, base: &CommitId, patch: &Path) -> Result<Patched, Error> {
        let bytes = fs::read(patch).map_err(Error::file(patch))?;
        if bytes.is_empty() {
            return self.tree_of(base).map(Patched::Made);
        }
        let folder = self.task_folder(task);
        fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let index = folder.join("patched");
        for old in [index.clone(), index.with_extension("lock")] {
            removal::remove(&old)?;
        }
        let with_index = |doing| self.framed(doing).env("GIT_INDEX_FILE", &index);
        with_index("read the base of a patch").args(["read-tree", base.as_str()]).run()?;
        let how = ["apply", "--cached", "--binary", "--whitespace=nowarn", "-p1", "-"];
        let applied = with_index("apply a patch").args(how).input(bytes).output()?;
        if !applied.status.success() {
            let Error::Git { said, .. } = refused("apply a patch", &applied.stderr) else {
                return Ok(Patched::Unfit(String::new()));
            };
            return Ok(Patched::Unfit(said));
        }
        let tree = with_index("write a tree").arg("write-tree").line()?.unwrap_or_default();
        removal::remove(&index)?;
        id(tree).map(|tree| Patched::Made(TreeId(tree)))
    }
}
