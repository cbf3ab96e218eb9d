//! The processes that run git: `__clone` and `__diff`, each told what to do on standard input.
//!
//! They wait for git, one call after the other, below a keeper that has their clock and ends all of it. What they say on
//! their error output is for the tenant, once the keeper has taken the secrets out of it.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{MemfdFlags, memfd_create};
use serde::de::DeserializeOwned;

use super::git::Git;
use super::{CloneOrder, DiffOrder, FAILED, From, REFUSED, address, askpass};

/// What is fetched is kept under this name.
const BASE: &str = "refs/outpost/base";
/// What the job's own branch is called where it was not asked for one.
const BRANCH: &str = "main";

/// Why it did not work, and whose fault that is.
enum Trouble {
    Refused(String),
    Failed(String),
    Ours(String),
}

impl Trouble {
    fn ours(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Ours(format!("{what}: {error}"))
    }
}

impl std::convert::From<String> for Trouble {
    fn from(told: String) -> Self {
        Self::Ours(told)
    }
}

fn told<T: DeserializeOwned>() -> Result<T, Trouble> {
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text).map_err(Trouble::ours("the order cannot be read"))?;
    // What is wrong with it is not repeated: it may hold a token.
    serde_json::from_slice(&text).map_err(|_| Trouble::Ours("the order is not one".to_owned()))
}

fn ended(result: Result<(), Trouble>) -> ExitCode {
    let (text, code) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Trouble::Refused(text)) => (text, REFUSED),
        Err(Trouble::Failed(text)) => (text, FAILED),
        Err(Trouble::Ours(text)) => (text, 1),
    };
    // Nobody is left to be told if this fails.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(code)
}

pub(crate) fn clone() -> ExitCode {
    ended(told().and_then(|order| fetch(&order)))
}

pub(crate) fn diff() -> ExitCode {
    ended(told().and_then(|order| compare(&order)))
}

fn fetch(order: &CloneOrder) -> Result<(), Trouble> {
    let git = &order.git;
    if !Git::new(git).args(["init", "--quiet", "--bare", "--template="]).run()? {
        return Err(Trouble::Ours("a repository could not be made".to_owned()));
    }
    let source = Source::of(order)?;
    let wanted = order.reference.as_deref().unwrap_or("HEAD");
    let is_hex = (7..=40).contains(&wanted.len()) && wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
    let depth = "--depth=1";
    // That a server does not give out single commits is no reason to fail yet.
    let call = source.fetch(git).args([depth, "--", &source.url, wanted]);
    let call = if is_hex { call.quiet() } else { call };
    let mut commit = if call.run()? { commit(git, "FETCH_HEAD")? } else { None };
    if commit.is_none() && is_hex {
        let all = ["--", &source.url, "+refs/heads/*:refs/outpost/heads/*", "+refs/tags/*:refs/outpost/tags/*"];
        if source.fetch(git).args(all).run()? {
            commit = self::commit(git, wanted)?;
        }
    }
    drop(source);
    let told = order.reference.as_deref().map_or("its default branch".to_owned(), |wanted| format!("`{wanted}`"));
    let commit = commit.ok_or_else(|| Trouble::Failed(format!("the repository could not be cloned at {told}")))?;
    if !Git::new(git).args(["update-ref", BASE, &commit]).run()? {
        return Err(Trouble::Ours("what was fetched could not be named".to_owned()));
    }
    lay_out(order)?;
    fs::write(&order.answer, &commit).map_err(Trouble::ours("what was cloned could not be told"))
}

fn commit(git: &Path, name: &str) -> Result<Option<String>, Trouble> {
    let name = format!("{name}^{{commit}}");
    Ok(Git::new(git).args(["rev-parse", "--quiet", "--verify", "--end-of-options", &name]).line()?)
}

/// The tree of the job, with a repository of its own.
fn lay_out(order: &CloneOrder) -> Result<(), Trouble> {
    let own = order.tree.join(".git");
    let branch = order.reference.as_deref().filter(|name| !name.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let branch = branch.unwrap_or(BRANCH);
    let tree = || Git::new(&own).dir(&order.tree);
    let named = |branch: &str| tree().args(["init", "--quiet", "--template=", "--initial-branch", branch]).run();
    // Some names of tags are none of branches.
    let made = named(branch)? || named(BRANCH)?;
    let begun = made
        && tree()
            .set("protocol.file.allow=always")
            .args(["fetch", "--quiet", "--no-tags", "--depth=1", "--"])
            .arg(&order.git)
            .arg(BASE)
            .run()?
        && tree().args(["reset", "--quiet", "--hard", "FETCH_HEAD"]).run()?;
    let named = match &order.from {
        From::Web { shown, .. } => tree().args(["config", "remote.origin.url", shown]).run()?,
        From::Folder(_) => true,
    };
    if !(begun && named) {
        return Err(Trouble::Failed("what was fetched could not be laid out".to_owned()));
    }
    // It names a folder of ours.
    match fs::remove_file(own.join("FETCH_HEAD")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Trouble::ours("its traces")(error)),
        _ => Ok(()),
    }
}

/// What is fetched from, ready to be asked.
struct Source {
    url: String,
    settings: Vec<String>,
    env: Vec<(&'static str, String)>,
    /// Lives as long as git may ask for it.
    _token: Option<File>,
}

impl Source {
    fn of(order: &CloneOrder) -> Result<Self, Trouble> {
        match &order.from {
            From::Folder(folder) => Self::folder(folder, order),
            From::Web { url, trusted, .. } => Self::web(url, *trusted, order),
        }
    }

    fn folder(folder: &Path, order: &CloneOrder) -> Result<Self, Trouble> {
        let url = folder.to_str().ok_or_else(|| Trouble::Refused("its folder is no text".to_owned()))?;
        // The operator allowed it, whoever owns it; the side that gives out objects asks in a file only.
        let config = order.git.with_extension("config");
        fs::write(&config, "[safe]\n\tdirectory = *\n").map_err(Trouble::ours("its settings could not be written"))?;
        Ok(Self {
            url: url.to_owned(),
            settings: vec!["protocol.file.allow=always".to_owned()],
            env: vec![("GIT_CONFIG_GLOBAL", config.to_string_lossy().into_owned())],
            _token: None,
        })
    }

    fn web(url: &str, trusted: bool, order: &CloneOrder) -> Result<Self, Trouble> {
        let (host, port) = address::place(url).ok_or_else(|| Trouble::Refused("it has no address".to_owned()))?;
        let scheme = if url.starts_with("https://") { "https" } else { "http" };
        if scheme == "http" && !trusted {
            return Err(Trouble::Refused("it is not reached by `https`".to_owned()));
        }
        let pinned = address::pinned(host, port, trusted).map_err(Trouble::Refused)?;
        let mut source = Self {
            url: url.to_owned(),
            settings: vec![format!("protocol.{scheme}.allow=always"), format!("http.curloptResolve={pinned}")],
            env: Vec::new(),
            _token: None,
        };
        let Some(token) = &order.token else { return Ok(source) };
        let written = || {
            let mut memory = File::from(memfd_create("token", MemfdFlags::empty())?);
            memory.write_all(token.as_bytes())?;
            let ask = order.git.with_file_name(askpass::NAME);
            symlink(std::env::current_exe()?, &ask)?;
            Ok((memory, ask))
        };
        let (memory, ask) = written().map_err(Trouble::ours("its token could not be kept ready"))?;
        let place = url.split('/').take(3).collect::<Vec<_>>().join("/");
        source.settings.push(format!("credential.username={}", askpass::USER));
        source.env = vec![
            ("GIT_ASKPASS", ask.to_string_lossy().into_owned()),
            (askpass::PLACE, place),
            (askpass::DESCRIPTOR, memory.as_raw_fd().to_string()),
        ];
        source._token = Some(memory);
        Ok(source)
    }

    fn fetch(&self, git: &Path) -> Git {
        let mut call = Git::new(git);
        for setting in &self.settings {
            call = call.set(setting);
        }
        for (name, value) in &self.env {
            call = call.env(name, value);
        }
        call.args(["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance"])
    }
}

/// Everything that is in the tree and was not, but what it ignores itself.
fn compare(order: &DiffOrder) -> Result<(), Trouble> {
    let index = order.git.join("outpost-index");
    let call = || {
        Git::new(&order.git)
            .set("core.bare=false")
            .set("core.fileMode=true")
            .set("core.symlinks=true")
            .env("GIT_INDEX_FILE", &index)
            .dir(&order.tree)
    };
    if !call().args(["read-tree", &order.base]).run()? {
        return Err(Trouble::Ours("what was cloned is gone".to_owned()));
    }
    leave_modules(order, call)?;
    // What cannot be read, and repositories within the tree, are left out.
    let _ = call().args(["add", "--all", "--ignore-errors", "--", "."]).quiet().run()?;
    let out = File::create(&order.out).map_err(Trouble::ours("the changes cannot be written"))?;
    let shown =
        ["--cached", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames"];
    let made = call().arg("diff").args(shown).arg(&order.base).to(out).run()?;
    if made { Ok(()) } else { Err(Trouble::Ours("git could not tell the changes".to_owned())) }
}

/// Has git pass over submodules. What stands in the place of one is the job's, and git would ask it how it stands: by the
/// filters that its own settings name, and outside of all walls.
fn leave_modules(order: &DiffOrder, call: impl Fn() -> Git) -> Result<(), Trouble> {
    let unknown = || Trouble::Ours("what was cloned cannot be listed".to_owned());
    let listed = call().args(["ls-files", "--stage", "-z"]).bytes()?.ok_or_else(unknown)?;
    let modules = listed.split(|byte| *byte == 0).filter(|entry| entry.starts_with(b"160000 "));
    let paths: Vec<&[u8]> = modules.filter_map(|entry| entry.splitn(2, |byte| *byte == b'\t').nth(1)).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let list = order.git.join("outpost-modules");
    fs::write(&list, paths.join(&0)).map_err(Trouble::ours("the submodules cannot be written down"))?;
    let list = File::open(list).map_err(Trouble::ours("the submodules cannot be read"))?;
    let passed_over = call().args(["update-index", "-z", "--skip-worktree", "--stdin"]).from(list).run()?;
    if passed_over { Ok(()) } else { Err(Trouble::Ours("git does not leave the submodules alone".to_owned())) }
}
