//! API keys: how one is made, recognised without asking anyone, and remembered without being kept.
//!
//! ```text
//! op_live_ + 43 characters of base62 (256 bits) + 6 characters of base62 (CRC-32 of what stands before)
//! ```
//! The last six let a scanner of leaked secrets, and us, tell a key from a text that looks like one: what fails them costs no
//! look at the store. Kept is the SHA-256 of the whole. Keys of an earlier service, `otp_` and 64 hexadecimal digits, are
//! recognised and never made.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::id::{KeyId, TenantId};
use crate::moment::Moment;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^43 is more than 2^256.
const BODY: usize = 43;
/// 62^6 is more than 2^32.
const CHECK: usize = 6;
const LEGACY: &str = "otp_";
/// How much of a key is shown to tell it from others: its kind and six more characters.
const SHOWN: usize = 6;

/// Whether a key is for real work or for trying things: both do the same, and are told apart in lists, bills and leaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    #[default]
    Live,
    Test,
}

impl Environment {
    fn prefix(self) -> &'static str {
        match self {
            Self::Live => "op_live_",
            Self::Test => "op_test_",
        }
    }
}

/// A whole key. It is shown once, to whom it is made for; `Debug` shows its beginning.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// The key of these 32 random bytes.
    #[must_use]
    pub fn mint(environment: Environment, random: &[u8; 32]) -> Self {
        let mut text = String::with_capacity(environment.prefix().len() + BODY + CHECK);
        text.push_str(environment.prefix());
        push_base62(&mut text, random, BODY);
        let check = crc32fast::hash(text.as_bytes()).to_be_bytes();
        push_base62(&mut text, &check, CHECK);
        Self(Zeroizing::new(text))
    }

    /// Whether a text is a key at all, by its form and its check digits.
    pub fn read(text: &str) -> Result<Self, NotAKey> {
        let body = [Environment::Live, Environment::Test].iter().find_map(|kind| text.strip_prefix(kind.prefix()));
        let whole = match (body, text.strip_prefix(LEGACY)) {
            (Some(rest), _) if rest.len() == BODY + CHECK && rest.bytes().all(|byte| DIGITS.contains(&byte)) => {
                let (covered, check) = text.split_at(text.len() - CHECK);
                let mut expected = String::with_capacity(CHECK);
                push_base62(&mut expected, &crc32fast::hash(covered.as_bytes()).to_be_bytes(), CHECK);
                expected == check
            }
            (None, Some(rest)) => {
                rest.len() == 64 && rest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            }
            _ => false,
        };
        if whole { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(NotAKey) }
    }

    /// The text, for the one time that it is shown.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn is_legacy(&self) -> bool {
        self.0.starts_with(LEGACY)
    }

    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash(hex(&Sha256::digest(self.0.as_bytes())))
    }

    /// `op_live_Ab12Cd`: enough to tell keys apart, too little to guess one.
    #[must_use]
    pub fn shown(&self) -> String {
        let kind = self.0.rfind('_').map_or(0, |at| at + 1);
        self.0.chars().take(kind + SHOWN).collect()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.shown())
    }
}

/// What a key is found by, and all that is kept of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyHash(String);

impl KeyHash {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares in a time that does not tell how much of it fits.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

/// A text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAKey;

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an API key like `op_live_…`: a part of it is missing or mistyped")
    }
}

impl std::error::Error for NotAKey {}

/// What a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    #[serde(rename = "jobs:read")]
    JobsRead,
    #[serde(rename = "jobs:write")]
    JobsWrite,
    #[serde(rename = "usage:read")]
    UsageRead,
    #[serde(rename = "keys:write")]
    KeysWrite,
    #[serde(rename = "billing:write")]
    BillingWrite,
    #[serde(rename = "secrets:write")]
    SecretsWrite,
    #[serde(rename = "audit:read")]
    AuditRead,
    #[serde(rename = "fleet:read")]
    FleetRead,
    #[serde(rename = "hooks:write")]
    HooksWrite,
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// All that a tenant may give to its own keys: all but `admin`.
    pub const TENANT: [Self; 9] = [
        Self::JobsRead,
        Self::JobsWrite,
        Self::UsageRead,
        Self::KeysWrite,
        Self::BillingWrite,
        Self::SecretsWrite,
        Self::AuditRead,
        Self::FleetRead,
        Self::HooksWrite,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobsRead => "jobs:read",
            Self::JobsWrite => "jobs:write",
            Self::UsageRead => "usage:read",
            Self::KeysWrite => "keys:write",
            Self::BillingWrite => "billing:write",
            Self::SecretsWrite => "secrets:write",
            Self::AuditRead => "audit:read",
            Self::FleetRead => "fleet:read",
            Self::HooksWrite => "hooks:write",
            Self::Admin => "admin",
        }
    }

    /// Reads a scope, also by the words of the earlier service.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        match text {
            "dispatch" | "promote" => Some(Self::JobsWrite),
            "status" => Some(Self::JobsRead),
            "admin" => Some(Self::Admin),
            _ => Self::TENANT.into_iter().find(|scope| scope.as_str() == text),
        }
    }
}

/// What is kept of a key. A key that was revoked stays, for those who read the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyRecord {
    pub hash: KeyHash,
    pub id: KeyId,
    pub tenant: TenantId,
    pub name: String,
    pub shown: String,
    pub environment: Environment,
    pub scopes: Vec<Scope>,
    pub created_at: Moment,
    pub expires_at: Option<Moment>,
    pub revoked_at: Option<Moment>,
    /// To the minute, not to the call: a store that is written at every call is a bottleneck.
    pub last_used_at: Option<Moment>,
    pub version: u64,
}

impl KeyRecord {
    /// Why it opens nothing any more.
    #[must_use]
    pub fn refused(&self, now: Moment) -> Option<Refused> {
        if self.revoked_at.is_some_and(|at| at <= now) {
            Some(Refused::Revoked)
        } else if self.expires_at.is_some_and(|at| at <= now) {
            Some(Refused::Expired)
        } else {
            None
        }
    }

    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Revoked,
    Expired,
}

/// `width` digits of a number of up to 256 bits, the highest first.
fn push_base62(text: &mut String, number: &[u8], width: usize) {
    let mut number = Zeroizing::new(number.to_vec());
    let mut digits = Zeroizing::new(vec![b'0'; width]);
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in number.iter_mut() {
            let value = rest * 256 + u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        *digit = DIGITS[rest as usize];
    }
    text.extend(digits.iter().map(|digit| char::from(*digit)));
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_recognised_and_no_other_text_is() {
        let key = ApiKey::mint(Environment::Live, &[0xab; 32]);
        assert_eq!(key.reveal().len(), 57);
        assert_eq!(ApiKey::read(key.reveal()), Ok(key.clone()));
        let text = key.reveal().to_owned();
        for at in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'x' { b'y' } else { b'x' };
            let other = String::from_utf8(other).expect("text");
            assert_eq!(ApiKey::read(&other), Err(NotAKey), "{other}");
        }
        for other in ["", "op_live_", &text[1..], &text[..56], &format!("{text}0"), &text.replace("live", "test")] {
            assert_eq!(ApiKey::read(other), Err(NotAKey), "{other}");
        }
    }

    #[test]
    fn digits_are_those_of_the_number() {
        let mut text = String::new();
        push_base62(&mut text, &[0, 0, 0, 61], 6);
        push_base62(&mut text, &62_u32.to_be_bytes(), 6);
        push_base62(&mut text, &u32::MAX.to_be_bytes(), 6);
        assert_eq!(text, "00000z0000104gfFC3");
        let mut most = String::new();
        push_base62(&mut most, &[0xff; 32], 43);
        // 2^256 - 1, by another program: no digit is lost.
        assert_eq!(most, "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1");
    }

    #[test]
    fn keys_of_the_earlier_service_are_read() {
        let old = format!("otp_{}", "0a".repeat(32));
        assert!(ApiKey::read(&old).is_ok_and(|key| key.is_legacy() && key.shown() == "otp_0a0a0a"));
        assert_eq!(ApiKey::read(&old.to_uppercase()), Err(NotAKey));
    }

    #[test]
    fn a_key_does_not_print_itself() {
        let key = ApiKey::mint(Environment::Test, &[1; 32]);
        let told = format!("{key:?}");
        assert!(told.len() < 20 && told.starts_with("op_test_"), "{told}");
    }
}
