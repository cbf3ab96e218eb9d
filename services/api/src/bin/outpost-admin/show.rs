//! What the commands answer: JSON, and the same for people, a line for each thing.

use outpost_core::key::KeyRecord;
use outpost_core::tenant::Tenant;
use serde_json::{Value, json};

pub(crate) fn tenant(tenant: &Tenant) -> Value {
    let limits = tenant.limits();
    json!({
        "tenant_id": tenant.id,
        "email": tenant.email,
        "name": tenant.name,
        "tier": tenant.tier.as_str(),
        "standing": tenant.standing,
        "jobs_per_day": limits.jobs_per_day,
        "active": limits.active,
        "timeout_seconds": limits.timeout_seconds,
        "created_at": tenant.created_at,
    })
}

pub(crate) fn key(key: &KeyRecord) -> Value {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    json!({
        "key_id": key.id,
        "name": key.name,
        "masked": format!("{}…", key.shown),
        "scopes": scopes,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    })
}

/// One thing as `name: value` lines, many as one line each.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Array(rows) if rows.is_empty() => "none\n".to_owned(),
        Value::Array(rows) => rows.iter().map(|row| format!("{}\n", line(row))).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| format!("{}: {}\n", name.replace('_', " "), word(value))).collect()
        }
        other => format!("{}\n", word(other)),
    }
}

fn line(row: &Value) -> String {
    let fields = row.as_object().into_iter().flat_map(|fields| fields.values());
    fields.map(word).collect::<Vec<_>>().join("  ")
}

/// Names that people gave may hold anything but line ends; a terminal is told no more than it can show.
fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.chars().map(|char| if char.is_control() { '?' } else { char }).collect(),
        Value::Array(words) => words.iter().map(word).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_lines() {
        assert_eq!(text(&json!([])), "none\n");
        assert_eq!(text(&json!([{ "a": "x\u{1b}[2J", "b": null }, { "a": 1, "b": ["x", "y"] }])), "x?[2J  -\n1  x,y\n");
        assert_eq!(text(&json!({ "tenant_id": "t", "jobs_per_day": null })), "tenant id: t\njobs per day: -\n");
    }
}
