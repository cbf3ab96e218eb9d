//! Agents in trees of their own, and how what they made comes together.

use super::{Office, document};

#[test]
fn what_tasks_made_lands_on_the_branch_of_the_run_and_those_after_begin_with_it() {
    let tasks = [
        ("a", "", "verification: {unit: {command: test -s a.txt}}"),
        ("b", "", "files_to_create: [b.txt]"),
        ("c", "a, b", "verification: {unit: {command: 'cat a.txt b.txt > all.txt && test -s all.txt'}}"),
    ];
    let office = Office::of(
        &document("", &tasks),
        &[
            (
                "a",
                &["test ! -e b.txt || trouble 'it is no tree of its own'; echo a > a.txt; \
                  mkdir -p .outpost/kept && touch .outpost/kept/file && chmod 500 .outpost/kept; finish"],
            ),
            ("b", &["echo b > b.txt; finish"]),
            ("c", &["test -e a.txt && test -e b.txt || trouble 'nothing landed'; echo c > c.txt; finish"]),
        ],
    )
    .committed();
    let ended = office.run().with(0);
    assert!(!office.project.path("a.txt").exists(), "the folder of the project is left alone");
    let branch = office.git(&["branch", "--list", "outpost/*", "--format=%(refname:short)"]);
    let branch = branch.trim();
    assert!(ended.stderr.contains(&format!("git merge {branch}")), "{}", ended.stderr);
    let files = office.git(&["ls-tree", "--name-only", branch]);
    assert_eq!(files.lines().collect::<Vec<_>>(), [".gitignore", "a.txt", "b.txt", "blueprint.md", "c.txt"]);
    let told = office.git(&["log", "-1", "--format=%B", &format!("{branch}~0")]);
    let trees =
        || office.at("cache/outpost-bp/trees").read_dir().expect("trees").flatten().next().expect("a project").path();
    assert_eq!(trees().read_dir().expect("runs").count(), 1);
    office.outpost(&["gc", "--keep", "0"]).with(0);
    assert_eq!(trees().read_dir().expect("runs").count(), 0, "they go with their run");
    assert!(told.contains("c: c") && told.contains("Outpost-Task: c"), "{told}");
}

#[test]
fn a_conflict_goes_back_to_the_session_and_lands_when_it_is_resolved() {
    let script = |own: &str| {
        format!(
            "echo {own} > same.txt; while [ ! -e \"$FAKE_AGENT_SCRIPT/go\" ]; do touch \"$FAKE_AGENT_SCRIPT/{own}\"; \
                 test -e \"$FAKE_AGENT_SCRIPT/a\" && test -e \"$FAKE_AGENT_SCRIPT/b\" && touch \"$FAKE_AGENT_SCRIPT/go\"; sleep 0.05; done; finish"
        )
    };
    let resolve = "told 'in conflict'; told 'same.txt'; grep -q '<<<<<<<' same.txt || trouble 'no marks'; echo both > same.txt; finish";
    let tasks = [("a", "", ""), ("b", "", "")];
    let (a, b) = (script("a"), script("b"));
    let office = Office::of(&document("", &tasks), &[("a", &[&a, resolve]), ("b", &[&b, resolve])]).committed();
    office.run().with(0);
    let starts = office.starts();
    assert_eq!(starts.len(), 3, "{starts:?}");
    assert!(starts[2].ends_with("2 --resume"), "{starts:?}");
    let branch = office.git(&["branch", "--list", "outpost/*", "--format=%(refname:short)"]);
    assert_eq!(office.git(&["show", &format!("{}:same.txt", branch.trim())]), "both\n");
}

#[test]
fn a_merge_that_does_not_pass_together_goes_back_too() {
    let wait =
        "while [ ! -e \"$FAKE_AGENT_SCRIPT/a\" ] || [ ! -e \"$FAKE_AGENT_SCRIPT/b\" ]; do sleep 0.05; done; finish";
    let check = "verification: {unit: {command: 'test \"$(cat n-* | wc -l)\" -le 1'}}";
    let start = |own: &str| format!("echo 1 > n-{own}; touch \"$FAKE_AGENT_SCRIPT/{own}\"; {wait}");
    let (a, b) = (start("a"), start("b"));
    let mend = "told 'together with what landed meanwhile'; rm -f n-a n-b; touch calm; finish";
    let office =
        Office::of(&document("", &[("a", "", check), ("b", "", check)]), &[("a", &[&a, mend]), ("b", &[&b, mend])]);
    let office = office.committed();
    office.run().with(0);
    assert_eq!(office.starts().len(), 3, "{:?}", office.starts());
}

#[test]
fn what_must_not_land_is_told_to_the_agent() {
    let task = "agent: {paths: [src/**]}\nverification: {unit: {command: sh check.sh}}";
    let office = Office::of(
        &document("", &[("a", "", task)]),
        &[(
            "a",
            &[
                "mkdir -p src; echo x > src/x; echo y > outside; echo true > check.sh; finish",
                "told outside; told check.sh; rm outside; echo 'test -e src/x' > check.sh; finish",
            ],
        )],
    );
    office.project.write("check.sh", "test -e src/x\n");
    let office = office.committed();
    office.run().with(0);
    assert_eq!(office.starts(), ["a 1 --session", "a 2 --resume"]);
    assert!(office.kept("a", 1, "place.json").contains("outside"));
}

#[test]
fn work_in_a_tree_that_nobody_saw_end_begins_again_by_itself() {
    let tasks = [("a", "", "verification: {unit: {command: 'test -e done'}}")];
    let office =
        Office::of(&document("", &tasks), &[("a", &["touch half; note begun; sleep 600", "touch done; finish"])]);
    let office = office.committed();
    let mut running = office.start(&["run", "blueprint.md"]);
    office.project.until("the agent", || office.project.ledger().iter().any(|line| line.ends_with("begun")));
    running.signal(rustix::process::Signal::KILL);
    running.child.wait().expect("it is ours");
    office.project.until_nothing_runs();
    office.outpost(&["resume"]).with(0);
    let files = office.git(&["log", "--all", "--format=", "--name-only"]);
    assert!(files.contains("half") && files.contains("done"), "what was begun is kept: {files}");
}

/// It was ended before anybody looked for what must not land, and its verification may be the agent's own by now.
#[test]
fn what_nobody_saw_end_does_not_land_unseen() {
    let tasks = [("a", "", "idempotent: false\nverification: {unit: {command: 'sh check.sh'}}")];
    let begun = "touch done; echo true > check.sh; note begun; sleep 600";
    let office = Office::of(&document("", &tasks), &[("a", &[begun, "git checkout -q check.sh; finish"])]);
    office.project.write("check.sh", "test -e done\n");
    let office = office.committed();
    let mut running = office.start(&["run", "blueprint.md"]);
    office.project.until("the agent", || office.project.ledger().iter().any(|line| line.ends_with("begun")));
    running.signal(rustix::process::Signal::KILL);
    running.child.wait().expect("it is ours");
    office.project.until_nothing_runs();
    office.outpost(&["resume"]).with(3);
    let landed = || office.git(&["log", "--branches=outpost/*", "--format=", "--name-only"]);
    assert!(!landed().contains("done"), "{}", landed());
    assert_eq!(office.starts().len(), 1, "nobody allowed another start");
    office.outpost(&["resume", "--rerun", "a"]).with(0);
    assert!(landed().contains("done"), "{}", landed());
}

/// Not every id is the name of a folder and of a branch as it is.
#[test]
fn a_task_is_verified_in_its_tree_whatever_it_is_called() {
    let office = Office::of(
        &document("", &[("deps.lock", "", "verification: {unit: {command: test -e made}}")]),
        &[("deps.lock", &["echo a > made; finish"])],
    )
    .committed();
    office.run().with(0);
    assert_eq!(office.starts(), ["deps.lock 1 --session"]);
    assert!(office.git(&["log", "--branches=outpost/*", "--format=", "--name-only"]).contains("made"));
}

#[test]
fn a_landing_that_runs_out_of_time_says_so() {
    let wait = |own: &str| {
        format!(
            "touch \"$FAKE_AGENT_SCRIPT/{own}\" {own}.txt; while [ ! -e \"$FAKE_AGENT_SCRIPT/a\" ] || [ ! -e \"$FAKE_AGENT_SCRIPT/b\" ]; do sleep 0.05; done; finish"
        )
    };
    let check = "resources: {timeout: PT15S}\nverification: {unit: {command: 'test ! -e a.txt || test ! -e b.txt || sleep 600'}}";
    let scripts = [("a", [wait("a")]), ("b", [wait("b")])];
    let scripts: Vec<(&str, Vec<&str>)> =
        scripts.iter().map(|(task, scripts)| (*task, scripts.iter().map(String::as_str).collect())).collect();
    let scripts: Vec<(&str, &[&str])> = scripts.iter().map(|(task, scripts)| (*task, scripts.as_slice())).collect();
    let office = Office::of(&document("", &[("a", "", check), ("b", "", check)]), &scripts).committed();
    office.run().with(1).says(&["it could not land: `land` took longer", "resources.timeout"]);
    office.project.until_nothing_runs();
}

#[test]
fn a_secret_that_a_file_is_called_after_is_kept_nowhere() {
    let secret = "canary-77c1e09ad2b4";
    let text =
        document("", &[("leak", "", "execution_context: {environment_variables: {TOKEN: \"${secrets.MY_TOKEN}\"}}")]);
    let scripts = ["touch \"it-$TOKEN\"; finish", "told 'holds the secret'; rm it-*; touch fine; finish"];
    let office = Office::of(&text, &[("leak", &scripts)]).committed();
    let mut command = office.command(&["run", "blueprint.md"]);
    command.env("MY_TOKEN", secret);
    office.project.start(command).end().with(0);
    assert!(office.kept("leak", 1, "place.json").contains("it-***"), "it is told");
    assert!(!office.everything().contains(secret), "it was kept");
}

#[test]
fn work_that_no_commit_takes_is_told_to_the_agent() {
    let tasks = [("a", "", "verification: {unit: {command: test -e inner/made}}")];
    let nested = "git init -q inner; echo a > inner/made; finish";
    let mended = "told 'a repository of its own'; rm -rf inner/.git; finish";
    let office = Office::of(&document("", &tasks), &[("a", &[nested, mended])]).committed();
    office.run().with(0);
    assert_eq!(office.starts(), ["a 1 --session", "a 2 --resume"]);
    assert!(office.git(&["log", "--branches=outpost/*", "--format=", "--name-only"]).contains("inner/made"));
}
