//! The worker's image, built by an engine of this machine and run. What it stands on is made here, from programs of this
//! machine, because nothing is fetched: so agents and packages, which are, are left out, and all else is as it is.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::{root, skipped};

/// What a machine without rights of its own over limits and cgroups can run.
const MODEST: &str =
    "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n[engine]\nruntime = \"runc\"\n";

/// Programs that the base is made of, beside an init.
const PROGRAMS: &[&str] = &["sh", "cat", "chmod", "chown", "id", "ls", "mkdir", "mktemp", "rm", "sed", "sleep"];

struct Engine {
    folder: TempDir,
}

impl Engine {
    /// podman, with a store of its own, so that nothing of whoever tests is touched.
    fn find() -> Result<Self, String> {
        let engine = Self { folder: TempDir::new().map_err(|error| error.to_string())? };
        fs::write(engine.folder.path().join("containers.conf"), MODEST).map_err(|error| error.to_string())?;
        let asked = engine.command(["info"]).output().map_err(|error| format!("`podman`: {error}"))?;
        if asked.status.success() { Ok(engine) } else { Err(format!("`podman info`: {}", said(&asked))) }
    }

    fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("podman");
        let path = self.folder.path();
        command.arg("--root").arg(path.join("store")).arg("--runroot").arg(path.join("run"));
        command.arg("--tmpdir").arg(path.join("tmp"));
        command.args(["--storage-driver", "vfs"]).args(args).stdin(Stdio::null()).current_dir(root());
        command.env("CONTAINERS_CONF", path.join("containers.conf"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("podman runs")
    }

    /// A folder as an image.
    fn import(&self, folder: &Path, name: &str) {
        let tar = self.folder.path().join("image.tar");
        let packed = Command::new("tar").arg("-C").arg(folder).arg("-cf").arg(&tar).arg(".").status();
        assert!(packed.expect("tar runs").success());
        let imported = self.run(&["import", tar.to_str().expect("a path"), name]);
        assert!(imported.status.success(), "{}", said(&imported));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Layers may be such as only podman can remove.
        let _ = self.command(["system", "reset", "--force"]).output();
    }
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}

fn found(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A program with all that it is linked with, below a folder.
fn copy(program: &Path, to: &Path, folder: &Path) {
    let linked = Command::new("ldd").arg(program).output().expect("ldd runs");
    let libraries = String::from_utf8_lossy(&linked.stdout).into_owned();
    let paths = libraries.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    for (from, to) in paths.map(|path| (path.clone(), path)).chain([(program.to_owned(), to.to_owned())]) {
        let place = folder.join(to.strip_prefix("/").expect("a whole path"));
        fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
        fs::copy(from, place).expect("a copy");
    }
}

fn write_program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a program");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// What everything else stands on; the init is whatever this machine has.
fn base(init: &Path) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for name in PROGRAMS {
        let program = found(name).unwrap_or_else(|| panic!("this machine has no `{name}`"));
        copy(&program, Path::new("/bin").join(name).as_path(), folder.path());
    }
    copy(init, Path::new("/usr/bin/tini"), folder.path());
    for name in ["etc", "tmp", "usr/local/bin", "usr/share"] {
        fs::create_dir_all(folder.path().join(name)).expect("a folder");
    }
    folder
}

#[test]
fn the_worker_is_nobody_else_has_an_init_and_hears_when_to_go() {
    let inits = ["tini", "catatonit", "docker-init"];
    let Some(init) = inits.iter().find_map(|name| found(name)) else {
        return skipped("none of `tini`, `catatonit` and `docker-init` is here");
    };
    let engine = match Engine::find() {
        Ok(engine) => engine,
        Err(why) => return skipped(&format!("no container engine: {why}")),
    };
    engine.import(base(&init).path(), "localhost/base:test");
    let programs = TempDir::new().expect("a folder");
    // Waits until it is told to go, as the worker does; with `--once` only says who it is.
    let worker = "#!/bin/sh\ntrap 'echo goes; exit 0' TERM\necho \"begins: $(id -u) $HOME $OUTPOST_WORKSPACES $PWD $*\"\n\
                  case \"$*\" in *--once*) exit 7;; esac\nwhile :; do sleep 0.1; done\n";
    for name in ["outpost-worker", "outpost-api", "outpost-admin"] {
        write_program(&programs.path().join("programs").join(name), worker);
    }
    engine.import(programs.path(), "localhost/programs:test");

    let mut build =
        vec!["build", "--isolation=chroot", "--pull=never", "-f", "infrastructure/docker/worker/Dockerfile"];
    let settings = [
        "BASE_IMAGE=localhost/base:test",
        "NODE_IMAGE=localhost/base:test",
        "BUILD_IMAGE=localhost/base:test",
        "PROGRAMS=localhost/programs:test",
        "BASE_PACKAGES=",
        "PACKAGES=",
        "AGENTS=",
    ];
    settings.iter().for_each(|setting| build.extend(["--build-arg", setting]));
    build.extend(["-t", "localhost/worker:test", "."]);
    let built = engine.run(&build);
    if !built.status.success() && engine.run(&["run", "--rm", "localhost/base:test", "id"]).status.code() != Some(0) {
        return skipped(&format!("the engine runs no containers here: {}", said(&built)));
    }
    assert!(built.status.success(), "{}", said(&built));

    let quiet: &[&str] = &["run", "--rm", "--network", "none"];
    let of = |words: &[&str]| engine.run(&[quiet, &["localhost/worker:test"], words].concat());
    let told = of(&["outpost-worker", "--once"]);
    assert_eq!((told.status.code(), said(&told).trim()), (Some(7), "begins: 10001 /home/outpost /work /work --once"));
    let first = said(&of(&["cat", "/proc/1/cmdline"])).replace('\0', " ");
    assert!(first.starts_with("/usr/bin/tini -- "), "{first}");
    let files = said(&of(&["sh", "-c", "ls -ldn /work /usr/local/bin/outpost-worker; ls /usr/share/outpost/agents"]));
    let files = files.split_whitespace().collect::<Vec<_>>().join(" ");
    for there in ["drwx------ 2 10001 10001", "-rwxr-xr-x 1 0 0", "claude.toml"] {
        assert!(files.contains(there), "{there}: {files}");
    }
    assert_ne!(of(&["sh", "-c", "echo x > /usr/local/bin/outpost-worker"]).status.code(), Some(0), "it is not its own");

    let started = engine.run(&["run", "--detach", "--network", "none", "--name", "one", "localhost/worker:test"]);
    assert!(started.status.success(), "{}", said(&started));
    let mut follow = engine.command(["logs", "--follow", "one"]).stdout(Stdio::piped()).spawn().expect("podman runs");
    let mut line = String::new();
    let _ = BufReader::new(follow.stdout.take().expect("a pipe")).read_line(&mut line);
    let _ = follow.kill();
    let _ = follow.wait();
    assert!(line.starts_with("begins") && line.trim_end().ends_with("/work --aws"), "{line}");
    assert!(engine.run(&["stop", "--time", "60", "one"]).status.success());
    let told = said(&engine.run(&["logs", "one"]));
    assert!(told.contains("goes"), "it heard that it has to go, and was not killed: {told}");
    let code = said(&engine.run(&["inspect", "--format", "{{.State.ExitCode}}", "one"]));
    assert_eq!(code.trim(), "0");
}
