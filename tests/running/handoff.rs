//! F27: what a task keeps of its state, and how another attempt goes on from it.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::project::Project;
use crate::{kept, project};

/// Counts to five, and keeps count; waits at three for a word. What it is given it goes on from.
const COUNTS: &str = r#"run: |
  n=$(grep -o '[0-9]*' "$OUTPOST_CHECKPOINT" 2>/dev/null || echo 0)
  note from $n
  trap 'note saves $n; echo "{\"n\": $n}" > "$OUTPOST_CHECKPOINT"; exit 1' TERM
  while [ $n -lt 5 ]; do
    n=$((n + 1))
    [ $n != 3 ] || [ -e go ] || { note waits; while [ ! -e go ]; do sleep 0.02; done; }
  done
  note done
"#;

fn counting(handoff: &str) -> Project {
    project("", &[("count", "", &format!("{COUNTS}handoff: {{{handoff}}}"))])
}

/// The checkpoint of the format that the run has of a task.
fn checkpoint(project: &Project, name: &str) -> Value {
    serde_json::from_slice(&fs::read(kept(project, name)).expect("a file")).expect("JSON")
}

#[test]
fn f_27_an_interrupted_task_saves_its_state_and_the_next_attempt_goes_on_from_it() {
    let fields =
        "state_fields: [{name: n, path: $.n, type: integer}, {name: left, path: $.left, type: array, default: []}]";
    for signal in [Signal::TERM, Signal::KILL] {
        let project = counting(&format!("{fields}, on_interrupt: {{action: checkpoint, timeout: PT20S}}"));
        let running = project.start(project.command(&["run", "blueprint.md"]));
        project.until_written("count 1 run waits");
        running.signal(signal);
        running.end();
        project.until_nothing_runs();
        project.write("go", "");
        project.outpost(&["resume"]).with(0).says(&["goes on from checkpoint 1"]);
        assert_eq!(project.ledger()[2..], ["count 1 run saves 3", "count 2 run from 3", "count 2 run done"]);
        let told = checkpoint(&project, "checkpoint-1.json");
        assert_eq!(told["state"], serde_json::json!({"n": 3, "left": []}));
        assert_eq!((&told["task_id"], &told["version"]), (&"count".into(), &1.into()));
        assert_eq!(project.told("checkpoint_kept"), ["count"]);
    }
}

#[test]
fn f_27_a_strategy_says_how_it_goes_on() {
    for (strategy, code, ledger) in [
        ("restart", 0, &["count 2 run from 0", "count 2 run done"][..]),
        // A person looks first, and the checkpoint is there when it says so.
        ("manual", 3, &[]),
    ] {
        let project = counting(&format!("resume_strategy: {strategy}"));
        let running = project.start(project.command(&["run", "blueprint.md"]));
        project.until_written("count 1 run waits");
        running.signal(Signal::TERM);
        running.end().with(143);
        project.write("go", "");
        project.outpost(&["resume"]).with(code);
        assert_eq!(project.ledger()[3..], *ledger, "{strategy}");
        if strategy == "manual" {
            project.outpost(&["resume", "--rerun", "count"]).with(0);
            assert_eq!(project.ledger()[3..], ["count 2 run from 3", "count 2 run done"]);
        }
    }
}

#[test]
fn f_27_checkpoints_are_taken_over_at_their_interval_and_numbered() {
    let run = r#"run: |
  note "version ${OUTPOST_CHECKPOINT_VERSION:-none}"
  [ -n "$OUTPOST_RESUME_FROM" ] && { note "resumes $(grep -o '"n": [0-9]*' "$OUTPOST_RESUME_FROM")"; exit 0; }
  echo '{"state": {"n": 1}}' > "$OUTPOST_CHECKPOINT"; await one
  echo '{"state": {"n": 2}}' > "$OUTPOST_CHECKPOINT"; await two
  echo 'no JSON' > "$OUTPOST_CHECKPOINT"; await three
  echo '{"state": {"n": 3}}' > "$OUTPOST_CHECKPOINT"
  exit 1
on_failure: {max_retries: 1, retry_delay: PT0S}
handoff: {checkpoint_path: "out/state.json", checkpoint_interval: PT0.05S}"#;
    let project = project("", &[("a", "", run)]);
    // What was there before is no state of this run, and is not lost.
    fs::create_dir(project.path("out")).expect("a folder");
    project.write("out/state.json", "{\"n\": 99}");
    let running = project.start(project.command(&["run", "blueprint.md"]));
    let taken = |number: usize| project.told("checkpoint_kept").len() == number;
    project.until("a first one", || taken(1));
    project.write("one", "");
    project.until("a second one", || taken(2));
    project.write("two", "");
    project.until("a word about the third", || {
        fs::read_to_string(&running.stderr).is_ok_and(|text| text.contains("E_CHECKPOINT_FAILED"))
    });
    project.write("three", "");
    running.end().with(0).says(&["its checkpoint is not taken over (E_CHECKPOINT_FAILED): it is not JSON"]);
    assert_eq!(project.ledger(), ["a 1 run version none", "a 2 run version 3", "a 2 run resumes \"n\": 3"]);
    let told = checkpoint(&project, "checkpoint-2.json");
    assert_eq!((&told["version"], &told["previous_version"]), (&2.into(), &1.into()));
    let spared = fs::read_dir(project.run_folder().expect("a run").join("tasks")).expect("a folder");
    let first = spared.flatten().filter(|file| file.file_name().to_string_lossy().contains("checkpoint-1"));
    assert_eq!(first.count(), 0, "the last two are kept");
    let before = fs::read_dir(project.path("out")).expect("a folder").filter_map(|entry| {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        name.contains(".before-").then_some(name)
    });
    assert_eq!(before.count(), 1);
}

#[test]
fn f_27_a_checkpoint_holds_what_it_should_and_is_not_stale() {
    for (handoff, written, word) in [
        ("state_fields: [{name: n, path: $.n, type: integer}]", "{\"n\": \"many\"}", "its field `n`"),
        ("state_fields: [{name: n, path: $.n, type: integer}]", "{}", "its state has no `n`: nothing is at `$.n`"),
        ("state_fields: [n]", "{}", "its state has no `n`"),
        ("state_schema: {type: object, required: [n]}", "{}", "its state"),
    ] {
        let run = format!("run: |\n  echo '{written}' > \"$OUTPOST_CHECKPOINT\"\nhandoff: {{{handoff}}}");
        let project = project("", &[("a", "", &run)]);
        project.outpost(&["run", "blueprint.md"]).with(0).says(&["E_CHECKPOINT_FAILED", word]);
        assert_eq!(project.told("checkpoint_kept"), [""; 0], "{handoff}");
    }
    // Paths see what the task wrote, also below `custom` and `context`, and texts that mean numbers are numbers.
    let run = "run: |\n  echo '{\"n\": \"7\"}' > \"$OUTPOST_CHECKPOINT\"\nhandoff: {state_fields: [{name: a, path: $.custom.n, type: integer}, \
               {name: b, path: $.context.n, type: string}, {name: c, path: $.task_id, type: string}]}";
    let fine = project("", &[("t", "", run)]);
    fine.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(checkpoint(&fine, "checkpoint-1.json")["state"], serde_json::json!({"a": 7, "b": "7", "c": "t"}));
    let run = "run: |\n  echo '{\"version\": 9}' > \"$OUTPOST_CHECKPOINT\"; [ $OUTPOST_ATTEMPT = 2 ] && exit 0\n  exit 1\n\
               on_failure: {max_retries: 1, retry_delay: PT0S}\nhandoff: {conflict_resolution: RULE}";
    for (rule, kept) in [("optimistic_lock", 1), ("last_write_wins", 2)] {
        let run = run.replace("RULE", rule).replace("\"version\": 9", "\"version\": 9, \"at\": '$OUTPOST_ATTEMPT'");
        let project = project("", &[("a", "", &run)]);
        let ended = project.outpost(&["run", "blueprint.md"]).with(0);
        assert_eq!(project.told("checkpoint_kept").len(), kept, "{rule}\n{}", ended.stderr);
        assert_eq!(ended.stderr.contains("it is stale"), kept == 1, "{rule}");
    }
}
