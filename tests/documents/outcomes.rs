//! Rows F23 to F28: what becomes of failures, how a task is checked, who is asked, and what is kept.

use std::time::Duration;

use outpost_bp::blueprint::model::{Channel, FailureAction, GateTime, Stage};
use outpost_bp::diagnostic::Code;
use outpost_bp::document::Text;
use outpost_bp::plan::{Dag, check_files};

use crate::{codes, document, one, task, with};

#[test]
fn f_23_a_failure_policy_is_read_and_its_fallback_exists() {
    let text = |policy: &str| {
        document(&[task("T0.1", &format!("on_failure: {policy}\non_success: touch done\n")), task("T0.2", "")])
    };
    let whole = text("{max_retries: 2, retry_delay: PT7S, action: skip, fallback_task: T0.2}");
    assert_eq!(codes(&whole), []);
    with(&whole, false, |reading, _| {
        let [first, second] = &reading.draft.tasks[..] else { panic!("two tasks") };
        let policy = first.on_failure.as_deref().expect("a policy");
        assert_eq!((policy.max_retries, policy.retry_delay), (Some(2), Some(Duration::from_secs(7))));
        assert_eq!(policy.action, FailureAction::Skip);
        let fallback = policy.fallback.as_ref().and_then(|fallback| fallback.target);
        assert_eq!(fallback.map(|index| reading.draft.task(index).id.as_str()), Some("T0.2"));
        assert_eq!(first.on_success().map(Text::as_str), Some("touch done"));
        assert!(second.on_failure.is_none());
    });
    with(&text("{max_retries: 1}"), false, |reading, _| {
        let policy = reading.draft.tasks[0].on_failure.as_deref().expect("a policy");
        assert_eq!(policy.action, FailureAction::Block, "the default");
    });
    assert_eq!(codes(&text("{fallback_task: T0.3}")), one(Code::UnknownTask, "T0.3"));
    assert_eq!(codes(&text("{fallback_task: T0.1}")), one(Code::Cycle, "T0.1"));
    assert_eq!(codes(&text("{retry_delay: 5s}")), one(Code::BadDuration, "5s"));
}

#[test]
fn f_24_idempotent_is_said_or_not_said() {
    let read = |extra: &str| {
        with(&document(&[task("T0.1", extra)]), false, |reading, _| {
            assert_eq!(reading.diagnostics, []);
            reading.draft.tasks[0].idempotent
        })
    };
    assert_eq!(read("idempotent: true\n"), Some(true));
    assert_eq!(read("idempotent: false\n"), Some(false));
    assert_eq!(read(""), None);
    assert_eq!(codes(&document(&[task("T0.1", "idempotent: 1\n")])), one(Code::WrongType, "1"));
}

#[test]
fn f_23_fallbacks_come_to_an_end() {
    let falls = |id: &str, to: &str| task(id, &format!("on_failure: {{fallback_task: {to}}}\n"));
    let text = document(&[
        falls("T0", "T1"),
        falls("T1", "T2"),
        falls("T2", "T3"),
        falls("T3", "T1"),
        falls("T4", "T4"),
        falls("T5", "T0"),
        falls("T6", "T7"),
        task("T7", ""),
    ]);
    with(&text, false, |reading, source| {
        let found: Vec<_> = reading
            .diagnostics
            .iter()
            .map(|d| (d.code, d.message.as_ref(), source.slice(d.span.expect("place")), d.related.len()))
            .collect();
        assert_eq!(
            found,
            [
                (Code::Cycle, "3 tasks fall back to each other: T1 → T2 → T3 → T1", "T2", 2),
                (Code::Cycle, "`T4` falls back to itself", "T4", 0)
            ]
        );
        assert_eq!(reading.diagnostics[0].label, "`T1` falls back to `T2`");
        assert_eq!(reading.diagnostics[0].related[1].1, "`T3` falls back to `T1`");
    });
}

#[test]
fn f_23_a_fallback_and_its_task_do_not_wait_for_each_other() {
    let falls = |id: &str, to: &str, more: &str| task(id, &format!("on_failure: {{fallback_task: {to}}}\n{more}"));
    let needs = |id: &str, needs: &str| task(id, &format!("dependencies: [{needs}]\n"));
    let found = |tasks: &[String]| -> Vec<(Code, String)> {
        let mut found = Vec::new();
        with(&document(tasks), false, |reading, _| {
            found = reading.diagnostics.iter().map(|d| (d.code, d.message.to_string())).collect();
        });
        found
    };
    let cycle = |names: &str, count: usize| vec![(Code::Cycle, format!("{count} tasks wait for each other: {names}"))];
    // The fallback waits for the task that it stands in for, directly and through others.
    assert_eq!(found(&[falls("A1", "A2", ""), needs("A2", "A1")]), cycle("A1 → A2 → A1", 2));
    let through = [falls("A1", "A3", ""), needs("A2", "A1"), needs("A3", "A2")];
    assert_eq!(found(&through), cycle("A1 → A3 → A2 → A1", 3));
    with(&document(&through), false, |reading, source| {
        let problem = &reading.diagnostics[0];
        assert_eq!((&*problem.label, source.slice(problem.span.expect("a place"))), ("`A1` falls back to `A3`", "A3"));
        let related: Vec<&str> = problem.related.iter().map(|(_, words)| &**words).collect();
        assert_eq!(related, ["`A3` needs `A2`", "`A2` needs `A1`"]);
    });
    // The task waits for its own fallback, which nobody calls before.
    let waits = [falls("A1", "A3", "dependencies: [A2]\n"), needs("A2", "A3"), task("A3", "")];
    assert_eq!(found(&waits), cycle("A1 → A2 → A3 → A1", 3));
    with(&document(&waits), false, |reading, _| {
        assert_eq!(reading.diagnostics[0].related[1].1, "`A3` is the fallback of `A1`");
    });
    // Two tasks wait for the fallbacks of each other.
    let crossed = [
        falls("A1", "B1", "dependencies: [B2]\n"),
        falls("A2", "B2", "dependencies: [B1]\n"),
        task("B1", ""),
        task("B2", ""),
    ];
    assert_eq!(found(&crossed), cycle("A1 → B2 → A2 → B1 → A1", 4));
    // That both fail is another matter: one of the fallbacks is called for nothing, and its task is blocked.
    let both = [falls("A1", "B1", ""), falls("A2", "B2", ""), needs("B1", "A2"), needs("B2", "A1")];
    assert_eq!(found(&both), []);
    // A parent does not wait for the child that is its own fallback, but for that of a child like for the child.
    assert_eq!(found(&[falls("A1", "A1.fallback", ""), task("A1.fallback", "")]), []);
    let child = [task("A1", ""), falls("A1.1", "A1.1.fallback", ""), task("A1.1.fallback", "")];
    assert_eq!(found(&child), []);
    let parent = [task("A1", ""), falls("A1.1", "A1", "")];
    assert_eq!(found(&parent), cycle("A1.1 → A1 → A1.1", 2));
}

#[test]
fn f_23_many_fallbacks_are_looked_through_at_once() {
    // Each of a long chain falls back to one that needs only the one before: no circle goes through one fallback alone.
    let count = 200;
    let mut tasks = Vec::new();
    for index in 0..count {
        let next = (index + 1) % count;
        tasks.push(task(&format!("A{index}"), &format!("on_failure: {{fallback_task: B{index}}}\n")));
        tasks.push(task(&format!("B{index}"), &format!("dependencies: [A{next}]\n")));
    }
    with(&document(&tasks), false, |reading, _| assert!(reading.diagnostics.is_empty()));
    tasks[1] = task("B0", "dependencies: [A1, A2, A0]\n");
    with(&document(&tasks), false, |reading, _| {
        assert_eq!(reading.diagnostics[0].message, "2 tasks wait for each other: A0 → B0 → A0");
    });
}

#[test]
fn f_25_verification_shows_something() {
    let check = |fields: &str| codes(&document(&[task("T0.1", fields)]));
    assert_eq!(check("verification: {smoke: {command: 'true'}}\n"), one(Code::TrivialVerification, "'true'"));
    assert_eq!(check("test_command: test -f y\n"), one(Code::TwoVerifications, "test -f y"));
    assert_eq!(check("verification: {}\n")[0].0, Code::NoVerification);
    let text = document(&[task("T0.1", "verification:\n  e2e: {command: b, optional: true}\n  smoke: {command: a}\n")]);
    with(&text, false, |reading, _| {
        let stages: Vec<_> = reading.draft.tasks[0].verification.iter().map(|v| (v.stage, v.optional)).collect();
        assert_eq!(stages, [(Stage::Smoke, false), (Stage::E2e, true)]);
    });
}

#[test]
fn f_26_and_x3_gates_before_and_after() {
    let text = document(&[task(
        "T0.1",
        "human_required: {action: Look, when: after, timeout: PT1H, notify: {channel: env}}\n",
    )]);
    assert_eq!(codes(&text), one(Code::MissingField, "env"));
    with(&text, false, |reading, _| {
        let gate = reading.draft.tasks[0].gate.as_ref().expect("a gate");
        assert_eq!((gate.action.as_str(), gate.when), ("Look", GateTime::After));
    });
}

#[test]
fn f_26_each_channel_has_what_it_needs_and_nothing_idle() {
    let gate = |rest: &str| codes(&document(&[task("T0.1", &format!("human_required: {{action: Look, {rest}}}\n"))]));
    for (channel, key, value) in [
        ("env", "variable", "OK"),
        ("webhook", "url", "'https://x.org/hook'"),
        ("webhook", "url", "'${secrets.HOOK}'"),
        ("email", "recipient", "ada@x.org"),
        ("email", "recipient", "Ada <ada@x.org>"),
        ("command", "command", "make noise"),
    ] {
        assert_eq!(gate(&format!("notify: {{channel: {channel}}}")), one(Code::MissingField, channel));
        assert_eq!(gate(&format!("notify: [{{channel: {channel}, {key}: {value}}}]")), []);
    }
    for channel in ["slack", "console"] {
        assert_eq!(gate(&format!("notify: {{channel: {channel}}}")), []);
    }
    for (rest, code, place) in [
        ("{channel: slack, secret: x}", Code::NoEffect, "x"),
        ("{channel: console, command: x}", Code::NoEffect, "x"),
        ("{channel: webhook, url: x.org}", Code::BadNotice, "x.org"),
        ("{channel: slack, url: 'ftp://x.org'}", Code::BadNotice, "'ftp://x.org'"),
        ("{channel: email, recipient: 'a@b.org, c@d.org'}", Code::BadNotice, "'a@b.org, c@d.org'"),
        ("{channel: console, remind: PT0S}", Code::BadNotice, "PT0S"),
        ("{channel: console, remind: PT24H}", Code::BadNotice, "PT24H"),
        ("{channel: env, variable: V, remind: PT1H}", Code::BadNotice, "PT1H"),
        ("{channel: env, variable: V}, self_approval: false", Code::BadNotice, "env"),
        ("{channel: console, escalate: {after: PT1H, channel: email}}", Code::MissingField, "email"),
        ("{channel: console, escalate: [{after: PT1H, channel: env}]}", Code::UnknownWord, "env"),
        ("{channel: console, escalate: {after: PT20H, remind: PT4H, channel: console}}", Code::BadNotice, "PT4H"),
    ] {
        assert_eq!(gate(&format!("notify: {rest}")), one(code, place), "{rest}");
    }
}

#[test]
fn f_26_who_is_told_is_read_in_order() {
    let text = document(&[task(
        "T0.1",
        "human_required:\n  action: Look\n  notify:\n    - {channel: slack, remind: PT4H, escalate: {after: PT8H, channel: webhook, url: 'http://x'}}\n    - {channel: console}\n",
    )]);
    with(&text, false, |reading, _| {
        let gate = reading.draft.tasks[0].gate.as_ref().expect("a gate");
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        let told: Vec<_> = gate.notify.iter().map(|notice| (notice.to.channel, notice.after, notice.remind)).collect();
        let none = None;
        assert_eq!(
            told,
            [(Channel::Slack, none, hours(4)), (Channel::Webhook, hours(8), none), (Channel::Console, none, none)]
        );
    });
}

#[test]
fn f_26_a_gate_can_be_passed() {
    let gate = |rest: &str| document(&[task("T0.1", &format!("human_required: {{action: Look, {rest}}}\n"))]);
    assert_eq!(codes(&gate("approvers: [ada, bob], min_approvals: 3")), one(Code::ImpassableGate, "ada"));
    assert_eq!(codes(&gate("approvers: [ada, ada], min_approvals: 2")), one(Code::ImpassableGate, "ada"));
    assert_eq!(codes(&gate("approvers: [ada, bob], min_approvals: 2")), []);
    assert_eq!(codes(&gate("min_approvals: 7")), []);
}

#[test]
fn f_27_hand_off_fields_are_unique_and_their_paths_are_jsonpath() {
    let fields =
        "handoff: {state_fields: [{name: a, path: '$.x', type: integer}, {name: a, path: 'nope', type: array}, b]}\n";
    assert_eq!(
        codes(&document(&[task("T0.1", fields)])),
        [(Code::BadHandoff, "a".into()), (Code::BadHandoff, "'nope'".into())]
    );
    let never = codes(&document(&[task("T0.1", "handoff: {checkpoint_interval: PT0S}\n")]));
    assert_eq!(never, [(Code::BadHandoff, "PT0S".into())]);
}

/// Who is told to write a file that another task may write at the same time.
fn shared_files(tasks: &[(&str, &str)], locks: &str) -> Vec<String> {
    let mut blocks = vec![format!("```yaml\nexecution: {{resource_locks: [{locks}]}}\n```\n")];
    blocks.extend(tasks.iter().map(|(id, extra)| {
        let files = if extra.contains("files_to") { "" } else { "files_to_create: [out/a.txt]\n" };
        task(id, &format!("{files}{extra}"))
    }));
    with(&document(&blocks), false, |reading, _| {
        assert_eq!(reading.diagnostics.iter().find(|problem| problem.is_error()), None);
        let dag = Dag::of(&reading.draft, &reading.links);
        let problems = check_files(&reading.draft, &dag);
        assert!(problems.iter().all(|problem| problem.code == Code::SharedFile && problem.related.len() == 1));
        problems.iter().filter_map(|problem| problem.task.as_deref().map(str::to_owned)).collect()
    })
}

#[test]
fn f_28_two_tasks_at_once_do_not_write_one_file() {
    assert_eq!(shared_files(&[("T0.1", ""), ("T0.2", "")], ""), ["T0.2"]);
    assert_eq!(shared_files(&[("T0.1", ""), ("T0.2", "dependencies: [T0.1]\n")], ""), [""; 0]);
    let ladder = [("T0.1", ""), ("T0.2", "dependencies: [T0.1]\n"), ("T0.3", "dependencies: [T0.1]\n")];
    assert_eq!(shared_files(&ladder, ""), ["T0.3"]);
    let crowd = [("T0.1", ""), ("T0.2", ""), ("T0.3", ""), ("T0.4", "dependencies: [T0.1, T0.2, T0.3]\n")];
    assert_eq!(shared_files(&crowd, ""), ["T0.2", "T0.3"], "each is told once");
    // In the order of the run T0.3 stands between the two.
    let apart = [
        ("T0.1", "dependencies: [T0.4]\n"),
        ("T0.2", "dependencies: [T0.4]\nfiles_to_create: [other]\n"),
        ("T0.3", "dependencies: [T0.4]\nresources: {locks: [a]}\n"),
        ("T0.4", "files_to_create: [x]\n"),
        ("T0.5", "dependencies: [T0.2]\nresources: {locks: [a]}\n"),
    ];
    assert_eq!(shared_files(&apart, "a"), ["T0.3", "T0.5"]);
}

#[test]
fn f_28_a_lock_held_alone_keeps_writers_apart() {
    let both = |lock: &str, first: &str, second: &str| {
        let request = |mode: &str| format!("resources: {{locks: [{{name: a, mode: {mode}}}]}}\n");
        shared_files(&[("T0.1", &request(first)), ("T0.2", &request(second))], lock).len()
    };
    let (shared, exclusive) = ("shared", "exclusive");
    assert_eq!(both("{name: a, type: shared}", shared, shared), 1);
    assert_eq!(both("{name: a, type: shared, max_holders: 2}", shared, shared), 1);
    assert_eq!(both("{name: a, type: shared, max_holders: 1}", shared, shared), 0);
    assert_eq!(both("{name: a, type: shared}", shared, exclusive), 0);
    assert_eq!(both("{name: a, type: exclusive}", shared, shared), 0, "the declaration wins");
    assert_eq!(both("a", shared, shared), 0);
    let twice = "resources: {locks: [b, {name: a, mode: shared}, {name: a, mode: exclusive}]}\n";
    let once = "resources: {locks: [{name: a, mode: shared}]}\n";
    let locks = "{name: a, type: shared}, {name: b, type: shared}";
    assert_eq!(shared_files(&[("T0.1", once), ("T0.2", twice)], locks), [""; 0]);
    assert_eq!(shared_files(&[("T0.1", once), ("T0.2", "resources: {locks: [b]}\n")], locks), ["T0.2"]);
}

#[test]
fn f_28_one_path_may_name_several_files() {
    let both = |first: &str, second: &str| shared_files(&[("T0.1", first), ("T0.2", second)], "").len();
    let file = |path: &str| format!("files_to_create: ['{path}']\n");
    let inside = |directory: &str, path: &str| {
        format!("files_to_create: ['{path}']\nexecution_context: {{working_directory: {directory}}}\n")
    };
    assert_eq!(both(&file("${task_id}.log"), &file("${task_id}.log")), 0);
    assert_eq!(both(&file("${blueprint_root}/a"), &file("${blueprint_root}/a")), 1);
    assert_eq!(both(&file("$${task_id}"), &file("$${task_id}")), 1);
    assert_eq!(both(&inside("web", "a"), &inside("api", "a")), 0);
    assert_eq!(both(&inside("./web/", "./a"), &file("web/a")), 1);
    assert_eq!(both(&inside("web", "/tmp/a"), &inside("api", "/tmp/a")), 1);
    assert_eq!(both(&inside(".", "a"), &file("./a")), 1);
}
