//! The repository of a job: fetched before its work, compared with afterwards.
//!
//! Git runs in a process of its own below a keeper ([`hand`]), with an environment and settings made from nothing ([`git`]).
//! What is fetched lies in a repository that the job never sees; it works in a tree with a repository of its own. So
//! whatever a job does to its repository, what changed is told by ours.
//!
//! The token reaches git by a program of ours alone ([`askpass`]): it is in no argument, no address, no configuration, no
//! environment and no file.

pub(crate) mod address;
pub(crate) mod askpass;
mod git;
pub(crate) mod hand;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use outpost_core::job::Code;
use outpost_core::web::Repository;
use outpost_executor::Outcome as Became;
use serde::{Deserialize, Serialize};

use crate::attempt::{Attempt, OURSELVES};
use crate::ending::End;
use crate::files::{self, Left};
use crate::settings::Sources;

/// The words of the command line that lead to [`hand`].
pub(crate) const CLONE: &str = "__clone";
pub(crate) const DIFF: &str = "__diff";

/// How a clone ends that was refused, and one that failed.
const REFUSED: u8 = 3;
const FAILED: u8 = 4;

/// Certificates that the operator has of its own.
const PASSED: [&str; 3] = ["SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"];

/// What is to be cloned. It comes on standard input, because of the token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CloneOrder {
    from: From,
    reference: Option<String>,
    /// Ours, made by this.
    git: PathBuf,
    /// The job's, there and empty.
    tree: PathBuf,
    /// Receives the id of the commit.
    answer: PathBuf,
    token: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum From {
    Folder(PathBuf),
    Web {
        url: String,
        /// What the job's own repository says it comes from.
        shown: String,
        /// Its addresses are the operator's matter.
        trusted: bool,
    },
}

/// What is to be compared.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DiffOrder {
    git: PathBuf,
    tree: PathBuf,
    base: String,
    out: PathBuf,
}

/// What a tree began with.
#[derive(Debug)]
pub(crate) struct Base {
    commit: String,
}

impl Attempt<'_> {
    fn git(&self) -> PathBuf {
        self.place.own().join("git")
    }

    /// Clones the repository of the job, if it names one.
    pub(crate) async fn fetch(&mut self) -> Result<Option<Base>, End> {
        let Some(repo) = self.spec().repo.clone() else { return Ok(None) };
        let refused = |told: String| End::failed(Code::RepositoryRefused, &told);
        let offer = &self.worker.desk.settings().offer;
        let found = offer.repositories.read(&repo).map_err(|told| refused(format!("the repository {told}")))?;
        let from = source(found, &self.worker.settings.sources).map_err(refused)?;
        let answer = self.place.own().join("commit");
        let token = self.secrets.get("github_token").map(|token| String::from_utf8_lossy(token).into_owned());
        // A folder of this machine asks for none.
        let token = token.filter(|_| matches!(from, From::Web { .. }));
        let order = CloneOrder {
            from,
            reference: self.spec().reference.clone(),
            git: self.git(),
            tree: self.place.tree(),
            answer: answer.clone(),
            token,
        };
        let mut work = self.work("clone", OURSELVES);
        work.args = vec![CLONE.into()];
        work.env = self.environment_of_git();
        work.stdin = Some(serde_json::to_vec(&order).map_err(|error| End::Broken(error.to_string()))?);
        work.limits = self.limits();
        let report = self.run(work, None).await?;
        match &report.outcome {
            Became::Exited(0) => {}
            Became::Exited(status) if *status == i32::from(REFUSED) => return Err(refused(last_words(&report))),
            Became::Exited(status) if *status == i32::from(FAILED) => {
                return Err(End::failed(Code::CloneFailed, &last_words(&report)));
            }
            Became::TimedOut => return Err(End::timed_out(self.spec().timeout_seconds)),
            other => return Err(End::Broken(format!("cloning ended as {other:?}: {}", last_words(&report)))),
        }
        let commit = std::fs::read_to_string(&answer)
            .map_err(|error| End::Broken(format!("what was cloned is not known: {error}")))?;
        let commit = commit.trim().to_owned();
        self.log.say(format!("cloned {repo} at {commit}"));
        Ok(Some(Base { commit }))
    }

    /// What changed since the clone, as a file; what keeps it from being made is told.
    pub(crate) async fn changes(&mut self, base: &Base) -> Result<Option<Left>, End> {
        let out = self.place.own().join("changes.diff");
        let order = DiffOrder { git: self.git(), tree: self.place.tree(), base: base.commit.clone(), out: out.clone() };
        let mut work = self.work("diff", OURSELVES);
        work.args = vec![DIFF.into()];
        work.env = self.environment_of_git();
        work.stdin = Some(serde_json::to_vec(&order).map_err(|error| End::Broken(error.to_string()))?);
        work.limits = self.limits();
        let report = self.run(work, None).await?;
        if report.outcome != Became::Exited(0) {
            self.log.say(format!("what changed could not be told: {}", last_words(&report)));
            return Ok(None);
        }
        files::ours("changes.diff", "text/x-diff", &out).map_err(|error| End::Broken(format!("the changes: {error}")))
    }

    fn environment_of_git(&self) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
        let mut env: BTreeMap<_, _> = self.plain_environment();
        env.extend(PASSED.iter().filter_map(|name| Some(((*name).into(), std::env::var_os(name)?))));
        // The home of the job is the job's: git has to find nothing there.
        env.insert("HOME".into(), "/nonexistent".into());
        env.insert("TMPDIR".into(), self.place.own().into());
        env.into_iter().collect()
    }
}

/// The last line that a process left on its error output; what it says is clean.
fn last_words(report: &outpost_executor::Report) -> String {
    let said = report.stderr.tail.trim();
    if said.is_empty() { "git gave no reason".to_owned() } else { said.to_owned() }
}

/// Where a repository is fetched from here.
fn source(repository: Repository, sources: &Sources) -> Result<From, String> {
    match repository {
        Repository::Folder(folder) => {
            let told = |_| format!("there is no repository in the folder `{folder}`");
            let real = Path::new(&folder).canonicalize().map_err(told)?;
            let allowed = sources.folders.iter().filter_map(|allowed| allowed.canonicalize().ok());
            if allowed.into_iter().any(|allowed| real.starts_with(allowed)) {
                Ok(From::Folder(real))
            } else {
                Err(format!("the folder `{folder}` is not below one that repositories may lie in here"))
            }
        }
        Repository::Https(url) => {
            let rest = url.strip_prefix("https://").unwrap_or_default();
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            match sources.mirrors.get(host) {
                Some(mirror) => Ok(From::Web {
                    url: format!("{}/{path}", mirror.trim_end_matches('/')),
                    shown: url.clone(),
                    trusted: true,
                }),
                None => {
                    let trusted = sources.private_hosts.iter().any(|allowed| allowed == host);
                    Ok(From::Web { shown: url.clone(), url, trusted })
                }
            }
        }
    }
}
