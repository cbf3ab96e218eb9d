//! Where a listing goes on: the store's own place, signed together with whose listing it is and of what.
//!
//! A cursor of another tenant, of another listing, or one that somebody wrote is refused before a store sees it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{Desk, Error, Listed};
use crate::store::Page;

const SIGNATURE: usize = 16;
/// More than any store needs for a place.
const LONGEST: usize = 2048;

/// How many rows are given at once.
pub(super) fn fitting(limit: usize) -> Result<usize, Error> {
    if (1..=100).contains(&limit) { Ok(limit) } else { Err(Error::invalid("limit", "has to be 1 to 100")) }
}

impl Desk {
    fn signature(&self, owner: &str, listing: &str, place: &str) -> Result<Vec<u8>, Error> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.settings.cursor_key.as_slice())
            .map_err(|error| Error::Broken(error.to_string()))?;
        for part in [owner, listing] {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(place.as_bytes());
        let mut whole = mac.finalize().into_bytes().to_vec();
        whole.truncate(SIGNATURE);
        Ok(whole)
    }

    /// The store's place in a cursor that is ours, of this owner and this listing.
    pub(super) fn place(&self, owner: &str, listing: &str, cursor: Option<&str>) -> Result<Option<String>, Error> {
        use subtle::ConstantTimeEq as _;
        let Some(cursor) = cursor else { return Ok(None) };
        let wrong = || Error::invalid("cursor", "is none of this listing: begin without one");
        if cursor.len() > LONGEST {
            return Err(wrong());
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
        let (signature, place) = bytes.split_at_checked(SIGNATURE).ok_or_else(wrong)?;
        let place = std::str::from_utf8(place).map_err(|_| wrong())?;
        let ours = self.signature(owner, listing, place)?;
        if bool::from(ours.ct_eq(signature)) { Ok(Some(place.to_owned())) } else { Err(wrong()) }
    }

    pub(super) fn listed<T, R>(
        &self,
        owner: &str,
        listing: &str,
        page: Page<R>,
        pick: impl FnMut(R) -> Option<T>,
    ) -> Result<Listed<T>, Error> {
        let cursor = match page.next {
            Some(place) => {
                let mut bytes = self.signature(owner, listing, &place)?;
                bytes.extend_from_slice(place.as_bytes());
                Some(URL_SAFE_NO_PAD.encode(bytes))
            }
            None => None,
        };
        Ok(Listed { rows: page.rows.into_iter().filter_map(pick).collect(), cursor })
    }
}
