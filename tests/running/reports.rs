//! Reports of real runs: what failed, what was tried again, what a person decided, told in every format.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::project;
use crate::project::{Ended, Project};

/// Its first task fails once, the second waits for a person, and the third fails for good.
fn told() -> Project {
    let flaky = "run: echo try $OUTPOST_ATTEMPT; test $OUTPOST_ATTEMPT = 2\non_failure: {max_retries: 1, retry_delay: PT0.1S}\nverification: {smoke: {command: echo 'verified <b>it</b>'}}";
    let gate = "human_required: {action: look, reason: so}\nrun: note ran";
    let project = project("", &[("a", "", flaky), ("b", "a", gate), ("c", "b", "run: echo no room left >&2; exit 7")]);
    project.outpost(&["run", "blueprint.md"]).with(3);
    project
}

fn finished() -> Project {
    let project = told();
    project.outpost(&["approve", "b", "--comment", "fine | <i>by</i> me", "--set", "n=3"]).with(0);
    project.outpost(&["resume"]).with(1);
    project
}

fn json(project: &Project) -> Value {
    serde_json::from_str(&project.outpost(&["report", "--format", "json"]).with(0).stdout).expect("JSON")
}

#[test]
fn f_42_a_report_has_attempts_evidence_and_approvals() {
    let report = json(&finished());
    let tasks = report["tasks"].as_array().expect("tasks");
    let statuses: Vec<&str> = tasks.iter().filter_map(|task| task["status"].as_str()).collect();
    assert_eq!(statuses, ["complete", "complete", "blocked"]);
    let [first, second] = &tasks[0]["attempts"].as_array().expect("attempts")[..] else { panic!("{report:#}") };
    assert_eq!((&first["result"], &first["stages"][0]["exit_code"]), (&"failed".into(), &1.into()));
    assert_eq!(first["stages"][0]["printed"]["lines"][0]["text"], "try 1");
    let verified = &second["stages"][1];
    assert_eq!((&verified["stage"], &verified["result"]), (&"verify:smoke".into(), &"passed".into()));
    assert_eq!((&verified["expected_exit_code"], &verified["exit_code"]), (&0.into(), &0.into()));
    assert_eq!(verified["command"], "echo 'verified <b>it</b>'");
    assert_eq!(tasks[0]["again"][0]["because"], "retry");
    assert_eq!(tasks[2]["failure"]["code"], "E_EXECUTION_FAILED");
    assert_eq!(tasks[2]["attempts"][0]["stages"][0]["printed"]["lines"][0]["stream"], "stderr");
    let decision = &report["gates"][0]["decisions"][0];
    assert_eq!((&decision["by"], &decision["comment"]), (&"ada".into(), &"fine | <i>by</i> me".into()));
    assert_eq!((&decision["set"][0][1], &decision["digest"]), (&"3".into(), &report["gates"][0]["digest"]));
    assert_eq!(report["run"]["runners"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_report_tells_of_a_run_that_waits_and_of_one_that_died() {
    let project = told();
    let report = json(&project);
    assert_eq!((&report["run"]["state"], &report["gates"][0]["outcome"]), (&"waiting".into(), &"open".into()));
    assert_eq!(report["counts"]["waiting_for_people"], 1);
    let command = report["tasks"][1]["command"].as_str().expect("a command");
    assert!(command.starts_with("outpost-bp approve b --run "), "{command}");

    let project = crate::project("", &[("a", "", "run: note began; await never")]);
    let mut running = project.start(project.command(&["run", "blueprint.md"]));
    project.until_written("a 1 run began");
    // While it is driven …
    let report = json(&project);
    assert_eq!((&report["run"]["state"], &report["tasks"][0]["status"]), (&"running".into(), &"in_progress".into()));
    // … and after it was killed.
    running.child.kill().expect("a runner");
    running.child.wait().expect("its end");
    let report = json(&project);
    assert_eq!(report["run"]["state"], "interrupted");
    assert_eq!(report["tasks"][0]["attempts"][0]["result"], "interrupted");
    project.until_nothing_runs();
}

#[test]
fn the_ending_of_the_file_chooses_the_format() {
    let project = finished();
    let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites ";
    let endings = [
        ("r.html", "<!doctype html>\n"),
        ("r.xml", xml),
        ("r.json", "{\n"),
        ("r.md", "## ✘ Rows: failed\n"),
        ("r.txt", "## "),
    ];
    for (name, begins) in endings {
        let ended = project.outpost(&["report", "--output", name]).with(0);
        ended.says(&[name, "the report of run"]);
        let text = fs::read_to_string(project.path(name)).expect("a report");
        assert!(text.starts_with(begins), "{name}: {text}");
    }
    let printed = project.outpost(&["report"]).with(0).stdout;
    assert!(printed.starts_with("## "), "{printed}");
    // A format that was named is that one, whatever the file is called.
    project.outpost(&["report", "--format", "json", "--output", "r.md"]).with(0);
    assert!(fs::read_to_string(project.path("r.md")).expect("a report").starts_with('{'));
    project.outpost(&["report", "--output", "no/such/place.md"]).with(2).says(&["no/such/place.md"]);
    project.outpost(&["report", "nonesuch"]).with(2).says(&["no run begins with"]);
}

#[test]
fn f_04_a_report_shows_title_banner_vision_and_metrics() {
    let project = Project::of(
        "# The title\n\n> Status: Active\n\n## Vision\n\nTo the moon.\n\n## Metrics\n\n| Metric | Goal |\n|---|---|\n| Height | 1 m |\n\n\
         ```yaml\ntask_id: a\nname: a\nrun: note ran\n```\n",
    );
    project.outpost(&["run", "blueprint.md"]).with(0);
    let text = project.outpost(&["report", "--format", "md"]).with(0).stdout;
    for shown in ["## ✔ The title: done", "| Status | Active |", "To the moon.", "| Height | 1 m |"] {
        assert!(text.contains(shown), "no {shown} in:\n{text}");
    }
    let report = json(&project);
    assert_eq!(report["document"]["metrics"]["headings"][1], "Goal");
}

#[test]
fn junit_has_a_case_for_each_task() {
    let project = finished();
    let text = project.outpost(&["report", "--format", "junit"]).with(0).stdout;
    for shown in [
        "tests=\"3\" failures=\"1\" errors=\"0\"",
        "<testcase name=\"a a\" classname=\"blueprint\"",
        "file=\"blueprint.md\" line=\"8\">",
        "<flakyFailure ",
        "message=\"attempt 1: `run` exited with 1\" type=\"E_EXECUTION_FAILED\"",
        "<failure message=\"`run` exited with 7\" type=\"E_EXECUTION_FAILED\">",
        "! no room left",
    ] {
        assert!(text.contains(shown), "no {shown} in:\n{text}");
    }
}

#[test]
fn what_was_undone_and_what_hooks_did_is_in_every_format() {
    let undone = "run: note ran\nrollback: {command: echo dropped}";
    let stays = "run: note ran\nrollback: {command: 'echo \"<b>gone</b>\" >&2; exit 4'}";
    let project = project(
        "rollback: auto, hooks: {on_start: {command: echo muted}, on_failure: {command: exit 2}}, \
         notify: [{on: [rolled_back], channel: command, command: exit 5}]",
        &[("a", "", undone), ("b", "a", stays), ("c", "b", "run: exit 1\nrollback: {irreversible: true}")],
    );
    project.outpost(&["run", "blueprint.md"]).with(6);
    let report = json(&project);
    let aside = &report["aside"];
    assert_eq!(aside["rollbacks"][0]["tasks"], serde_json::json!(["b", "a"]));
    let results: Vec<String> = aside["chores"]
        .as_array()
        .expect("chores")
        .iter()
        .map(|chore| format!("{} {} {}", chore["name"], chore["task"], chore["attempts"][0]["result"]).replace('"', ""))
        .collect();
    assert_eq!(results, ["on_start null passed", "on_failure null failed", "rollback b failed", "rollback a passed"]);
    let failed = &aside["chores"][2]["attempts"][0]["stages"][0];
    assert_eq!((&failed["exit_code"], &failed["printed"]["lines"][0]["text"]), (&4.into(), &"<b>gone</b>".into()));
    assert_eq!(aside["notices"][0]["channel"], "execution/command", "{aside:#}");
    assert!(aside["notices"][0]["problem"].is_string(), "{aside:#}");
    let undo: Vec<&Value> = report["tasks"].as_array().expect("tasks").iter().map(|task| &task["undo"]).collect();
    assert_eq!(undo, ["undone", "failed", "irreversible"]);
    let formats: [(&str, &[&str]); 3] = [
        (
            "html",
            &[
                "<h2 id=\"rollback-title\">Rollback</h2>",
                "! &lt;b&gt;gone&lt;/b&gt;",
                "Nothing undoes, as the document says",
            ],
        ),
        (
            "md",
            &[
                "### Rollback",
                "| ✘ | rollback | b | failed: ",
                "| ↶ | rollback | a | undone |",
                "### Notices and clean-up that failed",
            ],
        ),
        (
            "junit",
            &["<testsuite name=\"Rollback\" tests=\"2\"", "<testsuite name=\"Hooks\" tests=\"2\"", "E_ROLLBACK_FAILED"],
        ),
    ];
    for (format, words) in formats {
        let text = project.outpost(&["report", "--format", format]).with(0).stdout;
        for word in words {
            assert!(text.contains(word), "no {word} in {format}:\n{text}");
        }
    }
}

/// Has a browser look at a page. Nothing where there is none.
#[expect(clippy::print_stderr, reason = "what was not tested is told to whoever runs the tests")]
fn browsed(project: &Project, page: &str, options: &[&str]) -> Option<Ended> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let browser = names.iter().find(|name| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    let Some(browser) = browser else {
        eprintln!("SKIPPED: no chromium here, so no browser has looked at the page of a report");
        return None;
    };
    let mut command = Command::new(browser);
    project.place(&mut command);
    command
        .args("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage".split(' '));
    command.args("--disable-background-networking --disable-component-update --disable-sync".split(' '));
    command.arg(format!("--user-data-dir={}", project.path("browser").display()));
    command.args(["--enable-logging=stderr", "--dump-dom"]).args(options);
    command.arg(format!("file://{}", project.path(page).display()));
    let ended = project.start(command).end();
    if ended.code != Some(0) {
        eprintln!(
            "SKIPPED: {browser} does not work here, so no browser has looked at the page of a report: {}",
            ended.stderr
        );
        return None;
    }
    Some(ended)
}

#[test]
fn a_browser_shows_the_page_without_a_complaint_and_without_scrolling_sideways() {
    let project = finished();
    project.outpost(&["report", "--output", "page.html"]).with(0);
    let Some(shown) = browsed(&project, "page.html", &[]) else {
        return;
    };
    assert!(shown.stdout.contains("verified &lt;b&gt;it&lt;/b&gt;"), "{}", shown.stdout);
    assert!(!shown.stderr.contains("CONSOLE"), "{}", shown.stderr);
    // The page forbids scripts: it is a page around it that asks how wide it is.
    let page = fs::read_to_string(project.path("page.html")).expect("a page");
    let page = page.replace('&', "&amp;").replace('"', "&quot;");
    for width in [390, 1280] {
        project.write(
            "around.html",
            &format!(
                "<!doctype html><title></title><iframe style=\"width:{width}px;height:900px\" srcdoc=\"{page}\"></iframe>\
                 <script>onload = () => {{ const shown = document.querySelector('iframe').contentDocument.documentElement;\
                 document.title = `${{shown.clientWidth}} ${{shown.scrollWidth}}`; }}</script>"
            ),
        );
        let asked = browsed(&project, "around.html", &["--hide-scrollbars"]).expect("a browser");
        let title = asked.stdout.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
        assert_eq!(title, Some(format!("{width} {width}").as_str()), "{}", asked.stderr);
    }
}
