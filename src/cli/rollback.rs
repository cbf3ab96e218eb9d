//! `outpost-bp rollback`: undoes what the tasks of a run did, the last first.
//!
//! What is undone is shown before, and somebody says yes: on the terminal, or with `--yes`.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::Path;

use clap::Args;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};

use super::kept::{runs_of, store, user, whereabouts};
use super::prepare::{Prepared, environment, unprepared};
use super::run::{Setting, Shown, Watched, drive};
use super::secrets::{Wanted, resolved};
use super::{Exit, Failure, Output, complete};
use crate::blueprint::{Blueprint, TaskIndex};
use crate::document::Source;
use crate::engine::error::Broken;
use crate::engine::glance::Glance;
use crate::engine::history::{blueprint, compile};
use crate::engine::secret::Resolved;
use crate::engine::session::{Opened, Session};
use crate::engine::store::{RunFiles, Store};
use crate::journal::holder;
use crate::plan::{Plan, select};
use crate::report::table::one_line;
use crate::run::{Run, Undo};

#[derive(Args, Debug)]
pub(super) struct RollbackArgs {
    /// How the run's id begins, or its document, the latest run without it; then the tasks to undo, all without them
    #[arg(value_name = "RUN|SELECTION", add = ArgValueCandidates::new(complete::runs))]
    run: Option<String>,
    /// Tasks to undo; those named here are undone again although their rollback failed before
    #[arg(add = ArgValueCompleter::new(complete::selection))]
    selection: Vec<String>,
    /// Show what would be undone, and undo nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Undo the selected tasks although others that stand on them are not undone
    #[arg(long)]
    alone: bool,
    #[command(flatten)]
    shown: Shown,
}

pub(super) fn run(args: &RollbackArgs, output: &mut Output) -> Result<Exit, Failure> {
    let store = store()?;
    let (files, selection) = meant(&store, args)?;
    if let Some(holder) = holder(files.folder()).map_err(Broken::from)? {
        return Err(Failure::new(
            format!("the run `{}` is driven by {holder}", files.id()),
            "end it first: `outpost-bp cancel`, or Ctrl-C where it runs",
        ));
    }
    let opened = Session::open(files)?;
    let document = whereabouts(opened.history.glance.started()?);
    let watched = args.shown.watched(document.as_deref(), opened.history.events.len())?;
    let source = opened.history.glance.document(opened.files())?;
    let blueprint = blueprint(&source)?;
    let (plan, program) = compile(&blueprint, opened.history.glance.started()?)?;
    let run = opened.history.replay(opened.files(), program)?;
    let undoing = Undoing::of(&run, &blueprint, &plan, &selection, opened.files().id())?;
    if !args.alone {
        undoing.refuse_loose_ends(&run, &blueprint, &plan)?;
    }
    output.note(&undoing.told(&run, &blueprint));
    if undoing.tasks.is_empty() {
        return Ok(Exit::Done);
    }
    if args.dry_run {
        return Ok(Exit::Done);
    }
    if !args.yes && !agreed(&undoing.question(), output)? {
        output.note("nothing was undone\n");
        return Ok(Exit::Failed);
    }
    go(opened, &store, (&source, &blueprint, &plan), &undoing, None, watched, output)
}

/// Asks on the terminal whether what a failed run did is to be undone, and has it done. `secrets` are those of the run,
/// and whoever watched it goes on watching.
pub(super) fn offer(
    store: &Store,
    files: RunFiles,
    secrets: Resolved,
    (shown, watched): (&Shown, Watched),
    output: &mut Output,
) -> Result<Option<Exit>, Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(None);
    }
    let opened = Session::open(files)?;
    let source = opened.history.glance.document(opened.files())?;
    let blueprint = blueprint(&source)?;
    let (plan, program) = compile(&blueprint, opened.history.glance.started()?)?;
    let run = opened.history.replay(opened.files(), program)?;
    let undoing = Undoing::of(&run, &blueprint, &plan, &[], opened.files().id())?;
    if undoing.tasks.is_empty() {
        return Ok(None);
    }
    output.note(&format!("\n{}", undoing.told(&run, &blueprint)));
    if !agreed(&undoing.question(), output)? {
        return Ok(None);
    }
    let watched = shown.again(whereabouts(opened.history.glance.started()?).as_deref(), watched)?;
    go(opened, store, (&source, &blueprint, &plan), &undoing, Some(secrets), watched, output).map(Some)
}

/// The run, and the tasks that are named: the first word may be either.
fn meant(store: &Store, args: &RollbackArgs) -> Result<(RunFiles, Vec<String>), Failure> {
    let Some(word) = args.run.as_deref() else {
        return Ok((store.find(None)?, Vec::new()));
    };
    let runs = store.runs()?;
    let is_task = || runs.last().is_some_and(|latest| has_task(latest, word));
    if runs.iter().any(|run| run.id().starts_with(word)) {
        let is_whole = runs.iter().any(|run| run.id() == word);
        if let Some(latest) = runs.last().filter(|_| !is_whole && is_task()) {
            return Err(Failure::new(
                format!("`{word}` is a task and begins the id of a run"),
                format!("name the run first, then the task: `outpost-bp rollback {} {word}`", latest.id()),
            ));
        }
        return Ok((store.find(Some(word))?, args.selection.clone()));
    }
    if !is_task()
        && let Some(files) = runs_of(store, word).pop()
    {
        return Ok((files, args.selection.clone()));
    }
    let selection = std::iter::once(word.to_owned()).chain(args.selection.iter().cloned()).collect();
    Ok((store.find(None)?, selection))
}

/// Whether the document of a run has this task. One that cannot be read is no reason to refuse another run.
fn has_task(files: &RunFiles, id: &str) -> bool {
    let source = Glance::at(files).and_then(|glance| glance.document(files));
    let named = |source| blueprint(&source).is_ok_and(|known| known.tasks.iter().any(|task| *task.id.value == *id));
    source.is_ok_and(named)
}

fn go(
    opened: Opened,
    store: &Store,
    (source, blueprint, plan): (&Source, &Blueprint<'_>, &Plan),
    undoing: &Undoing,
    secrets: Option<Resolved>,
    mut watched: Watched,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let environment = environment(blueprint, opened.history.glance.started()?.environment.as_deref())?;
    // What tasks left when they were interrupted may hold whatever they knew.
    let known = Wanted::of(blueprint, plan, &environment);
    let wanted = Wanted::of_rollback(blueprint, &undoing.tasks, &environment).and_if_found(known);
    let root = Path::new(&opened.history.glance.started()?.root);
    let secrets = match secrets.map_or_else(|| resolved(blueprint, &wanted, root, output), Ok) {
        Ok(secrets) => secrets,
        Err(missing) => return Ok(unprepared("the run cannot be rolled back here", &missing, output)),
    };
    let (_, program) = compile(blueprint, opened.history.glance.started()?)?;
    let session = opened.into_rollback(program, user(), undoing.ids(blueprint))?;
    let prepared = Prepared { secrets, ..Prepared::default() };
    let setting = Setting { blueprint, source, environment, prepared };
    drive(session, store, setting, &mut watched, output)
}

/// What is to be undone, and what of it is left as it is.
struct Undoing {
    /// In the order in which they are undone.
    tasks: Vec<TaskIndex>,
    irreversible: Vec<TaskIndex>,
    /// Their rollback failed, or nobody knows how it ended: only a person who names them has it tried again.
    tried: Vec<TaskIndex>,
    /// They did something, and nothing is said of how to undo it.
    silent: Vec<TaskIndex>,
}

impl Undoing {
    fn of(run: &Run, blueprint: &Blueprint<'_>, plan: &Plan, selection: &[String], id: &str) -> Result<Self, Failure> {
        if run.is_rolling_back() {
            return Err(Failure::new(
                format!("the run `{id}` is being rolled back, and its runner ended"),
                format!("go on with it: `outpost-bp resume {id}`"),
            ));
        }
        let selected = select(selection, blueprint, &plan.dag)?;
        let is_named = selection.iter().any(|term| !term.starts_with('!'));
        let mut undoing = Self { tasks: Vec::new(), irreversible: Vec::new(), tried: Vec::new(), silent: Vec::new() };
        for task in run.acted().into_iter().filter(|task| selected.binary_search(task).is_ok()) {
            match run.undo(task) {
                Undo::Due => undoing.tasks.push(task),
                Undo::Failed | Undo::Unknown if is_named => undoing.tasks.push(task),
                Undo::Failed | Undo::Unknown => undoing.tried.push(task),
                Undo::Irreversible => undoing.irreversible.push(task),
                Undo::Undone | Undo::Running | Undo::Nothing => {}
            }
        }
        let did = |task: &TaskIndex| {
            let spec = &run.program().tasks[task.get()];
            run.task(*task).attempts > 0 && spec.undo.is_none() && spec.stages.iter().any(|one| !one.is_repeatable())
        };
        undoing.silent = selected.into_iter().filter(did).collect();
        Ok(undoing)
    }

    /// What stands on a task falls with it.
    fn refuse_loose_ends(&self, run: &Run, blueprint: &Blueprint<'_>, plan: &Plan) -> Result<(), Failure> {
        let stays = |task: &TaskIndex| {
            let may_stand = matches!(run.undo(*task), Undo::Due | Undo::Failed | Undo::Unknown);
            may_stand && !self.tasks.contains(task) && !self.tried.contains(task)
        };
        for &task in &self.tasks {
            let above = run.indices().filter(stays).find(|above| plan.dag.reaches(*above, task));
            if let Some(above) = above {
                let (id, above) = (&blueprint.task(task).id, &blueprint.task(above).id);
                return Err(Failure::new(
                    format!("`{above}` stands on `{id}` and would not be undone"),
                    format!("select `{id}+` to undo both, or say `--alone`"),
                ));
            }
        }
        Ok(())
    }

    fn ids(&self, blueprint: &Blueprint<'_>) -> Vec<String> {
        self.tasks.iter().map(|task| blueprint.task(*task).id.to_string()).collect()
    }

    fn question(&self) -> String {
        match self.tasks.len() {
            1 => "undo this task?".to_owned(),
            many => format!("undo these {many} tasks?"),
        }
    }

    fn told(&self, run: &Run, blueprint: &Blueprint<'_>) -> String {
        let mut text = String::new();
        let command = |task: &TaskIndex| {
            let rollback = blueprint.task(*task).rollback.as_ref();
            one_line(rollback.and_then(|rollback| rollback.command.as_deref()).unwrap_or_default())
        };
        if self.tasks.is_empty() {
            text += "nothing is left to undo\n";
        } else {
            text += "to be undone, in this order:\n";
        }
        for (number, task) in self.tasks.iter().enumerate() {
            let again = if run.undo(*task) == Undo::Due { "" } else { "  (again)" };
            text +=
                &format!("  {:>3}. {:<10} {}{again}\n", number + 1, blueprint.task(*task).id.as_str(), command(task));
        }
        for (tasks, what) in [
            (&self.irreversible, "cannot be undone, as the document says"),
            (&self.silent, "did something, and the document does not say how to undo it"),
            (&self.tried, "was tried before and did not end well; name it to have it tried again"),
        ] {
            for task in tasks {
                text += &format!("       {:<10} {what}\n", blueprint.task(*task).id.as_str());
            }
        }
        text
    }
}

fn agreed(question: &str, output: &mut Output) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new("nobody is here to say yes", "say it with `--yes`, or look with `--dry-run`"));
    }
    output.note(&format!("{question} [y/N] "));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::new(format!("the answer cannot be read: {error}"), "say it with `--yes`"))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
