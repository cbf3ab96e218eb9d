//! The execution block → [`Execution`].

use crate::blueprint::model::{
    Compatibility, Environment, Execution, Hierarchy, HookCommand, LockDeclaration, LockMode, Preflight, SecretMissing,
    SecretPolicy, SecretSource, SecretSourceKind,
};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Entry, Node};

use super::agent;
use super::field::{Fields, pairs, texts};
use super::logging;
use super::notify::{mail_server, run_notices};
use super::remote;
use super::site;
use super::task::ROLLBACK_MODES;

const LOCK_MODES: &[(&str, LockMode)] = &[("exclusive", LockMode::Exclusive), ("shared", LockMode::Shared)];

const ON_MISSING: &[(&str, SecretMissing)] = &[
    ("abort", SecretMissing::Abort),
    ("prompt", SecretMissing::Prompt),
    ("skip_task", SecretMissing::SkipTask),
    ("use_default", SecretMissing::UseDefault),
];

/// Reads a block whose shape was checked.
pub(super) fn read<'s>(node: &Node<'s>, problems: &mut Vec<Diagnostic>) -> Execution<'s> {
    let parallelism = node.field("parallelism");
    let retry = node.field("retry_policy");
    Execution {
        span: Some(node.span),
        shell: node.filled("shell"),
        shell_flags: node.field("shell_flags").map(texts),
        direct: node.scalar("exec").map(|word| word.as_str() == "auto"),
        isolation: agent::isolation(node),
        max_parallel_tasks: node
            .count("max_parallel_tasks")
            .or_else(|| parallelism.and_then(|node| node.count("max_concurrent_tasks"))),
        locks: items(node, "resource_locks").iter().filter_map(|node| lock(node, problems)).collect(),
        preflight: items(node, "preflight_checks").iter().filter_map(preflight).collect(),
        secrets: node.field("secret_resolution").map(|node| SecretPolicy {
            on_missing: node.choice("on_missing", ON_MISSING).unwrap_or_default(),
            sources: items(node, "sources").iter().filter_map(secret_source).collect(),
        }),
        compatibility: node
            .choice("compatibility_mode", &[("v1_migration", Compatibility::V1Migration)])
            .unwrap_or_default(),
        hierarchy: node
            .choice("hierarchy", &[("auto", Hierarchy::Auto), ("rollup", Hierarchy::Rollup), ("none", Hierarchy::None)])
            .unwrap_or_default(),
        executor: node.filled("executor"),
        agent: node.field("agent").map(agent::terms).unwrap_or_default(),
        run_budget: agent::budget(node, "run_budget"),
        machines: node.field("ssm").map(site::machines),
        fleet: node.field("outpost").map(site::fleet),
        rollback: node.choice("rollback", ROLLBACK_MODES),
        environments: node
            .field("environments")
            .and_then(Node::as_map)
            .unwrap_or_default()
            .iter()
            .map(|entry| Environment { name: entry.key.clone(), variables: pairs(Some(&entry.value)) })
            .collect(),
        notify: run_notices(node.field("notify")),
        mail_server: node.field("smtp").and_then(mail_server),
        hooks: node.field("hooks").and_then(Node::as_map).unwrap_or_default().iter().filter_map(hook).collect(),
        max_retries: retry.and_then(|node| {
            node.count("max_retries").or_else(|| node.count("max_attempts").map(|attempts| attempts.saturating_sub(1)))
        }),
        retry_delay: retry.and_then(|node| node.duration("retry_delay").or_else(|| node.duration("delay"))),
        logging: node.field("logging").map(|node| Box::new(logging::read(node))),
        storage: node.field("storage").map(remote::storage),
    }
}

/// Whether every lock the block may declare could be read.
pub(super) fn has_readable_locks(node: &Node<'_>) -> bool {
    let Some(locks) = node.as_map().map(|_| node.field("resource_locks")) else {
        return false;
    };
    let is_lock = |node: &Node<'_>| node.text().is_some() || node.filled("name").is_some();
    locks.is_none_or(|locks| locks.as_list().is_some_and(|locks| locks.iter().all(is_lock)))
}

fn items<'n, 's>(node: &'n Node<'s>, key: &str) -> &'n [Node<'s>] {
    node.get(key).and_then(Node::as_list).unwrap_or_default()
}

fn lock<'s>(node: &Node<'s>, problems: &mut Vec<Diagnostic>) -> Option<LockDeclaration<'s>> {
    let name = node.to_text().or_else(|| node.filled("name"))?;
    let mode = lock_mode(node, problems).unwrap_or_default();
    let max_holders = match mode {
        LockMode::Exclusive => 1,
        LockMode::Shared => node.count("max_holders").unwrap_or(u32::MAX),
    };
    Some(LockDeclaration { name, mode, max_holders })
}

/// The mode of a declaration or a request, under either of its names. Where the two contradict each
/// other the lock counts as exclusive: holding it alone breaks nothing.
pub(super) fn lock_mode(node: &Node<'_>, problems: &mut Vec<Diagnostic>) -> Option<LockMode> {
    let (by_type, by_mode) = (node.choice("type", LOCK_MODES), node.choice("mode", LOCK_MODES));
    if let (Some(first), Some(second)) = (by_type, by_mode)
        && first != second
    {
        let mut places: Vec<_> = ["type", "mode"].iter().filter_map(|key| node.entry(key)).map(Entry::span).collect();
        places.sort_unstable();
        let name = node.scalar("name").unwrap_or_default();
        problems.push(
            Diagnostic::new(
                Code::LockContradiction,
                places.last().copied().unwrap_or(node.span),
                format!("`{name}` is both exclusive and shared"),
            )
            .label("this says otherwise")
            .related(places.first().copied().unwrap_or(node.span), "than this")
            .help("`type` and `mode` mean the same: keep one of them"),
        );
        return Some(LockMode::Exclusive);
    }
    by_type.or(by_mode)
}

fn preflight<'s>(node: &Node<'s>) -> Option<Preflight<'s>> {
    Some(Preflight {
        command: node.to_text().or_else(|| node.filled("command"))?,
        expected_exit_code: node.exit_code("expected_exit_code"),
        error_message: node.filled("error_message"),
        timeout: node.duration("timeout"),
    })
}

fn hook<'s>(entry: &Entry<'s>) -> Option<HookCommand<'s>> {
    let node = &entry.value;
    let command = node.to_text().or_else(|| node.filled("command"))?;
    let stays = node.flag("stays").unwrap_or_default();
    Some(HookCommand { name: entry.key.clone(), command, timeout: node.duration("timeout"), stays })
}

fn secret_source<'s>(node: &Node<'s>) -> Option<SecretSource<'s>> {
    Some(SecretSource {
        kind: node.choice(
            "type",
            &[
                ("env", SecretSourceKind::Env),
                ("file", SecretSourceKind::File),
                ("vault", SecretSourceKind::Vault),
                ("aws_ssm", SecretSourceKind::AwsSsm),
            ],
        )?,
        prefix: node.scalar("prefix"),
        path: node.filled("path"),
        address: node.filled("address"),
        region: node.filled("region"),
        profile: node.filled("profile"),
    })
}
