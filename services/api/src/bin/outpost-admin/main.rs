//! `outpost-admin`: those who run an installation look after its tenants, keys and dead tickets.
//!
//! It works on the data folder, or in AWS, beside a running server or without one. Everything that it changes there is in the audit log,
//! in the name of the user who runs it. What is sold lies with the payment provider, and asks for no installation. Exit codes: 0 done, 1 not done, 2 a wrong command line.

mod place;
mod show;
mod stripe;

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use outpost_core::actions::{Authority, Desk, KeyRequest, TenantChange, TenantRequest};
use outpost_core::id::{KeyId, TenantId};
use outpost_core::key::{ApiKey, Environment, Scope};
use outpost_core::tenant::{Agents, Overrides, Standing, Tier};
use serde_json::{Value, json};

/// Looks after an Outpost installation on this machine or in AWS
#[derive(Debug, Parser)]
#[command(name = "outpost-admin", version)]
struct Command {
    /// The data folder of the installation
    #[arg(long, value_name = "DIR", env = "OUTPOST_DATA", global = true)]
    data: Option<PathBuf>,
    /// The installation in AWS, by variables: S3_ARTIFACTS_BUCKET and others, which services/aws/README.md lists
    #[arg(long, global = true, conflicts_with = "data")]
    aws: bool,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    #[command(flatten)]
    Kept(Kept),
    /// What is sold, at the payment provider: with OUTPOST_STRIPE_KEY, and without an installation
    #[command(subcommand)]
    Stripe(stripe::Command),
}

/// What an installation keeps.
#[derive(Debug, Subcommand)]
enum Kept {
    /// Tenants and what they may have
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Keys of a tenant
    #[command(subcommand)]
    Key(KeyCommand),
    /// Tickets that were handed out too often
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Makes up for lost tickets and workers, once; the server does so every minute
    Reap,
}

#[derive(Debug, Subcommand)]
enum TenantCommand {
    /// Makes a tenant and its first key, which is shown this once
    Create {
        name: String,
        email: String,
        #[arg(long, default_value = "free")]
        tier: TierName,
        /// Its key may act on all tenants
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        limits: LimitOptions,
    },
    /// All tenants
    List,
    /// Another tier, from the next job on
    SetTier {
        tenant: TenantId,
        tier: TierName,
    },
    /// Limits in place of the tier's; without options, the tier's again
    SetLimits {
        tenant: TenantId,
        #[command(flatten)]
        limits: LimitOptions,
    },
    /// Its keys open nothing until it is resumed
    Suspend {
        tenant: TenantId,
    },
    Resume {
        tenant: TenantId,
    },
    /// For good: keys, secrets and address
    Delete {
        tenant: TenantId,
    },
}

#[derive(Debug, clap::Args)]
struct LimitOptions {
    #[arg(long, value_name = "COUNT")]
    jobs_per_day: Option<u64>,
    /// Jobs at the same time
    #[arg(long, value_name = "COUNT")]
    active: Option<u64>,
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// Agents that it may ask
    #[arg(long, value_name = "AGENT", value_delimiter = ',')]
    agents: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Keys of a tenant, also those that open nothing any more
    List { tenant: TenantId },
    /// Makes a key, which is shown this once
    Create {
        tenant: TenantId,
        name: String,
        /// Absent: all that a tenant may do
        #[arg(long, value_name = "SCOPE", value_delimiter = ',', value_parser = scope)]
        scopes: Vec<Scope>,
    },
    /// From its next call on, whoever has it is refused
    Revoke { tenant: TenantId, key: KeyId },
}

#[derive(Debug, Subcommand)]
enum DlqCommand {
    /// Dead tickets; they are hidden from others for a minute
    List,
    /// Lays out what is dead: jobs that wait get a fresh ticket or end, tickets of others are forgotten
    Redrive,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TierName {
    Free,
    Pro,
    Enterprise,
}

impl From<TierName> for Tier {
    fn from(name: TierName) -> Self {
        match name {
            TierName::Free => Self::Free,
            TierName::Pro => Self::Pro,
            TierName::Enterprise => Self::Enterprise,
        }
    }
}

impl From<LimitOptions> for Overrides {
    fn from(limits: LimitOptions) -> Self {
        Self {
            jobs_per_day: limits.jobs_per_day,
            active: limits.active,
            timeout_seconds: limits.timeout,
            agents: (!limits.agents.is_empty()).then_some(Agents::Only(limits.agents)),
        }
    }
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::read(text).ok_or_else(|| {
        let known: Vec<&str> = Scope::TENANT.iter().map(|scope| scope.as_str()).collect();
        format!("no scope; there are: {}, admin", known.join(", "))
    })
}

fn main() -> ExitCode {
    let command = Command::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let json = command.json;
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(command)),
        Err(error) => Err(format!("no thread to work with: {error}")),
    };
    let (written, code) = match done {
        Ok(value) if json => (writeln!(io::stdout(), "{value}"), ExitCode::SUCCESS),
        Ok(value) => (write!(io::stdout(), "{}", show::text(&value)), ExitCode::SUCCESS),
        Err(told) => (writeln!(io::stderr(), "error: {told}"), ExitCode::FAILURE),
    };
    // A reader that has gone has read enough.
    drop(written);
    code
}

async fn run(command: Command) -> Result<Value, String> {
    let what = match command.what {
        What::Kept(what) => what,
        What::Stripe(what) => return stripe::run(what, &place::variables(command.aws).await?).await,
    };
    let desk = match &command.data {
        Some(data) => place::on_this_machine(data).await?,
        None if command.aws => place::in_aws().await?,
        None => return Err("which installation? name its folder with --data, or in OUTPOST_DATA; or --aws".to_owned()),
    };
    let user = env::var("SUDO_USER").or_else(|_| env::var("USER")).unwrap_or_else(|_| "unknown".to_owned());
    let who = Authority::operator(&user, "outpost-admin");
    let done = match what {
        Kept::Tenant(what) => tenant(&desk, &who, what).await,
        Kept::Key(what) => key(&desk, &who, what).await,
        Kept::Dlq(DlqCommand::List) => return dead(&desk).await,
        Kept::Dlq(DlqCommand::Redrive) | Kept::Reap => return reap(&desk).await,
    };
    done.map_err(|error| error.to_string())
}

type Done = Result<Value, outpost_core::actions::Error>;

async fn tenant(desk: &Desk, who: &Authority, what: TenantCommand) -> Done {
    let change = async |id: &TenantId, change: TenantChange| {
        desk.change_tenant(who, id, change).await.map(|tenant| show::tenant(&tenant))
    };
    let standing = |standing| TenantChange { standing: Some(standing), ..TenantChange::default() };
    match what {
        TenantCommand::Create { name, email, tier, admin, limits } => {
            let mut scopes = Scope::TENANT.to_vec();
            scopes.extend(admin.then_some(Scope::Admin));
            let key = first_key("first key", scopes);
            let request = TenantRequest { email, name: Some(name), tier: tier.into(), overrides: limits.into(), key };
            let made = desk.create_tenant(who, request).await?;
            let mut shown = show::tenant(&made.tenant);
            shown["api_key"] = json!(made.key.key.as_ref().map(ApiKey::reveal));
            Ok(shown)
        }
        TenantCommand::List => {
            let (mut all, mut cursor) = (Vec::new(), None);
            loop {
                let page = desk.tenants(who, 100, cursor.as_deref()).await?;
                all.extend(page.rows.iter().map(show::tenant));
                cursor = page.cursor;
                if cursor.is_none() {
                    return Ok(Value::Array(all));
                }
            }
        }
        TenantCommand::SetTier { tenant, tier } => {
            change(&tenant, TenantChange { tier: Some(tier.into()), ..TenantChange::default() }).await
        }
        TenantCommand::SetLimits { tenant, limits } => {
            change(&tenant, TenantChange { overrides: Some(limits.into()), ..TenantChange::default() }).await
        }
        TenantCommand::Suspend { tenant } => change(&tenant, standing(Standing::Suspended)).await,
        TenantCommand::Resume { tenant } => change(&tenant, standing(Standing::Active)).await,
        TenantCommand::Delete { tenant } => {
            desk.delete_tenant(who, &tenant).await?;
            Ok(json!({ "tenant_id": tenant, "standing": "deleted" }))
        }
    }
}

fn first_key(name: &str, scopes: Vec<Scope>) -> KeyRequest {
    KeyRequest { name: name.to_owned(), environment: Environment::Live, scopes, expires_at: None }
}

async fn key(desk: &Desk, who: &Authority, what: KeyCommand) -> Done {
    match what {
        KeyCommand::List { tenant } => {
            Ok(Value::Array(desk.keys_of(who, &tenant).await?.iter().map(show::key).collect()))
        }
        KeyCommand::Create { tenant, name, scopes } => {
            let scopes = if scopes.is_empty() { Scope::TENANT.to_vec() } else { scopes };
            let made = desk.create_key_of(who, &tenant, first_key(&name, scopes)).await?;
            let mut shown = show::key(&made.record);
            shown["api_key"] = json!(made.key.as_ref().map(ApiKey::reveal));
            Ok(shown)
        }
        KeyCommand::Revoke { tenant, key } => Ok(show::key(&desk.revoke_key_of(who, &tenant, &key).await?)),
    }
}

async fn dead(desk: &Desk) -> Result<Value, String> {
    let dead = desk.ports().queue.dead(100).await.map_err(|problem| problem.to_string())?;
    let shown = dead.iter().map(|delivery| {
        json!({
            "job_id": delivery.ticket.job,
            "tenant_id": delivery.ticket.tenant,
            "tier": delivery.lane.as_str(),
            "receives": delivery.receives,
        })
    });
    Ok(Value::Array(shown.collect()))
}

async fn reap(desk: &Desk) -> Result<Value, String> {
    let done = desk.tick().await;
    if !done.problems.is_empty() {
        return Err(done.problems.join("; "));
    }
    Ok(json!({ "sent": done.sent, "lost": done.lost, "ended": done.ended, "buried": done.buried }))
}
