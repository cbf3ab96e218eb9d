//! `check --format sarif`: SARIF 2.1.0 for code scanning.

use serde_json::{Value, json};

use super::Checked;
use crate::diagnostic::{Code, Severity};

pub fn sarif(documents: &[Checked<'_>]) -> Value {
    let rules: Vec<Value> = Code::ALL
        .iter()
        .map(|code| {
            json!({
                "id": code.number(),
                "shortDescription": { "text": code.title() },
                "defaultConfiguration": { "level": level(code.severity()) },
            })
        })
        .collect();
    let mut results = Vec::new();
    for document in documents {
        for diagnostic in document.diagnostics {
            let (start, end) = document.place(diagnostic);
            let help = if diagnostic.help.is_empty() { String::new() } else { format!(" ({})", diagnostic.help) };
            results.push(json!({
                "ruleId": diagnostic.code.number(),
                "level": level(diagnostic.severity),
                "message": { "text": format!("{}{help}", diagnostic.message) },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": document.source.name() },
                    "region": {
                        "startLine": start.line,
                        "startColumn": start.column,
                        "endLine": end.line,
                        "endColumn": end.column,
                    },
                }}],
            }));
        }
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "outpost-bp", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}
