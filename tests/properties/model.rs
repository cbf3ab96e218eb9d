//! A generated blueprint: what its author means, before it is written down in one way or another.

use proptest::collection::{btree_set, vec};
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::{Index, select};

/// What is written, and what must be read. Complete and without fault, also for `--strict`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blueprint {
    pub(crate) title: String,
    pub(crate) max_parallel_tasks: u32,
    pub(crate) locks: Vec<String>,
    /// In document order: by tier.
    pub(crate) tasks: Vec<Task>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) tier: u32,
    pub(crate) name: String,
    pub(crate) status: &'static str,
    pub(crate) dependencies: Vec<String>,
    /// Name, source, port.
    pub(crate) bindings: Vec<(String, String, String)>,
    pub(crate) description: String,
    /// Name and type.
    pub(crate) ports: Vec<(String, &'static str)>,
    pub(crate) criteria: Vec<String>,
    pub(crate) verification: Vec<(&'static str, String)>,
    pub(crate) rollback: String,
    pub(crate) run: Option<String>,
    pub(crate) locks: Vec<String>,
    pub(crate) gate: Option<String>,
    pub(crate) idempotent: Option<bool>,
    pub(crate) environment: Vec<(String, String)>,
}

const STATUSES: [&str; 6] = ["not_started", "in_progress", "complete", "blocked", "skipped", "checkpointed"];
const PORT_TYPES: [&str; 5] = ["json", "string", "integer", "file_path", "array"];
const STAGES: [&str; 4] = ["smoke", "unit", "integration", "e2e"];

/// Pieces that mean something to YAML, to Markdown or to a shell, and must not where they stand.
const TRICKY: &[&str] = &[
    ": ",
    " #",
    "#",
    "- ",
    "* ",
    "&a",
    "*a",
    "!x",
    "%",
    "@",
    "`",
    "```",
    "~~~",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "'",
    "\"",
    "\\",
    "\\n",
    "|",
    ">",
    "?",
    "---",
    "...",
    "<!-- ",
    " -->",
    "<<",
    "=",
    "~",
    "null",
    "true",
    "yes",
    "no",
    "007",
    "1e3",
    "0x1F",
    "-1",
    "\t",
    "é",
    "日本",
    "🔒",
    "\u{2028}",
    "\u{a0}",
    "task_id: T9.9",
    "$HOME",
    "$(x)",
    "## Tier 9",
    "T0.1",
    "&amp;",
];

/// A line of text; not empty, and not only spaces.
fn line() -> impl Strategy<Value = String> {
    let piece = proptest::prop_oneof![
        4 => "[a-zA-Z0-9_./-]{1,8}",
        2 => Just(" ".to_owned()),
        2 => select(TRICKY).prop_map(str::to_owned),
    ];
    vec(piece, 1..6).prop_map(|pieces| pieces.concat()).prop_filter("text", |text| !text.trim().is_empty())
}

/// Several lines, blank ones and indented ones among them.
fn lines() -> impl Strategy<Value = String> {
    let one =
        proptest::prop_oneof![4 => line(), 1 => Just(String::new()), 1 => line().prop_map(|line| format!("  {line}"))];
    (line(), vec(one, 0..4), 0_usize..3)
        .prop_map(|(first, rest, ends)| [vec![first], rest].concat().join("\n") + &"\n".repeat(ends))
}

/// A command that may fail: it does not only print.
fn command() -> impl Strategy<Value = String> {
    lines().prop_map(|text| format!("test -f {text}"))
}

fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9_]{0,7}"
}

/// Everything about a task but its place in the blueprint.
#[derive(Clone, Debug)]
struct Raw {
    tier: u32,
    /// Whether it is a child of the last task that is none.
    child: bool,
    needs: Vec<Index>,
    sources: Vec<(Index, Index)>,
    locks: Vec<Index>,
    task: Task,
}

fn raw() -> impl Strategy<Value = Raw> {
    let place = (0_u32..4, any::<bool>(), vec(any::<Index>(), 0..3), vec(any::<(Index, Index)>(), 0..3));
    let texts =
        (line(), line(), vec(line(), 1..3), command(), proptest::option::of(lines()), proptest::option::of(line()));
    let rest = (
        select(&STATUSES[..]),
        btree_set(word(), 1..4),
        select(&PORT_TYPES[..]),
        vec((select(&STAGES[..]), command()), 1..3),
        proptest::option::of(any::<bool>()),
        vec(any::<Index>(), 0..2),
        proptest::collection::btree_map("[A-Z][A-Z0-9_]{0,6}", line(), 0..3),
    );
    (place, texts, rest).prop_map(|((tier, child, needs, sources), texts, rest)| {
        let (name, description, criteria, rollback, run, gate) = texts;
        let (status, ports, port_type, verification, idempotent, locks, environment) = rest;
        let mut verification: Vec<(&'static str, String)> = verification;
        verification.sort_by_key(|(stage, _)| STAGES.iter().position(|known| known == stage));
        verification.dedup_by_key(|(stage, _)| *stage);
        let task = Task {
            id: String::new(),
            tier,
            name,
            status,
            dependencies: Vec::new(),
            bindings: Vec::new(),
            description,
            ports: ports.into_iter().map(|port| (port, port_type)).collect(),
            criteria,
            verification,
            rollback,
            run,
            locks: Vec::new(),
            gate,
            idempotent,
            environment: environment.into_iter().collect(),
        };
        Raw { tier, child, needs, sources, locks, task }
    })
}

pub(crate) fn blueprint() -> impl Strategy<Value = Blueprint> {
    (line(), 1_u32..9, btree_set(word(), 0..3), vec(raw(), 1..7)).prop_map(
        |(title, max_parallel_tasks, locks, raws)| Blueprint {
            title,
            max_parallel_tasks,
            tasks: place(raws, &locks.iter().collect::<Vec<_>>()),
            locks: locks.into_iter().collect(),
        },
    )
}

/// Gives the tasks ids, and references to each other that close no cycle.
fn place(mut raws: Vec<Raw>, locks: &[&String]) -> Vec<Task> {
    raws.sort_by_key(|raw| raw.tier);
    let mut tasks: Vec<Task> = Vec::new();
    let (mut tier, mut top, mut below) = (None, 0, 0);
    for raw in &raws {
        if tier != Some(raw.tier) {
            (tier, top, below) = (Some(raw.tier), 0, 0);
        }
        let id = if raw.child && top > 0 {
            below += 1;
            format!("T{}.{top}.{below}", raw.tier)
        } else {
            (top, below) = (top + 1, 0);
            format!("T{}.{top}", raw.tier)
        };
        tasks.push(Task { id, ..raw.task.clone() });
    }
    for (at, raw) in raws.iter().enumerate().skip(1) {
        let mut needs: Vec<usize> = raw.needs.iter().map(|need| need.index(at)).collect();
        needs.sort_unstable();
        needs.dedup();
        tasks[at].dependencies = needs.into_iter().map(|need| tasks[need].id.clone()).collect();
        tasks[at].bindings = raw
            .sources
            .iter()
            .enumerate()
            .map(|(number, (source, port))| {
                let source = &tasks[source.index(at)];
                (format!("in_{number}"), source.id.clone(), port.get(&source.ports).0.clone())
            })
            .collect();
    }
    for (task, raw) in tasks.iter_mut().zip(&raws).filter(|_| !locks.is_empty()) {
        task.locks = raw.locks.iter().map(|lock| lock.get(locks).to_string()).collect();
        task.locks.sort();
        task.locks.dedup();
    }
    tasks
}
