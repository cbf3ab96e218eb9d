//! A whole installation in one folder of one machine: the desk over it, for every program that works there.
//!
//! All processes of an installation open the same folder with the same settings. What cursors are signed with lies there too.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use outpost_core::actions::{Desk, Settings};
use outpost_core::ports::Chance;
use outpost_core::spec::Offer;
use outpost_core::store::Problem;

use crate::{DATABASE, Embedded, SystemChance};

/// An installation that is open.
#[derive(Clone, Debug)]
pub struct Installation {
    pub desk: Arc<Desk>,
    /// The folder, for who serves its files.
    pub embedded: Embedded,
}

/// Whether a folder has an installation.
#[must_use]
pub fn is_in(folder: &Path) -> bool {
    folder.join(DATABASE).is_file()
}

/// Opens a folder, and makes it where there is none. `base` is where the service is reached from outside; `change` sets what
/// is not as usual.
pub async fn open(
    folder: &Path,
    base: &str,
    offer: Offer,
    change: impl FnOnce(&mut Settings),
) -> Result<Installation, Problem> {
    open_with(folder, crate::Settings::new(base), offer, change).await
}

/// The same, with a clock and randomness of the caller's.
pub async fn open_with(
    folder: &Path,
    settings: crate::Settings,
    offer: Offer,
    change: impl FnOnce(&mut Settings),
) -> Result<Installation, Problem> {
    let embedded = Embedded::open(folder, settings).await?;
    let place = folder.join("cursor.key");
    let key = tokio::task::spawn_blocking(move || cursor_key(&place));
    let key = key.await.map_err(|error| Problem::Broken(error.to_string()))??;
    let mut settings = Settings::new(offer, key);
    change(&mut settings);
    let ports = embedded.ports();
    Ok(Installation { desk: Arc::new(Desk::new(ports, settings)), embedded })
}

/// The key of this folder, made by whoever opens it first.
fn cursor_key(place: &Path) -> Result<[u8; 32], Problem> {
    let broken = |error: std::io::Error| Problem::Broken(format!("`cursor.key` in the data folder: {error}"));
    let mut key = [0; 32];
    SystemChance.fill(&mut key)?;
    // Written whole under a name of its own and linked to its place: of two first starts at once, one wins.
    let own = place.with_extension(format!("key.{}", std::process::id()));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&own).and_then(|mut file| {
        file.write_all(&key)?;
        file.sync_all()?;
        fs::hard_link(&own, place)
    });
    drop(fs::remove_file(&own));
    match written {
        Ok(()) => return Ok(key),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(broken(error)),
    }
    File::open(place).and_then(|mut file| file.read_exact(&mut key)).map_err(broken)?;
    Ok(key)
}
