//! Where the installation lies that is served: a folder of this machine, or AWS. A build may know one of them only, and says
//! so.

use std::sync::Arc;

use outpost_api::Files;
use outpost_core::actions::Desk;

use crate::options::Options;

type Read = Box<dyn Fn(&str) -> Option<String>>;

/// An installation that is open.
pub(crate) struct Opened {
    pub(crate) desk: Arc<Desk>,
    /// Files, where the server serves them itself.
    pub(crate) files: Option<Arc<dyn Files>>,
    /// What variables are set to.
    pub(crate) read: Read,
}

/// `own`: the only tenant is the owner of this machine.
pub(crate) async fn open(options: &Options, base: &str, own: bool) -> Result<Opened, String> {
    match &options.place.data {
        Some(data) => on_this_machine(options, data, base, own).await,
        None => in_aws(options).await,
    }
}

#[cfg(feature = "embedded")]
async fn on_this_machine(options: &Options, data: &std::path::Path, base: &str, own: bool) -> Result<Opened, String> {
    let read = |name: &str| std::env::var(name).ok();
    let offer = options.front.offer(own, agents(options)?)?;
    let (door, prices) = (options.front.door(&read)?, options.front.prices()?);
    let opened = outpost_embedded::installation::open(data, base, offer, |settings| {
        settings.door = door;
        if own {
            // Nobody bills the owner of the machine.
            settings.newcomers = outpost_core::tenant::Tier::Enterprise;
        }
        settings.prices = prices;
    });
    let opened = opened.await.map_err(|problem| {
        format!("the data folder `{}` cannot be used: {problem}; name another one with --data", data.display())
    })?;
    Ok(Opened { desk: opened.desk, files: Some(Arc::new(opened.embedded)), read: Box::new(read) })
}

#[cfg(not(feature = "embedded"))]
async fn on_this_machine(_: &Options, _: &std::path::Path, _: &str, _: bool) -> Result<Opened, String> {
    Err("this build knows no data folders: build it with `--features embedded`".to_owned())
}

#[cfg(feature = "aws")]
async fn in_aws(options: &Options) -> Result<Opened, String> {
    let told = |problem| format!("the service in AWS cannot be used: {problem}");
    let around = outpost_aws::Surroundings::with_secret().await.map_err(told)?;
    let read = |name: &str| around.read(name);
    let offer = options.front.offer(false, agents(options)?)?;
    let (door, prices) = (options.front.door(&read)?, options.front.prices()?);
    let cursor_key = around.cursor_key().map_err(told)?;
    let desk = around.desk(offer, |settings| {
        settings.door = door;
        settings.prices = prices;
        settings.cursor_key = cursor_key.into();
    });
    let desk = desk.await.map_err(told)?;
    Ok(Opened { desk, files: None, read: Box::new(move |name| around.read(name)) })
}

#[cfg(not(feature = "aws"))]
async fn in_aws(_: &Options) -> Result<Opened, String> {
    Err("this build does not speak to AWS: build it with `--features aws`".to_owned())
}

/// The built-in agents and those of the operator, where there are any of these.
#[cfg(feature = "embedded")]
fn agents(options: &Options) -> Result<Option<Vec<outpost_core::spec::Agent>>, String> {
    let read = |folder| outpost_worker::agents(Some(folder)).map_err(|error| error.to_string());
    options.working.agents.as_deref().map(read).transpose()
}

#[cfg(not(feature = "embedded"))]
fn agents(_: &Options) -> Result<Option<Vec<outpost_core::spec::Agent>>, String> {
    Ok(None)
}

#[cfg(not(any(feature = "embedded", feature = "aws")))]
compile_error!("`outpost-api` needs a place to serve: build it with the feature `embedded` or `aws`");
