//! Files outside of this machine: sent, fetched, removed, over S3, HTTP and a shared directory.
//!
//! A file goes as it is, however large, in memory that does not grow with it. What may pass is tried again with growing
//! pauses; what will not (no permission, no such bucket) is not. A redirect is an answer like any other: nothing follows
//! it, and no credential goes where the document did not send it. What was fetched is the bytes with the digest that was
//! asked for, or nothing. Problems name the address without what may be secret in it.
//!
//! It knows addresses and files, not tasks: [`address`] knows where a task's data goes, [`errand`] and [`checkpoint`] what
//! goes there.

pub mod address;
pub mod checkpoint;
mod content;
pub mod errand;
mod http;
#[cfg(feature = "aws")]
mod s3;
#[cfg(not(feature = "aws"))]
#[path = "no_s3.rs"]
mod s3;
mod shared;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

pub use content::{Content, measure, measured};
use content::{Hasher, rewind};

use super::fence::Fence;
pub use super::net::shown;

/// The largest file that is sent or fetched.
pub const MOST_BYTES: u64 = 10 << 30;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Whether this build can speak to AWS.
pub const HAS_AWS: bool = cfg!(feature = "aws");
/// What a build without AWS says.
pub const NO_AWS: &str = "this build has no AWS: build it with `--features aws`";
/// What a bucket without versions is told that should have them.
#[cfg(feature = "aws")]
const NO_VERSIONS: &str = "the bucket keeps no versions, and `storage.versioning` wants them: turn them on (`aws s3api put-bucket-versioning`), or leave it out";

/// An address, and how to speak to it.
#[derive(Clone, Debug)]
pub struct Place {
    /// `s3://bucket/key`, `http://…`, `https://…`, or `file:///…` in a shared directory.
    pub uri: String,
    /// Who it is for, in words: "its output", "the output of `T0.1`".
    pub what: String,
    pub whom: Whom,
    pub patience: Patience,
    pub bucket: Bucket,
    /// How far links may lead that lie on the way to files here.
    pub fence: Fence,
    /// Whether the address is a path of the project, which no link may lead out of.
    pub is_fenced: bool,
}

/// How long and how often an address is tried.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The longest a request may take.
    pub timeout: Duration,
    /// In all.
    pub attempts: u32,
    /// Before the second attempt; twice as long before each next one.
    pub delay: Duration,
}

/// Whom we are to an address. It may hold secrets, and shows none.
#[derive(Clone)]
pub enum Whom {
    Nobody,
    /// Name and value of a header.
    Header(String, String),
    /// The chain that the `aws` command follows.
    Chain,
    /// An access key id, its secret, and a session token.
    Keys(String, String, Option<String>),
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, and nothing else.
    Environment,
    /// The role of this machine, container or pod.
    Role,
    /// A file as the `aws` command has it.
    File(PathBuf),
}

impl fmt::Debug for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::Header(..) => "Header(…)",
            Self::Chain => "Chain",
            Self::Keys(..) => "Keys(…)",
            Self::Environment => "Environment",
            Self::Role => "Role",
            Self::File(_) => "File(…)",
        })
    }
}

/// What only S3 knows.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    pub region: Option<String>,
    /// Its address, when it is not AWS.
    pub endpoint: Option<String>,
    /// Objects are encrypted by the store: with this key, or with its own.
    pub encryption: Option<Option<String>>,
    /// Objects are read back in the version that was written.
    pub versioning: bool,
}

/// A file at an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    pub uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Why a file did not travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub text: String,
    /// Whether the same may go better in a while.
    pub passing: bool,
    /// When the other side says to come back.
    pub after: Option<Duration>,
    /// What the other side answered.
    pub status: Option<u16>,
}

impl Problem {
    pub(super) fn lasting(text: impl Into<String>) -> Self {
        Self { text: text.into(), passing: false, after: None, status: None }
    }

    fn passing(text: impl Into<String>) -> Self {
        Self { passing: true, ..Self::lasting(text) }
    }

    /// Of a status of HTTP, which S3 speaks as well. `said` is what came with it.
    fn status(status: u16, said: &str) -> Self {
        let way_out = match status {
            301..=308 => {
                "; redirects are not followed, because credentials would go along: write the address it leads to"
            }
            400 | 422 => "; it does not like what was sent",
            401 | 403 => "; see that its credentials are right and may do this",
            404 | 410 => "; there is nothing at this address",
            413 => "; it takes no file of this size",
            _ => "",
        };
        let said = if said.is_empty() { String::new() } else { format!(" {said}") };
        let passing = matches!(status, 408 | 425 | 429 | 500 | 502..=504);
        Self { passing, status: Some(status), ..Self::lasting(format!("it answers {status}{said}{way_out}")) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How an address is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    S3,
    Http,
    File,
}

fn protocol(uri: &str) -> Protocol {
    match uri.split_once("://") {
        Some(("s3", _)) => Protocol::S3,
        Some(("file", _)) => Protocol::File,
        _ => Protocol::Http,
    }
}

impl Place {
    /// The same for another address.
    pub fn at(&self, uri: &str) -> Self {
        Self { uri: uri.to_owned(), ..self.clone() }
    }

    /// Whether it is this file, by whichever path.
    pub fn is_file(&self, file: &Path) -> bool {
        protocol(&self.uri) == Protocol::File && shared::is(self, file)
    }

    fn told(&self, verb: &str, mut problem: Problem) -> Problem {
        problem.text = format!("{} cannot be {verb} `{}`: {problem}", self.what, shown(&self.uri));
        problem
    }

    /// Sends a file, over whatever is there. The same file again does no harm.
    pub async fn put(&self, file: &Path) -> Result<(Copy, Content), Problem> {
        let told = |problem| self.told("sent to", problem);
        let content = measure(&self.fence, file).map_err(told)?;
        let version = match protocol(&self.uri) {
            Protocol::S3 => s3::put(self, file, &content).await.map_err(told)?,
            Protocol::Http => {
                self.patiently(async || http::put(self, file, &content).await).await.map_err(told)?;
                None
            }
            Protocol::File => {
                shared::put(self, file).map_err(told)?;
                None
            }
        };
        Ok((Copy { uri: self.uri.clone(), version }, content))
    }

    /// Fetches a file. With `wanted`, it is that, or a problem; without, it is what is there, up to a limit.
    pub async fn get(&self, version: Option<&str>, wanted: Option<&Content>, to: &Path) -> Result<Content, Problem> {
        let told = |problem| self.told("fetched from", problem);
        let folder = to.parent().unwrap_or(Path::new("."));
        let made =
            tempfile::Builder::new().prefix(".fetch-").tempfile_in(folder).map_err(|error| told(local(&error)))?;
        let most = wanted.map_or(MOST_BYTES, |content| content.bytes);
        let content = match protocol(&self.uri) {
            Protocol::S3 => s3::get(self, version, made.as_file(), most).await.map_err(told)?,
            Protocol::Http => {
                self.patiently(async || http::get(self, made.as_file(), most).await).await.map_err(told)?
            }
            Protocol::File => shared::get(self, made.as_file(), most).map_err(told)?,
        };
        if wanted.is_some_and(|wanted| *wanted != content) {
            return Err(told(changed()));
        }
        made.persist(to).map_err(|error| told(local(&error.error)))?;
        Ok(content)
    }

    /// Removes what is there; nothing is as good.
    pub async fn delete(&self, version: Option<&str>) -> Result<(), Problem> {
        let told = |problem| self.told("removed from", problem);
        match protocol(&self.uri) {
            Protocol::S3 => s3::delete(self, version).await.map_err(told),
            Protocol::Http => self.patiently(async || http::delete(self).await).await.map_err(told),
            Protocol::File => shared::delete(self).map_err(told),
        }
    }

    /// An address that whoever has it may fetch the object from for a while; nothing for what S3 does not keep, and for keys that
    /// come with a token.
    pub async fn sign(&self, version: Option<&str>, valid: Duration) -> Result<Option<String>, Problem> {
        // Its address would hold the token.
        let is_telling = matches!(self.whom, Whom::Keys(_, _, Some(_)));
        if is_telling || protocol(&self.uri) != Protocol::S3 {
            return Ok(None);
        }
        s3::sign(self, version, valid).await.map(Some).map_err(|problem| self.told("signed at", problem))
    }

    /// Tries as often as it may, each time no longer than it may.
    async fn patiently<T>(&self, attempt: impl AsyncFn() -> Result<T, Problem>) -> Result<T, Problem> {
        let Patience { timeout: limit, attempts, delay } = self.patience;
        let mut pause = delay;
        for number in 1.. {
            let problem = match timeout(limit, attempt()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(problem)) => problem,
                Err(_) => Problem::passing(format!(
                    "it took longer than {:#} (timeout)",
                    jiff::SignedDuration::try_from(limit).unwrap_or(jiff::SignedDuration::MAX)
                )),
            };
            if !problem.passing || number >= attempts {
                let text = match number {
                    1 => problem.text,
                    _ => format!("{}, {number} times", problem.text),
                };
                return Err(Problem { text, ..problem });
            }
            sleep(problem.after.unwrap_or(pause).min(LONGEST_PAUSE)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(Problem::lasting("it was not tried"))
    }
}

fn local(error: &io::Error) -> Problem {
    Problem::lasting(format!("this machine cannot keep or read the file: {error}"))
}

fn changed() -> Problem {
    Problem::lasting("what is there is not what the task left: it was changed since")
}

fn too_large(most: u64) -> Problem {
    if most == MOST_BYTES {
        return Problem::lasting(format!("it is larger than {} GiB", MOST_BYTES >> 30));
    }
    changed()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::{Bucket, Fence, Patience, Place, Problem, Whom, shown};

    fn place(attempts: u32) -> Place {
        let patience = Patience { timeout: Duration::from_secs(60), attempts, delay: Duration::ZERO };
        let whom = Whom::Header("X-Key".to_owned(), "hunter2".to_owned());
        Place {
            uri: "https://x/y".to_owned(),
            what: "it".to_owned(),
            whom,
            patience,
            bucket: Bucket::default(),
            fence: Fence::default(),
            is_fenced: false,
        }
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_as_often_as_it_may_and_what_lasts_is_not() {
        for (status, tried) in [(503, 3), (429, 3), (403, 1), (404, 1), (302, 1)] {
            let count = AtomicU32::new(0);
            let place = place(3);
            let refused = place.patiently(async || {
                count.fetch_add(1, Ordering::Relaxed);
                Err::<(), _>(Problem::status(status, ""))
            });
            let problem = refused.await.expect_err("it never works");
            assert_eq!(count.load(Ordering::Relaxed), tried, "{status}");
            assert!(problem.text.contains(&status.to_string()), "{problem}");
        }
    }

    #[test]
    fn addresses_and_places_show_no_secrets() {
        assert_eq!(shown("https://ada:pw@h:8/a/b?sig=1#x"), "https://h:8/a/b");
        assert_eq!(shown("s3://b/k?x"), "s3://b/k?x");
        assert_eq!(shown("/x?sig=1"), "/x");
        assert!(!format!("{:?}", place(1)).contains("hunter2"));
    }
}
