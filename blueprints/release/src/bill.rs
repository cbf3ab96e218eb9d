//! A bill out of its witnesses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Formatter, Result as Written};

use serde_json::{Value, json};

use crate::lock::{Described, Lock, Locked, Metadata};
use crate::tree::{Package, Tree};

/// What the bill is of.
#[derive(Clone, Copy, Debug)]
pub struct Release<'a> {
    pub name: &'a str,
    pub version: &'a str,
    /// When its commit was made, as ISO 8601 has it.
    pub time: &'a str,
}

/// Programs that were built together, and what `cargo tree` says they consist of.
#[derive(Clone, Debug)]
pub struct Part {
    pub name: String,
    pub tree: String,
}

/// Why there is no bill. Each completes "failed to make the bill: …".
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// One of the witnesses cannot be read.
    Unreadable {
        what: &'static str,
        why: String,
    },
    /// A package of the programs that a witness does not know.
    Unknown {
        package: String,
        to: &'static str,
    },
    /// Two packages of one name and version: a bill could not tell them apart.
    Ambiguous(String),
    /// A package that others publish, and whose bytes nobody vouches for.
    Unsealed(String),
    Unlicensed(String),
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        match self {
            Self::Unreadable { what, why } => write!(f, "{what} cannot be read: {why}"),
            Self::Unknown { package, to } => write!(f, "`{package}` is part of a program, and {to} does not know it"),
            Self::Ambiguous(package) => write!(f, "there are two `{package}` from different sources"),
            Self::Unsealed(package) => write!(f, "`{package}` has no checksum in the lock file"),
            Self::Unlicensed(package) => write!(f, "`{package}` names no license"),
        }
    }
}

impl std::error::Error for Error {}

const TREE: &str = "the output of `cargo tree`";
const LOCK: &str = "the lock file";
const METADATA: &str = "`cargo metadata`";

/// The bill of these parts.
pub fn bill(release: Release<'_>, parts: &[Part], lock: &str, metadata: &str) -> Result<Value, Error> {
    let lock: Lock =
        toml::from_str(lock).map_err(|error| Error::Unreadable { what: LOCK, why: error.message().to_owned() })?;
    let metadata: Metadata =
        serde_json::from_str(metadata).map_err(|error| Error::Unreadable { what: METADATA, why: error.to_string() })?;
    let locked = by_package(&lock.packages, |package| (&package.name, &package.version))?;
    let described = by_package(&metadata.packages, |package| (&package.name, &package.version))?;

    let mut needs: BTreeMap<Package, BTreeSet<Package>> = BTreeMap::new();
    let mut inside: BTreeMap<Package, Vec<&str>> = BTreeMap::new();
    let mut roots = BTreeSet::new();
    for part in parts {
        let tree = Tree::read(&part.tree).map_err(|line| Error::Unreadable { what: TREE, why: format!("`{line}`") })?;
        for (package, its) in tree.needs {
            inside.entry(package.clone()).or_default().push(&part.name);
            needs.entry(package).or_default().extend(its);
        }
        roots.extend(tree.roots);
    }

    let mut components = Vec::with_capacity(needs.len());
    for package in needs.keys() {
        let unknown = |to| Error::Unknown { package: shown(package), to };
        let locked = locked.get(package).ok_or_else(|| unknown(LOCK))?;
        let described = described.get(package).ok_or_else(|| unknown(METADATA))?;
        components.push(component(package, locked, described, &inside[package])?);
    }
    let whole = format!("{}@{}", release.name, release.version);
    let mut dependencies = vec![json!({ "ref": whole, "dependsOn": addresses(&roots) })];
    dependencies
        .extend(needs.iter().map(|(package, its)| json!({ "ref": address(package), "dependsOn": addresses(its) })));
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": release.time,
            "component": {
                "type": "application",
                "bom-ref": whole,
                "name": release.name,
                "version": release.version,
            },
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

fn by_package<'a, T>(
    all: &'a [T],
    of: impl Fn(&'a T) -> (&'a String, &'a String),
) -> Result<BTreeMap<Package, &'a T>, Error> {
    let mut found = BTreeMap::new();
    for one in all {
        let (name, version) = of(one);
        let package = Package { name: name.clone(), version: version.clone() };
        if found.contains_key(&package) {
            return Err(Error::Ambiguous(shown(&package)));
        }
        found.insert(package, one);
    }
    Ok(found)
}

fn component(package: &Package, locked: &Locked, described: &Described, parts: &[&str]) -> Result<Value, Error> {
    let license = described.license.as_deref().ok_or_else(|| Error::Unlicensed(shown(package)))?;
    let mut component = json!({
        "type": "library",
        "bom-ref": address(package),
        "name": package.name,
        "version": package.version,
        "purl": address(package),
        // The slash is how crates wrote `OR` before they were held to SPDX.
        "licenses": [{ "expression": license.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ") }],
    });
    match (&locked.source, &locked.checksum) {
        (None, _) => {}
        (Some(_), Some(checksum)) => component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]),
        (Some(_), None) => return Err(Error::Unsealed(shown(package))),
    }
    if let Some(description) = &described.description {
        component["description"] = description.trim().into();
    }
    if let Some(repository) = &described.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    let part = |part: &&str| json!({ "name": "outpost:part", "value": part });
    component["properties"] = parts.iter().map(part).collect();
    Ok(component)
}

/// The package URL. A version may have a `+`, which is a blank in a URL.
fn address(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version.replace('+', "%2B"))
}

fn addresses(packages: &BTreeSet<Package>) -> Vec<String> {
    packages.iter().map(address).collect()
}

fn shown(package: &Package) -> String {
    format!("{} {}", package.name, package.version)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Error, Part, Release, bill};

    const LOCK: &str = r#"
version = 4

[[package]]
name = "app"
version = "0.1.0"
dependencies = ["serde", "insta"]

[[package]]
name = "insta"
version = "1.49.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "aa"

[[package]]
name = "serde"
version = "1.0.228+spec"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "bb"
"#;
    const TREE: &str = "0 app v0.1.0 (/somewhere)\n1 serde v1.0.228+spec\n";

    fn metadata() -> Value {
        json!({ "packages": [
            { "name": "app", "version": "0.1.0", "license": "Apache-2.0", "description": null, "repository": null },
            { "name": "insta", "version": "1.49.0", "license": "Apache-2.0", "description": null, "repository": null },
            { "name": "serde", "version": "1.0.228+spec", "license": "MIT / Apache-2.0", "description": " reads\n",
              "repository": "https://example.org/serde" },
        ] })
    }

    fn of(tree: &str, lock: &str, metadata: &Value) -> Result<Value, Error> {
        let release = Release { name: "app", version: "0.1.0", time: "2026-01-01T00:00:00Z" };
        let part = |name: &str| Part { name: name.to_owned(), tree: tree.to_owned() };
        bill(release, &[part("programs"), part("functions")], lock, &metadata.to_string())
    }

    #[test]
    fn what_is_shipped_is_in_it_with_all_that_is_known_and_nothing_else_is() {
        let bill = of(TREE, LOCK, &metadata()).expect("a bill");
        let parts =
            json!([{ "name": "outpost:part", "value": "programs" }, { "name": "outpost:part", "value": "functions" }]);
        assert_eq!(
            bill["components"],
            json!([
                {
                    "type": "library", "bom-ref": "pkg:cargo/app@0.1.0", "name": "app", "version": "0.1.0",
                    "purl": "pkg:cargo/app@0.1.0", "licenses": [{ "expression": "Apache-2.0" }], "properties": parts,
                },
                {
                    "type": "library", "bom-ref": "pkg:cargo/serde@1.0.228%2Bspec", "name": "serde",
                    "version": "1.0.228+spec", "purl": "pkg:cargo/serde@1.0.228%2Bspec",
                    "licenses": [{ "expression": "MIT OR Apache-2.0" }],
                    "hashes": [{ "alg": "SHA-256", "content": "bb" }], "description": "reads",
                    "externalReferences": [{ "type": "vcs", "url": "https://example.org/serde" }], "properties": parts,
                },
            ])
        );
        assert_eq!(
            bill["dependencies"],
            json!([
                { "ref": "app@0.1.0", "dependsOn": ["pkg:cargo/app@0.1.0"] },
                { "ref": "pkg:cargo/app@0.1.0", "dependsOn": ["pkg:cargo/serde@1.0.228%2Bspec"] },
                { "ref": "pkg:cargo/serde@1.0.228%2Bspec", "dependsOn": [] },
            ])
        );
    }

    #[test]
    fn witnesses_that_disagree_make_no_bill() {
        let other = TREE.replace("1.0.228+spec", "1.0.229");
        let unknown = |to| Error::Unknown { package: "serde 1.0.229".to_owned(), to };
        assert_eq!(of(&other, LOCK, &metadata()), Err(unknown("the lock file")));
        let newer = LOCK.replace("1.0.228+spec", "1.0.229");
        assert_eq!(of(&other, &newer, &metadata()), Err(unknown("`cargo metadata`")));
        let unsealed = LOCK.replace("checksum = \"bb\"\n", "");
        assert_eq!(of(TREE, &unsealed, &metadata()), Err(Error::Unsealed("serde 1.0.228+spec".to_owned())));
        let mut free = metadata();
        free["packages"][2]["license"] = Value::Null;
        assert_eq!(of(TREE, LOCK, &free), Err(Error::Unlicensed("serde 1.0.228+spec".to_owned())));
        let twice = format!("{LOCK}\n[[package]]\nname = \"serde\"\nversion = \"1.0.228+spec\"\n");
        assert_eq!(of(TREE, &twice, &metadata()), Err(Error::Ambiguous("serde 1.0.228+spec".to_owned())));
    }

    #[test]
    fn a_witness_that_cannot_be_read_is_named() {
        for (tree, lock, metadata, what) in [
            ("error: none", LOCK, metadata(), "the output of `cargo tree`"),
            (TREE, "packages", metadata(), "the lock file"),
            (TREE, LOCK, json!([]), "`cargo metadata`"),
        ] {
            let error = of(tree, lock, &metadata).expect_err("no bill");
            assert!(error.to_string().starts_with(&format!("{what} cannot be read: ")), "{error}");
        }
    }
}
