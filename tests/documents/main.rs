//! Whole documents through the real reader: each row of the format's reading side, `f_NN_…`.

mod execution;
mod outcomes;
mod reading;
mod sites;
mod tasks;

use outpost_bp::blueprint::{Reading, read};
use outpost_bp::diagnostic::{Code, Severity};
use outpost_bp::document::Source;

pub(crate) const METADATA: &str =
    "<!-- _blueprint_version: 2.0.2 -->\n<!-- _generated_at: 2026-01-01T00:00:00Z -->\n<!-- _generator: test -->\n\n";

/// A complete task without fault; `extra` lines are added, and replace fields of the same key.
pub(crate) fn task(id: &str, extra: &str) -> String {
    let defaults = [
        ("name", "a task".to_owned()),
        ("status", "not_started".to_owned()),
        ("dependencies", "[]".to_owned()),
        ("input_bindings", "{}".to_owned()),
        ("interface", "{input: a, output: b}".to_owned()),
        ("output", "{location: stdout, ports: {p: {type: json}}}".to_owned()),
        ("acceptance_criteria", "[x]".to_owned()),
        ("verification", "{smoke: {command: test -f x, timeout: PT10S}}".to_owned()),
        ("rollback", "rm -f x".to_owned()),
    ];
    let mut block = format!("task_id: {id}\n");
    for (key, value) in defaults {
        if !extra.lines().any(|line| line.starts_with(&format!("{key}:"))) {
            block += &format!("{key}: {value}\n");
        }
    }
    format!("```yaml\n{block}{extra}```\n\n")
}

pub(crate) fn document(blocks: &[String]) -> String {
    format!("# T\n\n{METADATA}{}", blocks.concat())
}

/// Codes, severities and the underlined text.
pub(crate) fn found(text: &str, strict: bool) -> Vec<(Code, Severity, String)> {
    with(text, strict, |reading, source| {
        reading
            .diagnostics
            .iter()
            .map(|d| (d.code, d.severity, d.span.map_or(String::new(), |span| source.slice(span).to_owned())))
            .collect()
    })
}

pub(crate) fn with<T>(text: &str, strict: bool, look: impl FnOnce(&Reading<'_>, &Source) -> T) -> T {
    let (source, refusal) = Source::from_bytes("t.md", text.as_bytes().to_vec());
    assert_eq!(refusal, None);
    let reading = read(&source, strict);
    look(&reading, &source)
}

pub(crate) fn codes(text: &str) -> Vec<(Code, String)> {
    found(text, false).into_iter().map(|(code, _, text)| (code, text)).collect()
}

pub(crate) fn one(code: Code, text: &str) -> Vec<(Code, String)> {
    vec![(code, text.to_owned())]
}
