//! What whoever runs a front door tells it, be it a server or a function: options, each of which can stand in the environment.
//! Secrets are read from the surroundings only: a command line is everybody's to see.

use std::sync::Arc;

use clap::ValueEnum;
use outpost_core::actions::Door;
use outpost_core::fleet;
use outpost_core::ports::Secret;
use outpost_core::spec::{Agent, Offer};
use outpost_core::tenant::Tier;

use crate::settings::{Files, Rate, STRIPE, Settings, Stripe};

/// What a variable is set to, or what stands in for it.
pub type Read<'a> = &'a dyn Fn(&str) -> Option<String>;

#[derive(Clone, Debug, clap::Args)]
pub struct Front {
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
    /// What a price of the payment provider buys; of the prices of a tier, the first is sold
    #[arg(long, value_name = "PRICE=TIER", value_delimiter = ',', env = "OUTPOST_STRIPE_PRICES")]
    stripe_price: Vec<String>,
    /// Where the payment provider is
    #[arg(long, value_name = "URL", default_value = STRIPE, env = "OUTPOST_STRIPE_URL")]
    stripe_url: String,
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

fn secrets(read: Read<'_>, name: &str) -> Vec<Secret> {
    let text = read(name).unwrap_or_default();
    text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(|text| Secret::new(text.to_owned())).collect()
}

fn pair<'a>(option: &str, text: &'a str) -> Result<(&'a str, &'a str), String> {
    text.split_once('=').ok_or_else(|| format!("`{option} {text}` has no `=`"))
}

impl Front {
    /// What is offered: these agents, or the five that everybody knows. `own`: the only tenant owns the machine.
    pub fn offer(&self, own: bool, agents: Option<Vec<Agent>>) -> Result<Offer, String> {
        let mut offer = fleet::offer(self.repository_host.clone(), own);
        if let Some(agents) = agents {
            offer.agents = agents;
        }
        for text in &self.model {
            let (name, model) = pair("--model", text)?;
            let agent = offer.agents.iter_mut().find(|agent| agent.name == name);
            agent.ok_or_else(|| format!("`--model {text}` names no agent of the service"))?.model =
                Some(model.to_owned());
        }
        Ok(offer)
    }

    pub fn door(&self, read: Read<'_>) -> Result<Door, String> {
        match self.register {
            Register::Open => Ok(Door::Open),
            Register::Closed => Ok(Door::Closed),
            Register::Invite => {
                let codes = secrets(read, "OUTPOST_INVITATIONS");
                let none = || "`--register invite` needs OUTPOST_INVITATIONS in the environment".to_owned();
                if codes.is_empty() { Err(none()) } else { Ok(Door::Invite(codes)) }
            }
        }
    }

    /// In the order in which they are given.
    pub fn prices(&self) -> Result<Vec<(String, Tier)>, String> {
        let mut prices: Vec<(String, Tier)> = Vec::new();
        for text in &self.stripe_price {
            let (price, tier) = pair("--stripe-price", text)?;
            let found = Tier::ALL.into_iter().find(|one| one.as_str() == tier);
            let tier = found.ok_or_else(|| format!("`--stripe-price {text}` names no tier: free, pro, enterprise"))?;
            if prices.iter().any(|(known, _)| known == price) {
                return Err(format!("`--stripe-price {text}` names a price that was named before: each buys one tier"));
            }
            prices.push((price.to_owned(), tier));
        }
        Ok(prices)
    }

    /// `files`: links to files, where the door serves them itself.
    pub fn settings(&self, base: &str, files: Option<Arc<dyn Files>>, read: Read<'_>) -> Result<Settings, String> {
        let mut settings = Settings::new(base);
        settings.origins.clone_from(&self.origin);
        settings.proxies = self.proxies;
        settings.rate = Rate { per_second: self.rate.max(1), burst: self.burst.max(1) };
        settings.files = files;
        if let Some(key) = secrets(read, "OUTPOST_STRIPE_KEY").into_iter().next() {
            let webhook_secrets = secrets(read, "OUTPOST_STRIPE_WEBHOOK_SECRETS");
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
