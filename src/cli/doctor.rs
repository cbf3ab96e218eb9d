//! `outpost-bp doctor`: what this machine offers to blueprints, what is missing, and what to do about it.
//!
//! It looks and changes nothing. Only what every run needs is an error; all else is missing for some.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;

use clap::Args;
use rustix::process::{PidfdFlags, Resource, getpid, getrlimit, pidfd_open};
use serde_json::{Value, json};

use super::gc::room;
use super::hired::Hired;
use super::kept::store;
use super::walls::Walls;
use super::{Exit, Failure, Output};
use crate::blueprint::capability::{Range, Requirement, Version};
use crate::engine::capability::{Outcome, probe};
use crate::engine::hands::{FLEET_KEY, FLEET_URL, engine_here};
use crate::engine::remote::HAS_AWS;
use crate::engine::secret::vault_standing;
use crate::locks::remote_file_system;
use crate::report::table::{Table, wrapped};

/// A run with many tasks at once needs some for each.
const FEW_FILES: u64 = 1024;
/// Less room than this is soon none.
const LITTLE_ROOM: u64 = 1 << 30;

/// Programs that blueprints name, and what for.
const PROGRAMS: &[(&str, &str)] =
    &[("git", "blueprints that look at their repository"), ("aws-cli", "tasks that call it")];

#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Ok,
    /// Some blueprints need it.
    Warn,
    /// Nothing runs without it.
    Missing,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Missing => "missing",
        }
    }
}

/// One thing that was looked at.
struct Finding {
    name: String,
    level: Level,
    found: String,
    /// What to do, unless it is as it should be.
    advice: Option<String>,
}

impl Finding {
    fn ok(name: &str, found: impl Into<String>) -> Self {
        Self { name: name.to_owned(), level: Level::Ok, found: found.into(), advice: None }
    }

    fn bad(name: &str, level: Level, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name: name.to_owned(), level, found: found.into(), advice: Some(advice.into()) }
    }
}

pub(super) fn run(args: &DoctorArgs, output: &mut Output) -> Result<Exit, Failure> {
    let mut findings = vec![kernel(), processes(), children(), open_files()];
    findings.extend(files()?);
    findings.extend(programs());
    findings.extend(agents());
    findings.push(sandbox());
    findings.push(containers());
    findings.push(aws());
    findings.push(fleet());
    findings.push(secrets());
    findings.push(terminal(output));
    let is_fit = findings.iter().all(|finding| finding.level != Level::Missing);
    if args.json {
        let checks: Vec<Value> = findings
            .iter()
            .map(|Finding { name, level, found, advice }| {
                json!({ "name": name, "level": level.word(), "found": found, "advice": advice })
            })
            .collect();
        output.json(&json!({ "version": env!("CARGO_PKG_VERSION"), "fit": is_fit, "checks": checks }))?;
    } else {
        output.data(&text(&findings, output.columns()))?;
        let said = if is_fit { "blueprints can be run here" } else { "no blueprint can be run here: see `missing`" };
        output.note(&format!("{said}\n"));
    }
    Ok(if is_fit { Exit::Done } else { Exit::Unprepared })
}

/// A line for each finding; advice stands below its line.
fn text(findings: &[Finding], columns: Option<usize>) -> String {
    let mut table = Table::new(&["LEVEL", "WHAT", "FOUND"]);
    for finding in findings {
        table.row(&[finding.level.word().to_owned(), finding.name.clone(), finding.found.clone()]);
    }
    let rows = table.text(columns);
    let mut rows = rows.lines();
    let mut text = format!("{}\n", rows.next().unwrap_or_default());
    for (row, finding) in rows.zip(findings) {
        text += &format!("{row}\n");
        if let Some(advice) = &finding.advice {
            text += &wrapped("         -> ", advice, columns);
        }
    }
    text
}

fn kernel() -> Finding {
    let system = rustix::system::uname();
    let found = format!("{} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy());
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => Finding::ok("kernel", format!("{found}, has pidfd")),
        Err(error) => Finding::bad(
            "kernel",
            Level::Missing,
            format!("{found}, pidfd: {error}"),
            "use Linux 5.3 or later, and a sandbox that allows `pidfd_open`",
        ),
    }
}

fn processes() -> Finding {
    match fs::read_to_string("/proc/self/stat") {
        Ok(_) => Finding::ok("/proc", "shows processes"),
        Err(error) => Finding::bad("/proc", Level::Missing, format!("{error}"), "mount it: `mount -t proc proc /proc`"),
    }
}

fn children() -> Finding {
    match outpost_shell::become_subreaper() {
        Ok(()) => Finding::ok("subreaper", "daemons of a keeper that was killed are found"),
        Err(error) => Finding::bad(
            "subreaper",
            Level::Warn,
            format!("{error}"),
            "allow `prctl(PR_SET_CHILD_SUBREAPER)`: daemons may outlive their task",
        ),
    }
}

fn open_files() -> Finding {
    // A runner raises its limit to the most that it may have.
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most < FEW_FILES => Finding::bad(
            "open files",
            Level::Warn,
            format!("{most} at most"),
            format!("raise the hard limit to {FEW_FILES} (`ulimit -Hn`), or run few tasks at once (`-j`)"),
        ),
        Some(most) => Finding::ok("open files", format!("{most} at most")),
        None => Finding::ok("open files", "no limit"),
    }
}

/// Where runs are kept, or will be.
fn files() -> Result<Vec<Finding>, Failure> {
    let store = store()?;
    let place = store.root();
    // Before the first run there is only what it will be made in.
    let there = place.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let mut findings = vec![match remote_file_system(there) {
        Ok(None) => Finding::ok("file system", format!("a disk of this machine, for {}", place.display())),
        Ok(Some(name)) => Finding::bad(
            "file system",
            Level::Missing,
            format!("{name}, for {}", place.display()),
            "keep the project on a disk of this machine: a network file system loses locks",
        ),
        Err(error) => Finding::bad(
            "file system",
            Level::Warn,
            format!("{}: {error}", place.display()),
            "check the permissions of the directory",
        ),
    }];
    findings.push(match rustix::fs::access(there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
        Ok(()) => Finding::ok("permissions", format!("may write to {}", there.display())),
        Err(error) => Finding::bad(
            "permissions",
            Level::Missing,
            format!("{error}: {}", there.display()),
            "work in a directory of yours",
        ),
    });
    findings.extend(rustix::fs::statvfs(there).ok().map(|found| {
        let bytes = found.f_bavail.saturating_mul(found.f_frsize);
        if bytes < LITTLE_ROOM {
            let advice = "make room: a full disk stops a run; `outpost-bp gc` removes old ones";
            Finding::bad("room", Level::Warn, format!("{} free", room(bytes)), advice)
        } else {
            Finding::ok("room", format!("{} free", room(bytes)))
        }
    }));
    Ok(findings)
}

fn programs() -> Vec<Finding> {
    let names = std::iter::once("bash").chain(PROGRAMS.iter().map(|(name, _)| *name));
    // A range that every version is in, so that each is asked for its version.
    let range = Range::AtLeast(Version::default());
    let requirements: Vec<Requirement<'_>> = names.map(|name| Requirement { name, range, ambiguous: false }).collect();
    let mut found = probe(&requirements, &std::env::var_os("PATH").unwrap_or_default()).into_iter();
    let shell = match found.next() {
        Some(Outcome::Missing) | None => Finding::bad(
            "bash",
            Level::Missing,
            "not on `PATH`",
            "install it, or name another in each blueprint: `execution.shell`",
        ),
        Some(here) => Finding::ok("bash", version(&here)),
    };
    let others = PROGRAMS.iter().zip(found).map(|((name, what_for), here)| match here {
        Outcome::Missing => Finding::bad(name, Level::Warn, "not on `PATH`", format!("install it for {what_for}")),
        here => Finding::ok(name, version(&here)),
    });
    std::iter::once(shell).chain(others).collect()
}

/// A row for each definition, or for what is wrong with them.
fn agents() -> Vec<Finding> {
    let found = match Hired::here().all() {
        Ok(found) => found,
        Err(problems) => {
            let advice = format!("mend the definitions of agents: {problems}");
            return vec![Finding::bad("agents", Level::Warn, "their definitions cannot be used", advice)];
        }
    };
    let found = found.into_iter().map(|agent| {
        let version = agent.version.unwrap_or_else(|| "here; it does not tell its version".to_owned());
        match agent.lacking {
            None => Finding::ok(&agent.id, format!("{version}; {}", agent.way)),
            Some(why) if agent.program.is_some() => Finding::bad(&agent.id, Level::Warn, version, why),
            Some(why) => Finding::bad(&agent.id, Level::Warn, "not on `PATH`", why),
        }
    });
    found.collect()
}

/// What agents run behind.
fn sandbox() -> Finding {
    let walls = Walls::here();
    match walls.open() {
        None => Finding::ok("sandbox", walls.line()),
        Some(open) => Finding::bad("sandbox", Level::Warn, walls.line(), open),
    }
}

fn version(here: &Outcome) -> String {
    match here {
        Outcome::Present(Some(version)) | Outcome::Unfit(version) => version.to_string(),
        Outcome::Present(None) | Outcome::Unclear => "here; it does not tell its version".to_owned(),
        Outcome::Missing => "not on `PATH`".to_owned(),
    }
}

/// Whether an engine answers that runs containers.
fn containers() -> Finding {
    match engine_here(None) {
        Ok(engine) => Finding::ok("containers", format!("{} answers", engine.kind.name())),
        Err(why) => Finding::bad("containers", Level::Warn, "no engine answers", why),
    }
}

/// Whether this build speaks to AWS. Whose credentials it would use is asked when they are used.
fn aws() -> Finding {
    if HAS_AWS {
        return Finding::ok(
            "aws",
            "built in: outputs and storage in S3, secrets of the Parameter Store, the executor `ssm`",
        );
    }
    let advice =
        "build it with `--features aws` for outputs and storage in S3, secrets of the Parameter Store, and `ssm`";
    Finding::bad("aws", Level::Warn, "not in this build", advice)
}

/// Whether a service was named whose fleet does jobs. It is asked for the first time when a job is.
fn fleet() -> Finding {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match (is_set(FLEET_URL), is_set(FLEET_KEY)) {
        (true, true) => Finding::ok("fleet", format!("`{FLEET_URL}` and `{FLEET_KEY}` are set")),
        (false, true) => Finding::bad(
            "fleet",
            Level::Warn,
            format!("`{FLEET_KEY}` is set, `{FLEET_URL}` is not"),
            format!("set `{FLEET_URL}`, or name the service in the document: `outpost: {{url: …}}`"),
        ),
        (_, false) => Finding::bad(
            "fleet",
            Level::Warn,
            format!("`{FLEET_KEY}` is not set"),
            format!("set it, and `{FLEET_URL}`, for tasks of the executor `outpost`"),
        ),
    }
}

/// The sources of secrets. Nothing is asked for a value.
fn secrets() -> Finding {
    let vault = match vault_standing() {
        (true, true) => "`VAULT_ADDR` is set, token found",
        (true, false) => "`VAULT_ADDR` is set, no token",
        (false, true) => "no `VAULT_ADDR`, token found",
        (false, false) => "no `VAULT_ADDR`, no token",
    };
    let aws = if HAS_AWS { "in this build" } else { "not in this build" };
    Finding::ok("secrets", format!("environment and files; vault: {vault}; aws_ssm: {aws}"))
}

fn terminal(output: &Output) -> Finding {
    let term = std::env::var("TERM").unwrap_or_default();
    if !io::stderr().is_terminal() {
        return Finding::ok("terminal", "none: `run` prints a line for each event");
    }
    if term == "dumb" || term.is_empty() {
        let advice = "set `TERM` for live progress; without it `run` prints a line for each event";
        return Finding::bad("terminal", Level::Warn, format!("`TERM` is `{term}`"), advice);
    }
    let colour = if output.is_colored() { "with colours" } else { "without colours" };
    Finding::ok("terminal", format!("{term}, {} columns, {colour}", output.width))
}
