//! Where the installation lies that is looked after. What is offered decides about jobs, and none are submitted here.

use std::path::Path;
use std::sync::Arc;

use outpost_core::actions::Desk;
use outpost_core::fleet;
use outpost_core::spec::Offer;

fn offer() -> Offer {
    fleet::offer(Vec::new(), false)
}

#[cfg(feature = "embedded")]
pub(crate) async fn on_this_machine(data: &Path) -> Result<Arc<Desk>, String> {
    if !data.is_dir() {
        return Err(format!("there is no folder `{}`: an installation begins with outpost-api", data.display()));
    }
    let opened = outpost_embedded::installation::open(data, "http://localhost", offer(), |_| {}).await;
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
