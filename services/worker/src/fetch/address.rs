//! Where a host really is: resolved once, refused if it is private, and pinned, so that git connects to what was looked at.

use std::net::{SocketAddr, ToSocketAddrs};

use outpost_core::web::is_public;

/// How many addresses of a host are kept.
const MOST: usize = 8;

/// A host and its port, as the address of a repository names them.
pub(crate) fn place(url: &str) -> Option<(&str, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split('/').next().filter(|host| !host.is_empty() && !host.contains('@'))?;
    let usual = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    // An address of IPv6 stands in brackets, and has colons of its own.
    match host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None => Some((host, usual)),
    }
}

/// What git is told to connect to, as `http.curloptResolve` has it; an error is for the tenant.
pub(crate) fn pinned(host: &str, port: u16, trusted: bool) -> Result<String, String> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = (bare, port).to_socket_addrs().map_err(|_| format!("the host `{host}` has no address"))?;
    let found: Vec<SocketAddr> = found.collect();
    judged(host, &found, trusted)?;
    let addresses: Vec<String> = found.iter().take(MOST).map(|address| shown(*address)).collect();
    Ok(format!("{host}:{port}:{}", addresses.join(",")))
}

/// All of them have to be the internet's: one that is not would be enough.
fn judged(host: &str, found: &[SocketAddr], trusted: bool) -> Result<(), String> {
    if found.is_empty() {
        return Err(format!("the host `{host}` has no address"));
    }
    if !trusted && found.iter().any(|address| !is_public(address.ip())) {
        return Err(format!("the host `{host}` has an address that is not one of the internet's"));
    }
    Ok(())
}

fn shown(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

#[cfg(test)]
mod tests {
    use super::{judged, pinned, place};

    #[test]
    fn places_are_read_from_addresses() {
        assert_eq!(place("https://github.com/a/b"), Some(("github.com", 443)));
        assert_eq!(place("http://127.0.0.1:3000/a/b"), Some(("127.0.0.1", 3000)));
        assert_eq!(place("https://[::1]/a/b"), Some(("[::1]", 443)));
        assert_eq!(place("https://[::1]:8/a/b"), Some(("[::1]", 8)));
        for bad in ["https://u@h/a", "ssh://h/a", "h/a", "https:///a", "https://h:x/a", "ext::sh"] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }

    #[test]
    fn one_private_address_is_enough() {
        let at = |text: &str| text.parse().expect("an address");
        let (public, private) = (at("93.184.216.34:443"), at("169.254.169.254:443"));
        assert!(judged("h", &[public], false).is_ok());
        assert!(judged("h", &[public, private], false).is_err());
        assert!(judged("h", &[at("[::ffff:10.0.0.1]:443")], false).is_err());
        assert!(judged("h", &[private], true).is_ok());
        assert!(judged("h", &[], true).is_err());
    }

    #[test]
    fn what_was_looked_at_is_what_is_connected_to() {
        for host in ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "[::1]", "localhost"] {
            assert!(pinned(host, 443, false).is_err(), "{host}");
        }
        assert_eq!(pinned("127.0.0.1", 3000, true).as_deref(), Ok("127.0.0.1:3000:127.0.0.1"));
    }
}
