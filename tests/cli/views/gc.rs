//! `gc`: which runs it removes, and which it never does.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::project::Project;
use super::{HELD_UP, all};

/// Makes a run look as if nobody had touched it for long.
fn age(folder: &Path) {
    let long_ago = SystemTime::now() - Duration::from_secs(48 * 3600);
    fs::File::open(folder.join("blueprint")).expect("a file").set_modified(long_ago).expect("ours");
}

#[test]
fn gc_removes_what_is_over_and_nothing_else() {
    let project = all();
    project.say(&["gc"]).code(0).out("").err("removed 0 runs, 0 B; 0 runs left\n");
    let waiting = project.run(3);
    fs::write(project.path().join("b.md"), "# A\n\n```yaml\ntask_id: A\nname: A\nrun: 'true'\n```\n").expect("written");
    let (first, second) = (project.run(0), project.run(0));
    let held_up = Project::of(&[HELD_UP]);
    fs::copy(held_up.path().join("b.md"), project.path().join("b.md")).expect("copied");
    let live = project.begin("begun");
    let driven = project.latest();
    let never = "19990101-000000";
    for run in [never, "29990101-000000"] {
        fs::create_dir(project.folder(run)).expect("a folder");
        fs::write(project.folder(run).join("blueprint"), "# A\n").expect("written");
    }
    age(&project.folder(never));
    let before = project.runs();
    let said = project.say(&["gc", "--keep", "0", "--dry-run"]).code(0).hints("would remove 3 runs, ");
    assert!([never, &first, &second].iter().all(|run| said.stdout.contains(run)), "{said:#?}");
    assert_eq!(project.runs(), before, "a dry run removes nothing");
    project.say(&["gc"]).err("removed 0 runs, 0 B; 6 runs left\n");
    project.say(&["gc", "--older-than", "PT1H"]).has(never).hints("removed 1 run, ");
    project.say(&["gc", "--keep", "3"]).has(&first).hints("removed 1 run, ");
    let said = project.say(&["gc", "--keep", "0", "--json"]).code(0).err("").json();
    assert_eq!((&said["removed"][0]["run"], &said["kept"]), (&second.as_str().into(), &3.into()), "{said}");
    // What waits, what is driven, and what may just be beginning.
    let mut left = vec![waiting.clone(), driven, "29990101-000000".to_owned()];
    left.sort();
    assert_eq!(project.runs(), left);
    project.say(&["gates"]).has(&waiting);
    project.make("go");
    assert_eq!(live.end(), 0);
}

#[test]
fn gc_leaves_an_interrupted_and_a_damaged_run_alone() {
    let project = Project::of(&[HELD_UP]);
    drop(project.begin("begun"));
    let interrupted = project.latest();
    project.make("go");
    let damaged = project.run(0);
    let journal = project.folder(&damaged).join("journal.log");
    let mut text = fs::read(&journal).expect("a journal");
    let middle = text.len() / 2;
    text[middle] ^= 1;
    fs::write(&journal, text).expect("written");
    assert_eq!(project.say(&["runs", "--json"]).json()["runs"][1]["state"], "interrupted");
    project.say(&["why", "H1", "--run", &interrupted]).has("its runner ended while `run` ran");
    project.say(&["gc", "--keep", "0"]).code(0).out("");
    assert_eq!(project.runs().len(), 2);
    project.say(&["gc", "--keep", "0", "--unreadable"]).has(&damaged).hints("removed 1 run, ");
    assert_eq!(project.runs(), [interrupted]);
    project.say(&["gc", "--older-than", "3 days"]).code(2).hints("invalid value '3 days'");
}
