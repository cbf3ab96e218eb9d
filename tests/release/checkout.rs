//! Checkouts that are thrown away: one of this repository as it lies here, and one of a made-up repository of its shape.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::project::{Ended, Project};
use crate::root;

/// The first word of this process where it is the release's helper.
pub(crate) const HELPER: &str = "outpost-release";

/// The packages of the made-up repository, the features they are shipped with, and their programs.
const PACKAGES: [(&str, &str, &[&str]); 5] = [
    ("outpost-bp", "aws", &["outpost-bp"]),
    ("outpost-api", "aws", &["outpost-api", "outpost-admin"]),
    ("outpost-worker", "aws", &["outpost-worker"]),
    ("outpost-lambda", "", &["outpost-lambda", "outpost-authorizer", "outpost-reaper"]),
    ("outpost-release", "", &["outpost-release"]),
];

/// What all its programs are: they know their version, and leave everything else to the program that `REAL` names.
const PROGRAM: &str = r#"//! A program.

use std::os::unix::process::CommandExt as _;

fn main() {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if words == ["--version"] {
        println!("{} {}", env!("CARGO_BIN_NAME"), env!("CARGO_PKG_VERSION"));
    } else {
        let name = format!("REAL_{}", env!("CARGO_BIN_NAME").replace('-', "_"));
        let failure = std::process::Command::new(std::env::var_os(name).expect("a program")).args(words).exec();
        panic!("{failure}");
    }
}

#[test]
fn it_is_a_program() {
    assert!(env!("CARGO_BIN_NAME").starts_with("outpost-"));
}
"#;

/// A checkout, gone with the value.
pub(crate) struct Checkout {
    pub(crate) project: Project,
}

/// A program that releasing needs and that is not here.
pub(crate) fn missing() -> Option<&'static str> {
    let is_here = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|ended| ended.status.success());
    ["cargo", "git", "jq", "make", "tar", "gzip"].into_iter().find(|name| !is_here(name))
}

impl Checkout {
    /// This repository with all that was changed and not committed.
    pub(crate) fn of_this_repository() -> Self {
        let checkout = Self::new();
        checkout.shell("git init --quiet --initial-branch main");
        let tree = root().display();
        checkout.shell(&format!("git --work-tree='{tree}' add --all && git commit --quiet --message tree"));
        checkout.shell("git reset --quiet --hard");
        checkout
    }

    /// A repository whose programs are a few lines, with this one's blueprint.
    pub(crate) fn made_up() -> Self {
        let checkout = Self::new();
        let members: Vec<&str> = PACKAGES.iter().skip(1).map(|(package, ..)| *package).collect();
        let mut manifest = format!("[workspace]\nmembers = {members:?}\nresolver = \"3\"\n\n");
        for (package, feature, programs) in PACKAGES {
            let folder = if package == "outpost-bp" { String::new() } else { format!("{package}/") };
            manifest += &format!(
                "[package]\nname = \"{package}\"\nversion = \"{}\"\nedition = \"2024\"\nlicense = \"Apache-2.0\"\n",
                env!("CARGO_PKG_VERSION")
            );
            if !feature.is_empty() {
                manifest += &format!("\n[features]\n{feature} = []\n");
            }
            for program in programs {
                manifest += &format!("\n[[bin]]\nname = \"{program}\"\npath = \"src/{program}.rs\"\n");
                checkout.write(&format!("{folder}src/{program}.rs"), PROGRAM);
            }
            checkout.write(&format!("{folder}Cargo.toml"), &std::mem::take(&mut manifest));
        }
        for name in ["LICENSE", ".gitignore", ".ci/run", "rustfmt.toml", "blueprints/RELEASE.md"] {
            checkout.copy(name);
        }
        for entry in fs::read_dir(root().join("blueprints/release")).expect("the release's programs") {
            let entry = entry.expect("an entry");
            if entry.path().is_file() && entry.file_name() != "Cargo.toml" {
                checkout.copy(&format!("blueprints/release/{}", entry.file_name().display()));
            }
        }
        let version = env!("CARGO_PKG_VERSION");
        checkout.write("README.md", "# Made up\n");
        checkout.write("CHANGELOG.md", &format!("# Changelog\n\n## [{version}] - 2026-01-01\n\n- It is there.\n"));
        checkout.script(".ci/test", "cargo test --workspace --locked --bin outpost-bp --bin outpost-api \"$@\"");
        checkout.script(".ci/deny", "true");
        // As quick as its peer: whether it is is nothing for a test.
        checkout.script("benches/quick", "echo '{\"ratio\": 1.0, \"peer\": \"itself\", \"tasks\": 1, \"rounds\": 1}'");
        checkout.script(
            "infrastructure/package",
            "mkdir -p target/packages\nfor name in api authorizer reaper; do echo $1 > target/packages/$name.zip; done",
        );
        checkout.shell("git init --quiet --initial-branch main && cargo generate-lockfile --offline");
        checkout.shell("git add --all && git commit --quiet --message tree");
        checkout
    }

    fn new() -> Self {
        let project = Project::of("");
        fs::remove_file(project.path("blueprint.md")).expect("what a project has");
        Self { project }
    }

    /// A folder with programs, as `RELEASE_BUILT` names one.
    pub(crate) fn take_built_programs(&self) {
        let itself = std::env::current_exe().expect("this program");
        let tool = env!("CARGO_BIN_EXE_outpost-bp");
        for (name, words) in [("outpost-bp", tool.to_owned()), (HELPER, format!("{} {HELPER}", itself.display()))] {
            self.script(&format!("target/built/{name}"), &format!("exec {words} \"$@\""));
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.project.path(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn commit(&self) -> String {
        self.shell("git rev-parse HEAD").trim().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn script(&self, name: &str, text: &str) {
        self.write(name, &format!("#!/usr/bin/env bash\nset -euo pipefail\n{text}\n"));
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).expect("ours");
    }

    /// A file of this repository.
    fn copy(&self, name: &str) {
        fs::create_dir_all(self.path(name).parent().expect("a folder")).expect("a folder");
        fs::copy(root().join(name), self.path(name)).expect("a file");
    }

    /// A command of the tool in the checkout.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.command(arguments);
        self.place(&mut command);
        command
    }

    /// Cargo finds what it has, git is somebody, and nothing reaches for the network.
    fn place(&self, command: &mut Command) {
        self.project.place(command);
        for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("CARGO_NET_OFFLINE", "true").env("OUTPOST_BENCH_TASKS", "5").env("OUTPOST_BENCH_ROUNDS", "1");
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Ada").env(format!("GIT_{who}_EMAIL"), "ada@example.org");
        }
        command
            .env("REAL_outpost_bp", env!("CARGO_BIN_EXE_outpost-bp"))
            .env("REAL_outpost_release", self.path("target/real"));
    }

    pub(crate) fn outpost(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, &[])
    }

    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let itself = std::env::current_exe().expect("this program");
        if !self.path("target/real").exists() {
            self.script("target/real", &format!("exec {} {HELPER} \"$@\"", itself.display()));
        }
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        // Longer than a test usually has patience for: it compiles.
        let ended = command.output().expect("the tool");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Ended { code: ended.status.code(), stdout: text(ended.stdout), stderr: text(ended.stderr) }
    }

    /// What a command of the shell prints, which has to end well.
    pub(crate) fn shell(&self, script: &str) -> String {
        let mut command = Command::new("bash");
        command.args(["-e", "-o", "pipefail", "-c", script]);
        self.place(&mut command);
        let ended = command.output().expect("a shell");
        assert!(ended.status.success(), "`{script}`: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).expect("text")
    }
}
