//! Commits what is in a tree, without asking the agent's git for anything.
//!
//! Git lists what is tracked (from the base) and what else would be added (by the tree's `.gitignore` files, which it
//! reads as text); the files themselves are read in `files`. A commit has one parent, the base: each attempt replaces
//! the branch. The same tree on the same base with the same message is the same commit.

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

use crate::blobs::{Reader, Writer};
use crate::files::{Entry, Files, Hasher};
use crate::git::{fields, refused};
use crate::names::{Branch, CommitId, ObjectId, TreeId};
use crate::repository::{Repository, id};
use crate::{Error, TreePath, Worktree};

/// What came of committing.
#[derive(Clone, Debug, Serialize)]
pub enum Commit {
    Made(Committed),
    /// The tree is the base's.
    NoChange {
        left_out: Vec<LeftOut>,
    },
}

/// A commit on the branch of its task.
#[derive(Clone, Debug, Serialize)]
pub struct Committed {
    pub base: CommitId,
    pub commit: CommitId,
    pub tree: TreeId,
    pub branch: Branch,
    /// In the order of their paths. What was renamed is deleted in one place and added in another.
    pub changed: Vec<Change>,
    pub left_out: Vec<LeftOut>,
}

/// A file that is not what it was in the base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub path: TreePath,
    pub kind: ChangeKind,
    pub was: Option<Blob>,
    pub is: Option<Blob>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// A file as git keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blob {
    pub mode: Mode,
    pub id: ObjectId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    File,
    Executable,
    Link,
    /// A commit of another repository: a submodule.
    Module,
}

impl Mode {
    pub(crate) fn of(digits: &[u8]) -> Self {
        match digits {
            b"100755" => Self::Executable,
            b"120000" => Self::Link,
            b"160000" => Self::Module,
            _ => Self::File,
        }
    }

    fn digits(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Executable => "100755",
            Self::Link => "120000",
            Self::Module => "160000",
        }
    }
}

/// Something in the tree that no commit takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    pub path: TreePath,
    pub why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// A git repository within the tree.
    Repository,
    /// A pipe, a socket or a device.
    Special,
    /// Some system would take it for git's own folder, or for its list of submodules.
    Reserved,
    /// So many bytes: what a program left behind would stay in the project's object store.
    TooLarge(u64),
}

/// Of a file that is new: more than that no policy lets land.
const LARGEST: u64 = 100 << 20;

impl Repository {
    /// Everything in the tree that is not ignored, as one commit on the branch of the task.
    pub fn commit(&self, worktree: &Worktree, message: &str, trailers: &[(String, String)]) -> Result<Commit, Error> {
        let mut files = Files::open(&worktree.path)?;
        crate::removal::unblock(&worktree.path)?;
        let index = self.task_folder(&worktree.task).join("index");
        // Of a crash.
        crate::removal::remove(&index.with_extension("lock"))?;
        let with_index = |doing| {
            let call = self.framed(doing).env("GIT_INDEX_FILE", &index);
            call.env("GIT_WORK_TREE", &worktree.path).dir(&worktree.path)
        };
        with_index("read the base of a tree").args(["read-tree", worktree.base.as_str()]).run()?;
        let tracked = tracked(&with_index("list what is tracked").args(["ls-files", "--stage", "-z"]).run()?)?;
        let others =
            with_index("list what is new in a tree").args(["ls-files", "--others", "--exclude-standard", "-z"]);
        let others = others.run()?;

        let found = self.compare(&mut files, &worktree.base, &tracked, &others)?;
        if found.changed.is_empty() {
            return Ok(Commit::NoChange { left_out: found.left_out });
        }
        self.keep(&mut files, &found.changed)?;
        let call = with_index("stage what has changed").args(["update-index", "--replace", "-z", "--index-info"]);
        let staged = call.input(index_info(&found.changed)).output()?;
        // It passes over a path that it does not like, says so, and calls that a success.
        if !staged.status.success() || !staged.stderr.is_empty() {
            return Err(refused("stage what has changed", &staged.stderr));
        }
        let tree = with_index("write a tree").arg("write-tree").line()?.unwrap_or_default();
        fs::remove_file(&index).map_err(Error::file(&index))?;

        let tree = TreeId(id(tree)?);
        let branch = Branch::of_task(&self.run, &worktree.task);
        let commit = self.committed(&branch, &worktree.base, &tree, &letter(message, trailers))?;
        let Found { changed, left_out } = found;
        Ok(Commit::Made(Committed { base: worktree.base.clone(), commit, tree, branch, changed, left_out }))
    }

    fn compare(
        &self,
        files: &mut Files,
        base: &CommitId,
        tracked: &BTreeMap<TreePath, Blob>,
        others: &[u8],
    ) -> Result<Found, Error> {
        let mut found = Found::default();
        let paths = tracked.iter().map(|(path, blob)| (path.clone(), Some(blob)));
        let new = fields(others).map(|path| (TreePath::new(path), None));
        for (path, was) in paths.chain(new) {
            if self.is_private(&path) {
                continue;
            }
            if let Some(folder) = path.as_bytes().strip_suffix(b"/") {
                found.left_out.push(LeftOut { path: TreePath::new(folder), why: Why::Repository });
                continue;
            }
            if path.is_reserved() && was.is_none() {
                found.left_out.push(LeftOut { path, why: Why::Reserved });
                continue;
            }
            let is = match files.look(&path)? {
                Entry::File { length, .. } if was.is_none() && length > LARGEST => {
                    found.left_out.push(LeftOut { path: path.clone(), why: Why::TooLarge(length) });
                    None
                }
                Entry::File { executable, .. } => {
                    let (id, _) = files.hash(&path, &base.0, |_| Ok(()), |_| Vec::new())?;
                    Some(Blob { mode: if executable { Mode::Executable } else { Mode::File }, id })
                }
                Entry::Link if path.is_reserved_link() => {
                    found.left_out.push(LeftOut { path: path.clone(), why: Why::Reserved });
                    None
                }
                Entry::Link => {
                    let target = files.target(&path)?;
                    let mut hasher = Hasher::of_blob(&base.0, target.len() as u64);
                    hasher.push(&target);
                    Some(Blob { mode: Mode::Link, id: hasher.finish() })
                }
                // A submodule is an empty folder here, and an agent that fills or removes it says nothing about it.
                Entry::Folder | Entry::Missing if was.is_some_and(|was| was.mode == Mode::Module) => was.cloned(),
                Entry::Special => {
                    found.left_out.push(LeftOut { path: path.clone(), why: Why::Special });
                    None
                }
                Entry::Folder | Entry::Missing => None,
            };
            let kind = match (was, &is) {
                (None, Some(_)) => ChangeKind::Added,
                (Some(_), None) => ChangeKind::Deleted,
                (Some(was), Some(is)) if was != is => ChangeKind::Modified,
                _ => continue,
            };
            found.changed.push(Change { path, kind, was: was.cloned(), is });
        }
        found.changed.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn is_private(&self, path: &TreePath) -> bool {
        let first = path.parts().next().unwrap_or_default();
        self.private.iter().any(|private| private.trim_end_matches('/').as_bytes() == first)
    }

    /// Puts what is new into the object store of the project.
    fn keep(&self, files: &mut Files, changed: &[Change]) -> Result<(), Error> {
        let mut writer = Writer::start(self.framed("keep what has changed"))?;
        for change in changed {
            let Some(is) = &change.is else { continue };
            let id = if is.mode == Mode::Link {
                let target = files.target(&change.path)?;
                let mut hasher = Hasher::of_blob(&is.id, target.len() as u64);
                hasher.push(&target);
                writer.push(&Writer::header(target.len() as u64))?;
                writer.push(&target)?;
                hasher.finish()
            } else {
                files.hash(&change.path, &is.id, |bytes| writer.push(bytes), Writer::header)?.0
            };
            if id != is.id {
                return Err(Error::Restless(change.path.as_path().to_owned()));
            }
            writer.push(b"\n")?;
        }
        writer.finish()
    }

    /// The commit that is there already, or a new one with the branch on it.
    fn committed(&self, branch: &Branch, base: &CommitId, tree: &TreeId, letter: &str) -> Result<CommitId, Error> {
        let old = self.tip(branch)?;
        if let Some(old) = &old {
            let (text, _) = Reader::start(self.framed("read a commit"))?.read(&old.0, u64::MAX)?;
            let text = String::from_utf8_lossy(&text);
            let (head, said) = text.split_once("\n\n").unwrap_or((&text, ""));
            let fits = head.starts_with(&format!("tree {tree}\nparent {base}\nauthor "));
            if fits && said.trim_end() == letter.trim_end() {
                return Ok(old.clone());
            }
        }
        let call = self.framed("make a commit").args(["commit-tree", tree.as_str(), "-p", base.as_str(), "-F", "-"]);
        let commit = call.input(letter.as_bytes().to_vec()).run()?;
        let commit = CommitId(id(String::from_utf8_lossy(commit.trim_ascii()).into_owned())?);
        self.set(branch, old.as_ref(), &commit, "outpost: attempt")?;
        Ok(commit)
    }
}

#[derive(Default)]
struct Found {
    changed: Vec<Change>,
    left_out: Vec<LeftOut>,
}

/// `mode id stage\tpath`.
fn tracked(listed: &[u8]) -> Result<BTreeMap<TreePath, Blob>, Error> {
    let mut tracked = BTreeMap::new();
    for field in fields(listed) {
        let mut halves = field.splitn(2, |byte| *byte == b'\t');
        let (head, path) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        let mut words = head.split(|byte| *byte == b' ');
        let mode = Mode::of(words.next().unwrap_or_default());
        let blob = id(String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned())?;
        tracked.insert(TreePath::new(path), Blob { mode, id: blob });
    }
    Ok(tracked)
}

/// What goes first, so that a folder can take the place of a file.
fn index_info(changed: &[Change]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut line = |mode: &str, id: &ObjectId, path: &TreePath| {
        out.extend_from_slice(format!("{mode} {id}\t").as_bytes());
        out.extend_from_slice(path.as_bytes());
        out.push(0);
    };
    for change in changed {
        if let (Some(was), None) = (&change.was, &change.is) {
            line("0", &was.id.none_like(), &change.path);
        }
    }
    for change in changed {
        if let Some(is) = &change.is {
            line(is.mode.digits(), &is.id, &change.path);
        }
    }
    out
}

/// A message with its trailers, each on a line of its own.
fn letter(message: &str, trailers: &[(String, String)]) -> String {
    let plain = |text: &str| text.replace('\0', " ").trim().to_owned();
    let mut letter = plain(message);
    if letter.is_empty() {
        "Work of an agent".clone_into(&mut letter);
    }
    letter.push('\n');
    if !trailers.is_empty() {
        letter.push('\n');
    }
    for (name, value) in trailers {
        let value = plain(value).split_whitespace().collect::<Vec<_>>().join(" ");
        letter.push_str(&format!("{}: {value}\n", plain(name)));
    }
    letter
}
