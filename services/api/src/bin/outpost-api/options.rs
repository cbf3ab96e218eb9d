//! The command line of the server.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use outpost_api::Front;

/// The Outpost service: its API, over one folder of this machine or in AWS.
#[derive(Debug, Parser)]
#[command(name = "outpost-api", version)]
#[command(
    after_help = "From the environment only: OUTPOST_INVITATIONS, OUTPOST_STRIPE_KEY and OUTPOST_STRIPE_WEBHOOK_SECRETS \
                        (each of several parted by commas); in AWS also OUTPOST_CURSOR_KEY, and OUTPOST_SECRET, which \
                        names a secret that holds them."
)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", env = "OUTPOST_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// Where it is reached from outside [default: http:// and the address it listens on]
    #[arg(long, value_name = "URL", env = "OUTPOST_PUBLIC_URL")]
    public_url: Option<String>,
    /// Whose jobs these are: of this machine's owner, who may name its folders and tell its ports, or of others
    /// [default: the owner's where it listens on loopback and has no --public-url; in AWS always others']
    #[arg(long, value_name = "WHOSE", env = "OUTPOST_TENANTS")]
    tenants: Option<Tenants>,
    #[command(flatten)]
    pub(crate) front: Front,
    #[cfg(feature = "embedded")]
    #[command(flatten)]
    pub(crate) working: Working,
    /// What is written to the log: `warn`, `info`, `debug`, or as `RUST_LOG` has it
    #[arg(long, value_name = "FILTER", default_value = "info", env = "OUTPOST_LOG")]
    pub(crate) log: String,
}

/// What this build can besides: jobs, and definitions of agents.
#[cfg(feature = "embedded")]
#[derive(Debug, clap::Args)]
pub(crate) struct Working {
    /// Do the jobs, too, in this process
    #[arg(long, env = "OUTPOST_WITH_WORKER", conflicts_with = "aws")]
    pub(crate) with_worker: bool,
    /// Jobs that are done at once
    #[arg(long, value_name = "COUNT", default_value_t = 2, requires = "with_worker", env = "OUTPOST_SLOTS")]
    pub(crate) slots: u16,
    /// Where the folders of jobs are made [default: `workspaces` in the data folder]
    #[arg(long, value_name = "DIR", requires = "with_worker", env = "OUTPOST_WORKSPACES")]
    pub(crate) workspaces: Option<PathBuf>,
    /// Definitions of agents, beside the built-in ones
    #[arg(long, value_name = "DIR", env = "OUTPOST_AGENTS")]
    pub(crate) agents: Option<PathBuf>,
    /// A folder below which jobs may name repositories; may be given again
    #[arg(long, value_name = "DIR", requires = "with_worker")]
    pub(crate) allow_local_repos: Vec<PathBuf>,
}

/// Where the installation lies.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Place {
    /// Where everything is kept on this machine; made where there is nothing yet
    #[arg(long, value_name = "DIR", env = "OUTPOST_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Everything is kept in AWS, by variables: S3_ARTIFACTS_BUCKET and others, which services/aws/README.md lists
    #[arg(long)]
    pub(crate) aws: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tenants {
    Owner,
    Others,
}

impl Options {
    /// Whether the only tenant is the owner of this machine.
    pub(crate) fn own(&self, address: SocketAddr) -> Result<bool, String> {
        if self.place.aws {
            return match self.tenants {
                Some(Tenants::Owner) => {
                    Err("a service in AWS has no owner's machine: leave `--tenants owner` out".to_owned())
                }
                Some(Tenants::Others) | None => Ok(false),
            };
        }
        Ok(match self.tenants {
            Some(tenants) => tenants == Tenants::Owner,
            None => address.ip().is_loopback() && self.public_url.is_none(),
        })
    }

    pub(crate) fn base(&self, address: SocketAddr) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{address}")).trim_end_matches('/').to_owned()
    }
}
