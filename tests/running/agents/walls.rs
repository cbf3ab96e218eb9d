//! What an agent can reach: with a sandbox, of each kind that this machine has, and without one. From a real kernel: a layer
//! that is to be missing is refused to the tool by a filter of system calls, as an old kernel would.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use outpost_sandbox::Layers;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use serde_json::Value;

use super::super::listener::Listener;
use super::{Office, document};

/// `landlock_create_ruleset`, on every machine.
const CREATE_RULESET: i64 = 444;
const ENOSYS: u32 = 38;

/// Notes what can be done that must not be, and then does its work.
const PRY: &str = r#"
reach() { name="$1"; shift; if sh -c "$*" > /dev/null 2>&1; then echo "reached $name" >> "$LEDGER"; fi; }
OUTSIDE="$FAKE_AGENT_SCRIPT/.."
export OUTSIDE
touch "$FAKE_AGENT_SCRIPT/begun"
while [ ! -e "$FAKE_AGENT_SCRIPT/keepers" ]; do sleep 0.02; done
reach ssh 'grep -q canary "$OUTSIDE/.ssh/id"'
reach checkout-read 'grep -q canary "$OUTPOST_TEST_FOLDER/secret.txt"'
sh -c 'echo x > "$OUTPOST_TEST_FOLDER/planted"; echo x > "$OUTPOST_TEST_FOLDER/.outpost/runs/0-planted"' 2> /dev/null
sh -c 'echo "; planted" >> "$OUTPOST_TEST_FOLDER/.git/config"' 2> /dev/null
reach journal-read 'cat "$OUTPOST_TEST_FOLDER"/.outpost/runs/*/journal.log | grep -q .'
reach journal-write 'for file in "$OUTPOST_TEST_FOLDER"/.outpost/runs/*/journal.log; do : >> "$file" || exit 1; done'
reach frame 'grep -q ref "$OUTSIDE"/cache/outpost-bp/trees/*/*/frame.git/HEAD'
reach keeper 'for pid in $(cat "$FAKE_AGENT_SCRIPT/keepers"); do kill -0 "$pid" || exit 1; done'
reach key 'env | grep -q sk-canary || grep -qa sk-canary /proc/[0-9]*/environ'
reach link 'ln -s "$OUTSIDE/.ssh" out && grep -q canary out/id'
rm -f out
git log -1 --format=%s > made || trouble 'git does not work in its tree'
echo done >> made
finish
"#;

const WORK: &str = "files_to_create: [made]\nverification: {unit: {command: 'grep -q done made'}}";

fn loudly(text: &str) {
    let _ = writeln!(std::io::stderr(), "\n!!! SKIPPED: {text}\n");
}

/// All programs of the machine but bubblewrap.
fn without_bubblewrap(office: &Office) -> PathBuf {
    let folder = office.at("programs");
    fs::create_dir(&folder).expect("room");
    let path = std::env::var_os("PATH").unwrap_or_default();
    for entry in std::env::split_paths(&path).filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        if entry.file_name() != "bwrap" {
            // The first of a name is the one that counts.
            let _ = symlink(entry.path(), folder.join(entry.file_name()));
        }
    }
    folder
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Landlock,
    Bubblewrap,
}

/// Those that this machine has.
fn ways() -> Vec<Way> {
    let layers = Layers::probe();
    let mut ways = Vec::new();
    if layers.landlock() >= 6 && layers.seccomp() {
        ways.push(Way::Landlock);
    } else {
        loudly("this kernel has no Landlock with signals; it needs Linux 6.12");
    }
    if layers.bubblewrap().is_some() {
        ways.push(Way::Bubblewrap);
    } else {
        loudly("there is no bubblewrap that works: `apt-get install bubblewrap`, and user namespaces");
    }
    ways
}

fn office(terms: &str) -> Office {
    let office = Office::of(&document(terms, &[("a", "", WORK)]), &[("a", &[PRY])]);
    office.project.write("secret.txt", "canary");
    fs::create_dir(office.at(".ssh")).expect("room");
    fs::write(office.at(".ssh/id"), "canary").expect("room");
    office.committed()
}

fn command(office: &Office, way: Way) -> Command {
    let mut command = office.command(&["run", "blueprint.md"]);
    if way == Way::Landlock {
        command.env("PATH", without_bubblewrap(office));
    }
    command
}

/// The processes of the run that are none of the agent's.
fn keepers(office: &Office) -> Vec<String> {
    let mark = format!("OUTPOST_TEST_FOLDER={}", office.project.path("").display());
    let mark = mark.trim_end_matches('/').to_owned();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("a /proc").flatten() {
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let holds = |text: &[u8], word: &str| text.split(|byte| *byte == 0).any(|part| part == word.as_bytes());
        let line = read("cmdline");
        if holds(&read("environ"), &mark) && !holds(&line, "__sandbox") && String::from_utf8_lossy(&line).contains("__")
        {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

/// Runs it, and gives what the agent could reach.
fn reached(office: &Office, command: Command) -> Vec<String> {
    let running = office.project.start(command);
    office.project.until("the agent", || office.at("scripts/begun").exists());
    let keepers = keepers(office);
    assert!(!keepers.is_empty(), "somebody keeps it");
    fs::write(office.at("scripts/new"), keepers.join("\n")).expect("room");
    fs::rename(office.at("scripts/new"), office.at("scripts/keepers")).expect("room");
    running.end().with(0);
    let ledger = office.project.ledger();
    let mut reached: Vec<String> =
        ledger.iter().filter_map(|line| Some(line.strip_prefix("reached ")?.to_owned())).collect();
    // A write may seem to work, in a folder that is gone with the agent.
    let config = fs::read_to_string(office.project.path(".git/config")).unwrap_or_default();
    let planted = [
        ("checkout-write", office.project.path("planted").exists()),
        ("store-write", office.project.path(".outpost/runs/0-planted").exists()),
        ("git-config", config.contains("planted")),
    ];
    reached.extend(planted.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| (*name).to_owned()));
    reached
}

fn terms_of(office: &Office) -> String {
    let place: Value = serde_json::from_str(&office.kept("a", 1, "place.json")).expect("JSON");
    place["terms"].to_string()
}

const ALL: [&str; 11] = [
    "ssh",
    "checkout-read",
    "journal-read",
    "journal-write",
    "frame",
    "keeper",
    "key",
    "link",
    "checkout-write",
    "store-write",
    "git-config",
];

#[test]
fn behind_the_layers_it_does_its_work_and_reaches_nothing_else() {
    for way in ways() {
        let office = office("sandbox: {mode: require, write: [ledger, ~/scripts]}");
        let reached = reached(&office, command(&office, way));
        assert!(reached.is_empty(), "{way:?}: it reached {reached:?}");
        let branch = office.git(&["branch", "--list", "outpost/*", "--format=%(refname:short)"]);
        let landed = office.git(&["show", &format!("{}:made", branch.trim())]);
        assert!(landed.starts_with("begin\n"), "{way:?}: {landed}");
        let told = terms_of(&office);
        let name = if way == Way::Landlock { "sandbox: Landlock" } else { "sandbox: bubblewrap" };
        assert!(told.contains(name), "{way:?}: {told}");
        let argv: Value = serde_json::from_str(&office.kept("a", 1, "argv.json")).expect("JSON");
        assert!(argv["sandbox"]["tree"].as_str().is_some_and(|tree| tree.ends_with("/tree")), "{argv:#}");
        assert_eq!(office.outcome("a", 1)["sandbox"][0].as_str().map(|line| told.contains(line)), Some(true));
    }
}

#[test]
fn without_a_sandbox_it_reaches_all_of_it() {
    let office = office("sandbox: none");
    let reached = reached(&office, command(&office, Way::Bubblewrap));
    assert_eq!(reached, ALL);
    assert!(terms_of(&office).contains("no sandbox: the document says"), "{}", terms_of(&office));
}

#[test]
fn in_the_project_itself_the_store_is_kept_from_it_where_bubblewrap_is() {
    for way in ways() {
        let office = office("isolation: none, sandbox: {write: [~/scripts]}");
        let reached = reached(&office, command(&office, way));
        let own = match way {
            Way::Bubblewrap => &["checkout-read", "checkout-write", "git-config"][..],
            Way::Landlock => {
                &["checkout-read", "journal-read", "journal-write", "checkout-write", "store-write", "git-config"]
            }
        };
        if way == Way::Landlock {
            assert!(terms_of(&office).contains("what lies within its workspace is not kept from it"), "it is said");
        }
        assert_eq!(reached, own, "{way:?}");
    }
}

#[test]
fn a_login_is_lent_and_the_rest_of_the_home_is_not() {
    for way in ways() {
        let script = "grep -q token \"$HOME/.fake-login/token\" || trouble 'no login'; touch \"$HOME/.fake-login/renewed\"\n\
                      if cat \"$FAKE_AGENT_SCRIPT/../.netrc\" > /dev/null 2>&1; then trouble 'a home'; fi; finish";
        let office = Office::of(&document("isolation: none", &[("a", "", "")]), &[("a", &[script])]);
        let definition = office.at("config/outpost-bp/agents/fake.toml");
        let text = fs::read_to_string(&definition).expect("a definition");
        let lent = "secret   = { env = \"FAKE_KEY\" }\nlogin = [\".fake-login\"]";
        fs::write(&definition, text.replace("secret   = { env = \"FAKE_KEY\" }", lent)).expect("ours");
        fs::create_dir(office.at(".fake-login")).expect("room");
        fs::write(office.at(".fake-login/token"), "token").expect("room");
        fs::write(office.at(".netrc"), "canary").expect("room");
        let mut command = command(&office, way);
        command.env_remove("FAKE_KEY");
        office.project.start(command).end().with(0);
        assert!(office.at(".fake-login/renewed").exists(), "{way:?}: it is the user's own");
        assert!(!office.at("starts").exists(), "{way:?}: its home is not");
        assert!(terms_of(&office).contains(".fake-login"), "{}", terms_of(&office));
    }
}

/// Whether a port answers at all.
const CALL: &str = r#"
port=${FAKE_BASE_URL##*:} port=${port%%/*}
for at in "$port" "$(cat "$FAKE_AGENT_SCRIPT/other")"; do
  if bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1"' - "$at" 2> /dev/null; then echo "reached $at" >> "$LEDGER"; fi
done
echo "$port" > "$FAKE_AGENT_SCRIPT/gateway"
finish
"#;

#[test]
fn a_network_that_ends_at_the_gateway_does() {
    let other = Listener::new(&[]);
    let port = other.address.rsplit(':').next().expect("a port").to_owned();
    for way in ways() {
        for (network, reaches_other) in [("gateway", false), ("open", true)] {
            let terms = format!("isolation: none, sandbox: {{network: {network}, write: [~/scripts]}}");
            let office = Office::of(&document(&terms, &[("a", "", "")]), &[("a", &[CALL])]);
            fs::write(office.at("scripts/other"), &port).expect("room");
            office.project.start(command(&office, way)).end().with(0);
            let gateway = fs::read_to_string(office.at("scripts/gateway")).expect("a port");
            let mut expected = vec![format!("reached {}", gateway.trim())];
            expected.extend(reaches_other.then(|| format!("reached {port}")));
            let mut ledger = office.project.ledger();
            ledger.retain(|line| line.starts_with("reached"));
            assert_eq!(ledger, expected, "{way:?}, {network}");
        }
    }
}

/// Starts a command as on a kernel without Landlock, and without bubblewrap.
fn on_a_bare_machine<T: Send>(
    office: &Office,
    programs: &Path,
    arguments: &[&str],
    then: impl FnOnce(Command) -> T + Send,
) -> T {
    let refused = SeccompAction::Errno(ENOSYS);
    let architecture = std::env::consts::ARCH.try_into().expect("a known machine");
    let rules = BTreeMap::from([(CREATE_RULESET, Vec::new())]);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, architecture).expect("a filter");
    let filter: BpfProgram = filter.try_into().expect("a filter");
    let mut command = office.command(arguments);
    command.env("PATH", programs);
    std::thread::scope(|scope| {
        let bound = scope.spawn(move || {
            apply_filter(&filter).expect("a kernel with seccomp");
            then(command)
        });
        bound.join().expect("it did not panic")
    })
}

#[test]
fn where_a_sandbox_is_required_and_none_is_live_nothing_begins() {
    let office = Office::of(&document("sandbox: require", &[("a", "", "")]), &[("a", &["finish"])]).committed();
    let programs = without_bubblewrap(&office);
    let start = |command| office.project.start(command).end();
    on_a_bare_machine(&office, &programs, &["run", "blueprint.md"], start).with(8).says(&[
        "E_CAPABILITY_MISSING",
        "a sandbox is required",
        "neither bubblewrap nor Landlock works here",
        "`agent: {sandbox: none}`",
    ]);
    assert!(office.project.run_folder().is_none(), "it never began");
    assert!(office.starts().is_empty());
    let told = on_a_bare_machine(&office, &programs, &["doctor", "--json"], start);
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    let checks = told["checks"].as_array().expect("a list");
    let sandbox = checks.iter().find(|check| check["name"] == "sandbox").expect("it looks");
    assert_eq!((&sandbox["level"], &sandbox["found"]), (&"warn".into(), &"none: agents run as you do".into()));
}

#[test]
fn where_none_is_live_it_runs_without_and_the_record_says_so() {
    let office = Office::of(&document("isolation: none", &[("a", "", "")]), &[("a", &["finish"])]);
    let programs = without_bubblewrap(&office);
    on_a_bare_machine(&office, &programs, &["run", "blueprint.md"], |command| office.project.start(command).end())
        .with(0);
    assert!(terms_of(&office).contains("no sandbox: neither bubblewrap nor Landlock"), "{}", terms_of(&office));
    assert_eq!(office.outcome("a", 1)["sandbox"], Value::Array(Vec::new()));
}

#[test]
fn an_agent_that_brings_a_sandbox_is_left_to_it_and_refused_where_ours_is_required() {
    if ways().is_empty() {
        return;
    }
    for (sandbox, code) in [("{write: [~/scripts]}", 0), ("require", 8)] {
        let terms = format!("isolation: none, approval: edits, sandbox: {sandbox}");
        let office = Office::of(&document(&terms, &[("a", "", "")]), &[("a", &["finish"])]);
        let definition = office.at("config/outpost-bp/agents/fake.toml");
        let text = fs::read_to_string(&definition).expect("a definition");
        let own = "readonly = [\"--read\"]\nsandboxed = [\"edits\"]";
        fs::write(&definition, text.replace("readonly = [\"--read\"]", own)).expect("ours");
        let ended = office.run().with(code);
        if code == 0 {
            assert!(terms_of(&office).contains("it is left to the one that `fake` brings"), "{}", terms_of(&office));
        } else {
            ended.says(&["E_CAPABILITY_MISSING", "starts a sandbox of its own"]);
        }
    }
}

/// What one attempt leaves in the place of an input, the next one finds there.
#[test]
fn a_link_in_the_place_of_an_input_opens_nothing() {
    for way in ways() {
        let task = "input_bindings: {data: data.csv}\nverification: {unit: {command: test -e made}}";
        let office = Office::of(
            &document("isolation: none, sandbox: {write: [ledger, ~/scripts]}", &[("a", "", task)]),
            &[(
                "a",
                &[
                    "rm data.csv; ln -s \"$FAKE_AGENT_SCRIPT/../.ssh/id\" data.csv; finish",
                    "if grep -q canary data.csv; then echo 'reached ssh' >> \"$LEDGER\"; fi; touch made; finish",
                ],
            )],
        );
        office.project.write("data.csv", "1");
        fs::create_dir(office.at(".ssh")).expect("room");
        fs::write(office.at(".ssh/id"), "canary").expect("room");
        office.project.start(command(&office, way)).end().with(0);
        assert_eq!(office.starts().len(), 2, "{:?}", office.starts());
        let reached: Vec<String> =
            office.project.ledger().into_iter().filter(|line| line.starts_with("reached")).collect();
        assert!(reached.is_empty(), "{way:?}: {reached:?}");
    }
}
