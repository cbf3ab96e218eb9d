//! `blueprints/OUTPOST_V2_MULTI_TENANT_SAAS.md`: what can be held of it anywhere, the AWS of this machine that it runs
//! on, and, where Terraform is, its whole life.
//!
//! Each test has a project of its own, which links to the folders of the checkout: programs are those that building the
//! workspace makes, and what a run leaves is apart from whatever the checkout has.

mod aws;
mod document;
mod life;
mod scenarios;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::project::{Ended, Project};

const BLUEPRINT: &str = "blueprints/OUTPOST_V2_MULTI_TENANT_SAAS.md";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Says around the test framework that a test did not happen: a skipped test passes, and must not do so in silence.
fn skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    say(&format!("SKIPPED {test}: {why}"));
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Whether the emulators are brought; where they are not, the test is skipped, and fails where CI is set.
fn is_emulator_here(folders: &[&str]) -> bool {
    let missing = folders.iter().find(|folder| !root().join("target").join(folder).is_dir());
    let Some(missing) = missing else { return true };
    let why = format!("there is no target/{missing}; .ci/test brings it");
    assert!(std::env::var_os("CI").is_none(), "{why}");
    skipped(&why);
    false
}

/// A project that is the checkout by links.
struct Checkout {
    project: Project,
}

impl Checkout {
    fn new() -> Self {
        let project = Project::of("");
        let own = [".outpost", "blueprint.md", "out"];
        for entry in fs::read_dir(root()).expect("the checkout").flatten() {
            let name = entry.file_name().into_string().expect("a name");
            if !own.contains(&name.as_str()) {
                symlink(entry.path(), project.path(&name)).expect("a link");
            }
        }
        Self { project }
    }

    fn house(&self, name: &str) -> PathBuf {
        self.project.path(".outpost/saas/emulator").join(name)
    }

    /// A command that sees what building needs, and nothing of anybody's AWS. What cargo tells a test is not for the
    /// cargo that a task calls: it would build all of it anew.
    fn place(&self, command: &mut Command) {
        self.project.place(command);
        let given =
            ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "CARGO_TARGET_TMP"];
        let ours = |name: &str| ["CARGO_", "RUST", "XDG_"].iter().any(|start| name.starts_with(start));
        let named = ["HOME", "TMPDIR", "TF_CLI_CONFIG_FILE"];
        for (name, value) in std::env::vars() {
            if named.contains(&name.as_str()) || ours(&name) && !given.iter().any(|start| name.starts_with(start)) {
                command.env(name, value);
            }
        }
        // Of `target/debug/deps/NAME`.
        let built = std::env::current_exe().ok().and_then(|program| Some(program.ancestors().nth(3)?.to_owned()));
        command.env("CARGO_TARGET_DIR", built.expect("where tests are built"));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outpost-bp"));
        command.args(arguments);
        self.place(&mut command);
        command
    }

    fn outpost(&self, arguments: &[&str]) -> Ended {
        self.project.start(self.command(arguments)).end()
    }

    /// What bash prints.
    fn bash(&self, text: &str) -> Ended {
        let mut command = Command::new("bash");
        command.args(["-c", text]);
        self.place(&mut command);
        self.project.start(command).end()
    }
}

/// Whether a program is here.
fn is_here(name: &str) -> bool {
    Command::new(name).arg("--version").stdin(Stdio::null()).output().is_ok()
}
