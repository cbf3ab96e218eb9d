//! The service's world on one machine, in one folder and with nothing to set up.
//!
//! ```text
//! DATA/outpost.db       store, queue and vault: SQLite, for any number of processes
//! DATA/vault.key        what secrets are sealed with; ours alone
//! DATA/cursor.key       what cursors are signed with; made with an installation
//! DATA/artifacts/…      files of jobs, below their tenants
//! DATA/artifacts.part/  files on their way there
//! DATA/opening.lock     held while a process opens the folder
//! ```
//! What is answered is on disk. Processes share the folder as they like, on a local disk of one machine; a program that
//! speaks another version of the tables is refused.

mod awake;
mod db;
mod files;
mod folder;
mod house;
pub mod installation;
mod link;
mod queue;
mod schema;
mod store;
mod vault;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use outpost_core::actions::Ports;
use outpost_core::id::TenantId;
use outpost_core::ports::{Chance, Clock};
use outpost_core::store::{Pending, Problem};

pub use awake::Awake;
pub use link::{FILES, Links};
use outpost_here::Timer;
pub use outpost_here::{SystemChance, SystemClock};

/// What is to be known beside the folder.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the service is reached from outside: links to files begin like this.
    pub base: String,
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
}

impl Settings {
    /// With the clock and the randomness of this machine.
    #[must_use]
    pub fn new(base: impl Into<String>) -> Self {
        Self { base: base.into(), clock: Arc::new(SystemClock::default()), chance: Arc::new(SystemChance) }
    }
}

/// The ports, on one data folder, and what serves its files.
#[derive(Clone, Debug)]
pub struct Embedded {
    pub ports: Ports,
    links: Arc<Links>,
    files: Arc<files::Files>,
}

impl Embedded {
    /// Opens a data folder, and makes it where there is none. Needs a runtime of tokio's, with time.
    pub async fn open(data: &Path, settings: Settings) -> Result<Self, Problem> {
        let data = data.to_owned();
        let opening = tokio::task::spawn_blocking(move || Opened::at(&data, settings));
        let gone = |_| Problem::Broken("the thread that opens the data folder has ended".into());
        let Opened { lock, database, key, files, links, settings: Settings { clock, chance, .. } } =
            opening.await.map_err(gone)??;
        let sealed = vault::Sealed::open(Arc::clone(&database), &key).await?;
        drop(lock);
        let rows = Arc::new(store::Rows { database: Arc::clone(&database), clock: Arc::clone(&clock) });
        let tickets = queue::Tickets::new(database, Arc::clone(&clock), Arc::clone(&chance));
        let ports = Ports {
            store: Arc::<store::Rows>::clone(&rows),
            house: rows,
            queue: Arc::new(tickets),
            blobs: Arc::<files::Files>::clone(&files),
            vault: Arc::new(sealed),
            wake: Arc::new(Awake),
            clock,
            chance,
            pause: Arc::new(Timer),
        };
        Ok(Self { ports, links, files })
    }

    /// What checks the links that [`outpost_core::ports::Blobs::link`] makes.
    #[must_use]
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// A file, open, for who serves it bit by bit.
    pub fn file(&self, tenant: &TenantId, path: &str) -> Pending<'static, Result<Option<File>, Problem>> {
        self.files.file(tenant, path)
    }
}

/// What waits for a disk while a folder is opened.
struct Opened {
    lock: File,
    database: Arc<db::Database>,
    key: vault::Key,
    files: Arc<files::Files>,
    links: Arc<Links>,
    settings: Settings,
}

impl Opened {
    fn at(data: &Path, settings: Settings) -> Result<Self, Problem> {
        folder::prepare(data)?;
        // Two first starts at once make one key.
        let lock = folder::locked(data)?;
        folder::private(data, "outpost.db").map_err(|error| {
            Problem::Broken(format!("`outpost.db` in the data folder `{}` cannot be used: {error}", data.display()))
        })?;
        let database = Arc::new(db::Database::open(&data.join("outpost.db"), Arc::clone(&settings.clock))?);
        let key = vault::Key::open(data, vault::KEY_FILE)?;
        let signing = key.derive("outpost links 1")?;
        let links = Arc::new(Links::new(&settings.base, signing, Arc::clone(&settings.clock)));
        let files = Arc::new(files::Files::open(data, Arc::clone(&links))?);
        Ok(Self { lock, database, key, files, links, settings })
    }
}
