//! Whether an event comes from the payment provider: `Stripe-Signature: t=SECONDS,v1=HEX,v1=HEX`, an HMAC-SHA-256 of the time,
//! a point, and the body as it came.
//!
//! The time is bound on both sides: an old event may be somebody's copy, and one from the future would be good for longer.

use hmac::{Hmac, KeyInit as _, Mac as _};
use outpost_core::moment::Moment;
use outpost_core::ports::Secret;
use sha2::Sha256;

/// How far the two clocks may be apart, in seconds.
const APART: u64 = 300;
/// Signatures that are looked at.
const MANY: usize = 16;

/// Whether this header signs this body with one of these secrets.
pub(crate) fn fits(header: &str, body: &[u8], secrets: &[Secret], now: Moment) -> bool {
    let mut times = Vec::new();
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", seconds)) => times.push(seconds),
            Some(("v1", hex)) => signatures.push(hex),
            _ => {}
        }
    }
    let [time] = times.as_slice() else { return false };
    let Ok(seconds) = time.parse::<i64>() else { return false };
    if seconds.abs_diff(now.seconds()) > APART {
        return false;
    }
    let given: Vec<[u8; 32]> = signatures.iter().take(MANY).filter_map(|hex| digest(hex)).collect();
    secrets.iter().any(|secret| {
        given.iter().any(|digest| {
            Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).is_ok_and(|mut mac| {
                mac.update(time.as_bytes());
                mac.update(b".");
                mac.update(body);
                mac.verify_slice(digest).is_ok()
            })
        })
    })
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn signed(secret: &str, time: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
        mac.update(format!("{time}.").as_bytes());
        mac.update(body);
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn only_what_is_signed_now_is_believed() {
        let secrets = ["whsec_one", "whsec_two"].map(|text| Secret::new(text.to_owned()));
        let now = 1_700_000_000;
        let at = |seconds: i64| Moment::from_millis(seconds * 1000);
        let one = signed("whsec_one", now, BODY);
        let two = signed("whsec_two", now, BODY);
        let other = signed("whsec_three", now, BODY);
        let says = |header: &str, body: &[u8], clock: i64| fits(header, body, &secrets, at(clock));
        for good in [
            format!("t={now},v1={one}"),
            format!("t={now},v1={two}"),
            format!("t={now},v1={other},v1={one}"),
            format!("t={now}, v0=00, v1={one}"),
        ] {
            assert!(says(&good, BODY, now), "{good}");
            assert!(says(&good, BODY, now + 300) && says(&good, BODY, now - 300), "{good}");
            assert!(!says(&good, BODY, now + 301) && !says(&good, BODY, now - 301), "{good}");
            assert!(!says(&good, b"{\"id\":\"evt_2\"}", now), "{good}");
        }
        for bad in [
            String::new(),
            format!("t={now}"),
            format!("v1={one}"),
            format!("t={now},v1={other}"),
            format!("t={now},v0={one}"),
            format!("t={},v1={one}", now + 1),
            format!("t={now},t={now},v1={one}"),
            format!("t={now},v1={}", &one[1..]),
            format!("t={now},v1={}é", &one[2..]),
            format!("t=x,v1={one}"),
        ] {
            assert!(!says(&bad, BODY, now), "{bad}");
        }
        assert!(!fits(&format!("t={now},v1={one}"), BODY, &[], at(now)));
    }
}
