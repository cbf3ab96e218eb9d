//! What two sides have both changed, for whoever is to resolve it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use serde::Serialize;

use crate::blobs::Reader;
use crate::git::fields;
use crate::names::{CommitId, ObjectId, TreeId};
use crate::repository::{Repository, id};
use crate::{Error, TreePath};

/// Of so many files the hunks are shown.
const MOST_FILES: usize = 50;
const MOST_HUNKS: usize = 10;
/// Bytes of a file that are looked at, and of a hunk that are shown.
const MOST_BYTES: u64 = 4 << 20;
const LONGEST_HUNK: usize = 4 << 10;

/// A merge that needs a mind.
#[derive(Clone, Debug, Serialize)]
pub struct Conflict {
    /// The tip that the work did not fit.
    pub onto: CommitId,
    /// What `Start::Merged` takes: the merge, with marks where the sides differ.
    pub tree: TreeId,
    pub files: Vec<ConflictFile>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ConflictFile {
    pub path: TreePath,
    /// What git says about it, a sentence each.
    pub said: Vec<String>,
    /// None for what has no lines (a binary file, a file against a deletion), and after the first fifty files.
    pub hunks: Vec<Hunk>,
}

/// A place where the sides differ, with its marks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hunk {
    pub line: u64,
    pub text: String,
}

impl Repository {
    /// From what `merge-tree -z` printed: `tree (mode id stage\tpath)* "" (count path* kind sentence)*`.
    pub(crate) fn conflict(&self, onto: &CommitId, printed: &[u8]) -> Result<Conflict, Error> {
        let mut fields = printed.split(|byte| *byte == 0);
        let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
        let tree = TreeId(id(text(fields.next().unwrap_or_default()))?);
        let mut files: Vec<ConflictFile> = Vec::new();
        for field in fields.by_ref().take_while(|field| !field.is_empty()) {
            let path = TreePath::new(field.splitn(2, |byte| *byte == b'\t').nth(1).unwrap_or_default());
            if files.iter().all(|file| file.path != path) {
                files.push(ConflictFile { path, said: Vec::new(), hunks: Vec::new() });
            }
        }
        while let Some(count) = fields.next().and_then(|count| text(count).parse::<usize>().ok()) {
            let paths: Vec<&[u8]> = fields.by_ref().take(count).collect();
            let (kind, said) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            if !kind.starts_with(b"CONFLICT") {
                continue;
            }
            for path in paths {
                let known = files.iter().position(|file| file.path.as_bytes() == path);
                let said = text(said.trim_ascii());
                match known.and_then(|known| files.get_mut(known)) {
                    Some(file) => file.said.push(said),
                    // A name that the merge has moved away from.
                    None => files.push(ConflictFile { path: TreePath::new(path), said: vec![said], hunks: Vec::new() }),
                }
            }
        }
        self.add_hunks(&tree, &mut files)?;
        Ok(Conflict { onto: onto.clone(), tree, files })
    }

    fn add_hunks(&self, tree: &TreeId, files: &mut [ConflictFile]) -> Result<(), Error> {
        let paths = files.iter().take(MOST_FILES).map(|file| OsStr::from_bytes(file.path.as_bytes()).to_owned());
        let call = self.framed("find what is in conflict").args(["ls-tree", "-z", tree.as_str(), "--"]);
        let listed = call.args(paths).run()?;
        let mut reader = Reader::start(self.framed("read what is in conflict"))?;
        for field in fields(&listed) {
            let mut halves = field.splitn(2, |byte| *byte == b'\t');
            let (head, path) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
            let head = String::from_utf8_lossy(head);
            let mut words = head.split(' ').skip(1);
            let (Some("blob"), Some(blob)) = (words.next(), words.next()) else { continue };
            let Some(file) = files.iter_mut().find(|file| file.path.as_bytes() == path) else { continue };
            let (bytes, _) = reader.read(&id(blob.to_owned())?, MOST_BYTES)?;
            file.hunks = hunks(&bytes);
        }
        Ok(())
    }
}

/// What stands between our marks.
fn hunks(bytes: &[u8]) -> Vec<Hunk> {
    let (mut hunks, mut open): (Vec<Hunk>, Option<(u64, Vec<u8>)>) = (Vec::new(), None);
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        if hunks.len() == MOST_HUNKS {
            break;
        }
        if open.is_none() && is_mark(line, b"<<<<<<< ") {
            open = Some((number, Vec::new()));
        }
        let Some((first, text)) = &mut open else { continue };
        if text.len() < LONGEST_HUNK {
            text.extend_from_slice(line.get(..LONGEST_HUNK).unwrap_or(line));
        }
        if is_mark(line, b">>>>>>> ") {
            hunks.push(Hunk { line: *first, text: String::from_utf8_lossy(text).into_owned() });
            open = None;
        }
    }
    hunks
}

/// A mark of ours: git puts behind it what it was told to merge, which are ids of commits here.
fn is_mark(line: &[u8], mark: &[u8]) -> bool {
    let label = line.strip_prefix(mark).map(|rest| rest.split(|byte| matches!(byte, b':' | b'\n' | b'\r')).next());
    let label = label.flatten().map(|label| String::from_utf8_lossy(label).into_owned());
    label.is_some_and(|label| ObjectId::try_from(label).is_ok())
}

/// Whether somebody forgot to resolve a conflict.
pub(crate) fn has_marks(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').any(|line| is_mark(line, b"<<<<<<< ") || is_mark(line, b">>>>>>> "))
}

#[cfg(test)]
mod tests {
    use super::{has_marks, hunks};

    #[test]
    fn hunks_stand_between_marks_of_ours() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        let text = format!("a\n<<<<<<< {id}\nours\n=======\ntheirs\n>>>>>>> {id}:old/name\nb\n");
        let found = hunks(text.as_bytes());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 2);
        assert!(found[0].text.starts_with("<<<<<<< ") && found[0].text.ends_with("name\n"), "{}", found[0].text);
        assert!(has_marks(text.as_bytes()));
        assert!(!has_marks(b"<<<<<<< HEAD\n=======\n>>>>>>> topic\n"), "a page about git");
    }
}
