//! What a plan makes of `services/aws/tables.json`, which the adapter goes by.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use outpost_infrastructure::plan::Plan;
use serde_json::Value;

use crate::root;

/// A table, or one of its indexes, as text: all that has to be the same.
fn shape(of: &Value, hash: &str, range: &str) -> String {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
    format!("{} {} {}", text(&of[hash]), text(&of[range]), text(&of["projection"]))
}

fn wanted(environment: &str) -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("services/aws/tables.json")).expect("tables.json");
    let tables: Value = serde_json::from_str(&text).expect("JSON");
    let mut wanted = BTreeMap::new();
    for table in tables["tables"].as_array().expect("tables") {
        let mut facts = BTreeSet::from([format!("table {}", shape(table, "hash_key", "range_key"))]);
        facts.insert(format!("ttl {}", table["ttl"].as_str().unwrap_or("-")));
        for (name, kind) in table["attributes"].as_object().expect("attributes") {
            facts.insert(format!("attribute {name} {}", kind.as_str().expect("a type")));
        }
        for index in table["indexes"].as_array().expect("indexes") {
            let name = index["name"].as_str().expect("a name");
            facts.insert(format!("index {name} {}", shape(index, "hash_key", "range_key")));
        }
        wanted.insert(format!("outpost-{}-{environment}", table["name"].as_str().expect("a name")), facts);
    }
    wanted
}

/// The tables of a plan are those of `tables.json`: names, keys, attributes, indexes, and what has an end.
pub(crate) fn compare(plan: &Plan, environment: &str) {
    let mut planned = BTreeMap::new();
    for table in plan.resources().into_iter().filter(|resource| resource.kind == "aws_dynamodb_table") {
        let list = |key: &str| table.values[key].as_array().cloned().unwrap_or_default();
        let mut facts = BTreeSet::from([format!("table {}", shape(&table.values, "hash_key", "range_key"))]);
        let ends = list("ttl").into_iter().find(|ttl| ttl["enabled"] == true);
        facts.insert(format!("ttl {}", ends.as_ref().and_then(|ttl| ttl["attribute_name"].as_str()).unwrap_or("-")));
        for attribute in list("attribute") {
            facts.insert(format!("attribute {} {}", text(&attribute["name"]), text(&attribute["type"])));
        }
        for mut index in list("global_secondary_index") {
            index["projection"] = index["projection_type"].clone();
            facts.insert(format!("index {} {}", text(&index["name"]), shape(&index, "hash_key", "range_key")));
        }
        assert_eq!(table.text("billing_mode"), "PAY_PER_REQUEST", "{}", table.address);
        assert_eq!(table.values["point_in_time_recovery"][0]["enabled"], true, "{}", table.address);
        planned.insert(table.text("name").to_owned(), facts);
    }
    assert_eq!(planned, wanted(environment));
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
