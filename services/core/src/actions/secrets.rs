//! A tenant's own secrets: left with us, used for its jobs, never shown again.
//!
//! The vault is not the store: one commit cannot change both. So the audit row is written first, and a change that then
//! failed is in the log as one that was asked for; none is made that is not in it. For the same reason a tenant that is
//! deleted while it stores one is looked for afterwards: whoever comes last takes the secret away.

use super::{Caller, Desk, Error};
use crate::key::Scope;
use crate::ports::{Secret, SecretKind, SecretNote};
use crate::tenant::Standing;

const LONGEST: usize = 8 * 1024;

impl Desk {
    /// Stores a secret in place of the one that was there.
    pub async fn put_secret(&self, caller: &Caller, kind: SecretKind, secret: &Secret) -> Result<(), Error> {
        caller.may(Scope::SecretsWrite)?;
        let text = secret.reveal();
        let printable = text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if text.is_empty() || text.len() > LONGEST || !printable {
            // What was sent is not repeated.
            let told = format!("has to be 1 to {LONGEST} visible ASCII characters, without spaces or line ends");
            return Err(Error::invalid("/value", told));
        }
        self.announce(caller.id(), &caller.authority(), "secret.put", kind.as_str()).await?;
        self.ports.vault.put(caller.id(), kind.as_str(), secret, self.now()).await?;
        if self.tenant_now(caller).await?.standing == Standing::Deleted {
            self.ports.vault.remove(caller.id(), kind.as_str()).await?;
            return Err(Error::NotFound("tenant"));
        }
        Ok(())
    }

    /// What there is, by kind, last characters and age.
    pub async fn secrets(&self, caller: &Caller) -> Result<Vec<SecretNote>, Error> {
        caller.may(Scope::SecretsWrite)?;
        let notes = self.ports.vault.notes(caller.id()).await?;
        let theirs = |note: &SecretNote| SecretKind::ALL.iter().any(|kind| kind.as_str() == note.name);
        Ok(notes.into_iter().filter(theirs).collect())
    }

    /// Forgets a secret; false if there was none.
    pub async fn remove_secret(&self, caller: &Caller, kind: SecretKind) -> Result<bool, Error> {
        caller.may(Scope::SecretsWrite)?;
        self.announce(caller.id(), &caller.authority(), "secret.remove", kind.as_str()).await?;
        Ok(self.ports.vault.remove(caller.id(), kind.as_str()).await?)
    }
}
