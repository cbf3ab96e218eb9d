//! The work of an agent's task, and of one in a tree of its own: orders for processes of our own that make the tree, do
//! the work, commit it and land it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use outpost_agent::attempt::{Access, JOB_VERSION, Job, Limits};
use outpost_agent::classify::Class;
use outpost_agent::command::{Approval, Trust};
use outpost_agent::prompt::Brief;
use outpost_executor::Work;
use outpost_workspace::Name;

use super::{Bench, Failure, Variables, failure, unusable};
use crate::blueprint::model::{AgentApproval, AgentTerms, AgentTrust, Task};
use crate::blueprint::{TaskIndex, agent, agent_terms, is_isolated};
use crate::document::{Source, Text};
use crate::engine::agent::order::{
    CONFLICT, Caps, Ground, Names, ORDER, Order, PLACE, Place, PortsFile, Start, Tree, VERSION, Whisper,
};
use crate::engine::agent::past::{Attempts, Failed, note, underway, usage};
use crate::engine::agent::{AGENT, COMMIT, LAND, TREE, brief, order};
use crate::engine::output::Values;
use crate::run::{Course, FailureCode, FailurePhase, Moment, Stage, Usage, micro};

/// This very program, whatever lies at its path by now.
const OURSELVES: &str = "/proc/self/exe";
/// The end of what is taken from `outcome.json` and the like never stands in the way of the next attempt.
const PRIVATE: &str = ".outpost";

/// What an attempt of an agent depends on beside the document.
#[derive(Clone, Debug)]
pub struct Turn<'s> {
    pub source: &'s Source,
    /// How many attempts the task may have.
    pub attempts: u32,
    /// What a person said who let it go on.
    pub said: Option<String>,
    /// What is left for all agents of the run together.
    pub left: Usage,
    pub now: Moment,
}

impl Bench<'_> {
    /// The agent that does a task, and its terms.
    pub fn agent(&self, index: TaskIndex) -> Option<(&str, AgentTerms<'_>)> {
        agent(self.blueprint, index).map(|agent| (agent, agent_terms(self.blueprint, index)))
    }

    /// What the agent of an attempt that goes on has used.
    pub fn underway(&self, index: TaskIndex, attempt: u32) -> Option<Usage> {
        self.agent(index)?;
        underway(&self.files.of_attempt(&self.task(index).id, attempt, "agent")).ok().flatten()
    }

    /// What the agent of an attempt used, as far as anybody knows by now.
    pub fn usage(&self, index: TaskIndex, attempt: u32) -> Option<Usage> {
        self.agent(index)?;
        // What cannot be read is not known.
        usage(&self.files.of_attempt(&self.task(index).id, attempt, "agent")).ok().flatten()
    }

    /// The directory of the project as a task sees it: in its tree, if it works in one of its own.
    pub(in crate::engine) fn root_of(&self, index: TaskIndex) -> PathBuf {
        let tree = is_isolated(self.blueprint, index).then(|| Some(self.tree_of(index)?.join(self.prefix()))).flatten();
        tree.filter(|tree| tree.is_dir()).unwrap_or_else(|| self.root.clone())
    }

    /// Where the tree of a task is.
    pub(super) fn tree_of(&self, index: TaskIndex) -> Option<PathBuf> {
        let (run, task) = (Name::of(self.files.id()).ok()?, Name::of(&self.task(index).id).ok()?);
        Some(self.trees.as_ref()?.join(run.as_str()).join("tasks").join(task.as_str()).join("tree"))
    }

    /// Why a stage of a task cannot begin in its tree, which somebody removed.
    pub(super) fn lost_tree(&self, index: TaskIndex, stage: Stage) -> Option<Failure> {
        let is_needed = !matches!(stage, Stage::Tree | Stage::Land) && is_isolated(self.blueprint, index);
        let tree = self.tree_of(index).filter(|tree| is_needed && !tree.is_dir())?;
        Some(refused(format!("its tree `{}` is gone: order it once more with `resume --rerun`", tree.display())))
    }

    /// Whether one of our own processes carries out a stage, and not a command of the document.
    pub(super) fn is_hired(&self, index: TaskIndex, stage: Stage) -> bool {
        match stage {
            Stage::Tree | Stage::Commit | Stage::Land => true,
            Stage::Run => self.agent(index).is_some() && self.errand(index).is_none(),
            Stage::Setup | Stage::Verify { .. } => false,
        }
    }

    /// Where the processes of an attempt keep what they know.
    pub(super) fn folder_of(&self, index: TaskIndex, attempt: u32) -> PathBuf {
        let ending = if self.agent(index).is_some() { "agent" } else { "tree" };
        self.files.of_attempt(&self.task(index).id, attempt, ending)
    }

    /// The directory of the project, from the top of its repository.
    fn prefix(&self) -> &Path {
        let top = self.root.ancestors().find(|folder| folder.join(".git").exists());
        top.and_then(|top| self.root.strip_prefix(top).ok()).unwrap_or(Path::new(""))
    }

    /// Has a stage carried out by one of our own processes.
    pub(super) fn hire(
        &self,
        work: &mut Work,
        (index, attempt, stage): (TaskIndex, u32, Stage),
        inputs: &Values,
        turn: &Turn<'_>,
        variables: &Variables<'_>,
    ) -> Result<(), Failure> {
        let folder = self.folder_of(index, attempt);
        let (word, path) = match stage {
            Stage::Land => {
                let path = folder.join("land.json");
                let landing = self.landing(work, (index, attempt), &folder, variables)?;
                order::write(&path, &landing).map_err(|error| unusable(&path, &error))?;
                (LAND, path)
            }
            Stage::Tree | Stage::Commit => {
                let is_made = stage == Stage::Commit;
                let (word, name) = if is_made { (COMMIT, "commit.json") } else { (TREE, "tree.json") };
                let tree = self.tree(index, attempt, is_made)?;
                let (path, place) = (folder.join(name), folder.join(PLACE));
                let elsewhere = self.elsewhere(index, attempt);
                let ground = Ground { version: VERSION, tree, place, elsewhere };
                order::write(&path, &ground).map_err(|error| unusable(&path, &error))?;
                if is_made {
                    work.stdin = Some(self.whisper(Vec::new()));
                }
                (word, path)
            }
            Stage::Setup | Stage::Run | Stage::Verify { .. } => {
                let path = folder.join(ORDER);
                let mut order = self.order(index, attempt, inputs, turn, variables)?;
                if let Some(sandbox) = &mut order.sandbox {
                    sandbox.handed = self.handed(work, index, inputs);
                }
                order::write(&path, &order).map_err(|error| unusable(&path, &error))?;
                work.stdin = Some(self.whisper(std::mem::take(&mut work.env)));
                (AGENT, path)
            }
        };
        work.program = OURSELVES.into();
        work.args = vec![word.into(), path.into()];
        work.direct = false;
        work.dir.clone_from(&self.root);
        work.secrets = self.secrets.hidden().clone();
        Ok(())
    }

    /// What is told on standard input: the environment, which may hold secrets, and all that is hidden.
    pub(super) fn whisper(&self, env: Vec<(OsString, OsString)>) -> Vec<u8> {
        let text = |text: OsString| text.to_string_lossy().into_owned();
        let env: BTreeMap<String, String> = env.into_iter().map(|(name, value)| (text(name), text(value))).collect();
        let hide = self.secrets.hidden().pairs().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
        serde_json::to_vec(&Whisper { env, hide }).unwrap_or_default()
    }

    pub(super) fn order(
        &self,
        index: TaskIndex,
        attempt: u32,
        inputs: &Values,
        turn: &Turn<'_>,
        variables: &Variables<'_>,
    ) -> Result<Order, Failure> {
        let task = self.task(index);
        let (agent, terms) = self.agent(index).ok_or_else(|| refused("there is no agent for this task".to_owned()))?;
        let folder = self.files.of_attempt(&task.id, attempt, "agent");
        let attempts = self.attempts(index, attempt)?;
        let (usd, tokens) = attempts.left(&terms).map_err(|spent| used_up(&folder, &spent))?;
        if turn.left.is_spent() {
            // It was not when the attempt began; a person is asked before the next one does.
            let failure = refused("others have used what the agents of this run may together".to_owned());
            return Err(Failure { course: Some(Course::Later { at: turn.now }), lasting: false, ..failure });
        }
        let caps = Caps::of(Usage { micro_usd: usd.map(micro), tokens }, turn.left);
        let resume = attempts.session();
        let brief = Brief {
            last_failure: self.last_failure(index, attempt, &attempts, turn, resume.is_some()),
            ..brief::of(self.blueprint, turn.source, index, inputs)
        };
        let tree = terms.is_isolated().then(|| self.tree(index, attempt, true)).transpose()?;
        let workspace = tree.as_ref().map_or_else(
            || variables.directory.clone(),
            |tree| self.tree_of(index).unwrap_or_default().join(&tree.within),
        );
        let job = Job {
            version: JOB_VERSION,
            agent: agent.to_owned(),
            definitions: self.definitions.clone(),
            folder,
            state: self.files.tasks().join(format!("{}@agent", task.id)),
            workspace,
            brief,
            model: terms.model.as_ref().map(ToString::to_string),
            effort: terms.effort.as_ref().map(ToString::to_string),
            approval: match terms.approval {
                Some(AgentApproval::Edits) => Approval::Edits,
                Some(AgentApproval::ReadOnly) => Approval::Readonly,
                Some(AgentApproval::Full) | None => Approval::Full,
            },
            trust: match terms.trust {
                Some(AgentTrust::Own) => Trust::Own,
                Some(AgentTrust::Untrusted) | None => Trust::Untrusted,
            },
            access: Access::Gate,
            resume,
            #[expect(clippy::cast_precision_loss, reason = "dollars, far from the bound")]
            limits: Limits {
                max_turns: terms.max_turns,
                budget_usd: caps.micro_usd.map(|micro| micro as f64 / 1e6),
                ..Limits::default()
            },
            files: task.files_to_modify.iter().chain(&task.files_to_create).map(ToString::to_string).collect(),
            env: BTreeMap::new(),
            hide: Vec::new(),
        };
        let sandbox = self.sandbox(&terms);
        Ok(Order { version: VERSION, job, tree, sandbox, caps, output: self.ports_file(index, attempt) })
    }

    /// What the agent is told of the last attempt.
    fn last_failure(
        &self,
        index: TaskIndex,
        attempt: u32,
        attempts: &Attempts,
        turn: &Turn<'_>,
        resumes: bool,
    ) -> Option<outpost_agent::prompt::Failure> {
        let (number, failed) = attempts.unheard()?;
        let place = self.files.of_attempt(&self.task(index).id, u32::try_from(number).ok()?, "agent").join(PLACE);
        let changes = order::read::<Place>(&place).ok().flatten().map(|place| place.changes).unwrap_or_default();
        let changes = self.changed_elsewhere(index, u32::try_from(number).ok()?).unwrap_or(changes);
        let earlier = if resumes { Vec::new() } else { attempts.told() };
        let mut told = failed.told((attempt, turn.attempts), changes, earlier);
        if let Some(said) = &turn.said {
            told.what = format!("{}. A person says: {said}", told.what);
        }
        Some(told)
    }

    pub(super) fn names(&self, index: TaskIndex) -> Result<Names, Failure> {
        let cache = self
            .trees
            .clone()
            .ok_or_else(|| refused("there is no place for its tree: set `HOME` or `XDG_CACHE_HOME`".to_owned()))?;
        let (run, task) = (self.files.id(), &self.task(index).id);
        for text in [run, task] {
            Name::of(text).map_err(|error| refused(format!("failed to {error}")))?;
        }
        Ok(Names { project: self.root.clone(), cache, run: run.to_owned(), task: task.to_string() })
    }

    /// Where it works, from the top of a tree.
    pub(super) fn within(&self, task: &Task<'_>) -> Result<PathBuf, Failure> {
        let directory = task.context.as_ref().and_then(|context| context.working_directory.as_deref()).map(Path::new);
        let directory = match directory {
            None => Path::new(""),
            Some(path) if path.is_absolute() => path.strip_prefix(&self.root).map_err(|_| {
                refused(format!(
                    "`{}` is no directory of the project, and it works in a tree of its own",
                    path.display()
                ))
            })?,
            Some(path) => path,
        };
        Ok(self.prefix().join(directory))
    }

    /// What the tree of an attempt begins with. A command begins with what landed before it; an agent goes on with what
    /// its last attempt left, unless that was good or it has to begin anew.
    fn start(&self, index: TaskIndex, attempt: u32) -> Result<Start, Failure> {
        // What an agent elsewhere left of its last attempt is not there any more.
        if attempt < 2 || self.agent(index).is_none() || self.errand(index).is_some() {
            return Ok(Start::Fresh);
        }
        let attempts = self.attempts(index, attempt)?;
        let conflict = self.folder_of(index, attempts.last_asked().unwrap_or(attempt - 1)).join(CONFLICT);
        let is_good = attempts.last_outcome().is_some_and(|outcome| outcome.class == Class::Done)
            && attempts.last_failed().is_none();
        Ok(match () {
            () if conflict.exists() => Start::Resolve(conflict),
            () if is_good || attempts.starts_over() => Start::Fresh,
            () => Start::Keep,
        })
    }

    /// What the attempts of an agent's task before this one left.
    fn attempts(&self, index: TaskIndex, attempt: u32) -> Result<Attempts, Failure> {
        Attempts::of(&self.files, &self.task(index).id, attempt.saturating_sub(1))
            .map_err(|error| refused(format!("what its earlier attempts left cannot be read: {error}")))
    }

    /// The tree of an attempt, to be made or made already.
    fn tree(&self, index: TaskIndex, attempt: u32, is_made: bool) -> Result<Tree, Failure> {
        let task = self.task(index);
        let start = if is_made { Start::Keep } else { self.start(index, attempt)? };
        let placed = |path: &str| self.prefix().join(path).to_string_lossy().into_owned();
        // What a command may change its author decided when writing it.
        let terms = self.agent(index).map(|(_, terms)| terms);
        let allowed = terms.iter().flat_map(|terms| &terms.paths).flatten().map(|path| placed(path)).collect();
        let protected = if terms.is_some() { self.protected(task) } else { Vec::new() };
        Ok(Tree {
            names: self.names(index)?,
            start,
            apart: self.errand(index).is_some_and(|fleet| !fleet.is_shared()),
            within: self.within(task)?,
            allowed,
            protected: protected.iter().map(|path| placed(path)).collect(),
            message: format!("{}: {}", task.id, task.name),
            trailers: [("Outpost-Run", self.files.id()), ("Outpost-Task", task.id.as_str())]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter()
                .chain([("Outpost-Attempt".to_owned(), attempt.to_string())])
                .collect(),
        })
    }

    /// What judges the agent: the document, and the files of the project that commands of its verification name.
    fn protected(&self, task: &Task<'_>) -> Vec<String> {
        let own: Vec<&str> = task.files_to_create.iter().chain(&task.files_to_modify).map(Text::as_str).collect();
        let mut found: Vec<String> = Vec::new();
        let document = Path::new(&self.document);
        let document = document.strip_prefix(&self.root).unwrap_or(document);
        found.extend(document.to_str().filter(|_| document.is_relative()).map(str::to_owned));
        let words = task.verification.iter().flat_map(|stage| {
            stage.command.split(|c: char| {
                c.is_whitespace() || matches!(c, '"' | '\'' | ';' | '&' | '|' | '(' | ')' | '<' | '>' | '=')
            })
        });
        for word in
            words.map(|word| word.trim_start_matches("./")).filter(|word| !word.is_empty() && !word.starts_with('/'))
        {
            let is_file = self.root.join(word).is_file();
            if is_file && !own.contains(&word) && !found.iter().any(|known| known == word) {
                found.push(word.to_owned());
            }
        }
        found
    }

    pub(super) fn ports_file(&self, index: TaskIndex, attempt: u32) -> Option<PortsFile> {
        let task = self.task(index);
        let mut wanted = task.ports().iter().filter(|port| port.value.is_none());
        let first = wanted.next()?;
        let is_bare =
            matches!(task.output.as_ref()?.format.as_deref(), Some("text" | "binary")) && wanted.next().is_none();
        let bare = is_bare.then(|| first.name.to_string());
        Some(PortsFile { path: self.files.of_attempt(&task.id, attempt, "output"), bare })
    }

    /// `STORE/runs/RUN`
    pub(super) fn store(&self) -> &Path {
        self.files.folder().ancestors().nth(2).unwrap_or(self.files.folder())
    }
}

/// Who was killed used it up, and nobody was asked yet whether the task goes on.
fn used_up(folder: &Path, spent: &str) -> Failure {
    let what = format!("its budget is used up: {spent}");
    let failed = Failed { version: VERSION, what: what.clone(), asked: true, ..Failed::default() };
    match note(folder, &failed) {
        Ok(()) => Failure { course: Some(Course::Ask), lasting: false, ..refused(what) },
        Err(error) => unusable(folder, &error),
    }
}

/// What is not landed, whatever becomes of it.
pub fn private() -> Vec<String> {
    vec![PRIVATE.to_owned()]
}

pub(super) fn refused(message: String) -> Failure {
    failure(FailureCode::ExecutionFailed, FailurePhase::Setup, message)
}
