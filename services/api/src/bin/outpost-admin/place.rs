//! Where the installation lies that is looked after, and what its variables are set to. What is offered decides about jobs, and none are submitted here.

use std::path::Path;
use std::sync::Arc;

use outpost_core::actions::Desk;
use outpost_core::fleet;
use outpost_core::spec::Offer;
#[cfg(feature = "embedded")]
use outpost_embedded::installation;

fn offer() -> Offer {
    fleet::offer(Vec::new(), false)
}

#[cfg(feature = "embedded")]
pub(crate) async fn on_this_machine(data: &Path) -> Result<Arc<Desk>, String> {
    if !installation::is_in(data) {
        return Err(format!("there is no installation in `{}`: one begins with outpost-api", data.display()));
    }
    let opened = installation::open(data, "http://localhost", offer(), |_| {}).await;
    Ok(opened.map_err(|problem| format!("`{}` cannot be opened: {problem}", data.display()))?.desk)
}

#[cfg(not(feature = "embedded"))]
pub(crate) async fn on_this_machine(_: &Path) -> Result<Arc<Desk>, String> {
    Err("this build knows no data folders: build it with `--features embedded`".to_owned())
}

#[cfg(feature = "aws")]
pub(crate) async fn in_aws() -> Result<Arc<Desk>, String> {
    let opened = outpost_aws::Surroundings::look().await.desk(offer(), |_| {}).await;
    opened.map_err(|problem| format!("the service in AWS cannot be used: {problem}"))
}

#[cfg(not(feature = "aws"))]
pub(crate) async fn in_aws() -> Result<Arc<Desk>, String> {
    Err("this build does not speak to AWS: build it with `--features aws`".to_owned())
}

type Variables = Box<dyn Fn(&str) -> Option<String>>;

/// What variables are set to: here, or as well in the secret that the service in AWS reads them from.
pub(crate) async fn variables(aws: bool) -> Result<Variables, String> {
    if aws { variables_in_aws().await } else { Ok(Box::new(|name| std::env::var(name).ok())) }
}

#[cfg(feature = "aws")]
async fn variables_in_aws() -> Result<Variables, String> {
    let around = outpost_aws::Surroundings::with_secret().await;
    let around = around.map_err(|problem| format!("the secret of the service in AWS cannot be read: {problem}"))?;
    Ok(Box::new(move |name| around.read(name)))
}

#[cfg(not(feature = "aws"))]
async fn variables_in_aws() -> Result<Variables, String> {
    Err("this build does not speak to AWS: build it with `--features aws`".to_owned())
}
