//! What a blueprint says about a service, and what is wrong with it.

use std::collections::BTreeMap;

use url::{Host, Url};

/// The variable that says where the service is, where nothing else does.
pub const URL: &str = "OUTPOST_API_URL";
/// The variable that holds the key.
pub const KEY: &str = "OUTPOST_API_KEY";

/// Which service, and how its jobs are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it is: what stands before `/v1`.
    pub url: String,
    /// What a job's workspace is a clone of; none: it is empty.
    pub repo: Option<String>,
    /// A branch, a tag or a commit of it.
    pub reference: Option<String>,
    /// The caller's own words for its jobs, beside those of the run.
    pub labels: BTreeMap<String, String>,
    /// Seconds that the service may be silent, or have no room.
    pub patience: u32,
    /// Whether secrets may be part of a job, which the service keeps and shows to the tenant.
    pub send_secrets: bool,
}

/// How long is waited for room, and for a service that does not answer.
const PATIENCE: u32 = 3600;

impl Settings {
    /// The defaults, for this service.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            repo: None,
            reference: None,
            labels: BTreeMap::new(),
            patience: PATIENCE,
            send_secrets: false,
        }
    }

    /// What keeps them from being used, with the way out.
    pub fn problem(&self) -> Option<String> {
        let url = match Url::parse(&self.url) {
            Ok(url) => url,
            Err(error) => return Some(format!("`{}` is no address of a service: {error}", self.url)),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Some(format!("the address of the service holds a password: put the key into `{KEY}`"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Some(format!("`{url}` is more than an address: end it before `?` and `#`"));
        }
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        match url.scheme() {
            "https" => None,
            "http" if is_here => None,
            "http" => Some(format!("`{url}` would be told the key in the clear: use `https`")),
            other => Some(format!("`{other}` is no way to reach a service: use `https`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn a_key_goes_nowhere_in_the_clear_but_on_this_machine() {
        for good in ["https://fleet.example.com", "http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:80"] {
            assert_eq!(Settings::at(good).problem(), None, "{good}");
        }
        for bad in ["http://fleet.example.com", "ftp://x", "fleet", "https://u:secret@x", "https://x/?a=b"] {
            let problem = Settings::at(bad).problem().expect("a problem");
            assert!(!problem.contains("secret"), "{problem}");
        }
    }
}
