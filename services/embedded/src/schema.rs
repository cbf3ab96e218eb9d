//! The tables of the one file, and which version of them this program speaks.
//!
//! A row is kept as JSON beside what it is looked for by: the database knows no rule. The version is compared when the file
//! is opened and in each transaction that writes, so that a program which was left running cannot write into tables that a
//! newer one has changed.
//!
//! Older tables are brought to this version by whoever opens them first, in one transaction: all of it, or nothing. Newer
//! ones are refused; there is no way back but a copy of the folder.

use outpost_core::moment::Moment;
use outpost_core::store::Problem;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::db::problem;

pub(crate) const VERSION: i64 = 2;
/// The oldest version that is brought to this one.
const OLDEST: i64 = 1;

/// `place` is what a listing of a kind of row is sorted by; `status` what a job is, `shown` what its tenant is told of that;
/// `due` when a message is to be sent.
const TABLES: &str = "
CREATE TABLE schema (version INTEGER NOT NULL, written_by TEXT NOT NULL) STRICT;
CREATE TABLE rows (
    home TEXT NOT NULL, partition TEXT NOT NULL, sort TEXT NOT NULL,
    tenant TEXT NOT NULL, kind TEXT NOT NULL, version INTEGER NOT NULL, expires INTEGER,
    place TEXT, status TEXT, shown TEXT, due INTEGER, customer TEXT, body TEXT NOT NULL,
    UNIQUE (home, partition, sort)
) STRICT;
CREATE INDEX rows_listed ON rows (tenant, kind, place) WHERE place IS NOT NULL;
CREATE INDEX rows_shown ON rows (tenant, shown, place) WHERE shown IS NOT NULL;
CREATE INDEX rows_waiting ON rows (status, place) WHERE status IS NOT NULL;
CREATE INDEX rows_due ON rows (due) WHERE due IS NOT NULL;
CREATE INDEX rows_customer ON rows (customer) WHERE customer IS NOT NULL;
CREATE INDEX rows_tenants ON rows (partition) WHERE kind = 'tenant';
CREATE INDEX rows_expires ON rows (expires) WHERE expires IS NOT NULL;
CREATE TABLE counters (
    tenant TEXT NOT NULL, name TEXT NOT NULL, stands INTEGER NOT NULL, expires INTEGER,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX counters_expires ON counters (expires) WHERE expires IS NOT NULL;
CREATE TABLE throttles (name TEXT PRIMARY KEY, count INTEGER NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX throttles_expires ON throttles (expires);
CREATE TABLE tickets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lane TEXT NOT NULL, state INTEGER NOT NULL, visible INTEGER NOT NULL, receives INTEGER NOT NULL, receipt BLOB,
    ticket TEXT NOT NULL
) STRICT;
CREATE INDEX tickets_lane ON tickets (lane, state, visible, id);
CREATE INDEX tickets_dead ON tickets (visible) WHERE state > 0;
CREATE TABLE secrets (
    tenant TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, sealed BLOB NOT NULL,
    last4 TEXT NOT NULL, updated INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE seals (proof BLOB NOT NULL) STRICT;
";

/// From each version to the next, the oldest first. What is here has been on disks and changes no more.
const STEPS: [&str; (VERSION - OLDEST) as usize] = ["
ALTER TABLE rows ADD COLUMN shown TEXT;
UPDATE rows SET shown = CASE status WHEN 'pending' THEN 'queued' ELSE status END WHERE status IS NOT NULL;
DROP INDEX rows_status;
CREATE INDEX rows_shown ON rows (tenant, shown, place) WHERE shown IS NOT NULL;
UPDATE rows SET body = json_set(body, '$.value.callback', json('{\"secrets\":[\"hook-callback\"]}'))
    WHERE kind = 'tenant' AND partition IN (SELECT tenant FROM secrets WHERE name = 'hook-callback');
"];

/// Makes the tables where there are none, brings older ones to this version, and refuses others.
pub(crate) fn prepare(connection: &Connection) -> Result<(), Problem> {
    let inner = |error: rusqlite::Error| problem(&error);
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(inner)?;
    if mode != "wal" {
        return Err(Problem::Broken(
            "the data folder's file system cannot share memory between processes: put it on a local disk".into(),
        ));
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(inner)?;
    let there =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get::<_, i64>(0)).map_err(inner)?;
    if there == 0 {
        transaction.execute_batch(TABLES).map_err(inner)?;
        transaction
            .execute("INSERT INTO schema VALUES (?1, ?2)", (VERSION, env!("CARGO_PKG_VERSION")))
            .map_err(inner)?;
    }
    let version = transaction.query_row("SELECT version FROM schema", (), |row| row.get::<_, i64>(0)).optional();
    if let Some(version @ OLDEST..VERSION) = version.map_err(inner)? {
        for step in STEPS.iter().skip(usize::try_from(version - OLDEST).unwrap_or(usize::MAX)) {
            transaction.execute_batch(step).map_err(inner)?;
        }
        let now = "UPDATE schema SET version = ?1, written_by = ?2";
        transaction.execute(now, (VERSION, env!("CARGO_PKG_VERSION"))).map_err(inner)?;
    }
    check(&transaction)?;
    transaction.commit().map_err(inner)
}

/// Whether the tables are those that this program speaks.
pub(crate) fn check(connection: &Connection) -> Result<(), Problem> {
    let found = connection
        .prepare_cached("SELECT version, written_by FROM schema")
        .and_then(|mut version| {
            version.query_row((), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).optional()
        })
        .map_err(|error| problem(&error))?;
    match found {
        Some((VERSION, _)) => Ok(()),
        Some((version, by)) => Err(Problem::Broken(format!(
            "`outpost.db` has tables of version {version}, written by Outpost {by}, and this is Outpost {}, which reads \
             versions {OLDEST} to {VERSION}: use the program that wrote it, or a newer one",
            env!("CARGO_PKG_VERSION")
        ))),
        None => Err(Problem::Broken("`outpost.db` does not say which version its tables have".into())),
    }
}

/// Throws away some of what has expired; nobody finds it any more as it is. False: there may be more.
pub(crate) fn sweep(connection: &Connection, now: Moment, most: usize) -> Result<bool, Problem> {
    let inner = |error: rusqlite::Error| problem(&error);
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(inner)?;
    check(&transaction)?;
    let mut all = true;
    for statement in [
        "DELETE FROM rows WHERE rowid IN (SELECT rowid FROM rows WHERE expires <= ?1 LIMIT ?2)",
        "DELETE FROM counters WHERE (tenant, name) IN (SELECT tenant, name FROM counters WHERE expires <= ?1 LIMIT ?2)",
        "DELETE FROM throttles WHERE name IN (SELECT name FROM throttles WHERE expires <= ?1 LIMIT ?2)",
    ] {
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        all &= transaction.execute(statement, (now.millis(), limit)).map_err(inner)? < most;
    }
    transaction.commit().map_err(inner)?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_expired_is_swept() {
        let connection = Connection::open_in_memory().expect("a database");
        connection.execute_batch(TABLES).expect("tables");
        connection.execute("INSERT INTO schema VALUES (?1, '')", (VERSION,)).expect("a version");
        for (at, expires) in [Some(5), Some(10), Some(11), None].into_iter().enumerate() {
            let row = "INSERT INTO rows VALUES ('t', ?1, '', 'a', 'k', 1, ?2, NULL, NULL, NULL, NULL, NULL, '')";
            connection.execute(row, (at.to_string(), expires)).expect("a row");
            connection.execute("INSERT INTO counters VALUES ('a', ?1, 1, ?2)", (at.to_string(), expires)).expect("one");
            let throttle = (at.to_string(), expires.unwrap_or(99));
            connection.execute("INSERT INTO throttles VALUES (?1, 1, ?2)", throttle).expect("one");
        }
        let left = || {
            ["rows", "counters", "throttles"].map(|table| {
                let count = format!("SELECT count(*) FROM {table}");
                connection.query_row(&count, (), |row| row.get::<_, i64>(0)).expect("a count")
            })
        };
        assert_eq!(sweep(&connection, Moment::from_millis(10), 1), Ok(false));
        assert_eq!(left(), [3; 3]);
        assert_eq!(sweep(&connection, Moment::from_millis(10), 9), Ok(true));
        assert_eq!(left(), [2; 3]);
    }
}
