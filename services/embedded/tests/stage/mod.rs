//! A folder, opened and looked into from outside, for the tests that damage it and for those that let it age.

use std::path::Path;

use outpost_core::id::TenantId;
use outpost_core::moment::Moment;
use outpost_core::record::EmailClaim;
use outpost_core::store::{Problem, Row};
use outpost_embedded::{Embedded, Settings};

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

pub(crate) async fn open(data: &Path) -> Embedded {
    Embedded::open(data, Settings::new("https://example.com/")).await.expect("a data folder")
}

/// Why it does not open.
pub(crate) async fn refused(data: &Path) -> String {
    match Embedded::open(data, Settings::new("")).await {
        Err(Problem::Broken(why)) => why,
        other => format!("not refused: {other:?}"),
    }
}

pub(crate) fn tenant() -> TenantId {
    TenantId::new(Moment::from_millis(1_768_159_800_123), &[7; 10])
}

pub(crate) fn claim(email: &str) -> Row {
    Row::Email(EmailClaim { email: email.into(), tenant: tenant(), version: 1 })
}

pub(crate) fn sql(data: &Path, statement: &str) {
    rusqlite::Connection::open(data.join("outpost.db")).expect("a database").execute_batch(statement).expect("done");
}
