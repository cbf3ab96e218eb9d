//! The programs that an agent may need, and where their parts lie: what a sandbox has to let it read.
//!
//! Found by `PATH`, by links and by first lines of scripts; nothing is started. A folder that holds more than programs,
//! as a home or a project, is never among them, whatever `PATH` says; then it is the single file.

use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use outpost_sandbox::SYSTEM;

use super::environment::{self, Own};

/// Programs outside of the system's folders that belong to the machine as well.
const SHARED: [&str; 3] = ["/nix/store", "/snap", "/home/linuxbrew/.linuxbrew"];
/// Of a home: keepers of versions, which find theirs by `HOME`.
const MANAGERS: [&str; 9] =
    [".rustup", ".nvm", ".volta", ".fnm", ".asdf", ".pyenv", ".sdkman", ".local/share/fnm", ".local/share/mise"];
/// Of a home: where what links of `PATH` name is installed.
const INSTALLED: [&str; 4] = [".local/share/claude", ".local/share/pipx", ".local/share/pnpm", ".local/share/uv"];
/// Of a home: folders whose `bin` has other neighbours than its libraries.
const MIXED: [&str; 2] = [".local", ".cargo"];
/// What says that the folder above a `bin` is that of its programs.
const SIGNS: [&str; 4] = ["lib", "versions", "pyvenv.cfg", "node_modules"];
/// A script of a script of a script.
const DEEPEST: usize = 4;

/// What there is.
#[derive(Debug, Default)]
pub(super) struct Tools {
    /// All of it.
    pub(super) paths: Vec<PathBuf>,
    /// Those that are looked for in a home.
    pub(super) managers: Vec<PathBuf>,
}

struct Search {
    home: Option<PathBuf>,
    guarded: Vec<PathBuf>,
    path: Vec<PathBuf>,
}

impl Tools {
    pub(super) fn find(program: &Path, home: Option<&Path>, guarded: &[PathBuf], own: Own<'_>) -> Self {
        let named = environment::path(own);
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let search = Search {
            home: home.map(real),
            guarded: guarded.iter().map(|path| real(path)).collect(),
            path: std::env::split_paths(&named).filter(|folder| folder.is_absolute()).collect(),
        };
        let in_home = |names: &[&str]| -> Vec<PathBuf> {
            let found = names.iter().filter_map(|name| Some(home?.join(name)));
            found.filter(|path| path.is_dir()).collect()
        };
        let managers = in_home(&MANAGERS);
        let mut paths: Vec<PathBuf> = SHARED.iter().map(PathBuf::from).filter(|path| path.is_dir()).collect();
        paths.extend(in_home(&INSTALLED));
        paths.extend(managers.iter().cloned());
        for folder in &search.path {
            if let Some(found) = search.folder(folder) {
                paths.extend([found, folder.clone()]);
            }
        }
        search.program(program, DEEPEST, &mut paths);
        Self { paths, managers }
    }
}

impl Search {
    /// A folder of programs with what they need; nothing where it is of the system, or holds more than that.
    fn folder(&self, folder: &Path) -> Option<PathBuf> {
        let real = folder.canonicalize().ok().filter(|real| real.is_dir() && !is_system(real) && self.is_free(real))?;
        let above = real.parent().filter(|above| {
            let is_mixed = MIXED.iter().any(|mixed| self.home.as_ref().is_some_and(|home| **above == home.join(mixed)));
            let is_sign = SIGNS.iter().any(|sign| above.join(sign).exists());
            real.file_name().is_some_and(|name| name == "bin" || name == "shims")
                && !is_mixed
                && is_sign
                && self.is_free(above)
        });
        Some(above.map_or_else(|| real.clone(), Path::to_owned))
    }

    /// Whether a folder neither holds what is guarded nor lies in a project.
    fn is_free(&self, folder: &Path) -> bool {
        folder.parent().is_some()
            && !self.home.as_ref().is_some_and(|home| home.starts_with(folder))
            && self.guarded.iter().all(|guarded| !guarded.starts_with(folder) && !folder.starts_with(guarded))
    }

    /// A program: itself, what lies beside it, and who reads it if it is a script.
    fn program(&self, program: &Path, depth: usize, paths: &mut Vec<PathBuf>) {
        let Ok(real) = program.canonicalize() else { return };
        if depth == 0 {
            return;
        }
        if !is_system(&real) {
            paths.extend([program.to_owned(), real.clone()]);
            let modules =
                modules(&real).filter(|modules| !self.guarded.iter().any(|guarded| guarded.starts_with(modules)));
            paths.extend(modules.or_else(|| self.folder(real.parent()?)));
        }
        if let Some(reader) = self.reader(&real) {
            self.program(&reader, depth - 1, paths);
        }
    }

    /// Who reads a script, by its first line.
    fn reader(&self, script: &Path) -> Option<PathBuf> {
        let mut head = [0; 256];
        let read = File::open(script).ok()?.read(&mut head).ok()?;
        let line = head.get(..read)?.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
        let mut words = std::str::from_utf8(line).ok()?.split_whitespace();
        let reader = PathBuf::from(words.next()?);
        if reader.file_name()? != "env" {
            return Some(reader);
        }
        let name = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
        self.path.iter().map(|folder| folder.join(name)).find(|path| path.is_file())
    }
}

/// Whether every program finds it anyway.
pub(super) fn is_system(path: &Path) -> bool {
    SYSTEM.iter().any(|system| path.starts_with(system))
}

/// The outermost `node_modules` that a file lies in: packages use their neighbours.
fn modules(path: &Path) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    for part in path.components() {
        found.push(part);
        if part == Component::Normal("node_modules".as_ref()) {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    use super::Tools;

    fn made(root: &Path, files: &[&str]) {
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("room");
            fs::write(path, "#!/bin/sh\n").expect("room");
        }
    }

    fn found(root: &Path, program: &str, path: &[&str]) -> Vec<PathBuf> {
        let named = std::env::join_paths(path.iter().map(|folder| root.join(folder))).expect("folders");
        let own = |name: &str| (name == "PATH").then(|| named.clone());
        let guarded = [root.join("home/project")];
        Tools::find(&root.join(program), Some(&root.join("home")), &guarded, &own).paths
    }

    #[test]
    fn a_toolchain_is_found_whole_and_what_lies_beside_it_is_not() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path().canonicalize().expect("a folder");
        made(
            &root,
            &[
                "home/.nvm/versions/node/v1/bin/node",
                "home/.nvm/versions/node/v1/lib/node_modules/agent/cli.js",
                "home/.cargo/bin/cargo",
                "home/.cargo/credentials.toml",
                "home/.local/bin/tool",
                "home/.local/lib/x",
                "home/.ssh/id",
                "home/bin/mine",
                "home/project/bin/run",
                "home/project/lib/x",
            ],
        );
        symlink("../lib/node_modules/agent/cli.js", root.join("home/.nvm/versions/node/v1/bin/agent")).expect("a link");
        let path = [
            "home/.nvm/versions/node/v1/bin",
            "home/.cargo/bin",
            "home/.local/bin",
            "home/bin",
            "home/project/bin",
            "home",
        ];
        let paths = found(&root, "home/.nvm/versions/node/v1/bin/agent", &path);
        let reaches = |file: &str| paths.iter().any(|path| root.join(file).starts_with(path));
        for file in [
            "home/.nvm/versions/node/v1/bin/node",
            "home/.nvm/versions/node/v1/lib/node_modules/agent/cli.js",
            "home/.cargo/bin/cargo",
            "home/.local/bin/tool",
            "home/bin/mine",
        ] {
            assert!(reaches(file), "{file} is needed: {paths:?}");
        }
        for file in ["home/.cargo/credentials.toml", "home/.ssh/id", "home/project/bin/run", "home/project/lib/x"] {
            assert!(!reaches(file), "{file} is none of its: {paths:?}");
        }
    }

    #[test]
    fn a_program_in_a_home_is_a_file_and_its_reader_comes_with_it() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path().canonicalize().expect("a folder");
        made(&root, &["home/.netrc", "venv/pyvenv.cfg", "venv/lib/x", "venv/bin/python"]);
        fs::write(root.join("home/agent"), format!("#!{}\n", root.join("venv/bin/python").display())).expect("room");
        let paths = found(&root, "home/agent", &[]);
        assert!(paths.contains(&root.join("home/agent")) && paths.contains(&root.join("venv")), "{paths:?}");
        assert!(!paths.iter().any(|path| root.join("home/.netrc").starts_with(path)), "{paths:?}");
    }
}
