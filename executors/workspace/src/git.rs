//! The one place that starts git.
//!
//! Every call has an environment made from nothing, no configuration but the repository's that it is pointed to, and
//! on top of that settings which leave nothing to be started: no hook, no monitor, no filter, no transport, no pager,
//! no prompt, no maintenance. It is always told where its repository is and never looks for one, except once in
//! `Repository::open`.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use crate::{Author, Error};

/// The oldest with `merge-tree --write-tree`.
const OLDEST: (u32, u32) = (2, 38);

/// How much of what git says goes into a message.
const LONGEST_WORDS: usize = 2000;

const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.autocrlf=false",
    "core.safecrlf=false",
    "core.symlinks=true",
    "core.fileMode=true",
    "core.sparseCheckout=false",
    "core.pager=cat",
    "core.protectNTFS=true",
    // What a branch names is on the disk before the branch is.
    "core.fsync=committed",
    // Milliseconds: others land at the same time, and nobody holds a branch for longer than it takes to write it.
    "core.filesRefLockTimeout=10000",
    "core.packedRefsTimeout=10000",
    "commit.gpgSign=false",
    "diff.external=",
    "gc.auto=0",
    "maintenance.auto=false",
    "merge.renormalize=false",
    "protocol.allow=never",
    // It guards against folders of others that git finds by itself; we say where to work, and start nothing from there.
    "safe.directory=*",
    "submodule.recurse=false",
];

/// A git that is new enough.
#[derive(Clone, Debug)]
pub(crate) struct Git {
    program: PathBuf,
    path: OsString,
    author: Author,
}

impl Git {
    /// `program` as it is, or the first `git` on the absolute folders of `path`.
    pub(crate) fn find(program: Option<&Path>, path: &OsStr, author: &Author) -> Result<Self, Error> {
        let program = match program {
            Some(program) => program.to_owned(),
            None => std::env::split_paths(path)
                .filter(|folder| folder.is_absolute())
                .map(|folder| folder.join("git"))
                .find(|candidate| candidate.is_file())
                .ok_or_else(|| Error::Unsuited("find `git` on the PATH: install git 2.38 or newer".to_owned()))?,
        };
        let git = Self { program, path: path.to_owned(), author: author.clone() };
        let said = git.call("ask git for its version").arg("version").run()?;
        let said = String::from_utf8_lossy(&said);
        match version(&said) {
            Some(version) if version >= OLDEST => Ok(git),
            _ => Err(Error::Unsuited(format!(
                "work with `{}`: it calls itself `{}`, and landing needs git 2.38 or newer; install that, or put it first \
                 on the PATH",
                git.program.display(),
                said.trim()
            ))),
        }
    }

    /// A call that knows no repository yet.
    pub(crate) fn call(&self, doing: &'static str) -> Call {
        let mut command = Command::new(&self.program);
        command.env_clear().envs([
            ("PATH", self.path.as_os_str()),
            ("HOME", OsStr::new("/nonexistent")),
            ("LC_ALL", OsStr::new("C")),
            ("GIT_CONFIG_NOSYSTEM", OsStr::new("1")),
            ("GIT_CONFIG_GLOBAL", OsStr::new("/dev/null")),
            ("GIT_ATTR_NOSYSTEM", OsStr::new("1")),
            ("GIT_TERMINAL_PROMPT", OsStr::new("0")),
            ("GIT_ASKPASS", OsStr::new("false")),
            ("SSH_ASKPASS", OsStr::new("false")),
            ("GIT_SSH_COMMAND", OsStr::new("false")),
            ("GIT_EDITOR", OsStr::new("false")),
            ("GIT_PAGER", OsStr::new("cat")),
            ("GIT_ALLOW_PROTOCOL", OsStr::new("none")),
            ("GIT_NO_LAZY_FETCH", OsStr::new("1")),
            ("GIT_NO_REPLACE_OBJECTS", OsStr::new("1")),
            ("GIT_OPTIONAL_LOCKS", OsStr::new("0")),
            ("GIT_LITERAL_PATHSPECS", OsStr::new("1")),
            ("GIT_ADVICE", OsStr::new("0")),
            ("GIT_AUTHOR_NAME", OsStr::new(&self.author.name)),
            ("GIT_AUTHOR_EMAIL", OsStr::new(&self.author.email)),
            ("GIT_COMMITTER_NAME", OsStr::new(&self.author.name)),
            ("GIT_COMMITTER_EMAIL", OsStr::new(&self.author.email)),
        ]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Call { command, doing, stdin: None }
    }
}

fn version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.strip_prefix("git version ")?.split(['.', ' ', '\n']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// One call of git.
pub(crate) struct Call {
    command: Command,
    doing: &'static str,
    stdin: Option<Vec<u8>>,
}

impl Call {
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub(crate) fn input(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = Some(bytes);
        self
    }

    /// What it printed; anything but exit code 0 is an error.
    pub(crate) fn run(self) -> Result<Vec<u8>, Error> {
        let doing = self.doing;
        let output = self.output()?;
        if output.status.success() { Ok(output.stdout) } else { Err(refused(doing, &output.stderr)) }
    }

    /// A line that it printed, `None` where it ends with code 1 and says nothing.
    pub(crate) fn line(self) -> Result<Option<String>, Error> {
        let doing = self.doing;
        let output = self.output()?;
        match output.status.code() {
            Some(0) => Ok(Some(String::from_utf8_lossy(output.stdout.trim_ascii()).into_owned())),
            Some(1) if output.stderr.is_empty() => Ok(None),
            _ => Err(refused(doing, &output.stderr)),
        }
    }

    /// Whatever it ends with.
    pub(crate) fn output(mut self) -> Result<Output, Error> {
        let doing = self.doing;
        let Some(bytes) = self.stdin.take() else {
            return self.command.output().map_err(|error| not_started(&self.command, &error));
        };
        let mut child = self.spawn()?;
        let pipe = child.stdin.take();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // Who does not read on says why on its error output.
                pipe.map(|mut pipe| pipe.write_all(&bytes))
            });
            child.wait_with_output()
        })
        .map_err(|error| Error::Git { doing, said: error.to_string() })
    }

    fn spawn(&mut self) -> Result<Child, Error> {
        self.command.stdin(Stdio::piped());
        self.command.spawn().map_err(|error| not_started(&self.command, &error))
    }

    /// For a dialogue: its input is written while it reads.
    pub(crate) fn start(mut self) -> Result<Talk, Error> {
        let doing = self.doing;
        let mut child = self.spawn()?;
        let input = child.stdin.take();
        Ok(Talk { child, input, doing })
    }
}

fn not_started(command: &Command, error: &std::io::Error) -> Error {
    Error::Unsuited(format!("start `{}`: {error}", Path::new(command.get_program()).display()))
}

pub(crate) fn refused(doing: &'static str, stderr: &[u8]) -> Error {
    let said = String::from_utf8_lossy(stderr);
    Error::Git { doing, said: said.trim().chars().take(LONGEST_WORDS).collect() }
}

/// A git that is being told something.
pub(crate) struct Talk {
    pub(crate) child: Child,
    pub(crate) input: Option<ChildStdin>,
    doing: &'static str,
}

impl Talk {
    pub(crate) fn say(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.input.as_mut().map_or(Ok(()), |input| input.write_all(bytes));
        match written {
            Ok(()) => Ok(()),
            // Why it went away stands on its error output.
            Err(_) => Err(self.end().err().unwrap_or_else(|| refused(self.doing, b"it stopped reading"))),
        }
    }

    pub(crate) fn broken(&self) -> Error {
        refused(self.doing, b"it stopped in the middle of an answer")
    }

    /// Ends the dialogue and hears how it went.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        drop(self.input.take());
        let mut said = Vec::new();
        if let Some(stderr) = self.child.stderr.as_mut() {
            drop(stderr.read_to_end(&mut said));
        }
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(refused(self.doing, &said)),
        }
    }
}

impl Drop for Talk {
    /// Who gives up half-way leaves no process behind.
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Fields that end with a NUL.
pub(crate) fn fields(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    ends.split(|byte| *byte == 0).filter(|field| !field.is_empty())
}

/// What a command prints that prints one path.
pub(crate) fn printed_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes.strip_suffix(b"\n").unwrap_or(bytes)))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_read_as_git_writes_them() {
        assert_eq!(version("git version 2.47.3\n"), Some((2, 47)));
        assert_eq!(version("git version 2.39.5 (Apple Git-154)\n"), Some((2, 39)));
        assert_eq!(version("git version 2.9\n"), Some((2, 9)));
        assert_eq!(version("hub version 2"), None);
    }
}
