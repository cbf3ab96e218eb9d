//! The project's repository, and the frame in which git works on it.
//!
//! A frame is a git repository without objects and branches of its own: configuration, attributes and excludes that
//! we wrote, in a folder that no agent is given. Git is pointed to the frame for everything but branches, with the
//! object store of the project. Branches are the project's: git is pointed there for these alone.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::git::{Call, Git, fields, printed_path};
use crate::names::{Branch, CommitId, Name, ObjectId, TreeId};
use crate::removal;

/// Who commits.
#[derive(Clone, Debug)]
pub struct Author {
    pub name: String,
    pub email: String,
}

/// What a repository is worked on with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An absolute folder for all runs of all projects, that no agent may write to except in the tree it is given.
    pub cache: PathBuf,
    /// Names the folder of the run in it, and its branches.
    pub run: Name,
    pub author: Author,
    /// Instead of the first `git` on the `path`.
    pub git: Option<PathBuf>,
    /// The `PATH` that git and its helpers are looked for on.
    pub path: OsString,
    /// Folders and files at the root of a tree that are not landed, whatever becomes of them: `.outpost`.
    pub private: Vec<String>,
}

/// A project that agents can work on.
#[derive(Clone, Debug)]
pub struct Repository {
    pub(crate) git: Git,
    root: PathBuf,
    /// Where the branches are, also of a project that is a linked worktree itself.
    common: PathBuf,
    pub(crate) objects: PathBuf,
    /// The folder of the run.
    pub(crate) folder: PathBuf,
    frame: PathBuf,
    format: String,
    head: CommitId,
    pub(crate) run: Name,
    pub(crate) private: Vec<String>,
}

/// Overrules all attributes that change what is in a file, or start something.
const ATTRIBUTES: &str =
    "* -text -eol !crlf -ident -filter -working-tree-encoding !diff !merge !export-ignore !export-subst\n";

impl Repository {
    /// The repository that `path` lies in.
    pub fn open(path: &Path, settings: &Settings) -> Result<Self, Error> {
        let Settings { cache, run, author, git, path: search, private } = settings;
        if !cache.is_absolute() {
            let shown = cache.display();
            return Err(Error::Unsuited(format!("keep trees in `{shown}`: give an absolute folder")));
        }
        let git = Git::find(git.as_deref(), search, author)?;
        let ask = |question: &[&str]| {
            let call = git.call("find the project's repository").dir(path).arg("rev-parse");
            call.arg("--path-format=absolute").args(question).run().map(|said| printed_path(&said))
        };
        let shown = path.display();
        if !path.is_dir() {
            return Err(Error::Unsuited(format!("work in `{shown}`: there is no such folder")));
        }
        let common = ask(&["--git-common-dir"]).map_err(|error| {
            Error::Unsuited(format!(
                "work in `{shown}`: it is in no git repository ({error}); call `git init` there and commit what an agent needs"
            ))
        })?;
        if ask(&["--is-bare-repository"])?.as_os_str() == "true" {
            return Err(Error::Unsuited(format!(
                "work in `{shown}`: it is a bare repository; give a clone of it, or one of its worktrees"
            )));
        }
        let root = ask(&["--show-toplevel"])?;
        let format = ask(&["--show-object-format"])?.display().to_string();
        let objects = ask(&["--git-path", "objects"])?;
        let head = git.call("read the commit that is checked out").dir(path).args(["rev-parse", "--verify", "--quiet"]);
        let Some(head) = head.arg("HEAD^{commit}").line()? else {
            return Err(Error::Unsuited(format!(
                "work in `{shown}`: it has no commit yet; commit what an agent is to start from"
            )));
        };
        let partial = git.call("see whether the repository is complete").dir(path);
        if partial
            .args(["config", "--get-regexp", r"^(remote\..*\.promisor|extensions\.partialclone)$"])
            .line()?
            .is_some()
        {
            return Err(Error::Unsuited(format!(
                "work in `{shown}`: it is a partial clone, and a missing object could not be fetched on the way; \
                 call `git fetch --refetch --no-filter`, or clone it whole"
            )));
        }
        let folder = cache.join(run.as_str());
        let repository = Self {
            git,
            root,
            common,
            objects,
            frame: folder.join("frame.git"),
            folder,
            format,
            head: CommitId(id(head)?),
            run: run.clone(),
            private: private.clone(),
        };
        repository.make_frame()?;
        Ok(repository)
    }

    /// The topmost folder of the project.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What is checked out in the project.
    pub fn head(&self) -> &CommitId {
        &self.head
    }

    /// What an agent's sandbox has to let it read besides its tree: its `.git` borrows the objects of the project.
    pub fn objects(&self) -> &Path {
        &self.objects
    }

    /// The commit that a branch, a tag or an id means in the project.
    pub fn resolve(&self, revision: &str) -> Result<Option<CommitId>, Error> {
        let call = self.project("find a commit").args(["rev-parse", "--verify", "--quiet", "--end-of-options"]);
        call.arg(format!("{revision}^{{commit}}")).line()?.map(|line| id(line).map(CommitId)).transpose()
    }

    /// Where a branch is.
    pub fn tip(&self, branch: &Branch) -> Result<Option<CommitId>, Error> {
        self.resolve(&branch.full())
    }

    /// What two commits both come after, or are: of the branch of a run and of what is checked out, what was there before the
    /// run landed anything.
    pub fn common(&self, one: &CommitId, other: &CommitId) -> Result<Option<CommitId>, Error> {
        let call = self.framed("find where branches part").args(["merge-base", one.as_str(), other.as_str()]);
        call.line()?.map(|line| id(line).map(CommitId)).transpose()
    }

    /// The branch on which the work of the run comes together, begun at `from` unless it is there.
    pub fn integration(&self, from: &CommitId) -> Result<Branch, Error> {
        let branch = Branch::of_run(&self.run);
        if self.tip(&branch)?.is_none() {
            let begun = self.set(&branch, None, from, "outpost: run begins");
            // Somebody else may have been faster.
            if begun.is_err() && self.tip(&branch)?.is_none() {
                begun?;
            }
        }
        Ok(branch)
    }

    /// Removes what the run keeps outside of the project; its branches stay.
    pub fn forget(&self) -> Result<(), Error> {
        removal::remove(&self.folder)
    }

    /// Git on the objects of the project with our own configuration.
    pub(crate) fn framed(&self, doing: &'static str) -> Call {
        let call = self.git.call(doing).env("GIT_DIR", &self.frame);
        call.env("GIT_OBJECT_DIRECTORY", &self.objects)
    }

    /// Git on the branches of the project. Nothing that reads files, attributes or merges.
    pub(crate) fn project(&self, doing: &'static str) -> Call {
        self.git.call(doing).env("GIT_DIR", &self.common)
    }

    pub(crate) fn tree_of(&self, commit: &CommitId) -> Result<TreeId, Error> {
        let call = self.framed("read a commit").args(["rev-parse", "--verify", "--end-of-options"]);
        let said = call.arg(format!("{commit}^{{tree}}")).line()?.unwrap_or_default();
        id(said).map(TreeId)
    }

    /// Moves a branch from where it was last seen, or makes it. Fails if it is elsewhere by now.
    pub(crate) fn set(
        &self,
        branch: &Branch,
        old: Option<&CommitId>,
        new: &CommitId,
        why: &'static str,
    ) -> Result<(), Error> {
        if let Some(at) = self.checked_out(branch)? {
            return Err(Error::CheckedOut { branch: branch.to_string(), at });
        }
        let old = old.map_or_else(|| new.0.none_like(), |old| old.0.clone());
        let call = self.project("move a branch").args(["update-ref", "--no-deref", "--create-reflog", "-m", why]);
        call.args([branch.full().as_str(), new.as_str(), old.as_str()]).run().map(drop)
    }

    /// The folder in which somebody works on the branch.
    fn checked_out(&self, branch: &Branch) -> Result<Option<PathBuf>, Error> {
        let listed = self.project("see what is checked out").args(["worktree", "list", "--porcelain", "-z"]).run()?;
        let (mut at, wanted) = (None, format!("branch {}", branch.full()));
        for field in fields(&listed) {
            if let Some(path) = field.strip_prefix(b"worktree ") {
                at = Some(printed_path(path));
            } else if field == wanted.as_bytes() {
                return Ok(at);
            }
        }
        Ok(None)
    }

    /// Complete as soon as it has its name; a half one is left to whoever removes the run.
    fn make_frame(&self) -> Result<(), Error> {
        if !self.frame.join("HEAD").is_file() {
            fs::create_dir_all(&self.folder).map_err(Error::file(&self.folder))?;
            let new = self.folder.join(format!("frame.{}", std::process::id()));
            removal::remove(&new)?;
            self.init(&new, true)?;
            self.write_exclude(&new)?;
            if let Err(error) = fs::rename(&new, &self.frame) {
                removal::remove(&new)?;
                if !self.frame.join("HEAD").is_file() {
                    return Err(Error::File { path: self.frame.clone(), error });
                }
            }
        }
        self.copy_shallow(&self.frame)
    }

    /// An empty repository with nothing from a template.
    pub(crate) fn init(&self, at: &Path, bare: bool) -> Result<(), Error> {
        let call = self.git.call("make a repository").args(["init", "--quiet", "--template=", "--initial-branch=work"]);
        let call = call.arg(format!("--object-format={}", self.format));
        call.args(bare.then_some("--bare")).arg("--").arg(at).run()?;
        let info = if bare { at.join("info") } else { at.join(".git/info") };
        fs::create_dir_all(&info).map_err(Error::file(&info))?;
        write(&info.join("attributes"), ATTRIBUTES.as_bytes())
    }

    /// The project's own excludes, and what is private.
    pub(crate) fn write_exclude(&self, git_dir: &Path) -> Result<(), Error> {
        let mut text = fs::read(self.common.join("info/exclude")).unwrap_or_default();
        for private in &self.private {
            text.extend_from_slice(format!("\n/{private}").as_bytes());
        }
        text.push(b'\n');
        write(&git_dir.join("info/exclude"), &text)
    }

    /// A clone that was cut off says where; whoever reads its objects has to know.
    pub(crate) fn copy_shallow(&self, git_dir: &Path) -> Result<(), Error> {
        let at = git_dir.join("shallow");
        match fs::read(self.common.join("shallow")) {
            Ok(text) => write(&at, &text),
            Err(_) => removal::remove(&at),
        }
    }
}

pub(crate) fn id(text: String) -> Result<ObjectId, Error> {
    ObjectId::try_from(text).map_err(|said| Error::Git { doing: "read an object id", said })
}

/// A file that is there as a whole or not at all.
pub(crate) fn write(at: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut name = at.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let new = PathBuf::from(name);
    let written = fs::File::create(&new).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.and_then(|()| fs::rename(&new, at)).map_err(Error::file(at))
}
