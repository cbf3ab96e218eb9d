//! The suites of the ports on a folder of this machine, with a clock that the tests move.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use outpost_core::conformance::{Case, Subject};
use outpost_core::moment::Moment;
use outpost_core::ports::{Blobs, Clock, Queue, Vault};
use outpost_core::store::{House, Pending, Store};
use outpost_embedded::{Embedded, Settings};

outpost_core::conformance!(with);

const BASE: &str = "http://127.0.0.1:8080";

#[derive(Debug)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Moment {
        Moment::from_millis(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Debug)]
struct Here {
    embedded: Embedded,
    clock: Arc<Hand>,
    folder: tempfile::TempDir,
}

impl Subject for Here {
    fn store(&self) -> &dyn Store {
        &*self.embedded.ports.store
    }

    fn house(&self) -> &dyn House {
        &*self.embedded.ports.house
    }

    fn queue(&self) -> &dyn Queue {
        &*self.embedded.ports.queue
    }

    fn blobs(&self) -> &dyn Blobs {
        &*self.embedded.ports.blobs
    }

    fn vault(&self) -> &dyn Vault {
        &*self.embedded.ports.vault
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn pass(&self, time: Duration) -> Pending<'_, ()> {
        self.clock.0.fetch_add(i64::try_from(time.as_millis()).expect("a short time"), Ordering::SeqCst);
        Box::pin(async {})
    }

    fn pause(&self) -> Pending<'_, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(1)))
    }

    fn fetch<'a>(&'a self, link: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let (path, query) = link.strip_prefix(BASE)?.split_once('?').unwrap_or((&link[BASE.len()..], ""));
            let (tenant, path) = self.embedded.links().check(path, query)?;
            let mut bytes = Vec::new();
            self.embedded.file(&tenant, &path).await.expect("an answer")?.read_to_end(&mut bytes).expect("a file");
            Some(bytes)
        })
    }

    fn holds(&self, bytes: &[u8]) -> bool {
        holds(&self.folder.path().join("data"), bytes)
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn holds(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        fs::read(path).expect("a file").windows(bytes.len()).any(|window| window == bytes)
    })
}

fn with(case: Case) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(Hand(AtomicI64::new(1_768_159_800_123)));
        let settings = Settings { clock: Arc::<Hand>::clone(&clock), ..Settings::new(BASE) };
        let embedded = Embedded::open(&folder.path().join("data"), settings).await.expect("a data folder");
        case(&Here { embedded, clock, folder }).await;
    });
}

/// What the suite cannot know: that a look into what is stored finds what is there.
#[test]
fn a_look_into_the_folder_finds_what_is_there() {
    with(|subject| {
        Box::pin(async move {
            let tenant = outpost_core::id::TenantId::new(subject.now(), &[1; 10]);
            let secret = outpost_core::ports::Secret::new("sk-0123456789-0123456789".into());
            assert!(!subject.holds(b"hook-canary"));
            subject.vault().put(&tenant, "hook-canary", &secret, subject.now()).await.expect("put");
            assert!(subject.holds(b"hook-canary") && subject.holds(tenant.as_str().as_bytes()));
        })
    });
}
