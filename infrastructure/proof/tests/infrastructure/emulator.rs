//! moto, which `.ci/emulator` brings into `target/python`, as `infrastructure/emulator/from_moto.py` starts it. It lives as long as this value: its
//! standard input is a pipe of ours, and where that ends, however we do, it ends.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::NamedTempFile;

use crate::root;

pub(crate) struct Emulator {
    port: u16,
    packages: PathBuf,
    child: Child,
    asked: NamedTempFile,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Emulator {
    pub(crate) fn start() -> Result<Self, String> {
        let packages = root().join("target/python");
        if !packages.join("moto").is_dir() {
            return Err("there is no AWS emulator; .ci/emulator brings it".to_owned());
        }
        let script = root().join("infrastructure/emulator/from_moto.py");
        let mut command = Command::new("python3");
        let asked = NamedTempFile::new().map_err(|error| error.to_string())?;
        command.arg(script).arg(asked.path());
        command.env("PYTHONPATH", &packages).env("PYTHONDONTWRITEBYTECODE", "1");
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.map_err(|error| format!("`python3`: {error}"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        let port = line.trim().parse().map_err(|_| "the AWS emulator does not start".to_owned());
        if port.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        Ok(Self { port: port?, packages, child, asked })
    }

    /// Has a command take this for AWS, and see nothing of the AWS of whoever tests.
    pub(crate) fn place(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port));
        command.env("AWS_ACCESS_KEY_ID", "TERRAFORM").env("AWS_SECRET_ACCESS_KEY", "emulated");
        command.env("AWS_REGION", "us-east-1").env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    }

    /// What Terraform asked it until now, as `service Operation`.
    pub(crate) fn asked(&self) -> BTreeSet<String> {
        let text = fs::read_to_string(self.asked.path()).expect("what was asked");
        text.lines().map(str::to_owned).collect()
    }

    /// What a person does behind Terraform's back, as lines.
    pub(crate) fn hands(&self, what: &str) -> Vec<String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/infrastructure/hands.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(what).env("PYTHONPATH", &self.packages).env("PYTHONDONTWRITEBYTECODE", "1");
        self.place(&mut command);
        command.env("AWS_ACCESS_KEY_ID", "HANDS");
        let output = command.output().expect("python3 runs");
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}
