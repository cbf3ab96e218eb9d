//! `outpost-bp logs`: what a task printed, stage by stage, also while it prints.
//!
//! The journal says which stages there were and when each was over; the log of a stage says what it printed.
//! One loop serves both ways of asking: without `--follow` it ends where the journal ends.

mod page;
mod print;
mod stages;

use std::path::Path;
use std::thread;
use std::time::Duration;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use outpost_executor::log::{ReadError, Reader};

pub(super) use self::page::{Wanted, page};
use self::print::{Listener, Printer};
use self::stages::{Run as TaskRun, Stages};
use super::kept::{Kept, look, meant, store};
use super::why::no_task;
use super::{Exit, Failure, Output, complete};
use crate::diagnostic::nearest;
use crate::engine::error::Broken;
use crate::engine::store::RunFiles;
use crate::journal::{follow, holder};
use crate::run::{Chore, Hook};

/// How long a follower sleeps when there is nothing new: another process writes, and a file tells nobody that it grew.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Args, Debug)]
pub(super) struct LogsArgs {
    /// The task; `hooks` for the hooks of the run
    #[arg(add = ArgValueCandidates::new(complete::tasks))]
    task: String,
    /// How the run's id begins, or its document; the latest run without it
    #[arg(long, value_name = "RUN", add = ArgValueCandidates::new(complete::runs))]
    run: Option<String>,
    /// Go on with what comes, later stages and attempts too, until the task is over or nobody drives the run
    #[arg(long, short)]
    follow: bool,
    /// This attempt; the latest without it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// Only this stage, such as `run` or `verify:unit`; `verify` is all verifications, `unit` one of them
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// Only what was printed to this stream, on standard output
    #[arg(long, value_enum, value_name = "STREAM")]
    stream: Option<Only>,
    /// Begin each line with the time it was printed, in UTC
    #[arg(long, short)]
    timestamps: bool,
    /// Print each line as a line of JSON
    #[arg(long)]
    json: bool,
}

/// One of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    Stdout,
    Stderr,
}

pub(super) fn run(args: &LogsArgs, output: &mut Output) -> Result<Exit, Failure> {
    let files = meant(&store()?, args.run.as_deref())?;
    let Owner { owner, is_settled, waits } = look(&files, |kept| owner(kept, &args.task, args.stage.as_deref()))?;
    let mut listener = Listener::new(output, args.json, args.timestamps, args.stream.map(Into::into));
    let told = Telling { args, owner: &owner, files: &files, is_settled }.tell(&mut listener)?;
    let output = listener.finish()?;
    let said = match told {
        Told::Something | Told::NobodyListens => return Ok(Exit::Done),
        Told::Nothing => format!("{} printed nothing", args.task),
        Told::NotStarted if waits && !is_settled => {
            format!("{} has not started; why: outpost-bp why {} --run {}", args.task, args.task, files.id())
        }
        Told::NotStarted => {
            format!("{} did not run; why: outpost-bp why {} --run {}", args.task, args.task, files.id())
        }
    };
    output.note(&format!("{said}\n"));
    Ok(Exit::Done)
}

/// Whose files are meant.
struct Owner {
    owner: String,
    /// It was over before it began: nothing will come.
    is_settled: bool,
    /// Something of it is to run.
    waits: bool,
}

fn owner(kept: &Kept<'_>, task: &str, stage: Option<&str>) -> Result<Owner, Failure> {
    let program = kept.run.program();
    let ids = program.tasks.iter().map(|spec| spec.id.as_str());
    let Some(index) = kept.run.find(task) else {
        if task != "hooks" {
            return Err(no_task(kept.files.id(), task, ids));
        }
        let words: Vec<&str> = program.hooks.iter().map(|hook| hook.word()).collect();
        refuse_unknown_stage("the run", stage, &words)?;
        let owner = Chore::Hook { hook: Hook::OnStart }.owner().to_owned();
        return Ok(Owner { owner, is_settled: false, waits: !words.is_empty() });
    };
    let spec = &program.tasks[index.get()];
    let chores = [(spec.undo.is_some(), "rollback"), (spec.on_success, "on_success")];
    let chores = chores.into_iter().filter(|(is_there, _)| *is_there).map(|(_, word)| word);
    let words: Vec<&str> = spec.stages.iter().map(|stage| stage.word()).chain(chores).collect();
    refuse_unknown_stage(&format!("`{task}`"), stage, &words)?;
    let is_settled = kept.run.task(index).is_final() && kept.run.task(index).attempts == 0;
    Ok(Owner { owner: task.to_owned(), is_settled, waits: !spec.settled })
}

fn refuse_unknown_stage(whose: &str, stage: Option<&str>, words: &[&str]) -> Result<(), Failure> {
    let Some(stage) = stage.filter(|stage| !words.iter().any(|known| stages::is_meant(stage, known))) else {
        return Ok(());
    };
    let hint = match nearest(stage, words.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if words.is_empty() => "it runs nothing itself".to_owned(),
        None => format!("it has {}", words.join(", ")),
    };
    Err(Failure::new(format!("{whose} has no stage `{stage}`"), hint))
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Something,
    /// The stages there are printed nothing.
    Nothing,
    NotStarted,
    /// The reader has seen enough.
    NobodyListens,
}

struct Telling<'a> {
    args: &'a LogsArgs,
    /// Whose files they are.
    owner: &'a str,
    files: &'a RunFiles,
    /// It was over before it began: nothing will come.
    is_settled: bool,
}

impl Telling<'_> {
    fn tell(&self, listener: &mut Listener<'_>) -> Result<Told, Failure> {
        let Self { args, owner, files, is_settled } = self;
        let mut journal = follow(files.folder()).map_err(Broken::from)?;
        let mut stages = Stages::of(owner);
        let mut position = 0;
        let mut open: Option<Printer> = None;
        let mut printed = false;
        let mut attempt = args.attempt;
        loop {
            // Asked first: a driver that ends while the journal is read has written all of it.
            let is_driven = holder(files.folder()).map_err(Broken::from)?.is_some();
            while let Some(record) = journal.next_record().map_err(Broken::from)? {
                stages.take(&record.payload);
            }
            let goes_on = args.follow && is_driven && !stages.is_final() && !is_settled;
            // The first time, all that is there is read: what is asked for is the latest of it.
            let from = *attempt.get_or_insert_with(|| stages.latest().unwrap_or(1));
            if let Some(wanted) = args.attempt
                && !goes_on
                && wanted > stages.latest().unwrap_or_default()
                && stages.latest().is_some()
            {
                return Err(no_attempt(&args.task, wanted, stages.latest().unwrap_or_default()));
            }
            let mut moved = false;
            while let Some(stage) = stages.all.get(position) {
                let is_meant = match args.attempt {
                    Some(wanted) => stage.attempt == wanted && (!stage.is_chore || args.stage.is_some()),
                    None => stage.is_chore || stage.attempt >= from,
                } && args.stage.as_ref().is_none_or(|meant| stages::is_meant(meant, &stage.word));
                if !is_meant {
                    position += 1;
                    continue;
                }
                let printer = open.get_or_insert_with(|| Printer::new(&args.task));
                let is_over = stage.is_over() || stages.all.len() > position + 1 || !goes_on;
                let path = files.log(owner, stage.attempt, &stage.word);
                match self.drain(printer, &path, stage, is_over, listener) {
                    Heard::Nobody => return Ok(Told::NobodyListens),
                    Heard::Something => (printed, moved) = (true, true),
                    Heard::Nothing => {}
                }
                if !is_over {
                    break;
                }
                if let Some(printer) = open.take()
                    && !printer.end(stage, is_driven, listener)
                {
                    return Ok(Told::NobodyListens);
                }
                position += 1;
            }
            let beyond = args.attempt.is_some_and(|wanted| stages.latest().is_some_and(|latest| latest > wanted));
            if !goes_on || beyond {
                return Ok(match (stages.all.is_empty(), printed) {
                    (true, _) => Told::NotStarted,
                    (false, true) => Told::Something,
                    (false, false) => Told::Nothing,
                });
            }
            if !moved {
                thread::sleep(PAUSE);
            }
        }
    }

    /// Prints what the log of a stage holds beyond what was printed of it.
    fn drain(
        &self,
        printer: &mut Printer,
        path: &Path,
        stage: &TaskRun,
        is_over: bool,
        listener: &mut Listener<'_>,
    ) -> Heard {
        if printer.is_broken {
            return Heard::Nothing;
        }
        if printer.reader.is_none() {
            match Reader::open(path) {
                Ok(reader) => printer.reader = Some(reader),
                // It printed nothing, so far.
                Err(ReadError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => return Heard::Nothing,
                // Its first bytes are on their way.
                Err(ReadError::NotALog) if !is_over => return Heard::Nothing,
                Err(error) => return printer.damaged(stage, &error, listener),
            }
        }
        let mut heard = Heard::Nothing;
        while let Some(entry) = printer.reader.as_mut().map(Reader::next) {
            match entry {
                Ok(Some(entry)) => {
                    if !printer.print(stage, entry, listener) {
                        return Heard::Nobody;
                    }
                    heard = Heard::Something;
                }
                Ok(None) => break,
                Err(error) => return printer.damaged(stage, &error, listener),
            }
        }
        if listener.send() { heard } else { Heard::Nobody }
    }
}

/// What became of what was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Something,
    Nothing,
    Nobody,
}

fn no_attempt(task: &str, wanted: u32, had: u32) -> Failure {
    let many = if had == 1 { "one attempt".to_owned() } else { format!("{had} attempts") };
    Failure::new(format!("`{task}` has no attempt {wanted}"), format!("it has had {many}"))
}
