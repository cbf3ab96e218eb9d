//! `check --json`: one object for all documents together.

use serde_json::{Value, json};

use super::Checked;

/// `all_read` is false when a document was asked for and could not be read: then nothing is ok.
pub fn json(documents: &[Checked<'_>], all_read: bool) -> Value {
    let diagnostics: Vec<Value> = documents.iter().flat_map(one).collect();
    let dialects: Vec<&str> = documents.iter().map(|document| document.dialect.as_str()).collect();
    json!({
        "ok": all_read && documents.iter().all(Checked::is_ok),
        "tasks": documents.iter().map(|document| document.tasks).sum::<usize>(),
        "dialect": dialects.first(),
        "files": documents.iter().map(|document| json!({
            "file": document.source.name(),
            "ok": document.is_ok(),
            "tasks": document.tasks,
            "dialect": document.dialect,
        })).collect::<Vec<_>>(),
        "diagnostics": diagnostics,
    })
}

fn one(document: &Checked<'_>) -> Vec<Value> {
    document
        .diagnostics
        .iter()
        .map(|diagnostic| {
            let (start, end) = document.place(diagnostic);
            json!({
                "code": diagnostic.code.number(),
                "severity": diagnostic.severity.word(),
                "message": diagnostic.message,
                "help": diagnostic.help,
                "file": document.source.name(),
                "line": start.line,
                "column": start.column,
                "end_line": end.line,
                "end_column": end.column,
                "task": diagnostic.task,
            })
        })
        .collect()
}
