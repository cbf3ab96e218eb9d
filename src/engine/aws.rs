//! Whom we are to AWS: the chain that the `aws` command follows (environment, profile, role), its region and its
//! endpoint (`AWS_ENDPOINT_URL` leads to an emulator).

use aws_config::{BehaviorVersion, Region, SdkConfig};

/// The credentials, region and endpoint of this machine; `region` is what a document asks for.
pub async fn config(region: Option<&str>) -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    match region {
        Some(region) => loader.region(Region::new(region.to_owned())),
        None => loader,
    }
    .load()
    .await
}
