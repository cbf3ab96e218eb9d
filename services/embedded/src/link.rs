//! Links to files: what the service signed, it serves to whoever has it, until it ends.
//!
//! ```text
//! {base}/v1/files/{tenant}/{path}?until={milliseconds}&signature={64 hexadecimal digits}
//! ```
//! Signed are tenant, path and end, by HMAC-SHA-256 under a key that is made of the vault's and used for nothing else. A
//! link is good in the one form in which it is made.

use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use outpost_core::id::TenantId;
use outpost_core::moment::Moment;
use outpost_core::ports::{Clock, is_path};
use outpost_core::store::Problem;
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// Where the service serves files.
pub const FILES: &str = "/v1/files/";

/// Makes links and checks them.
pub struct Links {
    base: String,
    key: Zeroizing<[u8; 32]>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Links {
    pub(crate) fn new(base: &str, key: Zeroizing<[u8; 32]>, clock: Arc<dyn Clock>) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), key, clock }
    }

    pub(crate) fn make(&self, tenant: &TenantId, path: &str, until: Moment) -> Result<String, Problem> {
        let signed = self.sign(tenant, path, until)?.finalize().into_bytes();
        let until = until.millis();
        Ok(format!("{}{FILES}{tenant}/{path}?until={until}&signature={}", self.base, hex(&signed)))
    }

    /// What a link leads to, by the path and the query of the request; none if it was not made here, or has ended. The
    /// signature is compared in a time that tells nothing of it.
    #[must_use]
    pub fn check(&self, path: &str, query: &str) -> Option<(TenantId, String)> {
        let (tenant, path) = path.strip_prefix(FILES)?.split_once('/')?;
        let (until, signature) = query.strip_prefix("until=")?.split_once("&signature=")?;
        let tenant: TenantId = tenant.parse().ok()?;
        let millis: i64 = until.parse().ok()?;
        let end = Moment::from_millis(millis);
        let written = is_path(path) && end.millis().to_string() == until;
        let signature = unhex(signature)?;
        let fits = self.sign(&tenant, path, end).ok()?.verify_slice(&signature).is_ok();
        (written && fits && self.clock.now() < end).then(|| (tenant, path.to_owned()))
    }

    fn sign(&self, tenant: &TenantId, path: &str, until: Moment) -> Result<Hmac<Sha256>, Problem> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.key)
            .map_err(|_| Problem::Broken("a key that signs links is too short".into()))?;
        // No part has a line's end in it.
        mac.update(format!("{tenant}\n{path}\n{}", until.millis()).as_bytes());
        Ok(mac)
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).collect()
}

/// 32 bytes, by digits as [`hex`] writes them.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}
