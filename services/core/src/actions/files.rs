//! Files that a job leaves: where they lie, and links to them.
//!
//! ```text
//! {job}/a{epoch}/log/{seq:08}     {job}/a{epoch}/out/{name}
//! ```
//! The epoch is in every path: a worker that lost its claim writes beside what counts, never over it. Which files are the
//! job's stands in its outcome, and that is written with the epoch that ended it.

use std::path::Path;
use std::time::Duration;

use super::{Caller, Claim, Desk, Error};
use crate::id::JobId;
use crate::job::Artifact;
use crate::key::Scope;
use crate::moment::Moment;

const LINKED: Duration = Duration::from_secs(3600);

/// A file of a job, and where it can be fetched for an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub artifact: Artifact,
    pub url: String,
    pub expires_at: Moment,
}

/// A name of plain segments, as the store of files has them.
pub(super) fn plain(name: &str) -> Result<(), Error> {
    let segment = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    if name.len() <= 512 && name.split('/').all(segment) {
        Ok(())
    } else {
        Err(Error::invalid("/artifacts", "have to have names of letters, digits and `._-`, in folders or not"))
    }
}

fn out(job: &JobId, epoch: u32, name: &str) -> String {
    format!("{job}/a{epoch}/out/{name}")
}

impl Desk {
    /// Stores a file that a job left. It counts once it stands in the outcome that the same claim brings.
    pub async fn put_artifact(&self, claim: &Claim, name: &str, file: &Path) -> Result<(), Error> {
        plain(name)?;
        let path = out(claim.id(), claim.epoch(), name);
        Ok(self.ports.blobs.put_file(claim.owner(), &path, file).await?)
    }

    /// What a job left; nothing before it has ended.
    pub async fn artifacts(&self, caller: &Caller, id: &JobId) -> Result<Vec<Link>, Error> {
        caller.may(Scope::JobsRead)?;
        let job = self.read_job(caller.id(), id).await?;
        let expires_at = self.now().plus(LINKED);
        let mut links = Vec::new();
        for artifact in job.outcome.map(|outcome| outcome.artifacts).unwrap_or_default() {
            let path = out(&job.id, job.epoch, &artifact.name);
            let url = self.ports.blobs.link(caller.id(), &path, expires_at).await?;
            links.push(Link { artifact, url, expires_at });
        }
        Ok(links)
    }
}
