//! The path of a file in a tree: bytes, as git has them.
//!
//! Shown and written down it is text that holds no line break, no escape sequence and no invalid UTF-8: where there is one,
//! it stands in quotes, with escapes as git writes them.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde::{Serialize, Serializer};

/// Relative to the root of the tree, with `/` between its parts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    /// The folder that it lies in; empty at the root.
    pub(crate) fn folder(&self) -> &[u8] {
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or_default();
        self.0.get(..end).unwrap_or_default()
    }

    pub(crate) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/')
    }

    /// Whether some system would take one of its parts for git's own folder: git keeps such a path out of every index.
    pub(crate) fn is_reserved(&self) -> bool {
        // Windows takes a backslash for a separator, drops blanks and dots at the end, and has streams behind a colon.
        self.0.split(|byte| *byte == b'/' || *byte == b'\\').any(|part| {
            let part = part.to_ascii_lowercase();
            [&b".git"[..], b"git~1"].iter().any(|name| {
                part.strip_prefix(*name).is_some_and(|rest| {
                    rest.first() == Some(&b':') || rest.iter().all(|byte| *byte == b' ' || *byte == b'.')
                })
            })
        })
    }

    /// Whether some system would take a link of this name for the list of submodules: git keeps such a link out, too.
    pub(crate) fn is_reserved_link(&self) -> bool {
        let name =
            self.0.rsplit(|byte| *byte == b'/' || *byte == b'\\').next().unwrap_or_default().to_ascii_lowercase();
        let is_short = [&b"gitmod~"[..], b"gi7eba~"].iter().any(|short| name.starts_with(short));
        is_short
            || name.strip_prefix(b".gitmodules").is_some_and(|rest| {
                rest.first() == Some(&b':') || rest.iter().all(|byte| *byte == b' ' || *byte == b'.')
            })
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) if !text.chars().any(|c| c.is_control() || is_turning(c)) => f.write_str(text),
            _ => f.write_str(&quoted(&self.0)),
        }
    }
}

/// Characters that turn the direction of what follows: a path could show as another.
fn is_turning(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(&self.0))
    }
}

impl Serialize for TreePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// In quotes, as git reads and writes it.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b' '..=b'~' => out.push(char::from(*byte)),
            // Writing to a `String` does not fail.
            _ => drop(write!(out, "\\{byte:03o}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::TreePath;

    #[test]
    fn what_could_deceive_is_shown_in_quotes() {
        let shown = |bytes: &[u8]| TreePath::new(bytes).to_string();
        assert_eq!(shown(b"src/a b.rs"), "src/a b.rs");
        assert_eq!(shown("ä/ö".as_bytes()), "ä/ö");
        assert_eq!(shown(b"a\nb"), r#""a\nb""#);
        assert_eq!(shown(b"\x1b[2J"), r#""\033[2J""#);
        assert_eq!(shown(b"\xff\""), r#""\377\"""#);
        assert!(shown("a\u{202e}b".as_bytes()).starts_with('"'));
    }

    #[test]
    fn parts_that_git_keeps_for_itself_are_known() {
        for path in ["a/.git/x", ".GIT", "x/.git. .", ".git:s/x", "GIT~1/x", "a\\.git\\x"] {
            assert!(TreePath::new(path).is_reserved(), "{path}");
        }
        for path in [".gitmodules", "x/.GITMODULES", ".gitmodules .", "a\\.gitmodules", "gitmod~1", "GI7EBA~1"] {
            assert!(TreePath::new(path).is_reserved_link() && !TreePath::new(path).is_reserved(), "{path}");
        }
        for path in [".gitmodules.bak", ".gitignore", ".gitmodules/x"] {
            assert!(!TreePath::new(path).is_reserved_link(), "{path}");
        }
        for path in [".gitignore", "a/.github/x", "git", ".gi", "x.git", "git~2"] {
            assert!(!TreePath::new(path).is_reserved(), "{path}");
        }
    }

    #[test]
    fn folders_and_names_are_taken_apart() {
        let path = TreePath::new("a/b/c");
        assert_eq!((path.folder(), path.file_name()), (&b"a/b"[..], &b"c"[..]));
        let path = TreePath::new("c");
        assert_eq!((path.folder(), path.file_name()), (&b""[..], &b"c"[..]));
    }
}
