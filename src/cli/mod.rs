//! The commands: one file each. This is where everything is put together.

mod agents;
mod check;
mod cleanup;
mod complete;
mod decide;
mod doctor;
mod edit;
mod exit;
mod gates;
mod gc;
mod graph;
mod hands;
mod hired;
mod kept;
mod load;
mod locks;
mod logs;
mod mcp;
mod observe;
mod plan;
mod prepare;
mod remind;
mod replace;
mod replay;
mod report;
mod resume;
mod rollback;
mod run;
mod runs;
mod screen;
mod secrets;
mod status;
mod sync;
mod terms;
mod test;
mod text;
mod unattended;
mod walls;
mod why;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, Parser, Subcommand};
use clap_complete::engine::ArgValueCandidates;
use clap_complete::env::{CompleteEnv, Shells};

pub use graph::picture;

use crate::engine::jq;
use crate::plan::BadSelection;
use crate::telemetry::faults;
use exit::Exit;
use load::Unreadable;

/// Runs blueprints: Markdown documents with YAML task blocks. Checks, plans and draws them, too.
#[derive(Debug, Parser)]
#[command(
    name = "outpost-bp",
    version,
    about,
    after_help = "Examples:\n  outpost-bp new > blueprint.md          begin with a commented document\n  outpost-bp check blueprint.md          every problem, each at its place\n  outpost-bp plan blueprint.md +T2.1     T2.1 and all it waits for, in waves\n  outpost-bp run blueprint.md            run it, up to where a person is needed\n  outpost-bp status --watch              where it stands, from another terminal\n  outpost-bp approve T2.1                decide a gate\n  outpost-bp resume                      go on\n\nExit codes: 0 done, 1 a task failed, 2 wrong command line or invalid blueprint,\n3 waiting for a person, 4 rejected, 5 rolled back, 6 rolled back in part,\n7 lock timeout, 8 something is missing here, 9 the document was changed,\n130 and 143 interrupted"
)]
struct Cli {
    /// When to use colour; `NO_COLOR` is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a blueprint
    #[command(
        after_help = "Examples:\n  outpost-bp run blueprint.md\n  outpost-bp run blueprint.md +T2.1 -j 2\n\nExit codes: 0 done, 1 a task failed, 2 invalid, 3 waiting for a person, 4 rejected,\n5 rolled back, 6 rolled back in part, 7 lock timeout, 8 something is missing here,\n9 not what was planned (`--plan`), 130 and 143 interrupted"
    )]
    Run(run::RunArgs),
    /// Go on with a run that waits, was interrupted or failed
    #[command(after_help = "Examples:\n  outpost-bp resume\n  outpost-bp resume 20261121 --rerun T1.2")]
    Resume(resume::ResumeArgs),
    /// Show where a run stands, while it runs or after it died
    #[command(
        after_help = "Examples:\n  outpost-bp status\n  outpost-bp status --watch\n  outpost-bp status 20261121-1012 --json"
    )]
    Status(status::StatusArgs),
    /// Approve the gate of a task
    #[command(
        after_help = "Examples:\n  outpost-bp approve T2.1\n  outpost-bp approve T2.1 --comment 'looked at the diff' --set replicas=3"
    )]
    Approve(decide::ApproveArgs),
    /// Reject the gate of a task
    #[command(after_help = "Examples:\n  outpost-bp reject T2.1 --comment 'not on a Friday'")]
    Reject(decide::DecideArgs),
    /// End a run, whoever drives it
    #[command(after_help = "Examples:\n  outpost-bp cancel\n  outpost-bp cancel 20261121-1012")]
    Cancel(decide::CancelArgs),
    /// Undo what the tasks of a run did, the last first
    #[command(
        after_help = "Every task that began its work and has a `rollback` is undone, the failed one too, one at a time; one that cannot be undone does not keep the others from it. Each is undone once; one whose rollback failed, or of which nobody knows how it ended, is tried again only when it is named.\n\nExamples:\n  outpost-bp rollback --dry-run\n  outpost-bp rollback 20261121-1012 --yes\n  outpost-bp rollback T2.1+\n\nExit codes: 5 all of it is undone, 6 not all of it, 0 nothing was left to undo or\n--dry-run, 1 somebody said no, 2 no such run or task, 8 a secret is missing here,\n130 and 143 interrupted"
    )]
    Rollback(rollback::RollbackArgs),
    /// Show what a task printed
    #[command(
        after_help = "On a terminal both streams stand in their order, standard error behind `! `; colours stay. In a pipe standard output goes to standard output and standard error to standard error, without escape sequences unless `--color always` is given; headings and remarks go to standard error. What a log had no room for is told where it was.\n\nExamples:\n  outpost-bp logs T2.1\n  outpost-bp logs T2.1 --follow\n  outpost-bp logs T2.1 --attempt 1 --stage verify:unit --stream stderr | less"
    )]
    Logs(logs::LogsArgs),
    /// Tell why a task ran, waits, was skipped or would run again
    #[command(after_help = "Examples:\n  outpost-bp why T2.1\n  outpost-bp why T2.1 --run 20261121 --json")]
    Why(why::WhyArgs),
    /// Tell what a run did, with the evidence
    #[command(
        after_help = "Examples:\n  outpost-bp report --output report.html\n  outpost-bp report 20261121 --output junit.xml\n  outpost-bp report --format json | jq .counts"
    )]
    Report(report::ReportArgs),
    /// List the runs of the project, the latest first
    #[command(
        after_help = "States: running, waiting (for a person), done, failed, cancelled, interrupted (nobody drives it), rolled_back, rollback_failed (what it did is undone in part) and unreadable. A failed, waiting or interrupted run goes on with `outpost-bp resume`.\n\nExamples:\n  outpost-bp runs\n  outpost-bp runs --json"
    )]
    Runs(runs::RunsArgs),
    /// List what waits for a person
    #[command(
        after_help = "With `--remind` people are told what is due: for `cron`, where nobody drives the run meanwhile. Who was told is not told again. What `run` and `resume` drive, they tell themselves.\n\nExamples:\n  outpost-bp gates\n  outpost-bp gates --all --json\n  outpost-bp gates --remind\n\nExit codes: 0, and 1 where `--remind` could not tell somebody"
    )]
    Gates(gates::GatesArgs),
    /// List who holds the locks of the project, and who waits for them
    #[command(after_help = "Examples:\n  outpost-bp locks\n  outpost-bp locks --json")]
    Locks(locks::LocksArgs),
    /// Tell a run again, from its events
    #[command(
        after_help = "Each event is judged as when it happened; one that cannot be is told with its line, with exit code 2. Otherwise the exit code is that of the run, 130 for one that stops in the middle; with --at it is 0. The document is the run's own copy, if it is here, or what --blueprint names.\n\nExamples:\n  outpost-bp replay events.ndjson\n  outpost-bp replay 20261121 --speed 10\n  outpost-bp replay events.ndjson --blueprint blueprint.md --at 12"
    )]
    Replay(replay::ReplayArgs),
    /// Write the statuses of a run into its blueprint
    #[command(
        after_help = "The `status:` of each task becomes what the run made of it, every other byte stays. What only a person can make go on is `blocked`. What the document calls complete or skipped is final: it is left, told, and the exit code is 1. The difference goes to standard output.\n\nExamples:\n  outpost-bp sync blueprint.md\n  outpost-bp sync blueprint.md --run 20261121 --dry-run\n  outpost-bp sync blueprint.md --check\n\nExit codes: 0 written or nothing to write, 1 a status is refused, or --check and\nsomething would change, 2 invalid blueprint or no such run"
    )]
    Sync(sync::SyncArgs),
    /// Remove old runs that are over
    #[command(
        after_help = "A run that is driven, waits for a person or was interrupted is never removed: `outpost-bp cancel` ends it first. A run that cannot be read is removed only with `--unreadable`. Outputs whose `cleanup` is due are put away first, of all runs; a run whose outputs have yet to be cleaned up stays.\n\nExamples:\n  outpost-bp gc --dry-run\n  outpost-bp gc --keep 5\n  outpost-bp gc --older-than P30D"
    )]
    Gc(gc::GcArgs),
    /// List the coding agents, and try their definitions
    #[command(
        after_help = "An agent is a definition: one that is built in, or a file of yours in the folder `outpost-bp/agents` of your configuration. `test` costs nothing: the model is on this machine and knows no key.\n\nExamples:\n  outpost-bp agents list\n  outpost-bp agents doctor --json\n  outpost-bp agents test claude\n\nExit codes: 0, 1 what was tried went otherwise, 2 no such agent or a faulty definition,\n8 no agent can be asked here"
    )]
    Agents(agents::AgentsArgs),
    /// Serve coding agents on standard input and output (MCP): a look at runs, a place to report
    #[command(after_help = mcp::HELP)]
    Mcp,
    /// Tell what this machine offers, and what is missing
    #[command(
        after_help = "Examples:\n  outpost-bp doctor\n  outpost-bp doctor --json\n\nExit codes: 0 blueprints can be run here, 8 something that `run` needs is missing"
    )]
    Doctor(doctor::DoctorArgs),
    /// Report every problem of a blueprint
    #[command(
        after_help = "Examples:\n  outpost-bp check blueprint.md\n  outpost-bp check --strict --json blueprints/*.md\n  outpost-bp check --fix blueprint.md"
    )]
    Check(check::CheckArgs),
    /// Show what would run, in waves
    #[command(
        after_help = "Examples:\n  outpost-bp plan blueprint.md\n  outpost-bp plan blueprint.md +T2.1 --json\n\nSelections: `T1.2`, `T1.*`, `tier:2`, `status:complete`, `+T1.2` (with what it waits for),\n`T1.2+` (with what waits for it), `!T1.2` (without it)"
    )]
    Plan(plan::PlanArgs),
    /// Try a blueprint against scenarios; nothing is executed
    #[command(
        after_help = "A scenario scripts how tasks end, what people decide and what goes wrong, and says how the run has to go. It is played by the same decisions as a run, in a time of its own. docs/TESTING.md has the format.\n\nExamples:\n  outpost-bp test blueprint.md --scenario scenarios.yaml\n  outpost-bp test blueprint.md --scenario a.yaml b.yaml --verbose\n\nExit codes: 0 all as expected, 1 one went otherwise, 2 the blueprint or a scenario is\ninvalid"
    )]
    Test(test::TestArgs),
    /// Draw the dependency graph
    #[command(
        after_help = "Examples:\n  outpost-bp graph blueprint.md\n  outpost-bp graph blueprint.md --format svg > graph.svg\n  outpost-bp graph blueprint.md --write"
    )]
    Graph(graph::GraphArgs),
    /// Tell more about a diagnostic
    Explain {
        /// The code, such as BP201; without it, all codes are listed
        #[arg(add = ArgValueCandidates::new(complete::codes))]
        code: Option<String>,
    },
    /// Print a JSON Schema of the format for editors, of the events of a run, or of its report
    Schema {
        /// The schema of a line of `run --events`
        #[arg(long)]
        events: bool,
        /// The schema of `report --format json`
        #[arg(long, conflicts_with = "events")]
        report: bool,
    },
    /// Print a commented starter document
    New {
        /// The title of the blueprint
        #[arg(default_value = "My project")]
        title: String,
    },
    /// Print a completion script for a shell
    #[command(
        after_help = "Examples:\n  source <(outpost-bp completions bash)\n  outpost-bp completions fish > ~/.config/fish/completions/outpost-bp.fish\n\nTask ids are completed from the blueprint named before them."
    )]
    Completions {
        #[arg(value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
        shell: String,
    },
    /// Print the manual page of the tool or of a command
    #[command(after_help = "Examples:\n  outpost-bp man | man -l -\n  outpost-bp man plan > outpost-bp-plan.1")]
    Man {
        /// The command, such as `plan`
        command: Option<String>,
    },
}

/// Why a command could not do its work, and the way out.
#[derive(Debug)]
struct Failure {
    message: String,
    hint: String,
    exit: Exit,
}

impl Failure {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into(), exit: Exit::Invalid }
    }
}

impl From<BadSelection> for Failure {
    fn from(error: BadSelection) -> Self {
        let hint = "a selection is an id, `T1.*`, `tier:1`, `status:…`, `+T1.1` or `T1.1+`";
        Self::new(error.to_string(), hint)
    }
}

impl From<Unreadable> for Failure {
    fn from(error: Unreadable) -> Self {
        Self::new(error.to_string(), error.hint)
    }
}

/// Standard output is data, standard error is conversation.
#[derive(Debug)]
struct Output {
    width: usize,
    in_github_actions: bool,
    color: anstream::ColorChoice,
}

impl Output {
    fn data(&mut self, text: &str) -> Result<(), Failure> {
        let mut stdout = anstream::AutoStream::new(io::stdout().lock(), self.color);
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            // The reader has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::new(format!("failed to write the output: {error}"), "check where it goes")),
            Ok(()) => Ok(()),
        }
    }

    fn is_colored(&self) -> bool {
        let choice = anstream::AutoStream::new(io::stdout(), self.color).current_choice();
        choice != anstream::ColorChoice::Never
    }

    /// Columns to keep to; a file or a program gets all there is, unless `COLUMNS` is set.
    fn columns(&self) -> Option<usize> {
        let is_limited = io::stdout().is_terminal() || std::env::var_os("COLUMNS").is_some();
        is_limited.then_some(self.width)
    }

    fn json(&mut self, value: &serde_json::Value) -> Result<(), Failure> {
        self.data(&format!("{value:#}\n"))
    }

    fn complain(&mut self, failure: &Failure) {
        self.note(&format!("error: {}\nhint: {}\n", failure.message, failure.hint));
    }

    fn note(&mut self, text: &str) {
        let mut stderr = anstream::AutoStream::new(io::stderr().lock(), self.color);
        // Nobody is left to be told.
        let _ = if stderr.current_choice() == anstream::ColorChoice::Never {
            // In one piece, which the stream would not do.
            stderr.into_inner().write_all(anstream::adapter::strip_str(text).to_string().as_bytes())
        } else {
            stderr.write_all(text.as_bytes())
        };
    }
}

/// Columns of the terminal, or of what `COLUMNS` promises.
fn width() -> usize {
    let promised = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let measured = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    promised.or_else(measured).unwrap_or(100).max(40)
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let word = std::env::args_os().nth(1);
    if word.as_deref().is_some_and(|word| word == jq::ARGUMENT) {
        return jq::main();
    }
    if word.as_deref().is_some_and(|word| word == outpost_shell::keeper::ARGUMENT) {
        return outpost_shell::keeper::main();
    }
    if let Some(exit) = word.as_ref().and_then(hands::main) {
        return exit;
    }
    CompleteEnv::with_factory(Cli::command).var(complete::ASKED).complete();
    let cli = Cli::parse();
    let color = match cli.color {
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
        ColorChoice::Auto if io::stdout().is_terminal() => anstream::ColorChoice::Auto,
        ColorChoice::Auto => anstream::ColorChoice::Never,
    };
    let in_github_actions = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
    let mut output = Output { width: width(), in_github_actions, color };
    if let Err(problem) = faults::show(color != anstream::ColorChoice::Never) {
        output.note(&format!("warning: {problem}; nothing is shown of what the tool does\n"));
    }
    let exit = run(&cli.command, &mut output).unwrap_or_else(|failure| {
        output.complain(&failure);
        failure.exit
    });
    ExitCode::from(exit.code())
}

fn run(command: &Command, output: &mut Output) -> Result<Exit, Failure> {
    match command {
        Command::Check(args) => return check::run(args, output),
        Command::Plan(args) => return plan::run(args, output),
        Command::Run(args) => return run::run(args, output),
        Command::Resume(args) => return resume::run(args, output),
        Command::Status(args) => return status::run(args, output),
        Command::Approve(args) => return decide::approve(args, output),
        Command::Reject(args) => return decide::reject(args, output),
        Command::Cancel(args) => return decide::cancel(args, output),
        Command::Rollback(args) => return rollback::run(args, output),
        Command::Logs(args) => return logs::run(args, output),
        Command::Why(args) => return why::run(args, output),
        Command::Report(args) => return report::run(args, output),
        Command::Runs(args) => return runs::run(args, output),
        Command::Gates(args) => return gates::run(args, output),
        Command::Locks(args) => return locks::run(args, output),
        Command::Sync(args) => return sync::run(args, output),
        Command::Replay(args) => return replay::run(args, output),
        Command::Gc(args) => return gc::run(args, output),
        Command::Agents(args) => return agents::run(args, output),
        Command::Mcp => return mcp::run(),
        Command::Doctor(args) => return doctor::run(args, output),
        Command::Test(args) => return test::run(args, output),
        Command::Graph(args) => return graph::run(args, output),
        Command::Explain { code } => output.data(&text::explain(code.as_deref())?)?,
        Command::Schema { report: true, .. } => output.json(&crate::report::account::schema())?,
        Command::Schema { events: true, .. } => output.json(&crate::report::stream::schema())?,
        Command::Schema { .. } => output.json(&crate::blueprint::schema::json_schema())?,
        Command::New { title } => output.data(&text::starter(title))?,
        Command::Completions { shell } => output.data(&completions(shell)?)?,
        Command::Man { command } => output.data(&text::manual(command.as_deref())?)?,
    }
    Ok(Exit::Done)
}

fn completions(shell: &str) -> Result<String, Failure> {
    let shells = Shells::builtins();
    let mut script = Vec::new();
    let written = shells
        .completer(shell)
        .map(|shell| shell.write_registration(complete::ASKED, "outpost_bp", "outpost-bp", "outpost-bp", &mut script));
    match written {
        Some(Ok(())) => Ok(String::from_utf8_lossy(&script).into_owned()),
        Some(Err(error)) => Err(Failure::new(format!("failed to write the script: {error}"), "try again")),
        None => Err(Failure::new(format!("there is no script for `{shell}`"), "run `outpost-bp completions --help`")),
    }
}
