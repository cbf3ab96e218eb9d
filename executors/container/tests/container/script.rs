//! A script in the place of an engine's client: writes down what it is told and seen, and does what a test wants.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use outpost_container::{Container, Engine, Guard, Kind, Place, contain};
use outpost_executor::{NotStarted, Token, Work};
use tempfile::TempDir;

pub(crate) struct Script {
    pub(crate) dir: TempDir,
}

pub(crate) fn token() -> Token {
    Token { run: "r1".into(), task: "T1.2".into(), attempt: 2, stage: "run".into() }
}

pub(crate) const NAME: &str = "outpost-r1.T1_2e2.2.run";

pub(crate) fn guard() -> Guard {
    Guard { program: env!("CARGO_BIN_EXE_outpost-container-probe").into(), argument: "__container".into() }
}

impl Script {
    /// `run` is what it does when it is to run something; `rm`, `ps` and `info` likewise, if they are `case` branches.
    pub(crate) fn that(run: &str, others: &str) -> Self {
        let script = Self { dir: tempfile::tempdir().expect("a folder") };
        let dir = script.dir.path().display();
        let text = format!(
            "#!/bin/bash\ncd {dir}\nfor arg in \"$@\"; do case $arg in run|rm|ps|info) what=$arg; break;; esac; done\n\
             printf '%s\\n' \"$@\" > $what.args\nenv > $what.env\ncase $what in\nrun) {run};;\n{others}\n*) exit 0;;\nesac\n"
        );
        fs::write(script.program(), text).expect("a script");
        fs::set_permissions(script.program(), fs::Permissions::from_mode(0o755)).expect("permissions");
        script
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.dir.path().join("docker")
    }

    pub(crate) fn engine(&self) -> Engine {
        Engine {
            kind: Kind::Docker,
            program: self.program(),
            options: vec!["--context".into(), "x".into()],
            user: (7, 8),
            limits: Vec::new(),
        }
    }

    pub(crate) fn work(&self) -> Work {
        let project = self.dir.path().join("project");
        fs::create_dir_all(&project).expect("a folder");
        let mut work = Work::new(token(), "bash", project, self.dir.path().join("log"));
        work.args = ["-e", "-c", "make it"].map(Into::into).into();
        work
    }

    pub(crate) fn contained(&self, container: &Container, work: Work) -> Result<Work, NotStarted> {
        contain(container, &self.engine(), &guard(), &place(&self.dir.path().join("project")), work)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }
}

pub(crate) fn place(root: &Path) -> Place<'_> {
    Place { root, folders: &[], scope: "/the/store" }
}

pub(crate) fn image(name: &str) -> Container {
    Container { image: name.to_owned(), ..Container::default() }
}

/// As a keeper does, but for its tree.
pub(crate) fn start(work: &Work) -> Child {
    let mut command = Command::new(&work.program);
    command.args(&work.args).envs(work.env.iter().cloned()).env("OUTPOST_TOKEN", work.token.to_string());
    command.current_dir(&work.dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the guard")
}

/// Until something has come to be, however long that takes.
pub(crate) fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}
