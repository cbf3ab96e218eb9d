//! The command line of the server. Secrets are read from the environment only: a command line is everybody's to see.

use std::collections::BTreeMap;
use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use outpost_api::{Files, Rate, Settings, Stripe};
use outpost_core::actions::Door;
use outpost_core::fleet;
use outpost_core::ports::Secret;
use outpost_core::spec::Offer;
use outpost_core::tenant::Tier;

/// The Outpost service on one machine: its API, over one folder.
#[derive(Debug, Parser)]
#[command(name = "outpost-api", version)]
#[command(
    after_help = "From the environment only: OUTPOST_INVITATIONS, OUTPOST_STRIPE_KEY and OUTPOST_STRIPE_WEBHOOK_SECRETS \
                        (each of several parted by commas)."
)]
pub(crate) struct Options {
    /// Where everything is kept; made where there is nothing yet
    #[arg(long, value_name = "DIR", env = "OUTPOST_DATA")]
    pub(crate) data: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", env = "OUTPOST_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// Where it is reached from outside [default: http:// and the address it listens on]
    #[arg(long, value_name = "URL", env = "OUTPOST_PUBLIC_URL")]
    public_url: Option<String>,
    /// Whose jobs these are: of this machine's owner, who may name its folders and tell its ports, or of others
    /// [default: the owner's where it listens on loopback and has no --public-url]
    #[arg(long, value_name = "WHOSE", env = "OUTPOST_TENANTS")]
    tenants: Option<Tenants>,
    /// Who may register
    #[arg(long, value_name = "WHO", default_value = "open", env = "OUTPOST_REGISTER")]
    register: Register,
    /// Hosts that repositories may come from; the first is meant by `owner/name`
    #[arg(
        long,
        value_name = "HOST",
        default_value = "github.com",
        value_delimiter = ',',
        env = "OUTPOST_REPOSITORY_HOSTS"
    )]
    repository_host: Vec<String>,
    /// Do the jobs, too, in this process
    #[arg(long, env = "OUTPOST_WITH_WORKER")]
    with_worker: bool,
    /// Jobs that are done at once
    #[arg(long, value_name = "COUNT", default_value_t = 2, requires = "with_worker", env = "OUTPOST_SLOTS")]
    slots: u16,
    /// Where the folders of jobs are made [default: `workspaces` in the data folder]
    #[arg(long, value_name = "DIR", requires = "with_worker", env = "OUTPOST_WORKSPACES")]
    workspaces: Option<PathBuf>,
    /// Definitions of agents, beside the built-in ones
    #[arg(long, value_name = "DIR", env = "OUTPOST_AGENTS")]
    agents: Option<PathBuf>,
    /// A folder below which jobs may name repositories; may be given again [default: where it is started, where its only
    /// tenant is this machine's owner]
    #[arg(long, value_name = "DIR", requires = "with_worker")]
    allow_local_repos: Vec<PathBuf>,
    /// The model that an agent uses unless a job says otherwise
    #[arg(long, value_name = "AGENT=MODEL", value_delimiter = ',', env = "OUTPOST_MODELS")]
    model: Vec<String>,
    /// Origins whose pages may call the API from a browser, or `*`
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',', env = "OUTPOST_ORIGINS")]
    origin: Vec<String>,
    /// How many proxies stand in front and add to `X-Forwarded-For`
    #[arg(long, value_name = "COUNT", default_value_t = 0, env = "OUTPOST_PROXIES")]
    proxies: usize,
    /// Requests of a tenant in a second
    #[arg(long, value_name = "COUNT", default_value_t = 50, env = "OUTPOST_RATE")]
    rate: u32,
    /// Requests of a tenant at once
    #[arg(long, value_name = "COUNT", default_value_t = 100, env = "OUTPOST_BURST")]
    burst: u32,
    /// What a price of the payment provider buys
    #[arg(long, value_name = "PRICE=TIER", value_delimiter = ',', env = "OUTPOST_STRIPE_PRICES")]
    stripe_price: Vec<String>,
    /// Where the payment provider is
    #[arg(long, value_name = "URL", default_value = "https://api.stripe.com", env = "OUTPOST_STRIPE_URL")]
    stripe_url: String,
    /// What is written to the log: `warn`, `info`, `debug`, or as `RUST_LOG` has it
    #[arg(long, value_name = "FILTER", default_value = "info", env = "OUTPOST_LOG")]
    pub(crate) log: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tenants {
    Owner,
    Others,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Register {
    /// Everybody
    Open,
    /// Whoever brings one of OUTPOST_INVITATIONS
    Invite,
    /// Nobody: outpost-admin makes tenants
    Closed,
}

fn secrets(name: &str) -> Vec<Secret> {
    let text = env::var(name).unwrap_or_default();
    text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(|text| Secret::new(text.to_owned())).collect()
}

fn pair<'a>(option: &str, text: &'a str) -> Result<(&'a str, &'a str), String> {
    text.split_once('=').ok_or_else(|| format!("`{option} {text}` has no `=`"))
}

impl Options {
    /// Whether the only tenant is the owner of this machine.
    pub(crate) fn own(&self, address: SocketAddr) -> bool {
        match self.tenants {
            Some(tenants) => tenants == Tenants::Owner,
            None => address.ip().is_loopback() && self.public_url.is_none(),
        }
    }

    pub(crate) fn base(&self, address: SocketAddr) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{address}")).trim_end_matches('/').to_owned()
    }

    pub(crate) fn offer(&self, own: bool) -> Result<Offer, String> {
        let mut offer = fleet::offer(self.repository_host.clone(), own);
        if let Some(agents) = &self.agents {
            offer.agents = outpost_worker::agents(Some(agents)).map_err(|error| error.to_string())?;
        }
        for text in &self.model {
            let (name, model) = pair("--model", text)?;
            let agent = offer.agents.iter_mut().find(|agent| agent.name == name);
            agent.ok_or_else(|| format!("`--model {text}` names no agent of the service"))?.model =
                Some(model.to_owned());
        }
        Ok(offer)
    }

    pub(crate) fn door(&self) -> Result<Door, String> {
        match self.register {
            Register::Open => Ok(Door::Open),
            Register::Closed => Ok(Door::Closed),
            Register::Invite => {
                let codes = secrets("OUTPOST_INVITATIONS");
                let none = || "`--register invite` needs OUTPOST_INVITATIONS in the environment".to_owned();
                if codes.is_empty() { Err(none()) } else { Ok(Door::Invite(codes)) }
            }
        }
    }

    /// How jobs are done here; none where others do them.
    pub(crate) fn worker(&self, lease: Duration, own: bool) -> Option<outpost_worker::Settings> {
        let workspaces = self.workspaces.clone().unwrap_or_else(|| self.data.join("workspaces"));
        let mut settings = outpost_worker::Settings::new(workspaces, lease);
        settings.slots = self.slots.max(1).into();
        settings.agents.clone_from(&self.agents);
        settings.sources.folders.clone_from(&self.allow_local_repos);
        if own && settings.sources.folders.is_empty() {
            // Started by a system that has no folder in mind, it would be all of the machine.
            settings.sources.folders =
                env::current_dir().into_iter().filter(|folder| folder.parent().is_some()).collect();
        }
        // The server looks for what went missing.
        settings.clocks.reap = None;
        self.with_worker.then_some(settings)
    }

    pub(crate) fn prices(&self) -> Result<BTreeMap<String, Tier>, String> {
        let read = |text: &String| {
            let (price, tier) = pair("--stripe-price", text)?;
            let found = Tier::ALL.into_iter().find(|one| one.as_str() == tier);
            let tier = found.ok_or_else(|| format!("`--stripe-price {text}` names no tier: free, pro, enterprise"))?;
            Ok((price.to_owned(), tier))
        };
        self.stripe_price.iter().map(read).collect()
    }

    pub(crate) fn settings(&self, base: &str, files: Arc<dyn Files>) -> Result<Settings, String> {
        let mut settings = Settings::new(base);
        settings.origins.clone_from(&self.origin);
        settings.proxies = self.proxies;
        settings.rate = Rate { per_second: self.rate.max(1), burst: self.burst.max(1) };
        settings.files = Some(files);
        if let Some(key) = secrets("OUTPOST_STRIPE_KEY").into_iter().next() {
            let webhook_secrets = secrets("OUTPOST_STRIPE_WEBHOOK_SECRETS");
            if webhook_secrets.is_empty() {
                return Err("OUTPOST_STRIPE_KEY needs OUTPOST_STRIPE_WEBHOOK_SECRETS beside it".to_owned());
            }
            settings.stripe = Some(Stripe {
                base: self.stripe_url.clone(),
                key,
                webhook_secrets,
                success_url: format!("{base}/docs"),
                cancel_url: format!("{base}/docs"),
                return_url: format!("{base}/docs"),
            });
        }
        Ok(settings)
    }
}
