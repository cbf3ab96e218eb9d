//! Whom we are to AWS: the chain that the `aws` command follows (environment, profile, role), its region and its
//! endpoint (`AWS_ENDPOINT_URL` leads to an emulator).

use aws_config::{BehaviorVersion, Region, SdkConfig};

/// The credentials, region and endpoint of this machine; `region` is what a document asks for.
pub async fn config(region: Option<&str>) -> SdkConfig {
    config_of(region, None).await
}

/// The same for a profile of this machine.
pub async fn config_of(region: Option<&str>, profile: Option<&str>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    loader.load().await
}
