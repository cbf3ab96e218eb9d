//! Containers above the shell and the suite that every executor passes, with the engine that is here and an image with `bash`
//! and coreutils that `OUTPOST_TEST_IMAGE` names. Without them each case says that it was not tried.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use outpost_container::{Contained, Container, Engine, Home};
use outpost_executor::conformance::{Can, Case, Subject};
use outpost_executor::{Executor, Outcome, Pending, Report, Token, Work};
use outpost_shell::{Keepers, Shell, keeper};
use tempfile::TempDir;

use crate::real::engine;
use crate::script::guard;

// All but three, which are below as they are in a container.
outpost_executor::conformance! { with =>
    work_finds_its_arguments_environment_and_input statuses_are_told a_signal_is_told
    a_report_may_be_given_up_and_asked_for_again settling_changes_nothing_else
    both_streams_are_told_apart large_output_is_bounded a_file_takes_standard_output_as_it_is secrets_are_hidden
    a_cancel_ends_the_whole_tree a_late_cancel_is_harmless a_timeout_ends_the_whole_tree
    work_of_a_dead_runner_is_found_again work_of_a_dead_runner_can_be_cancelled
    an_end_that_was_not_settled_is_told_to_the_next_runner work_whose_handle_was_lost_is_answered_for
    nobody_knows_of_what_never_started
    a_lost_connection_is_not_an_end
}

/// Starts, waits, settles.
async fn perform(subject: &dyn Subject, work: Work) -> Report {
    let handle = subject.executor().start(work).await.expect("a start");
    let report = subject.executor().wait(&handle).await;
    subject.executor().settle(&handle);
    report
}

fn token(subject: &dyn Subject, task: &str) -> Token {
    let run = subject.folder().file_name().expect("a name").to_string_lossy().into_owned();
    Token { run, task: task.into(), attempt: 1, stage: "run".into() }
}

/// The engine says it, in the log, and a status that is not the command's.
#[test]
fn what_cannot_start_is_no_success() {
    with(|subject| {
        Box::pin(async move {
            let mut work = subject.work("touch ran", token(subject, "T1"));
            work.program = "no-such-program-anywhere".into();
            let report = perform(subject, work).await;
            assert!(matches!(report.outcome, Outcome::Exited(status) if status != 0), "{report:?}");
            assert!(!report.stderr.tail.is_empty() && !subject.folder().join("ran").exists(), "{report:?}");
        })
    });
}

/// The kernel ends it with the first process of the container, and nobody is named.
#[test]
fn what_outlives_its_program_ends_with_its_container() {
    with(|subject| {
        Box::pin(async move {
            let script =
                "(setsid sh -c 'touch ready; exec sleep 1000' &); until [ -e ready ]; do sleep 0.01; done; exit 2";
            let report = perform(subject, subject.work(script, token(subject, "T1"))).await;
            assert_eq!((&report.outcome, report.leaked.as_slice()), (&Outcome::Exited(2), &[][..]));
        })
    });
}

/// Two containers have not one name.
#[test]
fn the_second_start_of_a_token_does_nothing() {
    with(|subject| {
        Box::pin(async move {
            let script = "echo x >> effects; until [ -e go ]; do sleep 0.01; done; exit 5";
            let first = subject.work(script, token(subject, "T1"));
            let mut second = subject.work(script, token(subject, "T1"));
            second.log = first.log.with_extension("second");
            let first = subject.executor().start(first).await.expect("a start");
            let effects = subject.folder().join("effects");
            while !effects.exists() {
                subject.pause().await;
            }
            let report = perform(subject, second).await;
            assert!(matches!(report.outcome, Outcome::Exited(125)), "{report:?}");
            std::fs::write(subject.folder().join("go"), "").expect("a file");
            assert_eq!(subject.executor().wait(&first).await.outcome, Outcome::Exited(5));
            assert_eq!(std::fs::read_to_string(effects).expect("a file"), "x\n");
        })
    });
}

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
