//! Links that are laid while nobody looks: a directory and a link to a folder of somebody else's change places all the time,
//! while what tasks left there is taken, cleared, archived and deleted. What the link leads to is neither read, nor written,
//! nor removed.
//!
//! `OUTPOST_SWAPS=n` has each of them done n times; with `--nocapture` it prints its figures.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::project::Project;
use crate::{document, everything};

const THEIRS: &str = "{\"p\": \"of somebody else\"}";
const OURS: &str = "{\"p\": \"mine\"}";
/// Files in each project: as many moments between a look and a use.
const FILES: usize = 40;

/// Exchanges a directory and a link until it is dropped: no moment is without one of them.
struct Swapper {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Swapper {
    /// Begins once a file is there, and says so with another one.
    fn start(folder: PathBuf, link: PathBuf, cue: PathBuf, going: PathBuf) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let swap = || renameat_with(CWD, &folder, CWD, &link, RenameFlags::EXCHANGE).expect("both are there");
            let mut swaps = 0;
            while !told.load(Ordering::Relaxed) {
                if swaps == 0 && !cue.exists() {
                    thread::yield_now();
                    continue;
                }
                swap();
                swaps += 1;
                if swaps == 1 {
                    fs::write(&going, "").expect("ours");
                }
                // Now and then it stays as it is for a while: either way round.
                for _ in 0..swaps % 61 * (swaps % 7) {
                    std::hint::spin_loop();
                }
            }
            if swaps % 2 == 1 {
                swap();
            }
            swaps
        });
        Self { over, thread: Some(thread) }
    }

    /// How often they changed places. Everything is in its own place again.
    fn stop(mut self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().map(|thread| thread.join().expect("it went on to its end")).unwrap_or_default()
    }
}

/// A way to meet links.
struct Way {
    what: &'static str,
    /// The directory that is exchanged.
    folder: PathBuf,
    /// What each task is, by its number.
    task: Box<dyn Fn(usize) -> String>,
    /// Whether the exchange begins when all tasks are done, and the end of the run is what is attacked.
    is_late: bool,
    /// What the others have in their files of the same names.
    theirs: &'static str,
}

/// Lets a project be attacked. How often things changed places, and how many tasks came to their end.
fn attacked(way: &Way) -> (u64, usize) {
    let tasks: Vec<(String, String)> = (0..FILES).map(|number| (format!("t{number}"), (way.task)(number))).collect();
    let needs = tasks.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(", ");
    let last = "run: |\n  touch cue; await going";
    let mut all: Vec<(&str, &str, &str)> = tasks.iter().map(|(id, task)| (id.as_str(), "", task.as_str())).collect();
    if way.is_late {
        all.push(("last", &needs, last));
    }
    let project = Project::of(&document("max_parallel_tasks: 4", &all));
    let outside = tempfile::tempdir().expect("a folder");
    let (folder, theirs) = (project.path("").join(&way.folder), outside.path().to_owned());
    let link = folder.with_file_name("link");
    for made in [&folder, &theirs] {
        fs::create_dir_all(made).expect("a folder");
    }
    for number in 0..FILES {
        fs::write(theirs.join(format!("{number}.json")), way.theirs).expect("theirs");
        fs::write(folder.join(format!("{number}.json")), OURS).expect("ours");
    }
    symlink(&theirs, &link).expect("a link");
    let before = everything(&theirs);
    if !way.is_late {
        project.write("cue", "");
    }
    let swapper = Swapper::start(folder.clone(), link.clone(), project.path("cue"), project.path("going"));
    let ended = project.outpost(&["run", "blueprint.md"]);
    let swaps = swapper.stop();
    assert!(matches!(ended.code, Some(0 | 1)), "{}: {}", way.what, ended.stderr);
    assert!(everything(&theirs) == before, "{}: theirs is not as it was\n{}", way.what, ended.stderr);
    if way.theirs == THEIRS {
        let taken: Vec<String> = everything(&project.path(""))
            .into_iter()
            .filter(|(_, held)| held.windows(16).any(|piece| piece == b"of somebody else"))
            .map(|(path, _)| path)
            .collect();
        assert_eq!(taken, [""; 0], "{}: what is theirs was read", way.what);
    }
    fs::remove_dir_all(&folder).expect("ours");
    fs::remove_file(&link).expect("the link");
    (swaps, project.told("task_completed").len())
}

fn output(path: &str, more: &str) -> String {
    format!("output: {{location: file, path: {path}, ports: {{p: {{type: string}}}}{more}}}")
}

fn hold(way: &Way) {
    let rounds = std::env::var("OUTPOST_SWAPS").map_or(1, |times| times.parse().expect("a number"));
    let (mut swaps, mut complete) = (0, 0);
    for _ in 0..rounds {
        let (more, done) = attacked(way);
        swaps += more;
        complete += done;
    }
    assert!(swaps > 0, "{}", way.what);
    let files = rounds * FILES;
    println!("{}: {files} files, {swaps} exchanges, {complete} tasks complete, 0 of theirs touched", way.what);
}

#[test]
fn an_output_that_is_taken() {
    let task = |number: usize| format!("run: 'true'\n{}", output(&format!("out/{number}.json"), ""));
    let (folder, task) = (PathBuf::from("out"), Box::new(task));
    hold(&Way { what: "an output that is taken", folder, task, is_late: false, theirs: THEIRS });
}

#[test]
fn a_checkpoint_that_is_taken_and_put_aside() {
    let task = |number: usize| format!("handoff: {{checkpoint_path: state/{number}.json}}\nrun: 'exit 1'");
    let (folder, task) = (PathBuf::from("state"), Box::new(task));
    hold(&Way { what: "a checkpoint", folder, task, is_late: false, theirs: THEIRS });
}

#[test]
fn what_is_in_the_way_of_an_output_and_cleared() {
    let place = tempfile::Builder::new().prefix("outpost-swaps-").tempdir_in(exchange()).expect("a folder");
    let folder = place.path().join("out");
    let to = folder.clone();
    let task = move |number: usize| format!("run: 'true'\n{}", output(&format!("{}/{number}.json", to.display()), ""));
    hold(&Way { what: "what is cleared", folder, task: Box::new(task), is_late: false, theirs: OURS });
}

#[test]
fn an_output_that_is_deleted() {
    let clean = ", cleanup: {on_blueprint_complete: delete}";
    let task = move |number: usize| {
        format!("run: |\n  echo '{OURS}' > out/{number}.json\n{}", output(&format!("out/{number}.json"), clean))
    };
    let theirs = "{\"p\": \"mine\"}\n";
    let (folder, task) = (PathBuf::from("out"), Box::new(task));
    hold(&Way { what: "an output that is deleted", folder, task, is_late: true, theirs });
}

fn archived(what: &'static str, folder: &str) {
    let clean = ", cleanup: {on_blueprint_complete: archive, archive_path: shelf/}";
    let task = move |number: usize| {
        let path = format!("out/{number}.json");
        format!("run: |\n  mkdir -p out; echo '{OURS}' > {path}\n{}", output(&path, clean))
    };
    hold(&Way { what, folder: PathBuf::from(folder), task: Box::new(task), is_late: true, theirs: THEIRS });
}

#[test]
fn an_output_that_is_archived() {
    archived("an output that is archived", "out");
}

#[test]
fn where_an_output_is_archived() {
    archived("where an output is archived", "shelf/out");
}

/// Where documents of the format exchange files.
fn exchange() -> &'static Path {
    let folder = Path::new("/tmp/blueprint");
    outpost_bp::engine::store::private(folder).expect("a folder");
    folder
}
