//! Addresses that tenants hand us: what may be cloned, and what may be told.
//!
//! Judged by their form only. A name that resolves to a private address passes here: who connects resolves it and asks
//! [`is_public`] of every address it gets, and connects to that one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// The longest address that is looked at.
pub const LONGEST: usize = 2048;

/// Where repositories may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repositories {
    /// Hosts that `https` addresses may name. The first one is meant by `owner/name`.
    pub hosts: Vec<String>,
    /// Whether a folder of this machine may be named: only where its owner is the only tenant.
    pub folders: bool,
}

/// What a repository is fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repository {
    Https(String),
    Folder(String),
}

impl Repositories {
    /// Reads what a tenant calls a repository.
    pub fn read(&self, text: &str) -> Result<Repository, String> {
        if text.is_empty() || text.len() > LONGEST || text.chars().any(|char| char.is_control() || char == ' ') {
            return Err("has to be `owner/name` or an `https` address".to_owned());
        }
        if text.starts_with('/') {
            let steps_up = text.split('/').any(|part| part == "..");
            return match (self.folders, steps_up) {
                (true, false) => Ok(Repository::Folder(text.to_owned())),
                (true, true) => Err("has to be a folder without `..`".to_owned()),
                (false, _) => Err("may not be a folder here: name it as `owner/name`".to_owned()),
            };
        }
        if text.contains("://") {
            return self.https(text);
        }
        let plain = |part: &str| {
            !part.starts_with(['.', '-'])
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        match (text.split_once('/'), self.hosts.first()) {
            (Some((owner, name)), Some(host))
                if !owner.is_empty() && !name.is_empty() && plain(owner) && plain(name) =>
            {
                Ok(Repository::Https(format!("https://{host}/{owner}/{name}")))
            }
            (Some(_), None) => Err("names no host, and none is configured".to_owned()),
            _ => Err("has to be `owner/name` or an `https` address".to_owned()),
        }
    }

    fn https(&self, text: &str) -> Result<Repository, String> {
        // What was given is not repeated: it may hold a password.
        let url = Url::parse(text).map_err(|_| "is no address".to_owned())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("holds credentials: leave them out, and store a `github_token`".to_owned());
        }
        let host = url.host_str().unwrap_or_default();
        if url.scheme() != "https" || url.port().is_some() {
            return Err("has to be an `https` address without a port".to_owned());
        }
        if !self.hosts.iter().any(|allowed| allowed == host) {
            return Err(format!("is on a host that is not allowed; allowed are: {}", self.hosts.join(", ")));
        }
        let parts = url.path_segments().map_or(0, |parts| parts.filter(|part| !part.is_empty()).count());
        if url.query().is_some() || url.fragment().is_some() || parts < 2 || url.path().contains('%') {
            return Err("has to end in `/owner/name`".to_owned());
        }
        Ok(Repository::Https(url.to_string()))
    }
}

/// Whether something may be told to this address, by its form. `anywhere` is for a machine that talks to itself.
pub fn callback(text: &str, anywhere: bool) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("is longer than {LONGEST} bytes"));
    }
    let url = Url::parse(text).map_err(|_| "is no address".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds credentials: what is sent is signed instead".to_owned());
    }
    if anywhere && url.scheme() == "http" {
        return Ok(());
    }
    if url.scheme() != "https" {
        return Err("has to be an `https` address".to_owned());
    }
    let public = match url.host() {
        Some(Host::Ipv4(ip)) => is_public(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => is_public(IpAddr::V6(ip)),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.contains('.')
                && ![".localhost", ".local", ".internal", ".home.arpa"].iter().any(|end| name.ends_with(end))
        }
        None => false,
    };
    if public || anywhere { Ok(()) } else { Err("has to be reachable from the internet".to_owned()) }
}

/// Whether an address is one of the internet's, and not of a machine, a house or a cloud's own services.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => public_v4(ip),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(mapped) => public_v4(mapped),
            None => public_v6(ip),
        },
    }
}

fn public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

/// Global unicast, but for what tunnels to somewhere else (6to4, Teredo) or is nobody's (documentation).
fn public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    a & 0xe000 == 0x2000 && a != 0x2002 && !(a == 0x2001 && (b < 0x0200 || b == 0x0db8)) && !(a == 0x3fff && b < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn github(folders: bool) -> Repositories {
        Repositories { hosts: vec!["github.com".to_owned(), "git.example.org".to_owned()], folders }
    }

    #[test]
    fn repositories_are_told_from_tricks() {
        let here = github(false);
        for (text, address) in [
            ("ada/engine", "https://github.com/ada/engine"),
            ("ada/engine.git", "https://github.com/ada/engine.git"),
            ("https://git.example.org/ada/engine", "https://git.example.org/ada/engine"),
            ("https://GITHUB.com/a/b/", "https://github.com/a/b/"),
        ] {
            assert_eq!(here.read(text), Ok(Repository::Https(address.to_owned())), "{text}");
        }
        for text in [
            "",
            "ada",
            "ada/",
            "/engine",
            "a/b/c",
            "../b",
            "-u/b",
            "a/--upload-pack=x",
            "a/b c",
            "a/b\n",
            "a/..",
            "ext::sh -c id",
            "git@github.com:a/b",
            "ssh://github.com/a/b",
            "git://github.com/a/b",
            "file:///etc/passwd",
            "http://github.com/a/b",
            "https://github.com/a",
            "https://github.com",
            "https://github.com:8443/a/b",
            "https://ada:pw@github.com/a/b",
            "https://tok@github.com/a/b",
            "https://evil.example/a/b",
            "https://github.com.evil.example/a/b",
            "https://github.com@evil.example/a/b",
            "https://127.0.0.1/a/b",
            "https://github.com/a/b?x=1",
            "https://github.com/a/b#x",
            "https://github.com/a/%2e%2e/b",
            "/srv/repo",
        ] {
            assert!(here.read(text).is_err(), "{text}");
        }
        let told = here.read("https://ada:hunter2@github.com/a/b").expect_err("credentials");
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn folders_are_for_one_machine() {
        assert_eq!(github(true).read("/srv/repo"), Ok(Repository::Folder("/srv/repo".to_owned())));
        assert!(github(true).read("/srv/../etc").is_err());
        assert!(github(false).read("/srv/repo").is_err());
    }

    #[test]
    fn only_the_internet_is_told() {
        for text in [
            "https://example.com/hook",
            "https://example.com:8443/h?x=1",
            "https://93.184.216.34/",
            "https://[2606:2800::1]/",
        ] {
            assert_eq!(callback(text, false), Ok(()), "{text}");
        }
        for text in [
            "",
            "x",
            "http://example.com/",
            "ftp://example.com/",
            "https://a:b@example.com/",
            "https://localhost/",
            "https://localhost./",
            "https://x.localhost/",
            "https://db.internal/",
            "https://intranet/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://017700000001/",
            "https://0/",
            "https://10.0.0.1/",
            "https://172.16.0.1/",
            "https://172.31.255.255/",
            "https://192.168.1.1/",
            "https://169.254.169.254/latest/",
            "https://100.64.0.1/",
            "https://192.0.2.1/",
            "https://198.18.0.1/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://[fe80::1]/",
            "https://[fc00::1]/",
            "https://[fd12::1]/",
            "https://[ff02::1]/",
            "https://[2002:7f00:1::]/",
            "https://[2001::1]/",
            "https://[2001:db8::1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[fec0::1]/",
            "https://\u{ff11}27.0.0.1/",
            "file:///etc/passwd",
            "https:///x",
            "https://[3fff::1]/",
        ] {
            assert!(callback(text, false).is_err(), "{text}");
        }
        assert_eq!(callback("http://127.0.0.1:9/x", true), Ok(()));
        assert!(callback("file:///etc/passwd", true).is_err());
    }
}
