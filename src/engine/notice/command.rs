//! A command of the document that tells somebody, in whatever way it knows. It gets the payload on its standard input
//! and the rest as variables; nothing of a run becomes part of the command itself. It is not tried again: only
//! its author knows whether twice does harm.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use outpost_executor::{Executor, Outcome, Secrets, Token, Work};

use super::deliver::Fault;
use super::letter::Letter;
use crate::engine::moment::now;
use crate::engine::store::private;

/// How long it may take, and then to end.
const TIMEOUT: Duration = Duration::from_secs(8);
const GRACE: Duration = Duration::from_secs(1);

pub struct Command {
    pub executor: Arc<dyn Executor>,
    /// A shell and what stands before the command.
    pub program: OsString,
    pub args: Vec<OsString>,
    pub text: String,
    /// The secrets that it refers to, and what may not be written down.
    pub variables: Vec<(OsString, OsString)>,
    pub secrets: Secrets,
    pub directory: PathBuf,
    /// Where the run is kept; what commands print goes into a directory of it.
    pub folder: PathBuf,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("text", &self.text).finish_non_exhaustive()
    }
}

impl Command {
    pub(super) async fn send(&self, letter: &Letter) -> Result<(), Fault> {
        let work = self.work(letter).map_err(|error| Fault::passing(format!("its log cannot be written: {error}")))?;
        let handle = self.executor.start(work).await.map_err(|reason| Fault::Lasting(reason.to_string()))?;
        let report = self.executor.wait(&handle).await;
        self.executor.settle(&handle);
        let how = match report.outcome {
            Outcome::Exited(0) => return Ok(()),
            Outcome::Exited(code) => format!("it exited with {code}"),
            Outcome::Signalled(signal) => format!("signal {signal} ended it"),
            Outcome::TimedOut => format!("it took longer than {} seconds", TIMEOUT.as_secs()),
            Outcome::NotStarted(reason) => reason.to_string(),
            Outcome::Cancelled | Outcome::Interrupted => "it was ended with its runner".to_owned(),
            Outcome::Lost(reason) => reason,
        };
        let last = report.stderr.tail.lines().rev().map(str::trim).find(|line| !line.is_empty());
        Err(Fault::Lasting(last.map_or_else(|| how.clone(), |last| format!("{how}: {last}"))))
    }

    fn work(&self, letter: &Letter) -> std::io::Result<Work> {
        let run = self.folder.to_string_lossy().into_owned();
        let folder = self.folder.join("notices");
        private(&folder)?;
        // What an earlier attempt printed before its runner died would stand in the way.
        let (at, mut number) = (now().0, 0);
        let log = loop {
            let log = folder.join(format!("{}@{at}{number}.log", letter.id));
            if !fs::exists(&log)? {
                break log;
            }
            number += 1;
        };
        let stage = format!("{}@{at}{number}", letter.id);
        let token = Token { run, task: letter.task.clone().unwrap_or_default(), attempt: 0, stage };
        let mut work = Work::new(token, &self.program, &self.directory, log);
        work.args = self.args.clone();
        work.args.extend(["-c".into(), self.text.clone().into()]);
        work.stdin = Some(letter.payload.clone());
        work.timeout = Some(TIMEOUT);
        work.grace = GRACE;
        let facts = [
            ("OUTPOST_RUN", Some(&letter.run)),
            ("OUTPOST_TASK", letter.task.as_ref()),
            ("OUTPOST_NOTICE", Some(&letter.kind)),
            ("OUTPOST_NOTICE_ID", Some(&letter.id)),
            ("OUTPOST_MESSAGE", Some(&letter.title)),
        ];
        work.env = facts.into_iter().filter_map(|(name, value)| Some((name.into(), value?.into()))).collect();
        work.env.extend(self.variables.iter().cloned());
        work.secrets = self.secrets.clone();
        Ok(work)
    }
}
