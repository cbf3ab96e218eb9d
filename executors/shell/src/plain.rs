//! Command lines that bash would do nothing with but start a program.
//!
//! A few plain words, the first of which is a program: no quote, variable, pattern or operator, no word that means
//! something to bash. Starting the program is then all that bash does, and it can be left out: the same words, the same
//! file, the same environment. Where anything is not certain, it is not left out.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// What bash does itself, or reads as more than a word. `true`, `false` and simple `test`s have programs that do the same.
const OWN: &[&str] = &[
    ".",
    ":",
    "[",
    "[[",
    "]]",
    "alias",
    "bg",
    "bind",
    "break",
    "builtin",
    "caller",
    "case",
    "cd",
    "command",
    "compgen",
    "complete",
    "compopt",
    "continue",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "do",
    "done",
    "echo",
    "elif",
    "else",
    "enable",
    "esac",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "fc",
    "fg",
    "fi",
    "for",
    "function",
    "getopts",
    "hash",
    "help",
    "history",
    "if",
    "in",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readarray",
    "readonly",
    "return",
    "select",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "test",
    "then",
    "time",
    "times",
    "trap",
    "true",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "until",
    "wait",
    "while",
];
/// Variables that make bash do more, or that it has values of its own for; so has whatever begins with `BASH`.
const TELLING: &[&str] = &[
    "",
    "COMP_WORDBREAKS",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EXECIGNORE",
    "HISTCMD",
    "IFS",
    "LINENO",
    "OPTERR",
    "OPTIND",
    "POSIXLY_CORRECT",
    "PPID",
    "PS4",
    "RANDOM",
    "SECONDS",
    "SHELLOPTS",
    "SRANDOM",
];
/// Variables that bash takes away from programs when nobody types at it.
const PROMPTS: [&str; 2] = ["PS1", "PS2"];
/// Files that a `test` looks at without a word of its own to say.
const TESTS: &[&str] = &["-d", "-e", "-f", "-L", "-s"];

/// A program in the place of the shell that would start it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Direct {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// What bash would change in the environment; nothing for a variable that it would take away.
    pub(crate) env: Vec<(&'static str, Option<OsString>)>,
}

/// Whether a shell with these arguments would only start a program, as far as the words show it.
pub fn is_plain(shell: &OsStr, args: &[OsString]) -> bool {
    let args: Vec<&OsStr> = args.iter().map(OsString::as_os_str).collect();
    words(shell, &args).is_some()
}

/// What is started in the place of a shell, in the directory this process is in. `variable` answers what the shell would
/// see, `names` lists it.
pub(crate) fn direct<'n>(
    shell: &OsStr,
    args: &[&OsStr],
    variable: impl Fn(&str) -> Option<OsString>,
    mut names: impl Iterator<Item = &'n OsStr>,
) -> Option<Direct> {
    let words = words(shell, args)?;
    if names.any(|name| name.as_bytes().starts_with(b"BASH") || TELLING.iter().any(|telling| name == *telling)) {
        return None;
    }
    let program = find(words[0], &variable("PATH")?)?;
    // bash counts itself in and, before it makes way for the program, out again.
    let level = match variable("SHLVL") {
        None => "0".into(),
        Some(level) => {
            let number: u32 = level.to_str()?.parse().ok()?;
            (number < 999 && level == *number.to_string()).then_some(level)?
        }
    };
    let before = variable("OLDPWD").filter(|folder| Path::new(folder).is_dir());
    let mut env = vec![
        ("PWD", Some(directory(variable("PWD"))?)),
        ("OLDPWD", before),
        ("SHLVL", Some(level)),
        ("_", Some(program.clone().into_os_string())),
    ];
    env.extend(PROMPTS.map(|name| (name, None)));
    Some(Direct { program, args: words.iter().map(Into::into).collect(), env })
}

/// The words of the command that a shell is given, if it is bash and they are plain.
fn words<'a>(shell: &OsStr, args: &[&'a OsStr]) -> Option<Vec<&'a str>> {
    if Path::new(shell).file_name()? != "bash" {
        return None;
    }
    let (last, flags) = args.split_last()?;
    let (c, flags) = flags.split_last()?;
    if *c != "-c" || !are_harmless(flags) {
        return None;
    }
    let command = last.to_str()?.trim_matches([' ', '\t', '\n']);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " \t_./,:@%+=-".contains(c);
    if !command.chars().all(is_plain) {
        return None;
    }
    let words: Vec<&str> = command.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    let first = *words.first()?;
    let is_own = match words.as_slice() {
        ["true" | "false"] => false,
        ["test", test, _] => !TESTS.contains(test),
        _ => OWN.contains(&first),
    };
    // An assignment, and a job.
    (!is_own && !first.contains('=') && !first.starts_with('%')).then_some(words)
}

/// Flags that mean nothing to a single program.
fn are_harmless(flags: &[&OsStr]) -> bool {
    let mut flags = flags.iter().filter_map(|flag| flag.to_str());
    while let Some(flag) = flags.next() {
        let is_fine = match flag {
            "-e" | "-u" | "-eu" | "-ue" => true,
            "-o" | "-eo" | "-uo" | "-euo" | "-ueo" => {
                matches!(flags.next(), Some("errexit" | "nounset" | "pipefail"))
            }
            _ => false,
        };
        if !is_fine {
            return false;
        }
    }
    true
}

/// The file that bash would start, if the kernel can: what is neither a program nor names its interpreter bash reads itself.
fn find(word: &str, path: &OsStr) -> Option<PathBuf> {
    let is_program = |file: &Path| file.is_file() && access(file, Access::EXEC_OK).is_ok();
    let found = if word.contains('/') {
        Some(PathBuf::from(word)).filter(|file| is_program(file))?
    } else {
        let folders: Vec<PathBuf> = std::env::split_paths(path).collect();
        if !folders.iter().all(|folder| folder.is_absolute()) {
            return None;
        }
        folders.into_iter().map(|folder| folder.join(word)).find(|file| is_program(file))?
    };
    let mut head = [0; 4];
    let count = File::open(&found).ok()?.read(&mut head).ok()?;
    (head[..count].starts_with(b"\x7fELF") || head[..count].starts_with(b"#!")).then_some(found)
}

/// What bash calls its directory: as it was told, if that is where it is.
fn directory(told: Option<OsString>) -> Option<OsString> {
    let here = std::env::current_dir().ok()?;
    let Some(told) = told else {
        return Some(here.into_os_string());
    };
    let is_here = |told: &Path| {
        let (told, here) = (told.metadata().ok()?, Path::new(".").metadata().ok()?);
        Some(told.dev() == here.dev() && told.ino() == here.ino())
    };
    if !Path::new(&told).is_absolute() || is_here(Path::new(&told)) != Some(true) {
        return Some(here.into_os_string());
    }
    // It puts other ways of writing it in order.
    let is_tidy = |text: &OsStr| {
        let text = text.as_bytes();
        text.len() > 1 && text[1..].split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."))
    };
    is_tidy(&told).then_some(told)
}

#[cfg(test)]
mod tests {
    use std::ffi::{OsStr, OsString};

    use super::is_plain;

    fn plain(shell: &str, flags: &[&str], command: &str) -> bool {
        let args: Vec<OsString> = flags.iter().chain(&["-c", command]).map(Into::into).collect();
        is_plain(OsStr::new(shell), &args)
    }

    #[test]
    fn only_words_that_mean_nothing_to_bash_are_plain() {
        let usual = ["-e", "-o", "pipefail"];
        for command in ["true", " cargo test --lib\n", "test -f out/x.json", "./x.sh a=b %1 +x @y", "/bin/echo a:b,c"] {
            assert!(plain("bash", &usual, command), "{command}");
        }
        for command in [
            "",
            "echo x",
            "a=b",
            "a=b env",
            "ls *",
            "ls ~",
            "ls 'x'",
            "ls $x",
            "ls;ls",
            "ls\nls",
            "ls # x",
            "! ls",
            "time ls",
            "cd x",
            "exec ls",
            "ls > x",
            "ls &",
            "{ ls }",
            "%1",
            "test -f x -a -f y",
            "test -v x",
            "true x",
            "l\\s",
            "lś",
            "ls [a]",
            "ls a{b,c}",
            "ls ^x",
            "ls x?",
            "command ls",
            "ls \u{b}",
        ] {
            assert!(!plain("bash", &usual, command), "{command}");
        }
        for flags in [&[][..], &["-eu"], &["-euo", "pipefail"]] {
            assert!(plain("/usr/local/bin/bash", flags, "ls"), "{flags:?}");
        }
        for flags in [&["-x"][..], &["-l"], &["-i"], &["-o"], &["-o", "posix"], &["-O", "extglob"], &["--norc"]] {
            assert!(!plain("bash", flags, "ls"), "{flags:?}");
        }
        for shell in ["sh", "dash", "zsh", "bashful", ""] {
            assert!(!plain(shell, &["-e"], "ls"), "{shell}");
        }
    }
}
