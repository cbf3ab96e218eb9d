//! Terraform, on a copy of our files. Its plug-in comes from where Terraform's own configuration says; where that says
//! nothing, what was fetched once is kept in `target/terraform`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;
use tempfile::TempDir;

use crate::emulator::Emulator;
use crate::root;

pub(crate) struct Terraform<'a> {
    emulator: &'a Emulator,
    /// Holds the copy.
    folder: TempDir,
    /// A configuration that is really there.
    configured: bool,
    /// What was run, as a person would write it.
    ran: Mutex<BTreeSet<String>>,
}

/// A command as `docs/DEPLOYMENT.md` has it: without what only tests say, and for whatever environment.
pub(crate) fn written(place: &str, args: &[&str]) -> String {
    let place = if place.starts_with("environments/") { "environments/ENV" } else { place };
    let quiet = |arg: &&&str| {
        !["-no-color", "-parallelism=30", "-auto-approve", "-refresh=false"].contains(*arg) && !arg.starts_with("-var=")
    };
    let args: Vec<&str> = args.iter().filter(quiet).copied().collect();
    format!("terraform -chdir=infrastructure/terraform/{place} {}", args.join(" "))
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Its output, if it ended well.
    pub(crate) fn well(self, what: &str) -> String {
        assert_eq!(self.code, 0, "{what}:\n{}\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// Why there is no Terraform; none if there is one.
pub(crate) fn missing() -> Option<String> {
    let asked = Command::new("terraform").arg("version").stdin(Stdio::null()).output();
    match asked {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("`terraform version` fails: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Some(format!("`terraform`: {error}; README.md says where it comes from")),
    }
}

impl<'a> Terraform<'a> {
    pub(crate) fn new(emulator: &'a Emulator) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(root().join("infrastructure/terraform")).arg(folder.path());
        assert!(copy.status().expect("cp").success(), "the files are copied");
        let configured = std::env::var_os("TF_CLI_CONFIG_FILE").is_some_and(|file| Path::new(&file).is_file());
        Self { emulator, folder, configured, ran: Mutex::default() }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().join("terraform")
    }

    /// Runs it in a folder of the copy.
    pub(crate) fn run(&self, place: &str, args: &[&str]) -> Ended {
        self.ran.lock().expect("no panic before").insert(written(place, args));
        let mut command = Command::new("terraform");
        command.current_dir(self.folder().join(place)).args(args).stdin(Stdio::null());
        command.env("TF_IN_AUTOMATION", "1").env("TF_INPUT", "0").env("CHECKPOINT_DISABLE", "1");
        for name in ["TF_CLI_ARGS", "TF_WORKSPACE", "TF_DATA_DIR", "TF_LOG"] {
            command.env_remove(name);
        }
        self.emulator.place(&mut command);
        if !self.configured {
            let cache = root().join("target/terraform");
            fs::create_dir_all(&cache).expect("a folder for plug-ins");
            command.env_remove("TF_CLI_CONFIG_FILE").env("TF_PLUGIN_CACHE_DIR", cache);
        }
        let output = command.output().expect("terraform runs");
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// What was run until now.
    pub(crate) fn ran(&self) -> BTreeSet<String> {
        self.ran.lock().expect("no panic before").clone()
    }

    /// What a person does behind its back.
    pub(crate) fn hands(&self, what: &str) -> Vec<String> {
        self.emulator.hands(what)
    }

    /// A plan, kept in the file `tfplan`, as JSON.
    pub(crate) fn plan(&self, place: &str, settings: &[&str]) -> String {
        let args = [&["plan", "-no-color", "-out=tfplan"], settings].concat();
        self.run(place, &args).well("plan");
        self.run(place, &["show", "-json", "tfplan"]).well("show")
    }

    /// What Terraform says of itself while it works, one JSON object a line.
    pub(crate) fn events(&self, place: &str, args: &[&str]) -> (i32, Vec<Value>) {
        let ended = self.run(place, args);
        let events = ended.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (ended.code, events)
    }
}
