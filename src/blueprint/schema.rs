//! The format as a JSON Schema, for editors: made from the same [`Record`]s the checker walks.

use serde_json::{Map, Value, json};

use super::format::{DOCUMENT, TASK};
use super::shape::{MAX_COUNT, Need, Record, Shape};
use super::status;

/// The schema of a whole document in YAML, and, by `$defs`, of single blocks.
///
/// Editors validate a fence of a Markdown document against `#/$defs/block`: a task, or the keys
/// of a document.
pub fn json_schema() -> Value {
    let mut definitions = Map::new();
    definitions.insert("block".to_owned(), Value::Null);
    let root = reference(&DOCUMENT, &mut definitions);
    let task = reference(&TASK, &mut definitions);
    definitions.insert("block".to_owned(), json!({ "if": { "required": ["task_id"] }, "then": task, "else": root }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Blueprint Standard Format 2.0.2, as outpost-bp reads it",
        "description": "A blueprint in pure YAML, or one fenced block of a Markdown blueprint.",
        "$ref": "#/$defs/block",
        "$defs": definitions,
    })
}

fn reference(record: &'static Record, definitions: &mut Map<String, Value>) -> Value {
    let name = record.title.replace(' ', "_");
    let here = json!({ "$ref": format!("#/$defs/{name}") });
    if definitions.contains_key(&name) {
        return here;
    }
    // Holds the place while the fields are described: records may hold each other.
    definitions.insert(name.clone(), Value::Null);
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in record.fields {
        let mut schema = describe(&field.shape, definitions);
        if let Some(schema) = schema.as_object_mut() {
            let doc = match field.need {
                Need::Legacy(instead) => format!("{} Deprecated: write `{instead}`.", sentence(field.doc)),
                Need::Inert => format!("{} Read, but has no effect.", sentence(field.doc)),
                Need::Strict => format!("{} Required by strict 2.0.", sentence(field.doc)),
                Need::Must | Need::May => sentence(field.doc),
            };
            schema.insert("description".to_owned(), Value::String(doc));
            if matches!(field.need, Need::Legacy(_)) {
                schema.insert("deprecated".to_owned(), Value::Bool(true));
            }
        }
        if field.need == Need::Must {
            required.push(field.key);
        }
        properties.insert(field.key.to_owned(), schema);
    }
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if std::ptr::eq(record, &raw const DOCUMENT) {
        schema["patternProperties"] = json!({ "^_": true });
        schema["additionalProperties"] = Value::Bool(true);
    }
    definitions.insert(name, schema);
    here
}

fn sentence(doc: &str) -> String {
    let mut letters = doc.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

fn describe(shape: &'static Shape, definitions: &mut Map<String, Value>) -> Value {
    match shape {
        Shape::Text | Shape::Template => json!({ "type": ["string", "number", "boolean", "null"] }),
        Shape::Filled => json!({ "type": ["string", "number", "boolean"], "minLength": 1 }),
        Shape::Path => json!({ "type": "string", "minLength": 1 }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Count { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Seconds => json!({ "type": "integer", "minimum": 0, "maximum": MAX_COUNT }),
        Shape::Amount => json!({ "type": "number", "minimum": 0 }),
        Shape::Duration => {
            json!({ "type": "string", "pattern": "^P(?!$)(\\d+W)?(\\d+D)?(T(?!$)([\\d.]+H)?([\\d.]+M)?([\\d.]+S)?)?$", "examples": ["PT30S", "PT5M", "P1D"] })
        }
        Shape::Size => json!({ "type": ["string", "integer"], "examples": ["512Mi", "4Gi"] }),
        Shape::Cores => json!({ "type": ["string", "number"], "examples": [2, "500m"] }),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::Status => json!({ "enum": status::WORDS }),
        Shape::TaskId => json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$" }),
        Shape::Any => json!({}),
        Shape::JsonSchema => json!({ "type": ["object", "boolean"] }),
        Shape::List(item) => json!({ "type": "array", "items": describe(item, definitions) }),
        Shape::Named(value) => json!({ "type": "object", "additionalProperties": describe(value, definitions) }),
        Shape::Record(record) => reference(record, definitions),
        Shape::OneOf(shapes) => {
            let any: Vec<Value> = shapes.iter().map(|shape| describe(shape, definitions)).collect();
            json!({ "anyOf": any })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::json_schema;

    #[test]
    fn the_schema_is_one_and_knows_a_task_from_a_document() {
        let schema = json_schema();
        let validator = jsonschema::validator_for(&schema).expect("a JSON Schema");
        let task = serde_json::json!({
            "task_id": "T0.1", "name": "x", "status": "not_started", "dependencies": ["T0.0"],
            "verification": { "smoke": { "command": "test -f x", "timeout": "PT10S" } }
        });
        assert!(validator.is_valid(&task));
        assert!(validator.is_valid(&serde_json::json!({ "tiers": [{ "tasks": [task.clone()] }], "_x": 1 })));
        for (path, bad) in [
            ("/name", serde_json::json!(null)),
            ("/verification/smoke/timeout", serde_json::json!("10s")),
            ("/status", serde_json::json!("finished")),
        ] {
            let mut wrong = task.clone();
            *wrong.pointer_mut(path).expect(path) = bad;
            assert!(!validator.is_valid(&wrong), "{path}");
        }
    }
}
