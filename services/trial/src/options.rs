//! The command line.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::verbs::metrics::Metrics;
use crate::verbs::scaling::Scaling;

/// Tries an Outpost service that stands, over HTTP, as its tenants would
#[derive(Debug, Parser)]
#[command(name = "outpost-trial", version)]
#[command(
    after_help = "From the environment only: OUTPOST_TRIAL_ADMIN_KEY, a key with the scope `admin` (tenants are made with it, and \
                  removed at the end), and OUTPOST_TRIAL_SECRET, the secret that is stored for the agent. Durations are like \
                  PT15M or 90s. Exit codes: 0 all is as it should be, 1 it is not, 2 a wrong command line."
)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) how: How,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct How {
    /// Where the service is
    #[arg(long, global = true, value_name = "URL", env = "OUTPOST_TRIAL_URL")]
    pub(crate) url: Option<String>,
    /// What registering needs, where the service is for those who were asked in
    #[arg(long, global = true, value_name = "CODE", env = "OUTPOST_TRIAL_INVITATION", hide_env_values = true)]
    pub(crate) invitation: Option<String>,
    /// Who does the jobs [default: `fake` where the service offers it to the tenant, else `claude`]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) agent: Option<String>,
    /// The repository that jobs are about [default: an empty workspace]
    #[arg(long, global = true, value_name = "REPOSITORY")]
    pub(crate) repo: Option<String>,
    /// Under which kind the secret is stored [default: the one that the agent needs]
    #[arg(long, global = true, value_name = "KIND")]
    pub(crate) secret_kind: Option<String>,
    /// For how long a job is waited for
    #[arg(long, global = true, value_name = "DURATION", default_value = "PT10M", value_parser = duration)]
    pub(crate) deadline: Duration,
    /// For how long a limit of requests is waited for, once it asks for that
    #[arg(long, global = true, value_name = "DURATION", default_value = "PT2M", value_parser = duration)]
    pub(crate) patience: Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// A tenant registers, has a job done, takes what it left, and its key is revoked
    EndToEnd,
    /// Two tenants: neither finds, sees nor changes what the other has
    Isolation,
    /// All jobs of a day are asked for, many at once, and one more
    Quota,
    /// Workers come with jobs and go after them: for a service in AWS
    Scaling(Scaling),
    /// Measures what can be measured from outside, beside what it is to be
    Metrics(Metrics),
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let read: jiff::SignedDuration = text.parse().map_err(|_| "is no duration like PT15M".to_owned())?;
    Duration::try_from(read).map_err(|_| "lies in the past".to_owned())
}
