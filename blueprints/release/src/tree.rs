//! What `cargo tree --prefix depth --format ' {p}'` prints: packages with what each of them is linked with.

use std::collections::{BTreeMap, BTreeSet};

/// A package, as all three witnesses call it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// The packages of a tree, each with those that it needs itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) needs: BTreeMap<Package, BTreeSet<Package>>,
    /// Where it begins: the packages whose programs are shipped.
    pub(crate) roots: BTreeSet<Package>,
}

impl Tree {
    /// Reads a tree; the line that cannot be read where there is one.
    ///
    /// A package that was shown before ends with ` (*)`, and what it needs is not shown again.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut tree = Self::default();
        let mut path: Vec<Package> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (depth, package) = read(line).filter(|(depth, _)| *depth <= path.len()).ok_or(line)?;
            path.truncate(depth);
            tree.needs.entry(package.clone()).or_default();
            match path.last() {
                Some(above) => {
                    tree.needs.entry(above.clone()).or_default().insert(package.clone());
                }
                None => {
                    tree.roots.insert(package.clone());
                }
            }
            path.push(package);
        }
        Ok(tree)
    }
}

/// `2 serde v1.0.228` as a depth and a package.
fn read(line: &str) -> Option<(usize, Package)> {
    let mut words = line.split_whitespace();
    let depth = words.next()?.parse().ok()?;
    let name = words.next()?.to_owned();
    let version = words.next()?.strip_prefix('v')?.to_owned();
    Some((depth, Package { name, version }))
}

#[cfg(test)]
mod tests {
    use super::{Package, Tree};

    fn package(name: &str) -> Package {
        Package { name: name.to_owned(), version: "1.0.0".to_owned() }
    }

    fn needs(tree: &Tree, name: &str) -> Vec<String> {
        tree.needs[&package(name)].iter().map(|package| package.name.clone()).collect()
    }

    #[test]
    fn what_was_shown_before_keeps_its_needs() {
        let text = "0 app v1.0.0 (/somewhere/app)\n1 left v1.0.0\n2 base v1.0.0\n1 right v1.0.0\n2 left v1.0.0 (*)\n\n0 tool v1.0.0 (/somewhere)\n1 left v1.0.0 (*)\n";
        let tree = Tree::read(text).expect("a tree");
        assert_eq!(needs(&tree, "app"), ["left", "right"]);
        assert_eq!(needs(&tree, "left"), ["base"]);
        assert_eq!(needs(&tree, "right"), ["left"]);
        assert_eq!(needs(&tree, "tool"), ["left"]);
        assert_eq!(needs(&tree, "base"), [""; 0]);
        assert_eq!(tree.roots, [package("app"), package("tool")].into());
    }

    #[test]
    fn a_line_that_is_none_of_a_tree_is_named() {
        for line in ["app v1.0.0", "0 app 1.0.0", "1 app v1.0.0", "error: no such package"] {
            assert_eq!(Tree::read(line), Err(line.to_owned()));
        }
    }
}
