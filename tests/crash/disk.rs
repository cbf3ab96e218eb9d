//! A disk that is full: work stops, the journal says why, and the run goes on once there is room.
//!
//! The disk is a small one of the test's own, in a mount namespace that ends with it. Where the machine allows
//! no such thing the test says so and shows nothing.

#![expect(clippy::print_stderr, reason = "what was not shown has to be told")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use crate::project::{Ended, Project};

/// Runs a script with an empty `.outpost` of a few megabytes; `$0` is the tool.
fn with_small_disk(project: &Project, script: &str) -> Option<Ended> {
    fs::create_dir(project.path(".outpost")).expect("a folder");
    let is_root = fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0);
    let mut command = Command::new("unshare");
    let whole = format!("mount -t tmpfs -o size=24m none .outpost || exit 99\n{script}");
    command.args([if is_root { "-m" } else { "-Urm" }, "bash", "-c", &whole, env!("CARGO_BIN_EXE_outpost-bp")]);
    project.place(&mut command);
    let ended = project.start(command).end();
    if !ended.stdout.starts_with("began") {
        eprintln!("SKIPPED: a disk of our own: {ended:?}");
        return None;
    }
    Some(ended)
}

const FILL: &str = "head -c 40000000 /dev/zero > .outpost/ballast";

#[test]
fn a_journal_without_room_stops_the_run_and_resume_goes_on() {
    // What they say when they fail is more than the journal has room for.
    const TASKS: usize = 90;
    let document: String = (0..TASKS)
        .map(|number| {
            format!("```yaml\ntask_id: t{number}\nname: t\nidempotent: true\non_failure: {{max_retries: 5, retry_delay: PT0.2S}}\nrun: |\n  note begin\n  await go\n  [ ! -e good ] || {{ note done; exit; }}\n  head -c 12000 /dev/zero | tr '\\0' x | tee /dev/stderr\n  exit 1\n```\n\n")
        })
        .collect();
    let project = Project::of(&document);
    let script = format!(
        "echo began
        \"$0\" run blueprint.md -j {TASKS} & until [ \"$(grep -c begin ledger)\" = {TASKS} ]; do sleep 0.05; done
        {FILL}; touch go; wait $!; echo \"run $?\"
        rm .outpost/ballast; touch good; \"$0\" resume -j {TASKS}; echo \"resume $?\"
        cat .outpost/runs/*/journal.log > journal"
    );
    let Some(ended) = with_small_disk(&project, &script.replace(&format!("resume -j {TASKS}"), "resume")) else {
        return;
    };
    assert_eq!(
        ended.stdout.lines().filter(|line| *line != "began").collect::<Vec<_>>(),
        ["run 1", "resume 0"],
        "{}",
        ended.stderr
    );
    let ended = ended.says(&["make room on the disk, then `outpost-bp resume`"]);
    let journal = fs::read_to_string(project.path("journal")).expect("the journal");
    assert_eq!(journal.matches(r#""event":"halted""#).count(), 1, "{}", ended.stderr);
    let done = project.ledger().iter().filter(|line| line.ends_with(" done")).count();
    assert_eq!(done, TASKS);
}

#[test]
fn a_run_without_room_for_its_files_starts_nothing_more_and_resume_goes_on() {
    // The last one is given its input in a file, for which there is no room.
    let project = Project::of(&format!(
        "```yaml\ntask_id: p\nname: p\noutput: {{location: stdout, ports: {{n: {{type: integer}}}}}}\nrun: echo 5\n```\n\n```yaml\ntask_id: a\nname: a\ndependencies: [p]\nrun: 'note ran; {FILL} || :'\n```\n\n```yaml\ntask_id: b\nname: b\ndependencies: [a]\ninput_bindings: {{n: p.output.n}}\nrun: note \"$OUTPOST_INPUT_N\"\n```\n"
    ));
    let script =
        "echo began; \"$0\" run blueprint.md; echo \"run $?\"; rm .outpost/ballast; \"$0\" resume; echo \"resume $?\"";
    if let Some(ended) = with_small_disk(&project, script) {
        assert_eq!(ended.stdout, "began\nrun 1\nresume 0\n", "{}", ended.stderr);
        ended.says(&["No space left on device", "outpost-bp resume"]);
        // Its first attempt could not begin.
        assert_eq!(project.ledger(), ["a 1 run ran", "b 2 run 5"]);
    }
}
