//! The commands that look at runs: `logs why runs gates locks doctor`, and `gc`, which removes some.
//!
//! Each test is a story in a project of its own. A run that has to be under way holds itself up: a task waits
//! until the test makes a file, so that nothing here depends on how fast the machine is.

mod doctor;
mod gc;
mod project;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdout, Stdio};

use serde_json::Value;

#[cfg(target_os = "linux")]
use project::on_terminal;
use project::{Live, Project, until};

const TALKS: &str = r"task_id: T1
name: Talks
run: |
  echo one; echo two >&2; printf '\033[31mred\033[0m\n'; printf 'no end'
verification: {unit: {command: echo checked}}";
const FLAKY: &str = r"task_id: T2
name: Needs two attempts
dependencies: [T1]
on_failure: {max_retries: 1, retry_delay: PT0S}
run: echo attempt $OUTPOST_ATTEMPT; test $OUTPOST_ATTEMPT = 2";
const GATE: &str = r#"task_id: T3
name: Waits for a person
dependencies: [T2]
human_required: {action: "look at\nit \e[31m", reason: it cannot be taken back, timeout: P1D}
run: echo released"#;
const QUIET: &str = "task_id: T4\nname: Says nothing\nrun: 'true'";
const FAILS: &str = "task_id: T5\nname: Fails\nrun: echo sorry >&2; exit 7";
const BEHIND: &str = "task_id: T6\nname: Comes later\ndependencies: [T5]\nrun: 'true'";
const SETTLED: &str = "task_id: T7\nname: Was done before\nstatus: complete\nrun: 'true'";
const HELD_UP: &str = r"task_id: H1
name: Goes on when it is told to
resources: {locks: [database]}
run: |
  echo begun; touch begun; while ! test -e go; do sleep 0.02; done; echo went on >&2";
const SECOND: &str = "task_id: H2\nname: Wants the lock\nresources: {locks: [database]}\nrun: echo second";

fn all() -> Project {
    Project::of(&[TALKS, FLAKY, GATE, QUIET, FAILS, BEHIND, SETTLED])
}

#[test]
fn logs_tell_the_streams_apart_and_name_the_stages() {
    let project = all();
    project.run(3);
    project
        .say(&["logs", "T1"])
        .code(0)
        .out("one\nred\nno endchecked\n")
        .err("== T1, attempt 1: run ==\ntwo\n== T1, attempt 1: verify:unit ==\n");
    project.say(&["logs", "T1", "--stage", "unit"]).out("checked\n").err("== T1, attempt 1: verify:unit ==\n");
    project.say(&["logs", "T1", "--stream", "stderr"]).out("two\n");
    project.say(&["logs", "T1", "--color", "always", "--stage", "run"]).has("\u{1b}[31mred");
    let lines = project.say(&["logs", "T1", "--json"]).code(0).err("");
    let lines: Vec<Value> =
        lines.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().any(|line| line["stream"] == "stderr" && line["text"] == "two" && line["stage"] == "run"));
    let stamped = project.say(&["logs", "T1", "--timestamps", "--stage", "verify"]);
    let (time, text) = stamped.stdout.split_once(' ').expect("a time and a text");
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");
    assert_eq!(text, "checked\n");
}

#[test]
fn logs_are_those_of_the_latest_attempt_unless_another_is_named() {
    let project = all();
    project.run(3);
    project.say(&["logs", "T2"]).out("attempt 2\n").err("== T2, attempt 2: run ==\n");
    project.say(&["logs", "T2", "--attempt", "1"]).out("attempt 1\n").hints("-- failed after ");
    project
        .say(&["logs", "T2", "--attempt", "3"])
        .code(2)
        .err("error: `T2` has no attempt 3\nhint: it has had 2 attempts\n");
}

#[test]
fn logs_of_what_printed_nothing_did_not_start_or_is_not_there() {
    let project = all();
    project.say(&["logs", "T1"]).code(2).hints("nothing was ever run here");
    let run = project.run(3);
    project.say(&["logs", "T4"]).code(0).out("").err("T4 printed nothing\n");
    let why = |task: &str| format!("; why: outpost-bp why {task} --run {run}\n");
    project.say(&["logs", "T6"]).code(0).out("").err(&format!("T6 has not started{}", why("T6")));
    project.say(&["logs", "T7", "-f"]).code(0).out("").err(&format!("T7 did not run{}", why("T7")));
    project
        .say(&["logs", "T8"])
        .code(2)
        .err(&format!("error: the run `{run}` has no task `T8`\nhint: did you mean `T1`?\n"));
    project.say(&["logs", "T1", "--stage", "rum"]).code(2).hints("hint: did you mean `run`?\n");
    project.say(&["logs", "T1", "--stage", "e2e"]).code(2).hints("hint: it has run, verify:unit\n");
    project.say(&["logs", "T1", "--run", "1999"]).code(2).hints("no run begins with `1999`");
}

#[test]
fn what_a_log_had_no_room_for_is_told_where_it_was() {
    let much = "task_id: T1\nname: Talks much\nrun: seq 1 3000000; echo the end";
    let project = Project::of(&[much]);
    project.run(0);
    let said = project.say(&["logs", "T1"]).code(0).hints(" bytes are not kept here (");
    assert!(said.stdout.starts_with("1\n2\n3\n") && said.stdout.ends_with("\n3000000\nthe end\n"));
    let cut = project.say(&["logs", "T1", "--json"]).stdout;
    let cut = cut.lines().find(|line| line.contains("\"cut\"")).expect("a line about it");
    let cut: Value = serde_json::from_str(cut).expect("JSON");
    assert!(cut["cut"]["stdout"].as_u64() > Some(0), "{cut}");
}

#[test]
fn a_log_that_is_damaged_is_no_panic() {
    let project = Project::of(&[TALKS]);
    let run = project.run(0);
    fs::write(project.folder(&run).join("tasks/T1@1.run.log"), "no log").expect("written");
    project.say(&["logs", "T1"]).code(0).out("checked\n").hints("the log of run cannot be read: this is not a log");
}

#[test]
fn a_reader_that_goes_away_ends_the_logs() {
    let much = "task_id: T1\nname: Talks much\nrun: seq 1 200000; seq 1 200000 >&2";
    let project = Project::of(&[much]);
    project.run(0);
    for arguments in [&["logs", "T1"][..], &["logs", "T1", "--json"], &["runs"], &["why", "T1"], &["doctor"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut child = project.command(arguments).stdout(writer).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut said = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("UTF-8");
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// A follower and what it prints, line by line.
fn follow(project: &Project, task: &str) -> (Live, BufReader<ChildStdout>) {
    let mut command = project.command(&["logs", task, "--follow"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let out = BufReader::new(child.stdout.take().expect("a pipe"));
    (Live(child), out)
}

#[test]
fn a_follower_sees_what_comes_and_ends_with_the_task() {
    let later = "task_id: H3\nname: Fails once\ndependencies: [H1]\non_failure: {max_retries: 1, retry_delay: PT0S}\n\
                 run: echo attempt $OUTPOST_ATTEMPT; test $OUTPOST_ATTEMPT = 2\n\
                 verification: {unit: {command: echo checked}}";
    let project = Project::of(&[HELD_UP, later]);
    let run = project.begin("begun");
    let (first, mut out) = follow(&project, "H1");
    let mut line = String::new();
    out.read_line(&mut line).expect("a line");
    assert_eq!(line, "begun\n");
    // One that has not started is waited for, through all of its attempts and stages.
    let (second, mut later) = follow(&project, "H3");
    project.say(&["logs", "H1"]).out("begun\n").hints("-- it runs; `--follow` shows what comes --");
    project.make("go");
    let mut rest = String::new();
    later.read_to_string(&mut rest).expect("UTF-8");
    assert_eq!(rest, "attempt 1\nattempt 2\nchecked\n");
    assert_eq!((first.end(), second.end(), run.end()), (0, 0, 0));
}

#[test]
fn a_follower_ends_when_nobody_drives_the_run_any_more() {
    let project = Project::of(&[HELD_UP]);
    let run = project.begin("begun");
    let (follower, mut out) = follow(&project, "H1");
    let mut text = String::new();
    out.read_line(&mut text).expect("a line");
    drop(run);
    out.read_to_string(&mut text).expect("UTF-8");
    assert_eq!(text, "begun\n");
    assert_eq!(follower.end(), 0);
    project.say(&["logs", "H1"]).out("begun\n").hints("-- interrupted: its runner ended --");
}

#[test]
fn why_says_what_happened_and_what_to_do() {
    let project = all();
    project.say(&["why", "T1"]).code(2).hints("nothing was ever run here");
    let run = project.run(3);
    let resume = format!("hint: outpost-bp resume {run}\n");
    let approve = format!("hint: outpost-bp approve T3 --run {run}\n");
    project
        .say(&["why", "T1"])
        .code(0)
        .out("T1 ran, because it needs no other task; it is complete and does not run again\n")
        .err("");
    project.say(&["why", "T2"]).out(
        "T2 ran, because T1 was complete; it took 2 attempts, because attempt 1 failed: `run` exited with 1; it does not run again\n",
    );
    project.say(&["why", "T3"]).has("T3 waits for a person: look at it ").err(&approve);
    project.say(&["why", "T5"]).has("T5 is blocked: `run` exited with 7; mend it").err(&resume);
    project.say(&["why", "T6"]).has("T6 waits for T5, which is blocked: `run` exited with 7").err(&resume);
    project.say(&["why", "T7"]).out("T7 did not run: the document says that it is complete\n").err("");
    project.say(&["why", "t3x"]).code(2).hints("has no task `t3x`\nhint: did you mean `T3`?\n");
    let answer = project.say(&["why", "T3", "--json"]).code(0).err("").json();
    assert_eq!(answer["status"], "waiting for a person");
    assert_eq!(answer["command"], format!("outpost-bp approve T3 --run {run}"));
}

#[test]
fn runs_are_listed_and_a_damaged_one_hides_no_other() {
    let project = all();
    project.say(&["runs"]).code(0).out("").hints("nothing was ever run here");
    assert_eq!(project.say(&["runs", "--json"]).json()["runs"], serde_json::json!([]));
    let first = project.run(3);
    fs::write(project.path().join("b.md"), "# Another\n\n```yaml\ntask_id: A\nname: A\nrun: 'true'\n```\n")
        .expect("written");
    let second = project.run(0);
    let journal = project.folder(&first).join("journal.log");
    let intact = fs::read(&journal).expect("a journal");
    let listed = project.say(&["runs"]).code(0).err("");
    let rows: Vec<&str> = listed.stdout.lines().collect();
    assert!(rows[0].starts_with("RUN ") && rows[1].starts_with(&second) && rows[2].starts_with(&first), "{listed:#?}");
    assert!(rows[1].contains("  done ") && rows[1].contains(" 1/1 ") && rows[1].ends_with("Another"), "{listed:#?}");
    assert!(rows[2].contains("  waiting ") && rows[2].contains(" 3/6 "), "{listed:#?}");
    assert!(rows.iter().all(|row| row.chars().count() <= 80), "{listed:#?}");
    let mut damaged = intact.clone();
    damaged[intact.len() / 2] ^= 1;
    fs::write(&journal, damaged).expect("written");
    let listed = project.say(&["runs"]).code(0).has("unreadable");
    assert!(listed.stdout.contains("  done "), "{listed:#?}");
    let listed = project.say(&["runs", "--json"]).json();
    assert_eq!((&listed["runs"][0]["state"], &listed["runs"][1]["state"]), (&"done".into(), &"unreadable".into()));
    assert!(listed["runs"][1]["error"].is_string() && listed["runs"][0]["tasks"]["done"] == 1, "{listed}");
}

#[test]
fn gates_of_all_open_runs_are_listed_with_the_command_that_decides_them() {
    let project = all();
    project.say(&["gates"]).code(0).out("").err("nothing waits for a person\n");
    let (first, second) = (project.run(3), project.run(3));
    let said = project.say(&["gates"]).code(0).err("");
    for run in [&first, &second] {
        assert!(said.stdout.contains(&format!("T3 of run {run}: look at it\n")), "{said:#?}");
        assert!(said.stdout.contains(&format!("  outpost-bp approve T3 --run {run}    (or: reject)\n")), "{said:#?}");
    }
    let said = said.has("  because: it cannot be taken back\n").has("  who:     anybody\n");
    assert!(!said.stdout.contains('\u{1b}'), "{said:#?}");
    let gates = project.say(&["gates", "--json"]).json();
    let gate = &gates["gates"][1];
    assert_eq!((&gate["run"], &gate["task"]), (&second.as_str().into(), &"T3".into()));
    for key in ["action", "reason", "requested_at", "deadline", "digest", "command"] {
        assert!(gate[key].is_string(), "{key}: {gate}");
    }
    project.say(&["approve", "T3", "--run", &second]).code(0);
    let left = "  left:    approved by ada, not yet taken by the run\n";
    project.say(&["gates"]).has(left).has(&format!("  outpost-bp resume {second}\n"));
    project
        .say(&["why", "T3"])
        .has("ada approved it, and no runner knows yet")
        .err(&format!("hint: outpost-bp resume {second}\n"));
    project.say(&["cancel", &first]);
    project.say(&["resume", &second]);
    project.say(&["gates"]).out("");
    project.say(&["gates", "--all"]).has(&format!("T3 of run {second}: approved by ada, "));
    assert_eq!(project.say(&["gates", "--all", "--json"]).json()["decisions"][0]["by"], "ada");
}

#[test]
fn locks_show_who_holds_and_who_waits() {
    let project = Project::of(&[HELD_UP]);
    project.say(&["locks"]).code(0).out("").err("no lock is held, and nobody waits for one\n");
    let first = project.begin("begun");
    let holding = project.latest();
    fs::write(
        project.path().join("b.md"),
        format!("# Second\n\n```yaml\nexecution:\n  resource_locks: [{{name: database, type: exclusive}}]\n```\n\n```yaml\n{SECOND}\n```\n"),
    )
    .expect("written");
    let mut command = project.command(&["run", "b.md", "--new-run"]);
    let second = Live(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
    let locks = until("somebody to wait for the lock", || {
        let locks = project.say(&["locks", "--json"]).code(0).json();
        (locks["locks"].as_array().map(Vec::len) == Some(2)).then_some(locks)
    });
    let (holder, waiter) = (&locks["locks"][0], &locks["locks"][1]);
    assert_eq!((&holder["standing"], &holder["task"], &holder["place"]), (&"holds".into(), &"H1".into(), &Value::Null));
    assert_eq!((&waiter["standing"], &waiter["task"], &waiter["place"]), (&"waits".into(), &"H2".into(), &1.into()));
    assert_eq!((&holder["mode"], &holder["run"]), (&"exclusive".into(), &holding.as_str().into()));
    assert_eq!(waiter["pid"], second.0.id());
    let listed = project.say(&["locks"]).code(0).has("database  held").has("waits, 1.");
    assert!(listed.stdout.lines().all(|row| row.chars().count() <= 80), "{listed:#?}");
    project
        .say(&["why", "H2"])
        .has(&format!("H2 waits for the lock `database`, which H1 of run {holding} holds"))
        .err("hint: outpost-bp locks\n");
    project.say(&["why", "H1", "--run", &holding]).has("H1 runs now: `run`, attempt 1, for ");
    project.make("go");
    assert_eq!((first.end(), second.end()), (0, 0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_sees_both_streams_and_obeys_neither() {
    let tricks = r"task_id: T1
name: Has tricks
run: |
  printf '\033[2Jcleared \033[32mgreen\033[0m\n'; printf '\033]0;title\007\n'; printf '1%%\r99%%\n'
verification: {unit: {command: echo oops >&2}}";
    let project = Project::of(&[tricks]);
    project.run(0);
    let bare = on_terminal(&project, &[("TERM", "xterm"), ("NO_COLOR", "1")], &["logs", "T1"]);
    assert_eq!(bare, "cleared green\r\n0;title\u{fffd}\r\n99%\r\n! oops\r\n");
    let coloured = on_terminal(&project, &[("TERM", "xterm")], &["logs", "T1"]);
    assert!(coloured.starts_with("cleared \u{1b}[32mgreen\u{1b}[0m"), "{coloured:?}");
    assert!(coloured.ends_with("\u{1b}[31m! \u{1b}[0moops\r\n"), "{coloured:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_by_logs() {
    let project = Project::of(&[TALKS]);
    project.run(0);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let said = project.command(&["logs", "T1"]).stdout(full).output().expect("it starts");
    assert_eq!(said.status.code(), Some(2));
    let stderr = String::from_utf8(said.stderr).expect("UTF-8");
    assert!(stderr.contains("error: failed to write the output: No space left on device"), "{stderr}");
}
