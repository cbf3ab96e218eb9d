//! The published schema of a report's JSON, made from the types that are written.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{Account, FORMAT, VERSION};

/// The schema of what `outpost-bp report --format json` prints.
pub fn schema() -> Value {
    // Of what is written, and not of what might be read: every field is there.
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Account>().to_value();
    schema["properties"]["format"] = json!({ "const": FORMAT });
    schema["properties"]["version"] = json!({ "const": VERSION });
    let about = "What `outpost-bp report --format json` prints. Fields are only ever added within a version; leave alone \
                 what you do not know.";
    // What it is comes first.
    let mut whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "outpost-bp report",
        "description": about,
    });
    if let (Value::Object(whole), Value::Object(rest)) = (&mut whole, schema) {
        for (key, value) in rest {
            whole.entry(key).or_insert(value);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ALL, told};
    use super::schema;

    #[test]
    fn a_report_satisfies_its_schema_and_what_lacks_a_field_does_not() {
        let schema = schema();
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        for take in [1, 6, 17, ALL] {
            let text = told(take, |account, _| account.json().expect("JSON"));
            let mut report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(validator.validate(&report).map_err(|error| error.to_string()), Ok(()), "after {take} events");
            report["tasks"][0].as_object_mut().expect("a task").remove("attempts");
            assert!(!validator.is_valid(&report));
        }
    }
}
