//! Secrets of tenants, sealed by AES-256-GCM under the key of a file that only we may read.
//!
//! Each is sealed with a nonce of its own, drawn at random, and together with whose it is, its name and its version: what is
//! moved to another place in the database does not open there. The key file is made once. Its loss is the loss of all
//! secrets; a copy of the database without it tells none.

use std::fmt;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use outpost_core::id::TenantId;
use outpost_core::moment::Moment;
use outpost_core::ports::{Secret, SecretNote, Vault, is_secret_name};
use outpost_core::store::{Pending, Problem};
use rusqlite::OptionalExtension as _;
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

use crate::db::Database;
use crate::folder::{is_ours_alone, open_folder, open_plain, replace};

pub(crate) const KEY_FILE: &str = "vault.key";
const NONCE: usize = 12;

/// A key that lies in the data folder.
pub(crate) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// Reads it, or makes it where there is none. For one process at a time.
    pub(crate) fn open(data: &Path, name: &str) -> Result<Self, Problem> {
        let shown = data.join(name);
        let refused = |why: &str| Problem::Broken(format!("the key file `{}` {why}", shown.display()));
        let failed = |error: std::io::Error| refused(&format!("cannot be used: {error}"));
        let folder = open_folder(data).map_err(failed)?;
        let Some(file) = open_plain(&folder, name).map_err(failed)? else {
            if shown.symlink_metadata().is_ok() {
                return Err(refused("is no plain file: put the file itself there"));
            }
            let mut key = Zeroizing::new([0; 32]);
            getrandom::fill(&mut *key).map_err(|error| refused(&format!("cannot be made: {error}")))?;
            replace(&folder, name, &folder, |file: &mut File| file.write_all(&*key)).map_err(failed)?;
            return Ok(Self(key));
        };
        if !is_ours_alone(&file).map_err(failed)? {
            return Err(refused("may be read by others, or is another user's: `chown` it, and `chmod 600`"));
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(64));
        file.take(64).read_to_end(&mut bytes).map_err(failed)?;
        let key =
            <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| refused("has not 32 bytes: put a copy of it back"))?;
        Ok(Self(Zeroizing::new(key)))
    }

    pub(crate) fn bytes(&self) -> [u8; 32] {
        *self.0
    }

    /// A key for something else, from which this one cannot be told.
    pub(crate) fn derive(&self, purpose: &str) -> Result<Zeroizing<[u8; 32]>, Problem> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).map_err(|_| unsealed())?;
        mac.update(purpose.as_bytes());
        Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

pub(crate) struct Sealed {
    database: Arc<Database>,
    key: Arc<RandomizedNonceKey>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

impl Sealed {
    /// Refused if what is stored was sealed under another key.
    pub(crate) async fn open(database: Arc<Database>, key: &Key) -> Result<Self, Problem> {
        let key = Arc::new(RandomizedNonceKey::new(&AES_256_GCM, &*key.0).map_err(|_| unsealed())?);
        let proof = seal(&key, PROOF, "")?;
        let found = database.write(move |connection| {
            let there =
                connection.query_row("SELECT proof FROM seals", (), |row| row.get::<_, Vec<u8>>(0)).optional()?;
            if there.is_none() {
                connection.execute("INSERT INTO seals VALUES (?1)", (&proof,))?;
            }
            Ok(there)
        });
        if let Some(mut proof) = found.await?
            && open(&key, PROOF, &mut proof).is_err()
        {
            return Err(Problem::Broken(format!(
                "`{KEY_FILE}` is not the key that the secrets of this data folder were sealed with: put that one back"
            )));
        }
        Ok(Self { database, key })
    }
}

/// What is sealed with the first start, to know the key again.
const PROOF: &str = "outpost vault";

fn unsealed() -> Problem {
    Problem::Broken("a secret cannot be sealed or opened: its key, or what was stored, is damaged".into())
}

/// What a secret is bound to. No part has a line's end in it.
fn bound(tenant: &TenantId, name: &str, version: i64) -> String {
    format!("{tenant}\n{name}\n{version}")
}

fn seal(key: &RandomizedNonceKey, bound: &str, text: &str) -> Result<Vec<u8>, Problem> {
    let mut sealed = text.as_bytes().to_vec();
    // In place: what was clear is overwritten. With room for what comes behind it, it does not move.
    sealed.reserve_exact(AES_256_GCM.tag_len() + NONCE);
    let nonce = key.seal_in_place_append_tag(Aad::from(bound), &mut sealed).map_err(|_| unsealed())?;
    sealed.extend_from_slice(nonce.as_ref());
    Ok(sealed)
}

fn open(key: &RandomizedNonceKey, bound: &str, sealed: &mut [u8]) -> Result<Secret, Problem> {
    let at = sealed.len().checked_sub(NONCE).ok_or_else(unsealed)?;
    let (text, nonce) = sealed.split_at_mut(at);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| unsealed())?;
    let clear = key.open_in_place(nonce, Aad::from(bound), text).map_err(|_| unsealed())?;
    let secret = std::str::from_utf8(clear).map(|text| Secret::new(text.to_owned()));
    clear.zeroize();
    secret.map_err(|_| unsealed())
}

fn is_name(name: &str) -> Result<(), Problem> {
    if is_secret_name(name) {
        Ok(())
    } else {
        Err(Problem::Broken("a secret has a name of 1 to 128 letters, digits and `._-`, and this is none".into()))
    }
}

impl Vault for Sealed {
    fn put<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a str,
        secret: &'a Secret,
        now: Moment,
    ) -> Pending<'a, Result<(), Problem>> {
        if let Err(problem) = is_name(name) {
            return Box::pin(async { Err(problem) });
        }
        let (tenant, name, secret, key) = (tenant.clone(), name.to_owned(), secret.clone(), Arc::clone(&self.key));
        let put = self.database.write(move |connection| {
            let query = "SELECT version FROM secrets WHERE tenant = ?1 AND name = ?2";
            let was: Option<i64> =
                connection.prepare_cached(query)?.query_row((tenant.as_str(), &name), |row| row.get(0)).optional()?;
            let version = was.unwrap_or(0) + 1;
            let sealed = match seal(&key, &bound(&tenant, &name, version), secret.reveal()) {
                Ok(sealed) => sealed,
                Err(problem) => return Ok(Err(problem)),
            };
            let query = "INSERT OR REPLACE INTO secrets (tenant, name, version, sealed, last4, updated) \
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let values = (tenant.as_str(), &name, version, sealed, secret.last4(), now.millis());
            connection.prepare_cached(query)?.execute(values).map(|_| Ok(()))
        });
        Box::pin(async { put.await? })
    }

    fn get<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> Pending<'a, Result<Option<Secret>, Problem>> {
        let (whose, called) = (tenant.clone(), name.to_owned());
        let found = self.database.read(move |connection| {
            let query = "SELECT version, sealed FROM secrets WHERE tenant = ?1 AND name = ?2";
            let key = (whose.as_str(), &called);
            let found = connection.prepare_cached(query)?.query_row(key, |row| Ok((row.get(0)?, row.get(1)?)));
            found.optional()
        });
        Box::pin(async move {
            let Some((version, mut sealed)): Option<(i64, Vec<u8>)> = found.await? else { return Ok(None) };
            open(&self.key, &bound(tenant, name, version), &mut sealed).map(Some)
        })
    }

    fn notes<'a>(&'a self, tenant: &'a TenantId) -> Pending<'a, Result<Vec<SecretNote>, Problem>> {
        let tenant = tenant.clone();
        self.database.read(move |connection| {
            let query = "SELECT name, last4, updated FROM secrets WHERE tenant = ?1 ORDER BY name";
            let mut statement = connection.prepare_cached(query)?;
            let notes = statement.query_map((tenant.as_str(),), |row| {
                Ok(SecretNote { name: row.get(0)?, last4: row.get(1)?, updated_at: Moment::from_millis(row.get(2)?) })
            })?;
            notes.collect()
        })
    }

    fn remove<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> Pending<'a, Result<bool, Problem>> {
        let (tenant, name) = (tenant.clone(), name.to_owned());
        self.database.write(move |connection| {
            let query = "DELETE FROM secrets WHERE tenant = ?1 AND name = ?2";
            Ok(connection.prepare_cached(query)?.execute((tenant.as_str(), &name))? > 0)
        })
    }
}
