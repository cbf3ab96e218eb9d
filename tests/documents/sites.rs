//! Where commands run: machines, containers, and what cannot be done there.

use outpost_bp::blueprint::site::{Site, is_here, of_errand, of_task, of_verification};
use outpost_bp::blueprint::{TaskIndex, agent, is_isolated};
use outpost_bp::diagnostic::Code;

use crate::{codes, document, task, with};

const TARGETS: &str = "ssm: {targets: {instances: [i-0123456789abcdef0]}}";

fn settings(text: &str) -> String {
    format!("```yaml\nexecution:\n  {text}\n```\n\n")
}

/// What is said of a task of a machine, with these lines.
fn on_machine(extra: &str) -> Vec<(Code, String)> {
    codes(&document(&[settings(TARGETS), task("T0.1", &format!("executor: ssm\nrun: uptime\n{extra}"))]))
}

fn bad(text: &str) -> Vec<(Code, String)> {
    vec![(Code::BadSite, text.to_owned())]
}

#[test]
fn x_02_what_a_task_says_of_its_machines_counts_before_the_settings() {
    let own = "executor: ssm\nrun: uptime\nexecution_context: {ssm: {directory: /srv, send_secrets: true, patience: 5}}\nverification: {smoke: {command: uptime}, e2e: {command: uptime, on: here}}\n";
    let all = "ssm: {targets: {tags: [{name: role, values: [web, db]}]}, directory: /opt, region: eu-west-1, contain: false, output: {bucket: logs}}";
    let text = document(&[settings(all), task("T0.1", own), task("T0.2", "run: uptime\n")]);
    assert_eq!(codes(&text), []);
    with(&text, false, |reading, _| {
        let (draft, first) = (&reading.draft, TaskIndex::new(0));
        let Site::Machines(machines) = of_task(draft, first) else { panic!("it runs on machines") };
        assert_eq!((machines.directory(), machines.region.as_deref()), ("/srv", Some("eu-west-1")));
        assert_eq!((machines.send_secrets, machines.contain, machines.patience), (Some(true), Some(false), Some(5)));
        let tags = machines.targets.as_ref().and_then(|targets| targets.tags.as_deref()).expect("tags");
        assert_eq!((tags[0].name.as_str(), tags[0].values.len()), ("role", 2));
        let stages = &draft.task(first).verification;
        assert!(matches!(of_verification(draft, first, &stages[0]), Site::Machines(_)));
        assert!(matches!(of_verification(draft, first, &stages[1]), Site::Here));
        assert!(!is_here(draft, first) && is_here(draft, TaskIndex::new(1)));
    });
}

#[test]
fn x_02_machines_are_named_in_one_way_that_can_be() {
    let said = |targets: &str| {
        let settings = settings(&format!("ssm: {{targets: {targets}}}"));
        codes(&document(&[settings, task("T0.1", "executor: ssm\nrun: uptime\n")]))
    };
    assert_eq!(said("{instances: [web-1, i-01234567]}"), bad("web-1"));
    let both = "{instances: [i-01234567], tags: [{name: a, values: [b]}]}";
    assert_eq!(said(both), bad(both));
    assert_eq!(said("{instances: []}"), bad("{instances: []}"));
    assert_eq!(said("{tags: [{name: role, values: []}]}"), bad("role"));
    let many = format!("{{instances: [{}]}}", vec!["i-01234567"; 51].join(", "));
    assert_eq!(said(&many), bad(&many));
    // Nobody says on which, and nobody who is meant runs here.
    assert_eq!(codes(&document(&[task("T0.1", "executor: ssm\nrun: uptime\n")])), bad("ssm"));
    let stray = "run: uptime\nexecution_context: {ssm: {directory: /srv}}\n";
    assert_eq!(codes(&document(&[task("T0.1", stray)])), bad("{directory: /srv}"));
    assert_eq!(on_machine("execution_context: {ssm: {state_directory: var}}\n"), bad("var"));
}

#[test]
fn x_02_what_cannot_work_on_machines_is_said_before_anything_runs() {
    assert_eq!(on_machine(""), []);
    let output = "{location: file, path: a.json, ports: {p: {type: json}}}";
    assert_eq!(on_machine(&format!("output: {output}\n")), bad(output));
    assert_eq!(on_machine("output: {location: file, ports: {p: {type: json, value: 1}}}\n"), []);
    assert_eq!(on_machine("files_to_create: [made]\n"), bad("made"));
    assert_eq!(on_machine("handoff: {checkpoint_path: state.json}\n"), bad("state.json"));
    assert_eq!(on_machine("execution_context: {container: {image: x}}\n"), bad("{image: x}"));
    assert_eq!(on_machine("on_success: login ${secrets.KEY}\n"), bad("login ${secrets.KEY}"));
    assert_eq!(
        on_machine("execution_context: {environment_variables: {K: '${secrets.KEY}'}}\n"),
        bad("'${secrets.KEY}'")
    );
    assert_eq!(on_machine("on_success: login ${secrets.KEY}\nexecution_context: {ssm: {send_secrets: true}}\n"), []);
    // What is verified here may know a secret.
    assert_eq!(on_machine("verification: {smoke: {command: 'ask ${secrets.KEY}', on: here}}\n"), []);
    let from = task("T0.1", "output: {location: stdout, ports: {p: {type: file_path}}}\n");
    let to = task(
        "T0.2",
        "executor: ssm\nrun: uptime\ndependencies: [T0.1]\ninput_bindings: {p: {source: T0.1, output_port: p}}\n",
    );
    assert_eq!(codes(&document(&[settings(TARGETS), from, to])), bad("p: {source: T0.1, output_port: p}"));
}

#[test]
fn x_02_a_container_is_for_commands_of_this_machine() {
    let said = |extra: &str| codes(&document(&[task("T0.1", &format!("{extra}\n"))]));
    assert_eq!(said("run: make\nexecution_context: {container: {image: 'rust:1', engine: podman}}"), []);
    assert_eq!(said("executor: manual\nexecution_context: {container: {image: x}}"), []);
    assert_eq!(said("executor: claude\nexecution_context: {container: {image: x}}"), bad("{image: x}"));
    assert_eq!(said("run: make\nexecution_context: {container: {image: --privileged}}"), bad("--privileged"));
    assert_eq!(
        said("run: make\nexecution_context: {container: {image: x, mounts: [{source: a, target: b}], workdir: w}}"),
        [bad("b"), bad("w")].concat()
    );
    assert_eq!(said("run: make\nexecution_context: {container: {engine: docker}}")[0].0, Code::MissingField);
    assert_eq!(said("run: make\nexecution_context: {container: {image: x, engine: lxc}}")[0].0, Code::UnknownWord);
}

/// What is said of a task of the fleet, with these lines.
fn on_fleet(extra: &str) -> Vec<(Code, String)> {
    codes(&document(&[settings("outpost: {repo: acme/shop}"), task("T0.1", &format!("executor: outpost\n{extra}"))]))
}

#[test]
fn x_06_what_a_task_says_of_the_fleet_counts_before_the_settings() {
    let own = "executor: outpost\nrun: make\nexecution_context: {outpost: {directory: a, labels: {x: '2'}, patience: 5}}\nverification: {e2e: {command: uptime, on: here}}\n";
    let all = "outpost: {repo: acme/shop, ref: main, directory: b, labels: {x: '1', y: '1'}, send_secrets: true}";
    let text = document(&[settings(all), task("T0.1", own), task("T0.2", "run: uptime\n")]);
    assert_eq!(codes(&text), []);
    with(&text, false, |reading, _| {
        let (draft, first) = (&reading.draft, TaskIndex::new(0));
        let Site::Fleet(fleet) = of_task(draft, first) else { panic!("it runs on the fleet") };
        assert_eq!(
            (fleet.directory(), fleet.repo.as_deref(), fleet.reference.as_deref()),
            ("a", Some("acme/shop"), Some("main"))
        );
        assert_eq!((fleet.send_secrets, fleet.patience), (Some(true), Some(5)));
        let labels: Vec<_> = fleet.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(labels, [("x", "2"), ("y", "1")]);
        assert!(matches!(of_verification(draft, first, &draft.task(first).verification[0]), Site::Here));
        assert!(!is_here(draft, first) && is_here(draft, TaskIndex::new(1)));
    });
}

#[test]
fn x_06_what_cannot_work_on_the_fleet_is_said_before_anything_runs() {
    assert_eq!(on_fleet("run: make\n"), []);
    assert_eq!(on_fleet("verification: {smoke: make}\n"), bad("outpost"));
    assert_eq!(on_fleet("run: make\nexecution_context: {setup_command: make tools}\n"), bad("make tools"));
    assert_eq!(on_fleet("run: make\nexecution_context: {outpost: {directory: ../x}}\n"), bad("../x"));
    assert_eq!(on_fleet("run: make\nfiles_to_create: [made]\n"), bad("made"));
    assert_eq!(on_fleet("run: login ${secrets.KEY}\n"), bad("login ${secrets.KEY}"));
    assert_eq!(on_fleet("run: login ${secrets.KEY}\nexecution_context: {outpost: {send_secrets: true}}\n"), []);
    let stray = "run: uptime\nexecution_context: {outpost: {directory: a}}\n";
    assert_eq!(codes(&document(&[task("T0.1", stray)])), bad("{directory: a}"));
    let reference = "executor: outpost\nrun: make\nexecution_context: {outpost: {ref: main}}\n";
    assert_eq!(codes(&document(&[task("T0.1", reference)])), bad("main"));
}

/// What is said of an agent of the fleet, with these lines and these settings.
fn errand(all: &str, extra: &str) -> Vec<(Code, String)> {
    codes(&document(&[settings(all), task("T0.1", &format!("executor: outpost\n{extra}"))]))
}

#[test]
fn x_06_an_agent_of_the_fleet_works_there_and_is_verified_here() {
    let own = "executor: outpost\nagent: {name: codex, budget: {usd: 1}}\nverification: {unit: {command: make test}}\n";
    let all = "outpost: {repo: acme/shop, push: origin}\n  agent: {name: claude, model: m}";
    let command = "executor: outpost\nrun: make\n";
    let text =
        document(&[settings(all), task("T0.1", own), task("T0.2", command), task("T0.3", "executor: outpost\n")]);
    assert_eq!(codes(&text), []);
    with(&text, false, |reading, _| {
        let (draft, [first, second, third]) = (&reading.draft, [0, 1, 2].map(TaskIndex::new));
        assert_eq!([first, second, third].map(|index| agent(draft, index)), [Some("codex"), None, Some("claude")]);
        assert!(matches!(of_task(draft, first), Site::Here) && matches!(of_task(draft, second), Site::Fleet(_)));
        let fleet = of_errand(draft, first).expect("a fleet");
        assert_eq!((fleet.repo.as_deref(), fleet.push.as_deref()), (Some("acme/shop"), Some("origin")));
        assert!(of_errand(draft, second).is_none() && is_isolated(draft, first));
    });
}

#[test]
fn x_06_what_an_agent_of_the_fleet_cannot_do_is_said_before_anything_runs() {
    let shop = |extra: &str| errand("outpost: {repo: acme/shop}", &format!("agent: {{name: claude}}\n{extra}"));
    assert_eq!(shop(""), []);
    assert_eq!(errand("executor: shell", "agent: {name: claude}\n"), bad("outpost"));
    let terms = [
        "effort: high",
        "max_turns: 3",
        "approval: edits",
        "trust: own",
        "isolation: none",
        "sandbox: require",
        "sandbox: {read: [/srv]}",
    ];
    for term in terms {
        let said = errand("outpost: {repo: acme/shop}", &format!("agent: {{name: claude, {term}}}\n"));
        assert_eq!(said, bad("outpost"), "{term}");
    }
    let fine = "agent: {name: claude, model: m, approval: full, trust: untrusted, sandbox: auto, paths: [src/**], budget: {tokens: 9}}\n";
    assert_eq!(errand("outpost: {repo: acme/shop}", fine), []);
    assert_eq!(shop("execution_context: {setup_command: make tools}\n"), bad("make tools"));
    assert_eq!(shop("execution_context: {outpost: {ref: main}}\n"), bad("main"));
    assert_eq!(shop("execution_context: {outpost: {directory: a}}\n"), bad("a"));
    for remote in ["--upload-pack=x", "../other", "https://x/y", "a b"] {
        assert_eq!(
            shop(&format!("execution_context: {{outpost: {{push: '{remote}'}}}}\n")),
            bad(&format!("'{remote}'"))
        );
    }
    // Its commands run here and may have secrets; its variables go there.
    let variable = "execution_context: {environment_variables: {A: '${secrets.KEY}'}}\n";
    assert_eq!(shop(variable), bad("'${secrets.KEY}'"));
    assert_eq!(shop("verification: {unit: {command: 'login ${secrets.KEY}'}}\n"), []);
    assert_eq!(shop("run: make\n"), vec![(Code::IdleCommand, "make".to_owned())]);
    let stray = codes(&document(&[task("T0.1", "executor: claude\nagent: {name: codex}\n")]));
    assert_eq!(stray, vec![(Code::NoEffect, "codex".to_owned())]);
}

#[test]
fn x_06_an_agent_of_the_fleet_sees_what_landed_only_where_somebody_brings_it() {
    let said = |settings_: &str| {
        let agent = "executor: outpost\nagent: {name: claude}\n";
        let next = format!("{agent}dependencies: [T0.1]\n");
        codes(&document(&[settings(settings_), task("T0.1", agent), task("T0.2", &next)]))
    };
    assert_eq!(said("outpost: {repo: acme/shop}"), bad("T0.2"));
    assert_eq!(said("outpost: {repo: acme/shop, push: origin}"), []);
    assert_eq!(said("outpost: {repo: /srv/shop}"), []);
    let apart = "executor: outpost\nagent: {name: claude}\n";
    let apart = document(&[settings("outpost: {repo: acme/shop}"), task("T0.1", apart), task("T0.2", apart)]);
    assert_eq!(codes(&apart), [], "they do not wait for each other");
}
