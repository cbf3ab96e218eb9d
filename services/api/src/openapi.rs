//! The OpenAPI 3.1 document, from the table of routes.

use serde_json::{Map, Value, json};

use crate::problem::{CODES, Written};
use crate::route::{Access, Content, Route};
use crate::routes;
use crate::shape::Shape;

/// The document of this version, for an installation that is reached here.
#[must_use]
pub fn document(base: &str) -> Value {
    of(&routes::table(), base)
}

pub(crate) fn of(table: &[Route], base: &str) -> Value {
    let mut schemas = Map::new();
    schemas.insert("Problem".to_owned(), Shape::of::<Written>().answered());
    let mut paths = Map::new();
    for route in table {
        let operation = operation(route, &mut schemas);
        // A rest of a path is one parameter like others in a document.
        let path = route.path.replace("{*", "{");
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    schemas.sort_keys();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Outpost",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Coding agents as a service: submit a job, follow its log, fetch what it made.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": base }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "`op_live_…` or `op_test_…`" },
                "apiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
            },
        },
    })
}

fn kept(shape: Shape, schema: Value, schemas: &mut Map<String, Value>) -> Value {
    let name = shape.name();
    let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
    schemas.insert(name, schema);
    reference
}

fn operation(route: &Route, schemas: &mut Map<String, Value>) -> Value {
    let mut operation = json!({
        "operationId": route.id,
        "tags": [route.tag],
        "summary": route.about,
        "parameters": parameters(route),
        "responses": responses(route, schemas),
    });
    operation["security"] = match route.access {
        Access::Public | Access::Signed => json!([]),
        Access::Key(scope) => {
            if let Some(scope) = scope {
                operation["x-scope"] = json!(scope.as_str());
            }
            json!([{ "bearer": [] }, { "apiKey": [] }])
        }
    };
    if route.deprecated {
        operation["deprecated"] = json!(true);
    }
    if let Some(shape) = route.body {
        let schema = shape.sent();
        let required = schema["required"].as_array().is_some_and(|required| !required.is_empty());
        let schema = kept(shape, schema, schemas);
        operation["requestBody"] =
            json!({ "required": required, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

/// How names in paths are written.
fn in_path(name: &str) -> Value {
    let uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    let pattern = match name {
        "job_id" => format!("^job_{uuid}$"),
        "key_id" => format!("^key_{uuid}$"),
        "webhook_id" => format!("^whk_{uuid}$"),
        "message_id" => format!("^msg_{uuid}$"),
        "tenant_id" => format!("^{uuid}$"),
        "kind" => {
            let kinds: Vec<&str> = outpost_core::ports::SecretKind::ALL.iter().map(|kind| kind.as_str()).collect();
            return json!({ "type": "string", "enum": kinds });
        }
        _ => return json!({ "type": "string", "minLength": 1 }),
    };
    json!({ "type": "string", "pattern": pattern })
}

fn parameters(route: &Route) -> Vec<Value> {
    let names = route.path.split('{').skip(1).filter_map(|part| part.split('}').next());
    let mut all: Vec<Value> = names
        .map(|name| name.trim_start_matches('*'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": in_path(name) }))
        .collect();
    if let Some(shape) = route.query {
        let schema = shape.sent();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let mut schema = schema.clone();
            // In a query nothing is null: it is there, or it is not.
            if let Some(Value::Array(types)) = schema.get("type") {
                schema["type"] = types.iter().find(|one| *one != "null").cloned().unwrap_or_default();
            }
            if let Some(Value::Array(forms)) = schema.get("anyOf") {
                schema = forms.iter().find(|form| form["type"] != "null").cloned().unwrap_or_default();
            }
            if let Some(Value::Array(values)) = schema.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            let about = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let mut parameter = json!({ "name": name, "in": "query", "required": false, "schema": schema });
            if let Some(about) = about {
                parameter["description"] = about;
            }
            all.push(parameter);
        }
    }
    if route.once {
        all.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Sent again with the same key, the same request is answered as before, for a day.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        }));
    }
    all
}

fn responses(route: &Route, schemas: &mut Map<String, Value>) -> Value {
    let mut all = Map::new();
    for (status, content) in &route.answers {
        let answer = all.entry(status.to_string()).or_insert_with(|| json!({ "description": reason(*status) }));
        match content {
            Content::Json(shape) => {
                let schema = kept(*shape, shape.answered(), schemas);
                answer["content"]["application/json"] = json!({ "schema": schema });
            }
            Content::Text(kind) => answer["content"][*kind] = json!({}),
            Content::Nothing => {}
        }
    }
    let mut statuses = route.problems.clone();
    // What anybody may meet who shows a key, sends something, or asks in a busy moment.
    if matches!(route.access, Access::Key(_)) {
        statuses.extend([401, 403, 429]);
    }
    if route.body.is_some() {
        statuses.extend([400, 408, 413, 415, 422]);
    }
    if route.query.is_some() {
        statuses.push(422);
    }
    statuses.extend([421, 503]);
    statuses.sort_unstable();
    statuses.dedup();
    for status in statuses {
        let codes: Vec<&str> = CODES.iter().filter(|code| code.1 == status).map(|code| code.0).collect();
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        let about = format!("{}: {}", reason(status), codes.join(", "));
        all.insert(
            status.to_string(),
            json!({ "description": about, "content": { "application/problem+json": { "schema": schema } } }),
        );
    }
    Value::Object(all)
}

fn reason(status: u16) -> &'static str {
    axum::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two types of one name would be one in the document.
    #[test]
    fn each_name_is_of_one_type() {
        let mut known = std::collections::BTreeMap::new();
        for route in routes::table() {
            let answers = route.answers.iter().filter_map(|(_, content)| match content {
                Content::Json(shape) => Some(*shape),
                _ => None,
            });
            for shape in answers.chain(route.body) {
                let id = *known.entry(shape.name()).or_insert(shape.id());
                assert_eq!(id, shape.id(), "`{}` in {}", shape.name(), route.id);
            }
        }
        assert!(known.len() > 30);
    }
}
