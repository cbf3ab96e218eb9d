//! Damages a document as hands, editors and merges do: line by line, and word by word.
//!
//! The same seed does the same damage. Knows words of the format and nothing of its rules.

use crate::dice::Dice;

/// Words that mean something somewhere, at places where they do not.
const WORDS: &[&str] = &[
    "task_id: T0.1",
    "name: x",
    "status: complete",
    "dependencies: [T0.2, T0.1]",
    "- T0.1",
    "- {task: T0.1, type: data}",
    "input_bindings:",
    "  a: {source: T0.1, output_port: p}",
    "  a: T0.1.output.p",
    "output:",
    "  ports: {p: {type: json}}",
    "  location: network",
    "interface:",
    "  input_schema: {type: object, required: [a]}",
    "verification:",
    "  smoke: {command: 'true', timeout: 30s}",
    "test_command: make",
    "run: |",
    "rollback: {strategy: command}",
    "resources: {locks: [database, {name: x, mode: shared}], memory: 4Gi, timeout: PT1H}",
    "execution:",
    "  resource_locks: [{name: database}]",
    "  hierarchy: rollup",
    "  compatibility_mode: v1_migration",
    "dependency_graph:",
    "  T0.1: {depends_on: []}",
    "  T0.2: [T0.1]",
    "tiers:",
    "- tier: 0",
    "  tasks:",
    "tasks:",
    "human_required: {action: x, timeout: P1D}",
    "handoff: {state_fields: [{name: a, path: '$.x[?@.y]', type: array}]}",
    "when: .env.CI == \"true\"",
    "files_to_create: ['out/${task_id}', '${x}', '$(date)']",
    "timeout_seconds: 90",
    "environment_variables: {A: '${secrets.B:c}', B: '${secrets.'}",
    "example: &a {<<: *a}",
    "? [a, b]",
    "!!str 1",
    "|2-",
    "```yaml",
    "```",
    "~~~yml",
    "````",
    "> ```yaml",
    "- ```yaml",
    "<!-- _blueprint_version: 2.0.2 -->",
    "<!--",
    "-->",
    "<!-- _checksum: sha256:00 -->",
    "<!-- TASK_BEGIN: T0.1 -->",
    "<!-- TASK_END: T0.1 -->",
    "---",
    "...",
    "# Title",
    "> **Status**: Active",
    "## Tier 1: Next",
    "### T0.1: Heading",
    "| a | b |",
    "|---|---|",
    "\t",
    "\u{feff}",
    "\u{1b}[31m",
    "\u{202e}",
    "é",
    "🔒",
    "\u{0}",
    "\\",
    "'",
    "\"",
    "`",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "#",
    "*",
    "&",
    "%",
    "@",
    "18446744073709551616",
    "-1",
    "1e999",
    "null",
    "~",
];

/// Damages `bytes` in up to four places; lines of `other` may turn up in them.
pub(crate) fn mutate(bytes: &mut Vec<u8>, other: &[u8], seed: u64) {
    let mut dice = Dice(seed);
    for _ in 0..=dice.below(4) {
        let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        if lines.is_empty() {
            lines.push(Vec::new());
        }
        damage(&mut lines, other, &mut dice);
        *bytes = lines.concat();
    }
}

fn damage(lines: &mut Vec<Vec<u8>>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(lines.len());
    let end = (at + 1 + dice.below(8)).min(lines.len());
    let word = WORDS[dice.below(WORDS.len())];
    match dice.below(15) {
        0 => {
            lines.remove(at);
        }
        1 => {
            lines.drain(at..end);
        }
        2 => lines.insert(at, lines[at].clone()),
        3 => {
            let to = dice.below(lines.len());
            lines.swap(at, to);
        }
        4 => {
            let moved: Vec<Vec<u8>> = lines.drain(at..end).collect();
            let to = dice.below(lines.len() + 1);
            lines.splice(to..to, moved);
        }
        5 => lines.insert(at, format!("{word}\n").into_bytes()),
        6 => {
            let indent = " ".repeat(dice.below(6));
            lines.insert(at, format!("{indent}{word}\n").into_bytes());
        }
        7 => {
            let column = dice.below(lines[at].len() + 1);
            lines[at].splice(column..column, word.bytes());
        }
        8 => {
            // The value behind a colon.
            if let Some(colon) = lines[at].iter().position(|byte| *byte == b':') {
                lines[at].truncate(colon + 1);
                lines[at].extend(format!(" {word}\n").bytes());
            }
        }
        9 => lines[at..end].iter_mut().for_each(|line| line.splice(0..0, *b"  ").for_each(drop)),
        10 => lines[at..end].iter_mut().filter(|line| line.starts_with(b" ")).for_each(|line| {
            line.remove(0);
        }),
        11 => {
            let prefix: &[u8] = [&b"> "[..], b"- ", b"\t", b"    "][dice.below(4)];
            lines[at..end].iter_mut().for_each(|line| line.splice(0..0, prefix.iter().copied()).for_each(drop));
        }
        12 => lines[at..end].iter_mut().filter(|line| line.ends_with(b"\n")).for_each(|line| {
            line.pop();
            line.extend(b"\r\n");
        }),
        13 => {
            let keep = dice.below(lines[at].len() + 1);
            lines[at].truncate(keep);
        }
        _ => {
            let others: Vec<&[u8]> = other.split_inclusive(|byte| *byte == b'\n').collect();
            let from = dice.below(others.len());
            let taken = others.iter().skip(from).take(dice.below(30)).map(|line| line.to_vec());
            lines.splice(at..at, taken);
        }
    }
}
