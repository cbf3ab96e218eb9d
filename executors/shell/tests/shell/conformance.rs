//! The shell and the suite that every executor passes: real keepers, real processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outpost_executor::conformance::{Can, Case, Subject};
use outpost_executor::{Executor, Pending, Token, Work};
use outpost_shell::Shell;
use tempfile::TempDir;

use crate::stage::{keepers, on_tokio};

outpost_executor::conformance!(with);

struct Local {
    folder: TempDir,
    logs: TempDir,
    place: PathBuf,
    shell: Shell,
}

fn with(case: Case) {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join(folder.path().file_name().expect("a name"));
    fs::create_dir(&place).expect("a folder");
    let logs = tempfile::tempdir().expect("a folder");
    on_tokio(async {
        let mut subject = Local { folder, logs, place, shell: Shell::new(keepers()) };
        case(&mut subject).await;
        subject.shell.close().await;
        subject.folder.close().expect("nobody writes there any more");
    });
}

impl Subject for Local {
    fn executor(&self) -> &dyn Executor {
        &self.shell
    }

    fn work(&self, script: &str, token: Token) -> Work {
        let log = self.logs.path().join(&token.task);
        let mut work = Work::new(token, "bash", &self.place, log);
        work.args = ["-c", script].map(Into::into).to_vec();
        work.grace = Duration::from_millis(300);
        work
    }

    /// Dropping it does what the death of its process does.
    fn restart(&mut self) {
        self.shell = Shell::new(keepers());
    }

    fn can(&self) -> Can {
        Can::default()
    }

    fn folder(&self) -> &Path {
        &self.place
    }

    fn pause(&self) -> Pending<'_, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(5)))
    }
}
