//! Whether a bill of materials is one: its form, and that it says what the lock file and Cargo's own graph say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::checkout::Checkout;

/// The form, as CycloneDX 1.6 has it for what we write.
fn form() -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    let address = json!({ "type": "string", "pattern": "^pkg:cargo/[a-zA-Z0-9_-]+@[0-9][a-zA-Z0-9.%-]*$" });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["bomFormat", "specVersion", "version", "metadata", "components", "dependencies"],
        "properties": {
            "$schema": { "const": "http://cyclonedx.org/schema/bom-1.6.schema.json" },
            "bomFormat": { "const": "CycloneDX" },
            "specVersion": { "const": "1.6" },
            "version": { "const": 1 },
            "metadata": {
                "type": "object",
                "additionalProperties": false,
                "required": ["timestamp", "component"],
                "properties": {
                    "timestamp": { "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})$" },
                    "component": { "type": "object", "required": ["type", "bom-ref", "name", "version"],
                        "properties": { "type": { "const": "application" } } },
                },
            },
            "components": {
                "type": "array",
                "minItems": 1,
                "uniqueItems": true,
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["type", "bom-ref", "name", "version", "purl", "licenses", "properties"],
                    "properties": {
                        "type": { "const": "library" },
                        "bom-ref": address,
                        "name": text,
                        "version": text,
                        "purl": address,
                        "description": { "type": "string" },
                        "licenses": { "type": "array", "minItems": 1, "maxItems": 1, "items": {
                            "type": "object", "additionalProperties": false, "required": ["expression"],
                            "properties": { "expression": { "type": "string", "pattern": "^[A-Za-z0-9.()+ -]+$" } } } },
                        "hashes": { "type": "array", "minItems": 1, "items": {
                            "type": "object", "additionalProperties": false, "required": ["alg", "content"],
                            "properties": { "alg": { "const": "SHA-256" }, "content": { "type": "string", "pattern": "^[0-9a-f]{64}$" } } } },
                        "externalReferences": { "type": "array", "items": { "type": "object", "required": ["type", "url"] } },
                        "properties": { "type": "array", "minItems": 1, "items": { "type": "object", "required": ["name", "value"] } },
                    },
                },
            },
            "dependencies": {
                "type": "array",
                "uniqueItems": true,
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["ref", "dependsOn"],
                    "properties": { "ref": text, "dependsOn": { "type": "array", "uniqueItems": true, "items": address } },
                },
            },
        },
    })
}

/// Holds the bill of `outpost-bp` to all of it.
pub(crate) fn judge(bill: &Value, checkout: &Checkout) {
    let wrong: Vec<String> = jsonschema::validator_for(&form())
        .expect("a schema")
        .iter_errors(bill)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());

    let billed: BTreeMap<(String, String), &Value> =
        list(&bill["components"]).map(|one| ((text(&one["name"]), text(&one["version"])), one)).collect();
    as_the_lock_file_says(&billed, &checkout.read("Cargo.lock"));
    as_cargo_says(&billed, checkout);

    // Whatever is referred to is there, and all of it hangs together.
    let needs: BTreeMap<String, Vec<String>> = list(&bill["dependencies"])
        .map(|one| (text(&one["ref"]), list(&one["dependsOn"]).map(text).collect()))
        .collect();
    let mut reached = BTreeSet::new();
    let mut open = vec![text(&bill["metadata"]["component"]["bom-ref"])];
    while let Some(next) = open.pop() {
        if reached.insert(next.clone()) {
            open.extend(needs.get(&next).unwrap_or_else(|| panic!("`{next}` is not there")).iter().cloned());
        }
    }
    assert_eq!(reached.len(), billed.len() + 1);
    assert_eq!(reached, needs.into_keys().collect());
}

/// Each component is a package of the lock file, with its checksum.
fn as_the_lock_file_says(billed: &BTreeMap<(String, String), &Value>, lock: &str) {
    let mut locked = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let of = |key: &str| {
            let lines = package.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
            lines.map(|value| value.trim_matches('"').to_owned()).next()
        };
        locked.insert((of("name").expect("a name"), of("version").expect("a version")), of("checksum"));
    }
    for (package, component) in billed {
        let sealed = component["hashes"][0]["content"].as_str().map(str::to_owned);
        assert_eq!(Some(&sealed), locked.get(package), "{package:?}");
        assert_eq!(sealed.is_none(), package.0.starts_with("outpost-"), "{package:?}");
    }
}

/// Cargo's graph of the whole workspace, walked from `outpost-bp` over what is linked. It has more edges than a build of the
/// tool: those of features that only others ask for. What it does not reach is not shipped, and what has no such feature in it
/// is shipped.
fn as_cargo_says(billed: &BTreeMap<(String, String), &Value>, checkout: &Checkout) {
    let host = checkout.shell("rustc -vV | sed -n 's/^host: //p'");
    let walked = |features: &str| {
        let asked = format!("cargo metadata --locked --format-version 1 --filter-platform {} {features}", host.trim());
        linked(&serde_json::from_str(&checkout.shell(&asked)).expect("metadata"))
    };
    let most = walked("--all-features");
    let beyond: Vec<_> = billed.keys().filter(|package| !most.contains(*package)).collect();
    assert!(beyond.is_empty(), "not linked: {beyond:?}");
    // Features of dependencies are a matter of the whole build, so the graph cannot tell them apart: but whatever a package of
    // ours names itself is linked.
    let ours = |package: &&(String, String)| package.0.starts_with("outpost-");
    assert_eq!(
        billed.keys().filter(ours).collect::<Vec<_>>(),
        most.iter().filter(ours).collect::<Vec<_>>(),
        "what of ours is part of the tool"
    );
    let names: BTreeSet<&str> = billed.keys().map(|(name, _)| name.as_str()).collect();
    for shipped in ["aws-sdk-s3", "clap_builder", "jaq-core", "rustls", "serde", "tokio", "libc"] {
        assert!(names.contains(shipped), "`{shipped}` is shipped");
    }
    // For tests, for building, for other programs, for other systems.
    for absent in ["insta", "proptest", "cc", "clap_derive", "syn", "axum", "rusqlite", "zip", "windows-sys"] {
        assert!(!names.contains(absent), "`{absent}` is not shipped");
    }
    assert!(most.len() - billed.len() < most.len() / 5, "{} of {}", billed.len(), most.len());
}

/// What is linked into `outpost-bp`, by Cargo's graph: no macros, nothing that only builds or tests.
fn linked(metadata: &Value) -> BTreeSet<(String, String)> {
    let packages: BTreeMap<&str, &Value> =
        list(&metadata["packages"]).filter_map(|package| Some((package["id"].as_str()?, package))).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).filter_map(|node| Some((node["id"].as_str()?, node))).collect();
    let is_macro =
        |id: &str| list(&packages[id]["targets"]).any(|target| list(&target["kind"]).any(|kind| kind == "proc-macro"));
    let tool = packages.iter().find(|(_, package)| package["name"] == "outpost-bp").expect("the tool");
    let (mut found, mut open) = (BTreeSet::new(), vec![*tool.0]);
    while let Some(id) = open.pop() {
        if is_macro(id) || !found.insert(id) {
            continue;
        }
        let deps = list(&nodes[id]["deps"]).filter(|dep| list(&dep["dep_kinds"]).any(|kind| kind["kind"].is_null()));
        open.extend(deps.filter_map(|dep| dep["pkg"].as_str()));
    }
    found.into_iter().map(|id| (text(&packages[id]["name"]), text(&packages[id]["version"]))).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}
