//! Containers above the shell and the suite that every executor passes, with the engine that is here and an image with `bash`
//! and coreutils that `OUTPOST_TEST_IMAGE` names. Without them each case says that it was not tried.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use outpost_container::{Contained, Container, Engine, Home};
use outpost_executor::conformance::{Can, Case, Subject};
use outpost_executor::{Executor, Pending, Token, Work};
use outpost_shell::{Keepers, Shell, keeper};
use tempfile::TempDir;

use crate::real::engine;
use crate::script::guard;

outpost_executor::conformance!(with);

struct Boxed {
    place: PathBuf,
    logs: TempDir,
    engine: Engine,
    container: Container,
    executor: Contained,
}

fn with(case: Case) {
    let Some((engine, container)) = engine() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join(folder.path().file_name().expect("a name"));
    std::fs::create_dir(&place).expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let executor = executor(&engine, &container, &place);
        let logs = tempfile::tempdir().expect("a folder");
        let mut subject = Boxed { place, logs, engine, container, executor };
        case(&mut subject).await;
        let left = subject.engine.leftovers(&subject.place.display().to_string()).expect("a list");
        assert_eq!(left, [], "no container is left");
    });
}

fn executor(engine: &Engine, container: &Container, place: &Path) -> Contained {
    let program = env!("CARGO_BIN_EXE_outpost-container-probe").into();
    let keepers = Keepers { program, args: vec![keeper::ARGUMENT.into()], ..Keepers::default() };
    let home = Home { root: place.to_owned(), folders: Vec::new(), scope: place.display().to_string() };
    Contained::new(Arc::new(Shell::new(keepers)), container.clone(), engine.clone(), guard(), home)
}

impl Subject for Boxed {
    fn executor(&self) -> &dyn Executor {
        &self.executor
    }

    fn work(&self, script: &str, token: Token) -> Work {
        let log = self.logs.path().join(&token.task);
        let mut work = Work::new(token, "bash", &self.place, log);
        work.args = ["-c", script].map(Into::into).to_vec();
        work.grace = Duration::from_secs(2);
        work
    }

    fn restart(&mut self) {
        self.executor = executor(&self.engine, &self.container, &self.place);
    }

    fn can(&self) -> Can {
        Can { tell_signals: false, ..Can::default() }
    }

    fn folder(&self) -> &Path {
        &self.place
    }

    fn pause(&self) -> Pending<'_, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(5)))
    }
}
