//! The record of an end that no runner was there to hear of.
//!
//! It lies next to the log, appears as a whole and survives a power loss. Only a resumed run reads it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use outpost_executor::{Report, Token};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    token: Token,
    report: Report,
}

/// Where the record for a log lies.
pub(crate) fn place(log: &Path) -> PathBuf {
    beside(log, ".exit")
}

fn beside(log: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(log);
    name.push(ending);
    PathBuf::from(name)
}

pub(crate) fn write(log: &Path, token: &Token, report: &Report) -> io::Result<()> {
    let folder = log.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let record = Record { version: VERSION, token: token.clone(), report: report.clone() };
    let draft = beside(log, ".exit.draft");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&serde_json::to_vec(&record)?)?;
    file.sync_all()?;
    fs::rename(&draft, place(log))?;
    File::open(folder)?.sync_all()
}

/// The report, if there is one of this very start that this version can read.
pub(crate) fn read(log: &Path, token: &Token) -> Option<Report> {
    let record: Record = serde_json::from_slice(&fs::read(place(log)).ok()?).ok()?;
    (record.version == VERSION && record.token == *token).then_some(record.report)
}

#[cfg(test)]
mod tests {
    use outpost_executor::{Outcome, Report, Token};

    use super::{read, write};

    #[test]
    fn a_record_answers_for_its_own_start_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("deep/log");
        let token = Token { run: "r".into(), task: "t".into(), attempt: 1, stage: "run".into() };
        let report = Report::bare(Outcome::Interrupted, 5);
        assert_eq!(read(&log, &token), None);
        write(&log, &token, &report).expect("room on the disk");
        assert_eq!(read(&log, &token), Some(report));
        assert_eq!(read(&log, &Token { attempt: 2, ..token }), None);
    }
}
