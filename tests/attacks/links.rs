//! Links, pipes and devices where a file of a task should be: what they point at is neither read nor written.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::project::Project;
use crate::{document, everything};

const SECRET: &str = "{\"p\": \"of somebody else\"}";

/// Has a task lay something where its output should be, beside a file of somebody else's.
fn output(lay: &str) -> (Project, Option<i32>, String) {
    let task =
        format!("run: |\n  {lay}\noutput: {{location: file, path: out/left.json, ports: {{p: {{type: string}}}}}}");
    let takes = "input_bindings: {v: {source: a, output_port: p}}\nrun: note \"$OUTPOST_INPUT_V\"";
    let project = Project::of(&document("", &[("a", "", &task), ("b", "a", takes)]));
    fs::create_dir(project.path("out")).expect("a folder");
    fs::create_dir(project.path("theirs")).expect("a folder");
    project.write("theirs/file.json", SECRET);
    let ended = project.outpost(&["run", "blueprint.md"]);
    assert_eq!(fs::read_to_string(project.path("theirs/file.json")).expect("theirs"), SECRET, "{lay}");
    (project, ended.code, ended.stderr)
}

#[test]
fn an_output_is_a_file_and_nothing_that_looks_like_one() {
    for lay in [
        "ln -s ../theirs/file.json out/left.json",
        "ln -s \"$PWD/theirs/file.json\" out/left.json",
        "ln -s ../nowhere out/left.json",
        "ln -s left.json out/left.json",
        "ln -s /dev/zero out/left.json",
        "ln -s /proc/self/environ out/left.json",
        "mkfifo out/left.json",
        "mkdir out/left.json",
        "mkdir out/left.json; ln -s ../../theirs/file.json out/left.json/left.json",
        "rm \"$OUTPOST_OUTPUT\" 2>/dev/null; ln -s \"$PWD/theirs/file.json\" \"$OUTPOST_OUTPUT\"",
        "mkfifo \"$OUTPOST_OUTPUT\"",
        "mkdir \"$OUTPOST_OUTPUT\"",
    ] {
        let (project, code, said) = output(lay);
        assert_eq!((code, project.ledger()), (Some(1), Vec::new()), "{lay}: {said}");
        assert!(!project.told("task_completed").contains(&"a".to_owned()), "{lay}");
    }
    // The way that is meant goes.
    let (project, code, said) = output("cp theirs/file.json out/left.json");
    assert_eq!((code, project.ledger()), (Some(0), vec!["b 1 run of somebody else".to_owned()]), "{said}");
}

#[test]
fn a_checkpoint_is_a_file_and_nothing_that_looks_like_one() {
    for lay in [
        "ln -sf \"$PWD/theirs/file.json\" \"$OUTPOST_CHECKPOINT\"",
        "ln -sf /dev/zero \"$OUTPOST_CHECKPOINT\"",
        "mkfifo \"$OUTPOST_CHECKPOINT\"",
        "mkdir \"$OUTPOST_CHECKPOINT\"",
    ] {
        let task = format!("handoff: {{checkpoint_path: state/a.json}}\nrun: |\n  mkdir -p state; {lay}; exit 1");
        let project = Project::of(&document("", &[("a", "", &task)]));
        fs::create_dir(project.path("theirs")).expect("a folder");
        project.write("theirs/file.json", SECRET);
        project.outpost(&["run", "blueprint.md"]).with(1);
        assert_eq!(project.told("checkpoint_kept"), [""; 0], "{lay}");
        assert_eq!(fs::read_to_string(project.path("theirs/file.json")).expect("theirs"), SECRET, "{lay}");
    }
}

/// Our own files are opened and never found through a link: neither the journal nor the lock.
#[test]
fn a_run_is_not_driven_through_links() {
    for file in ["journal.log", "runner.lock"] {
        let task = "human_required: {action: look, reason: so}\nrun: note ran";
        let project = Project::of(&document("", &[("a", "", task)]));
        project.outpost(&["run", "blueprint.md"]).with(3);
        let ours = project.run_folder().expect("a run").join(file);
        fs::create_dir(project.path("theirs")).expect("a folder");
        let theirs = project.path("theirs").join(file);
        fs::rename(&ours, &theirs).expect("ours");
        symlink(&theirs, &ours).expect("a link");
        let before = everything(&project.path("theirs"));
        project.outpost(&["approve", "a"]);
        let ended = project.outpost(&["resume"]);
        assert_ne!(ended.code, Some(0), "{file}: {}", ended.stderr);
        assert_eq!(project.ledger(), [""; 0], "{file}");
        assert_eq!(everything(&project.path("theirs")), before, "{file}");
        // Nobody waits for the other end of a pipe.
        fs::remove_file(&ours).expect("the link");
        mkfifoat(CWD, &ours, Mode::RUSR | Mode::WUSR).expect("a pipe");
        for command in ["status", "resume"] {
            project.outpost(&[command]);
        }
    }
}

/// What is archived and removed is the file that the task left, and where it goes nobody's file is written.
#[test]
fn an_archive_touches_no_file_of_others() {
    for lay in [
        "mkdir -p shelf/out; ln -s \"$PWD/theirs/file.json\" shelf/out/left.json",
        "mkdir -p shelf/out; ln \"$PWD/theirs/file.json\" shelf/out/left.json",
        "rm out/left.json; ln -s ../theirs/file.json out/left.json",
        "rm out/left.json; ln theirs/file.json out/left.json",
        "rm -r out; mkdir over; cp theirs/file.json over/left.json; ln -s over out",
        "rm out/left.json; mkfifo out/left.json",
        "mkdir -p shelf/out; mkfifo shelf/out/left.json",
    ] {
        let left = "run: |\n  mkdir out; echo '{\"p\": \"mine\"}' > out/left.json\noutput: {location: file, path: out/left.json, ports: {p: {type: string}}, cleanup: {on_blueprint_complete: archive, archive_path: shelf/}}";
        let project = Project::of(&document("", &[("a", "", left), ("b", "a", &format!("run: |\n  {lay}"))]));
        fs::create_dir(project.path("theirs")).expect("a folder");
        project.write("theirs/file.json", SECRET);
        project.outpost(&["run", "blueprint.md"]).with(0);
        assert_eq!(fs::read_to_string(project.path("theirs/file.json")).expect("theirs"), SECRET, "{lay}");
        if project.path("over").exists() {
            assert_eq!(fs::read_to_string(project.path("over/left.json")).expect("theirs"), SECRET, "{lay}");
        }
    }
}
