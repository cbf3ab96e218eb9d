//! Does a task's way from its tree to the branch, for the tests, which kill it on the way.
//!
//! ```text
//! probe PROJECT CACHE GIT PATH TASK     prepare, a file of the task's, commit, policy, land, checkout, advance
//! ```

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use outpost_workspace::{Advanced, Author, Commit, Landing, Name, Policy, Repository, Settings, Start};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match go(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("failed to {error}\n"));
            ExitCode::FAILURE
        }
    }
}

fn go(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [project, cache, git, path, task] = args else { return Err("see the file's head".into()) };
    let settings = Settings {
        cache: cache.into(),
        run: Name::of("r1")?,
        author: Author { name: "Outpost".to_owned(), email: "outpost@example.org".to_owned() },
        git: Some(git.into()),
        path: path.into(),
        private: vec![".outpost".to_owned()],
    };
    let repository = Repository::open(Path::new(project), &settings)?;
    let branch = repository.integration(repository.head())?;
    let base = repository.tip(&branch)?.ok_or("no branch")?;
    let task = Name::of(task)?;
    let worktree = repository.prepare(&task, &Start::Keep { base })?;
    std::fs::create_dir_all(worktree.path.join("work"))?;
    std::fs::write(worktree.path.join("work").join(task.as_str()), task.as_str())?;
    let committed = match repository.commit(&worktree, "Work", &[("Task".to_owned(), task.as_str().to_owned())])? {
        Commit::Made(committed) => committed,
        Commit::NoChange { .. } => return Err("nothing has changed".into()),
    };
    if let Some(finding) = repository.policy(&Policy::default(), &committed)?.first() {
        return Err(finding.to_string().into());
    }
    loop {
        let (onto, commit) = match repository.land(&branch, &committed.commit, "Land")? {
            Landing::Already { .. } => break,
            Landing::FastForward { onto, commit } | Landing::Merged { onto, commit, .. } => (onto, commit),
            Landing::Conflict(conflict) => return Err(format!("conflict: {conflict:?}").into()),
        };
        let checked = repository.checkout(&task, &commit)?;
        if std::fs::read(checked.join("work").join(task.as_str()))? != task.as_str().as_bytes() {
            return Err("the merge has lost the work".into());
        }
        if repository.advance(&branch, &onto, &commit)? == Advanced::Done {
            break;
        }
    }
    repository.discard(&task)?;
    repository.release(&task)?;
    Ok(())
}
