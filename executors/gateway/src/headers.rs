//! Which headers pass, in both directions, and whose key the agent's request holds.
//!
//! No credential of the agent's reaches the provider, none of the provider's reaches the agent. What belongs to one
//! connection (RFC 9110, 7.6.1) ends with it.

use hyper::HeaderMap;
use hyper::Uri;
use hyper::header::{
    ACCEPT_ENCODING, ALT_SVC, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use subtle::ConstantTimeEq;

use crate::protocol::Protocol;
use crate::settings::Key;

const KEYS: [&str; 2] = ["x-api-key", "x-goog-api-key"];
const HOP: [HeaderName; 7] =
    [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Whether the request holds the run's token, in any of the places where a protocol puts its key.
pub(crate) fn holds_token(headers: &HeaderMap, uri: &Uri, token: &Key) -> bool {
    let wanted = token.reveal().as_bytes();
    let same = |found: &[u8]| bool::from(found.ct_eq(wanted));
    let bearer = |value: &HeaderValue| {
        let value = value.as_bytes();
        let (scheme, rest) = value.split_at_checked("bearer ".len()).unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"bearer ") && same(rest)
    };
    KEYS.iter().any(|name| headers.get_all(*name).iter().any(|value| same(value.as_bytes())))
        || headers.get_all(AUTHORIZATION).iter().any(bearer)
        || pairs(uri).any(|pair| pair.strip_prefix("key=").is_some_and(|value| same(value.as_bytes())))
}

/// Path and query for the provider: without the key that some clients put there.
pub(crate) fn target(uri: &Uri) -> String {
    let kept: Vec<&str> = pairs(uri).filter(|pair| !pair.starts_with("key=")).collect();
    match kept.as_slice() {
        [] => uri.path().to_owned(),
        kept => format!("{}?{}", uri.path(), kept.join("&")),
    }
}

fn pairs(uri: &Uri) -> impl Iterator<Item = &str> {
    uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty())
}

/// Whether the request is for this machine: it was not sent here as to a proxy, nor by a page under another name.
pub(crate) fn is_for_us(headers: &HeaderMap, uri: &Uri) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    uri.authority().is_none() && matches!(name, Some("127.0.0.1" | "localhost" | "[::1]"))
}

/// What the provider is sent.
pub(crate) fn to_provider(from: &HeaderMap, protocol: Protocol, key: &Key) -> Option<HeaderMap> {
    let (name, scheme) = protocol.credential();
    let mut value = HeaderValue::try_from(format!("{scheme}{}", key.reveal())).ok()?;
    value.set_sensitive(true);
    let mut headers = passed(from, |name| {
        KEYS.contains(&name.as_str())
            || [HOST, CONTENT_LENGTH, ACCEPT_ENCODING, AUTHORIZATION, COOKIE, EXPECT].contains(name)
    });
    headers.insert(name, value);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Some(headers)
}

/// What the agent is answered. The length is the body's own business.
pub(crate) fn to_agent(from: &HeaderMap) -> HeaderMap {
    passed(from, |name| [CONTENT_LENGTH, SET_COOKIE, ALT_SVC].contains(name))
}

fn passed(from: &HeaderMap, dropped: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let named: Vec<String> = from
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let hop = |name: &HeaderName| {
        HOP.contains(name)
            || matches!(name.as_str(), "keep-alive" | "proxy-connection")
            || named.iter().any(|named| named == name.as_str())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in from {
        if !hop(name) && !dropped(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn the_token_is_found_where_protocols_put_keys() {
        let token = Key::new("run-1");
        let plain = Uri::from_static("/v1/messages");
        for (name, value, holds) in [
            ("x-api-key", "run-1", true),
            ("x-goog-api-key", "run-1", true),
            ("authorization", "Bearer run-1", true),
            ("authorization", "bearer run-1", true),
            ("authorization", "run-1", false),
            ("authorization", "Basic run-1", false),
            ("x-api-key", "run-2", false),
            ("x-api-key", "run-", false),
            ("x-api-key", "", false),
            ("cookie", "run-1", false),
        ] {
            assert_eq!(holds_token(&map(&[(name, value)]), &plain, &token), holds, "{name}: {value}");
        }
        assert!(holds_token(&map(&[]), &Uri::from_static("/m?alt=sse&key=run-1"), &token));
        assert!(!holds_token(&map(&[]), &Uri::from_static("/m?akey=run-1"), &token));
    }

    #[test]
    fn the_key_is_swapped_and_one_connections_headers_end() {
        let agent = map(&[
            ("x-api-key", "run"),
            ("authorization", "Bearer run"),
            ("x-goog-api-key", "run"),
            ("cookie", "a=b"),
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("transfer-encoding", "chunked"),
            ("accept-encoding", "gzip, br"),
            ("anthropic-version", "2023-06-01"),
        ]);
        let sent = to_provider(&agent, Protocol::Anthropic, &Key::new("real")).unwrap();
        let right = map(&[("anthropic-version", "2023-06-01"), ("x-api-key", "real"), ("accept-encoding", "identity")]);
        assert_eq!(sent, right);
        assert!(to_provider(&agent, Protocol::Anthropic, &Key::new("a\nb")).is_none());
        let answered = to_agent(&map(&[("set-cookie", "a"), ("keep-alive", "1"), ("request-id", "r")]));
        assert_eq!(answered, map(&[("request-id", "r")]));
    }

    #[test]
    fn a_key_in_the_query_does_not_reach_the_provider() {
        for (uri, right) in [
            ("/m:generateContent?key=run&alt=sse", "/m:generateContent?alt=sse"),
            ("/m?key=run", "/m"),
            ("/m?a=1&b=key", "/m?a=1&b=key"),
        ] {
            assert_eq!(target(&Uri::from_static(uri)), right);
        }
    }
}
