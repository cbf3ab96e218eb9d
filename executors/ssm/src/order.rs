//! Work as text for a target: a fixed script, and beside it data that cannot be read as anything else.
//!
//! All that varies is hexadecimal, decimal, a checked name of a variable, or base64: no quote, no `$`, no `{{` that Systems Manager
//! would replace, no line that ends a here-document. `Lines` is the only way in.

use std::ffi::OsStr;
use std::fmt;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outpost_executor::{NotStarted, Redaction, Token, Work};
use sha2::{Digest as _, Sha256};

use crate::settings::Settings;

const LOADER: &str = include_str!("target/loader.sh");
const KEEP: &str = include_str!("target/keep.sh");
/// Closes the here-document. No line of an order can be it.
const END: &str = "OUTPOST_ORDER";
/// Of a whole command. A document with its parameters may have 64 KB.
const MOST: usize = 60_000;
/// Of output, so that its frame has less than the 24,000 characters that are shown.
const SHOWN: u32 = 16_000;
/// Variables that a shell keeps for itself: to set them would end it or change how it reads.
const TAKEN: [&str; 10] =
    ["BASHOPTS", "BASH_VERSINFO", "EUID", "IFS", "LINENO", "OPTIND", "PPID", "SHELLOPTS", "UID", "_"];

/// What a target is to do about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Run,
    Ask,
    End,
}

/// Which token, as a name that says nothing and needs no quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark(pub(crate) String);

impl Mark {
    pub(crate) fn of(token: &Token) -> Self {
        // JSON keeps tokens apart whose parts only look alike when they are joined.
        let text = serde_json::to_string(token).unwrap_or_default();
        Self(Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// As a handle says it, if it is one.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 64 && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }
}

/// Lines of an order, as they are added.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn number(&mut self, key: &'static str, number: u64) {
        let _ = writeln!(self.0, "{key} {number}");
    }

    fn bytes(&mut self, key: &'static str, bytes: &[u8]) {
        let _ = writeln!(self.0, "{key} {}", STANDARD.encode(bytes));
    }

    fn variable(&mut self, name: &OsStr, value: &OsStr) -> Result<(), NotStarted> {
        let refused = |why: &str| NotStarted::Refused(format!("the variable `{}` {why}", name.display()));
        let name = name.to_str().ok_or_else(|| refused("has a name that is no text"))?;
        let is_name = !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err(refused("has a name that no shell takes: letters, digits and `_`"));
        }
        if TAKEN.contains(&name) || name.starts_with("outpost_") {
            return Err(refused("belongs to the shell of the target: give it another name"));
        }
        no_nul(value)?;
        let _ = writeln!(self.0, "env {name} {}", STANDARD.encode(value.as_bytes()));
        Ok(())
    }
}

fn no_nul(text: &OsStr) -> Result<(), NotStarted> {
    if text.as_bytes().contains(&0) {
        return Err(NotStarted::Refused("an argument or a variable holds a NUL byte".to_owned()));
    }
    Ok(())
}

/// What is sent: never shown, it may hold what is nobody's business.
pub(crate) struct Script(pub(crate) Vec<String>);

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("lines", &self.0.len()).finish()
    }
}

/// The command that performs work.
pub(crate) fn run(work: &Work, mark: &Mark, settings: &Settings) -> Result<Script, NotStarted> {
    refuse(work, settings)?;
    let mut lines = Lines::default();
    let Work { log_caps, stdout_file, .. } = work;
    // The file takes what comes first, the log the first and the last.
    let head = stdout_file.as_ref().map_or(log_caps.head, |file| log_caps.head.max(file.most));
    lines.0.push_str(if settings.contain { "contain yes\n" } else { "contain no\n" });
    lines.number("grace", hundredths(work.grace));
    lines.number("leak", hundredths(work.leak_timeout));
    lines.number("timeout", work.timeout.map_or(0, |timeout| hundredths(timeout).max(1)));
    let _ = writeln!(lines.0, "out {head} {}", log_caps.tail);
    let _ = writeln!(lines.0, "err {} {}", log_caps.head, log_caps.tail);
    let dir = settings.directory.as_ref().map_or(work.dir.as_os_str(), OsStr::new);
    lines.bytes("dir", dir.as_bytes());
    lines.variable(OsStr::new("OUTPOST_TOKEN"), OsStr::new(&work.token.to_string()))?;
    for (name, value) in &work.env {
        lines.variable(name, value)?;
    }
    no_nul(&work.program)?;
    lines.bytes("arg", work.program.as_bytes());
    for arg in &work.args {
        no_nul(arg)?;
        lines.bytes("arg", arg.as_bytes());
    }
    if let Some(stdin) = &work.stdin {
        lines.bytes("stdin", stdin);
    }
    lines.bytes("keep", KEEP.as_bytes());
    let script = script(Role::Run, mark, settings, &lines.0);
    if script.0.iter().map(|line| line.len() + 1).sum::<usize>() > MOST { Err(NotStarted::TooLong) } else { Ok(script) }
}

/// The command that asks what became of a token, or for its end.
pub(crate) fn about(role: Role, mark: &Mark, settings: &Settings) -> Script {
    script(role, mark, settings, "")
}

fn script(role: Role, mark: &Mark, settings: &Settings, order: &str) -> Script {
    let role = match role {
        Role::Run => "run",
        Role::Ask => "ask",
        Role::End => "end",
    };
    let most = if settings.output.is_some() { 0 } else { SHOWN };
    let mut lines = vec![
        format!("outpost_role={role} outpost_mark={} outpost_most={most}", mark.0),
        format!("outpost_state64='{}'", STANDARD.encode(&settings.state_directory)),
        format!("outpost_order() {{ cat <<'{END}'"),
    ];
    lines.extend(order.lines().map(str::to_owned));
    lines.extend([END.to_owned(), "}".to_owned()]);
    lines.extend(LOADER.lines().map(str::to_owned));
    Script(lines)
}

/// What cannot be done on another machine.
fn refuse(work: &Work, settings: &Settings) -> Result<(), NotStarted> {
    let refused = |why: String| Err(NotStarted::Refused(why));
    if !work.limits.is_empty() {
        return refused(
            "Systems Manager sets no limits for processes: remove `limits`, or set them in the command".into(),
        );
    }
    // Nothing runs whose secrets would be seen.
    Redaction::of(&work.secrets).map_err(|error| NotStarted::Refused(error.to_string()))?;
    let secrets = Redaction::beyond_doubt(&work.secrets).map_err(|error| NotStarted::Refused(error.to_string()))?;
    let Some(sent) = secrets.filter(|_| !settings.send_secrets) else {
        return Ok(());
    };
    for (name, value) in &work.env {
        if sent.finds(value.as_bytes()) {
            let name = name.display();
            return refused(format!(
                "the variable `{name}` holds a secret, and AWS shows the parameters of commands to whoever may list them: let the target fetch it, or allow it with `send_secrets`"
            ));
        }
    }
    let in_args = work.args.iter().any(|arg| sent.finds(arg.as_bytes()));
    if in_args || work.stdin.as_ref().is_some_and(|stdin| sent.finds(stdin)) {
        return refused(
            "its arguments or its input hold a secret, and AWS shows the parameters of commands to whoever may list them: let the target fetch it, or allow it with `send_secrets`".into(),
        );
    }
    Ok(())
}

/// As the scripts count.
fn hundredths(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / 10).unwrap_or(u64::MAX)
}
