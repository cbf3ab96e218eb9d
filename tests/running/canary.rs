//! F32: what is known of a secret after a run that did all it could to let it out.
//!
//! Commands print canaries in every form, fail with them, leave them in outputs, and write them byte by byte. Then
//! everything that the tool wrote or said is searched, with forms that the product's own list has no part in.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use rustix::process::Signal;
use serde_json::json;

use crate::project::{Ended, Project};
use crate::shelf::{Answer, Shelf};
use crate::vault::{TOKEN, Vault};

/// Something in each that has to be escaped somewhere.
const ENV: &str = "Kq7x'ENV\"w/z+\\$4m8Rt2&<y";
const FILE: &str = "-----BEGIN CANARY-----\nQmF0dGVyeUhvcnNl/Staple+9Yx\nZ3v8Lk2Wp0 Tn5Rj\n-----END CANARY-----";
const VAULT: &str = "vlt/V9\u{e9}d%Gk3Wq!8sLh~2=?";
const SSM: &str = "ssm:Jw6;Hn|Zt1 Bx(9)Qe[4]";

/// All ways to write it that a person could read it from, and all pieces of it.
fn forms(canary: &str) -> BTreeSet<Vec<u8>> {
    let hex: String = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent = |escape: &dyn Fn(u8) -> String| -> String {
        canary
            .bytes()
            .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { escape(byte) })
            .collect()
    };
    let json = serde_json::to_string(canary).expect("text");
    let mut forms: BTreeSet<Vec<u8>> = BTreeSet::from([
        hex.to_uppercase().into(),
        hex.into(),
        percent(&|byte| format!("%{byte:02X}")).into(),
        percent(&|byte| format!("%{byte:02x}")).into(),
        json.trim_matches('"').into(),
        canary.replace('\'', "'\\''").into(),
    ]);
    for before in ["", "x", "xx"] {
        for engine in [STANDARD, URL_SAFE] {
            let text = engine.encode(format!("{before}{canary}"));
            forms.insert(text[4..text.len() - 4].into());
        }
    }
    let lines = canary.lines().filter(|line| !line.starts_with("-----"));
    forms.extend(lines.flat_map(|line| line.as_bytes().windows(8)).map(<[u8]>::to_vec));
    forms
}

/// Bytes that all tests here searched, and how often for a form of a canary.
static SEARCHED: AtomicU64 = AtomicU64::new(0);
static FORMS: AtomicU64 = AtomicU64::new(0);

/// What a campaign reports.
fn tell(found: &[String]) {
    let (bytes, forms) = (SEARCHED.load(Ordering::Relaxed), FORMS.load(Ordering::Relaxed));
    println!("so far {bytes} bytes were searched, {forms} times for a form of a canary: {} hits", found.len());
}

/// Where a canary is found in there.
fn hits(canaries: &[&str], what: &str, bytes: &[u8]) -> Vec<String> {
    SEARCHED.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    let mut hits = Vec::new();
    for canary in canaries {
        let is_there = |form: &Vec<u8>| memchr::memmem::find(bytes, form).is_some();
        let forms = forms(canary);
        FORMS.fetch_add(forms.len() as u64, Ordering::Relaxed);
        hits.extend(
            forms.iter().filter(|form| is_there(form)).map(|form| format!("{what}: {}", String::from_utf8_lossy(form))),
        );
    }
    hits
}

/// All files below a folder.
fn hits_below(canaries: &[&str], folder: &Path) -> Vec<String> {
    let (mut folders, mut found, mut files) = (vec![folder.to_owned()], Vec::new(), 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                found.extend(hits(canaries, &path.display().to_string(), &fs::read(&path).expect("a file")));
            }
        }
    }
    assert!(files > 5, "{files} files are no run");
    found
}

/// `NAME` is an `env` variable of the task, `${secrets.NAME}` a reference in its command.
fn leaky(name: &str) -> Vec<(String, String)> {
    let variable = format!("execution_context: {{environment_variables: {{V: 'u:${{secrets.{name}}}@h'}}}}");
    let print = format!(
        r#"S="${{secrets.{name}}}"
    echo "plain $S and $V"; echo "$V" >&2; printf '%s' "$S"; echo
    printf %s "$S" | base64; printf %s "$V" | base64 -w 20; printf %s "x$V" | base64 | tr +/ -_
    printf %s "$S" | od -An -v -tx1; printf %s "$S" | od -An -v -tx1 | tr -d ' \n'; echo
    printf %s "$S" | od -An -v -tx1 | tr -d '\n' | tr a-f A-F | tr ' ' %; echo
    printf '%q\n' "$S"; declare -p S; set -x; : "$S"; set +x; printf '%s\n' "${{S@Q}}"
    printf '"%s"\n' "$(printf %s "$S" | sed 's/["\\]/\\&/g' | sed ':a;N;$!ba;s/\n/\\n/g')"
    for ((i = 0; i < ${{#S}}; i++)); do printf '%s' "${{S:$i:1}}"; done; echo
    for ((i = 0; i < ${{#S}}; i++)); do printf '%s' "${{S:$i:1}}" >&2; done
    printf %s "$S" > got.{name}"#
    );
    let task = |id: &str, rest: String| (format!("{name}.{id}").to_lowercase().replace('_', "-"), rest);
    vec![
        task(
            "prints",
            format!(
                "run: |\n    {print}\n{variable}\nverification: {{smoke: {{command: 'echo \"$V\"; printf %s \"${{secrets.{name}}}\" | cmp - got.{name}'}}}}"
            ),
        ),
        task(
            "fails",
            format!(
                "run: |\n    echo \"${{secrets.{name}}}\"; echo \"$V\" >&2; test -e \"$OUTPOST_LAST_FAILURE\" && cat \"$OUTPOST_LAST_FAILURE\"; exit 3\n{variable}\non_failure: {{max_retries: 1, retry_delay: PT0.1S}}"
            ),
        ),
        task(
            "says",
            format!("run: 'echo \"${{secrets.{name}}}\"'\noutput: {{location: stdout, ports: {{p: {{type: text}}}}}}"),
        ),
        task(
            "leaves",
            format!(
                "run: 'printf %s \"${{secrets.{name}}}\" | base64 > \"$OUTPOST_OUTPUT\"'\noutput: {{location: file, format: text, path: left, ports: {{p: {{type: text}}}}}}"
            ),
        ),
        task(
            "drops",
            format!(
                "run: 'printf %s \"${{secrets.{name}}}\" > \"$OUTPOST_OUTPUT\"; exit 1'\noutput: {{location: file, path: left, ports: {{p: {{type: text}}}}}}"
            ),
        ),
        task(
            "setup",
            format!("run: note ran\nexecution_context: {{setup_command: 'echo \"${{secrets.{name}}}\"; exit 1'}}"),
        ),
        task(
            "saves",
            format!(
                "run: 'echo \"{{\\\"s\\\": \\\"$(printf %s \"${{secrets.{name}}}\" | base64 -w 0)\\\"}}\" > \"$OUTPOST_CHECKPOINT\"; exit 1'\nhandoff: {{state_fields: [s], checkpoint_format: json}}"
            ),
        ),
        task(
            "keeps",
            format!(
                "run: 'echo \"{{\\\"s\\\": \\\"$(printf %s \"${{secrets.{name}}}\" | base64 -w 0)\\\"}}\" > \"$OUTPOST_CHECKPOINT\"'\nhandoff: {{state_fields: [s], checkpoint_format: json}}"
            ),
        ),
        task("missing", format!("run: 'no-such-command \"${{secrets.{name}}}\"'")),
        task(
            "undone",
            format!(
                "run: note ran\non_success: 'echo \"${{secrets.{name}}}\"; exit 1'\nrollback: 'echo \"$V\" >&2; echo \"${{secrets.{name}}}\"; exit 1'\n{variable}"
            ),
        ),
    ]
}

/// Runs leaky tasks with all these secrets, and answers what was found of them.
fn leaks(secrets: &[(&str, &str)], sources: &str, place: impl Fn(&mut Command)) {
    let mut tasks: Vec<(String, String)> = secrets.iter().flat_map(|(name, _)| leaky(name)).collect();
    let (first, canaries) = (secrets[0].0, secrets.iter().map(|(_, value)| *value).collect::<Vec<_>>());
    // A condition that fails with its input quoted, and a task that is looked at while it runs.
    tasks.push(("asks".to_owned(), "when: '.env.APP_ENV_ONE | tonumber > 1'\nrun: note ran".to_owned()));
    tasks.push(("waits".to_owned(), format!("run: 'note begins; await go; echo \"${{secrets.{first}}}\"'")));
    let tasks: Vec<(&str, &str, &str)> = tasks.iter().map(|(id, rest)| (id.as_str(), "", rest.as_str())).collect();
    let checks = format!("preflight_checks: [{{command: 'test \"${{secrets.{first}}}\"'}}]");
    let say = format!("echo \"${{secrets.{first}}}\" >&2");
    let shout = format!("{say}; exit 1");
    let hooks = format!("hooks: {{on_start: {{command: '{say}'}}, on_exit: {{command: '{shout}'}}}}");
    let notify = format!(
        "notify: [{{on: [failed], channel: command, command: '{shout}'}}, {{on: [failed], channel: webhook, url: 'http://127.0.0.1:9/${{secrets.{first}}}'}}]"
    );
    let project = crate::project(
        &format!(
            "max_parallel_tasks: 4, rollback: manual, {checks}, {hooks}, {notify}, secret_resolution: {{sources: [{sources}]}}"
        ),
        &tasks,
    );
    project.write("keys.env", &format!("FILE_ONE=\"{FILE}\"\n"));
    let outpost = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        place(&mut command);
        project.start(command)
    };
    let running = outpost(&["run", "blueprint.md", "--events", "events.ndjson", "--log", "debug,json,file=log.json"]);
    let mut seen = BTreeSet::new();
    let is_waiting = |line: &String| line == "waits 1 run begins";
    project.until("the last task", || {
        seen.extend(project.processes());
        project.ledger().iter().any(is_waiting) && project.told("task_blocked").len() > secrets.len() * 7
    });
    seen.extend(project.processes());
    project.write("go", "");
    let ended = running.end().with(1);
    // The commands had what they asked for.
    for (name, value) in secrets {
        assert_eq!(fs::read_to_string(project.path(&format!("got.{name}"))).expect("a file"), *value);
        let printed = format!("{name}.prints").to_lowercase().replace('_', "-");
        assert!(project.told("task_completed").contains(&printed), "{}", ended.stderr);
    }
    assert!(seen.iter().any(|line| line.contains(&format!("${{OUTPOST_SECRET_{first}}}"))), "{seen:#?}");
    let mut found = hits(&canaries, "a command line", seen.into_iter().collect::<String>().as_bytes());
    found.extend(hits_below(&canaries, &project.path(".outpost")));
    for file in ["events.ndjson", "log.json"] {
        found.extend(hits(&canaries, file, &fs::read(project.path(file)).expect("a file")));
    }
    let mut said = vec![ended];
    for (id, ..) in &tasks {
        said.push(outpost(&["logs", id]).end());
        said.push(outpost(&["why", id]).end());
    }
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["runs"],
        &["gates", "--all"],
        &["plan", "blueprint.md", "--json"],
        &["report", "--format", "json"],
        &["report", "--format", "md"],
        &["report", "--format", "html"],
        &["report", "--format", "junit"],
        &["rollback", "--yes"],
        &["resume"],
    ] {
        said.push(outpost(arguments).end());
    }
    for Ended { stdout, stderr, .. } in &said {
        found.extend(hits(&canaries, "said", format!("{stdout}{stderr}").as_bytes()));
    }
    found.extend(hits_below(&canaries, &project.path(".outpost")));
    tell(&found);
    assert_eq!(found, Vec::<String>::new());
    let marks = said.iter().map(|ended| ended.stdout.matches("***").count()).sum::<usize>();
    assert!(marks > secrets.len() * 20, "{marks} marks: was anything printed?");
    control(&project, &canaries);
}

/// The search finds what is there.
fn control(project: &Project, canaries: &[&str]) {
    for canary in canaries {
        for text in [canary.to_string(), STANDARD.encode(format!("user:{canary}")), json!({ "a": canary }).to_string()]
        {
            project.write(".outpost/planted", &format!("words {text} words"));
            assert!(!hits_below(canaries, &project.path(".outpost")).is_empty(), "{text} is not found");
        }
    }
}

fn place(command: &mut Command, vault: &Vault, home: &OsStr) {
    command.env("APP_ENV_ONE", ENV).env("VAULT_ADDR", vault.address()).env("VAULT_TOKEN", TOKEN).env("HOME", home);
}

const LOCAL: &str =
    "{type: env, prefix: APP_}, {type: file, path: keys.env}, {type: vault, address: \"${VAULT_ADDR}\", path: kv/app}";

#[test]
fn f_32_no_secret_reaches_a_command_line_the_disk_or_a_screen() {
    let vault = Vault::with(&json!({ "VAULT_ONE": VAULT }));
    let home = tempfile::tempdir().expect("a folder");
    let secrets = [("ENV_ONE", ENV), ("FILE_ONE", FILE), ("VAULT_ONE", VAULT)];
    leaks(&secrets, LOCAL, |command| place(command, &vault, home.path().as_os_str()));
}

#[test]
fn f_32_no_secret_comes_back_by_a_person_a_server_or_a_runner_that_was_killed() {
    for end in [&["cancel"][..], &["rollback", "--yes"]] {
        comes_back(end);
    }
}

/// A run whose runner is killed, and that is ended like this.
fn comes_back(end: &[&str]) {
    let there = Shelf::new();
    there.next(Answer::Echo);
    let network = format!(
        "output: {{location: network, ports: {{p: {{type: integer}}}}, network: {{protocol: http, endpoint: '{}', auth: {{type: bearer_token, secret_ref: '${{secrets.ONE}}'}}}}}}",
        there.address("/x")
    );
    let holds = "echo \"{\\\"s\\\": \\\"$(printf %s \"${secrets.ONE}\" | base64 -w 0)\\\"}\" > \"$OUTPOST_CHECKPOINT\"";
    let project = crate::project(
        "max_parallel_tasks: 4, hooks: {on_exit: {command: 'printf %s \"${secrets.ONE}\" > hooked'}}",
        &[
            ("sends", "", &format!("run: 'echo 7 > \"$OUTPOST_OUTPUT\"'\nrollback: note undone\n{network}")),
            ("asks", "", "run: note ran\nhuman_required: {action: look, reason: so}"),
            (
                "hangs",
                "asks",
                &format!(
                    "run: |\n    {holds}\n    note begins; await never\nhandoff: {{state_fields: [s], checkpoint_format: json}}"
                ),
            ),
        ],
    );
    let outpost = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        command.env("ONE", ENV);
        project.start(command)
    };
    let running = outpost(&["run", "blueprint.md", "--wait"]);
    project.until("a refusal and a gate", || {
        !project.told("task_blocked").is_empty() && !project.told("gate_opened").is_empty()
    });
    let comment = format!("it is {}", STANDARD.encode(ENV));
    let mut said = vec![
        outpost(&["approve", "asks", "--set", &format!("x=it is {ENV}")]).end().with(2),
        outpost(&["approve", "asks", "--comment", &comment]).end().with(0),
    ];
    project.until_written("hangs 1 run begins");
    running.signal(Signal::KILL);
    said.push(running.end());
    said.push(outpost(end).end());
    assert!(said[0].stderr.contains("may hold a secret") && said[2].stderr.contains("holds the secret `ONE`"));
    assert!(said[3].stderr.contains("(E_CHECKPOINT_FAILED): it holds the secret `ONE` and was removed"), "{said:?}");
    assert_eq!(there.asked()[0].header("authorization"), Some(&*format!("Bearer {ENV}")));
    // The hook had what it asked for, although nothing was to begin any more.
    assert_eq!(fs::read_to_string(project.path("hooked")).expect("a file"), ENV);
    for command in ["status", "why", "report", "gates"] {
        let words = if command == "why" { &["why", "sends"][..] } else { &[command] };
        said.push(outpost(words).end());
    }
    let words: String = said.iter().map(|Ended { stdout, stderr, .. }| format!("{stdout}{stderr}")).collect();
    let mut found = hits(&[ENV], "said", words.as_bytes());
    found.extend(hits_below(&[ENV], &project.path(".outpost")));
    tell(&found);
    assert_eq!(found, Vec::<String>::new());
    control(&project, &[ENV]);
}

#[cfg(feature = "aws")]
#[test]
fn f_32_no_parameter_of_aws_reaches_a_command_line_the_disk_or_a_screen() {
    let Some(emulator) = crate::emulator::emulator() else {
        return;
    };
    let put = json!({"Name": "/canary/deep/ssm-one", "Value": SSM, "Type": "SecureString"}).to_string();
    let headers = [("x-amz-target", "AmazonSSM.PutParameter"), ("content-type", "application/x-amz-json-1.1")];
    assert_eq!(emulator.ask("ssm", ("POST", "/"), &headers, put.as_bytes()).0, 200);
    let sources = "{type: env, prefix: APP_}, {type: aws_ssm, prefix: /canary/}";
    leaks(&[("deep_ssm_one", SSM), ("ENV_ONE", ENV)], sources, |command| {
        emulator.place(command);
        command.env("APP_ENV_ONE", ENV);
    });
}
