//! Where commands run when not simply here: `ssm:`, `outpost:` and `container:`.

use crate::diagnostic::Span;
use crate::document::Text;

/// `ssm:` — machines that Systems Manager reaches. What is absent stands in the execution block, or has a default.
#[derive(Clone, Debug, Default)]
pub struct Machines<'s> {
    pub span: Span,
    pub targets: Option<Targets<'s>>,
    pub directory: Option<Text<'s>>,
    pub region: Option<Text<'s>>,
    pub profile: Option<Text<'s>>,
    pub endpoint: Option<Text<'s>>,
    pub document: Option<Text<'s>>,
    pub state_directory: Option<Text<'s>>,
    /// In seconds.
    pub delivery_timeout: Option<u32>,
    pub patience: Option<u32>,
    pub output: Option<Bucket<'s>>,
    pub max_concurrency: Option<Text<'s>>,
    pub max_errors: Option<Text<'s>>,
    pub contain: Option<bool>,
    pub send_secrets: Option<bool>,
}

/// Which machines; one of the two.
#[derive(Clone, Debug, Default)]
pub struct Targets<'s> {
    pub span: Span,
    pub instances: Option<Box<[Text<'s>]>>,
    pub tags: Option<Box<[Tag<'s>]>>,
}

#[derive(Clone, Debug)]
pub struct Tag<'s> {
    pub name: Text<'s>,
    pub values: Box<[Text<'s>]>,
}

#[derive(Clone, Debug)]
pub struct Bucket<'s> {
    pub name: Text<'s>,
    pub prefix: Option<Text<'s>>,
}

impl<'s> Machines<'s> {
    /// These settings, and those of `other` where these say nothing.
    #[must_use]
    pub fn over(&self, other: &Self) -> Self {
        Self {
            span: self.span,
            targets: first(&self.targets, &other.targets),
            directory: first(&self.directory, &other.directory),
            region: first(&self.region, &other.region),
            profile: first(&self.profile, &other.profile),
            endpoint: first(&self.endpoint, &other.endpoint),
            document: first(&self.document, &other.document),
            state_directory: first(&self.state_directory, &other.state_directory),
            delivery_timeout: first(&self.delivery_timeout, &other.delivery_timeout),
            patience: first(&self.patience, &other.patience),
            output: first(&self.output, &other.output),
            max_concurrency: first(&self.max_concurrency, &other.max_concurrency),
            max_errors: first(&self.max_errors, &other.max_errors),
            contain: first(&self.contain, &other.contain),
            send_secrets: first(&self.send_secrets, &other.send_secrets),
        }
    }

    /// Where commands run on them.
    pub fn directory(&self) -> &str {
        self.directory.as_deref().unwrap_or("/")
    }
}

/// `outpost:` — the service whose fleet does the jobs. What is absent stands in the execution block, or has a default.
#[derive(Clone, Debug, Default)]
pub struct Fleet<'s> {
    pub span: Span,
    pub url: Option<Text<'s>>,
    pub repo: Option<Text<'s>>,
    pub reference: Option<Text<'s>>,
    /// The remote of the project that leads to the repository.
    pub push: Option<Text<'s>>,
    pub directory: Option<Text<'s>>,
    pub labels: Box<[(Text<'s>, Text<'s>)]>,
    /// In seconds.
    pub patience: Option<u32>,
    pub send_secrets: Option<bool>,
}

impl<'s> Fleet<'s> {
    /// These settings, and those of `other` where these say nothing. A version goes with its repository.
    #[must_use]
    pub fn over(&self, other: &Self) -> Self {
        let reference =
            if self.repo.is_some() { self.reference.clone() } else { first(&self.reference, &other.reference) };
        let others =
            other.labels.iter().filter(|(name, _)| !self.labels.iter().any(|(own, _)| own.as_str() == name.as_str()));
        Self {
            span: self.span,
            url: first(&self.url, &other.url),
            repo: first(&self.repo, &other.repo),
            reference,
            push: if self.repo.is_some() { self.push.clone() } else { first(&self.push, &other.push) },
            directory: first(&self.directory, &other.directory),
            labels: self.labels.iter().chain(others).cloned().collect(),
            patience: first(&self.patience, &other.patience),
            send_secrets: first(&self.send_secrets, &other.send_secrets),
        }
    }

    /// Whether workers find in the repository what the run landed meanwhile.
    pub fn is_shared(&self) -> bool {
        self.push.is_some() || self.repo.as_ref().is_some_and(|repo| repo.starts_with('/'))
    }

    /// Where commands begin, below the workspace.
    pub fn directory(&self) -> &str {
        self.directory.as_deref().unwrap_or(".")
    }
}

fn first<T: Clone>(own: &Option<T>, other: &Option<T>) -> Option<T> {
    own.as_ref().or(other.as_ref()).cloned()
}

/// `container:` — what the commands of a task run in.
#[derive(Clone, Debug)]
pub struct Container<'s> {
    pub image: Text<'s>,
    pub engine: Option<ContainerEngine>,
    pub network: Option<Text<'s>>,
    pub env: Box<[(Text<'s>, Text<'s>)]>,
    pub mounts: Box<[Mount<'s>]>,
    pub user: Option<Text<'s>>,
    pub workdir: Option<Text<'s>>,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerEngine {
    Docker,
    Podman,
}

#[derive(Clone, Debug)]
pub struct Mount<'s> {
    pub source: Text<'s>,
    /// Absent: as here.
    pub target: Option<Text<'s>>,
    pub read_only: bool,
}
