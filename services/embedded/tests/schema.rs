//! Tables of other versions: older ones are brought to this one, whole or not at all; newer ones are refused.
//!
//! `schemas/` has what each version wrote, and is only ever added to.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod stage;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use outpost_core::id::TenantId;
use outpost_core::job::Status;
use outpost_core::key::KeyHash;
use outpost_core::moment::Moment;
use outpost_core::ports::Clock;
use outpost_core::record::Counter;
use outpost_core::store::{Address, Listing, Problem, Row, Write};
use outpost_embedded::{Embedded, Settings};

use stage::{claim, open, refused, run, sql, tenant};

#[test]
fn another_version_of_the_tables_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let running = open(folder.path()).await;
        for version in [3, 0] {
            sql(folder.path(), &format!("UPDATE schema SET version = {version}, written_by = '7.8.9'"));
            let why = refused(folder.path()).await;
            assert!(why.contains(&format!("version {version}")) && why.contains("Outpost 7.8.9"), "{why}");
            // One that was left running writes nothing into them.
            let answer = running.ports.store.commit(&tenant(), vec![Write::Create(claim("a@b.c"))]).await;
            assert!(matches!(&answer, Err(Problem::Broken(why)) if why.contains("7.8.9")), "{answer:?}");
            assert!(running.ports.house.ready().await.is_err());
        }
        sql(folder.path(), "UPDATE schema SET version = 2");
        assert_eq!(running.ports.store.commit(&tenant(), vec![Write::Create(claim("a@b.c"))]).await, Ok(()));
        drop(running);
        drop(open(folder.path()).await);
    });
}

/// A folder of a version of before, from what that version wrote.
fn older(data: &Path, version: u32) {
    let text = fs::read_to_string(format!("tests/schemas/{version}.sql")).expect("what was written");
    let key = text.lines().find_map(|line| line.strip_prefix("-- vault.key: ")).expect("its key");
    let key: Vec<u8> = key
        .as_bytes()
        .chunks(2)
        .map(|two| u8::from_str_radix(&String::from_utf8_lossy(two), 16).expect("hex"))
        .collect();
    fs::set_permissions(data, fs::Permissions::from_mode(0o700)).expect("rights");
    sql(data, &format!("PRAGMA journal_mode = wal;\n{text}"));
    for name in ["outpost.db", "vault.key"] {
        let path = data.join(name);
        if name == "vault.key" {
            fs::write(&path, &key).expect("a key");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("rights");
    }
}

#[derive(Debug)]
struct Still(Moment);

impl Clock for Still {
    fn now(&self) -> Moment {
        self.0
    }
}

#[test]
fn tables_of_every_version_before_are_brought_to_this_one() {
    let folder = tempfile::tempdir().expect("a folder");
    older(folder.path(), 1);
    let tenant: TenantId = "01a200e8-f8ab-768c-a031-7e8721812819".parse().expect("an id");
    run(async {
        let mut settings = Settings::new("https://example.com");
        settings.clock = Arc::new(Still("2026-11-23T00:00:00.000Z".parse().expect("a moment")));
        // Two processes that start at once do it once.
        let (one, two) =
            tokio::join!(Embedded::open(folder.path(), settings.clone()), Embedded::open(folder.path(), settings));
        let (one, two) = (one.expect("a folder"), two.expect("a folder"));
        for embedded in [one, two] {
            let jobs = async |status| {
                let page =
                    embedded.ports.store.list(&tenant, &Listing::Jobs { status }, 10, None).await.expect("a page");
                let jobs = page.rows.into_iter().filter_map(|row| match row {
                    Row::Job(job) => Some((job.spec.task.clone(), job.status)),
                    _ => None,
                });
                jobs.collect::<Vec<_>>()
            };
            let (waits, ended) = (("waits".to_owned(), Status::Pending), ("ended".to_owned(), Status::Cancelled));
            assert_eq!(jobs(None).await, [ended.clone(), waits.clone()]);
            assert_eq!(jobs(Some(Status::Queued)).await, [waits]);
            assert_eq!(jobs(Some(Status::Cancelled)).await, [ended]);
            let lost = embedded.ports.house.jobs(Status::Pending, embedded.ports.clock.now(), 10).await.expect("jobs");
            assert_eq!(lost.len(), 1, "the reaper finds it as before");
            let secret = embedded.ports.vault.get(&tenant, "anthropic").await.expect("a secret");
            assert_eq!(
                secret.map(|secret| secret.reveal().to_owned()).as_deref(),
                Some("sk-ant-0123456789-of-version-1")
            );
            let row = embedded.ports.store.get(&tenant, &Address::tenant(&tenant)).await.expect("a row");
            let Some(Row::Tenant(ada)) = row else { panic!("{row:?}") };
            let signs = ada.callback.expect("what signs its callbacks").secrets;
            assert_eq!((signs.len(), ada.email.as_str()), (1, "ada@example.com"));
            let signs = embedded.ports.vault.get(&tenant, &signs[0]).await.expect("a secret").expect("it is there");
            assert!(signs.reveal().starts_with("whsec_"));
            assert_eq!(embedded.ports.store.count(&tenant, Counter::Active).await, Ok(1));
            let hash = "81f163e26289b94b7122101c1c25b4b74f593cc56c898f115b71d23adcfb4a15";
            let key = serde_json::from_value::<KeyHash>(hash.into()).expect("a hash");
            assert_eq!(embedded.ports.house.key(&key).await.expect("a key").expect("it opens").tenant, tenant);
        }
        // As it is now, it is what a new folder has.
        let shape = |data: &Path| {
            let connection = rusqlite::Connection::open(data.join("outpost.db")).expect("a database");
            let mut all = connection
                .prepare(
                    "SELECT m.name, t.name FROM sqlite_schema m LEFT JOIN pragma_table_info(m.name) t \
                     WHERE m.name NOT LIKE 'sqlite_%' ORDER BY 1, 2",
                )
                .expect("a question");
            let rows = all.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).expect("an answer");
            rows.collect::<rusqlite::Result<Vec<(String, Option<String>)>>>().expect("rows")
        };
        let new = tempfile::tempdir().expect("a folder");
        drop(open(new.path()).await);
        assert_eq!(shape(folder.path()), shape(new.path()));
    });
}

/// A program that was left running while a newer one brought the tables on, and one that is half through it.
#[test]
fn bringing_tables_on_happens_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    older(folder.path(), 1);
    // Something stands in the way of its last step.
    sql(folder.path(), "UPDATE rows SET body = 'no JSON' WHERE kind = 'tenant'");
    run(async {
        assert!(refused(folder.path()).await.contains("malformed"), "{}", refused(folder.path()).await);
        let connection = rusqlite::Connection::open(folder.path().join("outpost.db")).expect("a database");
        let left: (i64, i64) = connection
            .query_row(
                "SELECT (SELECT version FROM schema), (SELECT count(*) FROM pragma_table_info('rows') WHERE name = 'shown')",
                (),
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .expect("its version");
        assert_eq!(left, (1, 0), "as it was");
    });
}
