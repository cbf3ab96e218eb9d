//! Deleting and archiving what a task left: the file it wrote, and every copy that went elsewhere.
//!
//! A file goes only if this run wrote it, it still is what the task left, and no link leads to it: all else is somebody
//! else's by now. It is archived before anything goes. The ports stay with the record of the run.

use std::fs;
use std::path::PathBuf;

use crate::blueprint::TaskIndex;
use crate::engine::bench::Bench;
use crate::engine::fence::Fence;
use crate::engine::output;
use crate::engine::remote::errand::Record;
use crate::engine::remote::{Copy, Place, Problem, measure, measured, shown};
use crate::run::{CleanUp, Run};

/// One output to be put away.
#[derive(Debug)]
pub struct Tidying {
    task: TaskIndex,
    action: CleanUp,
    record: Record,
    /// Whether the file lies with the run, where nobody else has a business.
    is_ours: bool,
    network: Option<Place>,
    stored: Option<Place>,
    archive: Option<Place>,
    /// Where a copy goes that comes from elsewhere to be archived.
    aside: PathBuf,
    fence: Fence,
}

/// What became of it.
#[derive(Debug)]
pub struct Tidied {
    pub task: TaskIndex,
    pub action: CleanUp,
    pub what: String,
    pub problem: Option<String>,
}

impl Tidying {
    /// All that is needed to put away what a task left. The error says what is missing.
    pub fn of(bench: &Bench<'_>, run: &Run, task: TaskIndex, action: CleanUp) -> Result<Self, String> {
        let id = bench.task(task).id.as_str();
        let state = run.task(task);
        let (attempt, ports) = state.kept.as_ref().ok_or("it left nothing")?;
        let values = output::kept(&bench.files.ports(id, *attempt), ports)?;
        let record = Record::among(&values).ok_or("it left no file")?;
        let at = state.attempt_started.unwrap_or(run.latest());
        let (network, stored) = (bench.network(task, at).transpose()?, bench.stored_output(task, at).transpose()?);
        let archive = match action {
            CleanUp::Archived => Some(bench.archive(task, at, &record.file)?),
            CleanUp::Deleted => None,
        };
        let is_ours = record.file.starts_with(bench.files.folder());
        let aside = bench.files.of_attempt(id, *attempt, "archived");
        Ok(Self { task, action, record, is_ours, network, stored, archive, aside, fence: bench.fence() })
    }

    pub const fn task(&self) -> TaskIndex {
        self.task
    }

    /// Does it, as far as it can be done.
    pub async fn carry_out(self) -> Tidied {
        let (task, action) = (self.task, self.action);
        let mut gone = Vec::new();
        let mut problems = Vec::new();
        let archived = match &self.archive {
            Some(archive) => self.archive_to(archive).await.map(|()| gone.push(format!("to {}", shown(&archive.uri)))),
            None => Ok(()),
        };
        match archived {
            // What is not safe elsewhere stays.
            Err(problem) => problems.push(problem.text),
            Ok(()) => self.delete(&mut gone, &mut problems).await,
        }
        let what = if gone.is_empty() { "nothing".to_owned() } else { gone.join(", ") };
        Tidied { task, action, what, problem: (!problems.is_empty()).then(|| problems.join("; ")) }
    }

    async fn archive_to(&self, archive: &Place) -> Result<(), Problem> {
        let Record { file, content, network, stored, .. } = &self.record;
        let is_copy = |copy: &Option<Copy>| copy.as_ref().is_some_and(|copy| copy.uri == archive.uri);
        if archive.is_file(file) || is_copy(network) || is_copy(stored) {
            let text = format!("it is archived where it is, `{}`: write another `archive_path`", shown(&archive.uri));
            return Err(Problem::lasting(text));
        }
        if measure(&self.fence, file).is_ok_and(|now| now == *content) {
            return archive.put(file).await.map(|_| ());
        }
        let copies = [(&self.network, network), (&self.stored, stored)];
        let mut copies = copies.into_iter().filter_map(|(place, copy)| Some((place.as_ref()?, copy.as_ref()?)));
        let Some((place, copy)) = copies.next() else {
            let text = format!("`{}` is not what the task left any more: it is not archived", file.display());
            return Err(Problem::lasting(text));
        };
        place.at(&copy.uri).get(copy.version.as_deref(), Some(content), &self.aside).await?;
        archive.put(&self.aside).await?;
        // It is the run's own; `gc` takes what stays.
        let _ = fs::remove_file(&self.aside);
        Ok(())
    }

    /// Whether there was anything to remove.
    fn remove(&self) -> Result<bool, String> {
        let Record { file: path, content, .. } = &self.record;
        self.fence.remove(path, |file| {
            let now = measured(file, path).map_err(|problem| problem.text)?;
            if now == *content { Ok(()) } else { Err("it was changed since the task left it".to_owned()) }
        })
    }

    async fn delete(&self, gone: &mut Vec<String>, problems: &mut Vec<String>) {
        let Record { file, network, stored, .. } = &self.record;
        if self.is_ours || self.record.written {
            match self.remove() {
                Ok(true) => gone.push(file.display().to_string()),
                Ok(false) => {}
                Err(problem) => problems.push(format!("`{}` is left alone: {problem}", file.display())),
            }
        }
        for (place, copy) in [(&self.network, network), (&self.stored, stored)] {
            let (Some(place), Some(copy)) = (place, copy) else {
                continue;
            };
            match place.at(&copy.uri).delete(copy.version.as_deref()).await {
                Ok(()) => gone.push(shown(&copy.uri)),
                Err(problem) => problems.push(problem.text),
            }
        }
    }
}
