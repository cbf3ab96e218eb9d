//! A whole installation in one folder of one machine: the desk over it, for every program that works there.
//!
//! All processes of an installation open the same folder with the same settings. What cursors are signed with lies there too.

use std::path::Path;
use std::sync::Arc;

use outpost_core::actions::{Desk, Settings};
use outpost_core::spec::Offer;
use outpost_core::store::Problem;

use crate::vault::Key;
use crate::{Embedded, folder};

/// An installation that is open.
#[derive(Clone, Debug)]
pub struct Installation {
    pub desk: Arc<Desk>,
    /// The folder, for who serves its files.
    pub embedded: Embedded,
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
    let place = folder.to_owned();
    let key = tokio::task::spawn_blocking(move || cursor_key(&place));
    let key = key.await.map_err(|error| Problem::Broken(error.to_string()))??;
    let mut settings = Settings::new(offer, key);
    change(&mut settings);
    Ok(Installation { desk: Arc::new(Desk::new(embedded.ports.clone(), settings)), embedded })
}

/// The key of this folder, made by whoever opens it first.
fn cursor_key(folder: &Path) -> Result<[u8; 32], Problem> {
    let _lock = folder::locked(folder)?;
    Ok(Key::open(folder, "cursor.key")?.bytes())
}
