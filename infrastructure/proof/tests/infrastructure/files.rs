//! What the files say, without Terraform: links, routes, secrets.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::root;
use crate::terraform::missing;

#[test]
fn environments_are_links_to_one_installation() {
    let terraform = root().join("infrastructure/terraform");
    for environment in ["dev", "emulator", "prod"] {
        let folder = terraform.join("environments").join(environment);
        let names: BTreeSet<String> = fs::read_dir(&folder)
            .expect("an environment")
            .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
            .collect();
        for name in ["main.tf", "modules", "outputs.tf", "variables.tf", "versions.tf"] {
            let leads = fs::canonicalize(folder.join(name)).expect("a link that leads somewhere");
            assert_eq!(leads, terraform.join(name).canonicalize().expect("the original"), "{environment}/{name}");
        }
        for name in ["backend.tf", "terraform.tfvars"] {
            assert!(names.contains(name), "{environment} has no `{name}`");
            let own = fs::symlink_metadata(folder.join(name)).expect("a file").is_file();
            assert!(own, "{environment}/{name} is its own");
        }
    }
}

/// Routes of the service's OpenAPI document: whether a key is needed, and method with path.
fn documented() -> BTreeSet<(bool, String)> {
    let shown = "services/api/tests/api/snapshots/api__document__the_document_is_as_it_was_shown.snap";
    let text = fs::read_to_string(root().join(shown)).expect("the document as it was shown");
    let json = text.splitn(3, "---\n").nth(2).expect("a document below its head");
    let document: Value = serde_json::from_str(json).expect("JSON");
    let mut routes = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let keyed = operation["security"].as_array().is_some_and(|needed| !needed.is_empty());
            routes.insert((keyed, format!("{} {path}", method.to_uppercase())));
        }
    }
    routes
}

#[test]
fn the_gateway_has_the_routes_of_the_document() {
    let text = fs::read_to_string(root().join("infrastructure/terraform/modules/api_gateway/routes.json"));
    let routes: Value = serde_json::from_str(&text.expect("routes")).expect("JSON");
    let mut there = BTreeSet::new();
    for (kind, keyed) in [("keyed", true), ("public", false)] {
        for route in routes[kind].as_array().expect("a list") {
            there.insert((keyed, route.as_str().expect("a route").to_owned()));
        }
    }
    // S3 serves files behind links of its own; the pages below `/docs`, and the questions of browsers, are no operations.
    let mut expected = documented();
    assert!(expected.remove(&(false, "GET /v1/files/{tenant_id}/{path}".to_owned())));
    expected.extend(["GET /docs/{proxy+}", "OPTIONS /{proxy+}"].map(|route| (false, route.to_owned())));
    assert_eq!(there, expected);
}

/// What is wrong with a file that goes into the repository: it is a state or a plan, or there is a secret in it.
fn unfit(path: &str, text: &str) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.contains(".tfstate") || name.ends_with("tfplan") || name.ends_with(".auto.tfvars") || name == "backend.hcl"
    {
        return Some("belongs to one installation".to_owned());
    }
    if ["\"lineage\":", "\"terraform_version\":"].iter().all(|key| text.contains(key)) {
        return Some("is a state under another name".to_owned());
    }
    let shapes = ["AKIA", "aws_secret_access_key =", "sk-ant-", "sk_live_", "whsec_", "ghp_"];
    shapes.iter().find(|shape| text.contains(*shape)).map(|shape| format!("has `{shape}`"))
}

#[test]
fn no_file_of_the_installation_has_a_secret_or_is_a_state() {
    for (path, text) in [
        ("a/terraform.tfstate", ""),
        ("a/terraform.tfstate.backup", ""),
        ("a/tfplan", ""),
        ("a/state.json", "{\"terraform_version\": \"1.11.4\", \"lineage\": \"\"}"),
        ("a/main.tf", "AKIA1"),
    ] {
        assert!(unfit(path, text).is_some(), "{path}: {text}");
    }
    // What git would take: a state that lies beside its files, and is ignored, is where it should be.
    let asked = std::process::Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "infrastructure"])
        .current_dir(root())
        .output();
    let listed = match asked {
        Ok(output) if output.status.success() => output.stdout,
        Ok(output) => return crate::skipped(&format!("`git ls-files`: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => return crate::skipped(&format!("`git`: {error}")),
    };
    let listed = String::from_utf8(listed).expect("paths");
    let files: Vec<&str> = listed.split('\0').filter(|path| !path.is_empty()).collect();
    assert!(files.len() > 80, "{files:?}");
    // The tests and the emulators have such shapes themselves.
    let own = ["infrastructure/proof/tests/", "infrastructure/emulator/"];
    for path in files.into_iter().filter(|path| !own.iter().any(|folder| path.starts_with(folder))) {
        let text = fs::read(root().join(path)).unwrap_or_default();
        let fault = unfit(path, &String::from_utf8_lossy(&text));
        assert_eq!(fault, None, "`{path}`");
    }
}

#[test]
fn files_are_as_terraform_would_write_them() {
    if let Some(why) = missing() {
        return crate::skipped(&why);
    }
    let checked = std::process::Command::new("terraform")
        .args(["fmt", "-check", "-recursive", "-no-color"])
        .arg(root().join("infrastructure/terraform"))
        .env("CHECKPOINT_DISABLE", "1")
        .output()
        .expect("terraform runs");
    assert!(checked.status.success(), "run `terraform fmt`: {}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn each_finding_that_stays_has_a_reason() {
    let read = |name: &str| fs::read_to_string(root().join("infrastructure").join(name)).expect("a file");
    let (skipped, page) = (read(".checkov.yaml"), read("FINDINGS.md"));
    let skipped: BTreeSet<&str> = skipped
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- "))
        .filter(|name| name.starts_with("CKV"))
        .collect();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| CKV"));
    let explained: BTreeSet<String> =
        rows.map(|row| format!("CKV{}", row.split(' ').next().expect("a name"))).collect();
    assert_eq!(skipped, explained.iter().map(String::as_str).collect());
    assert!(!skipped.is_empty());
}
