//! What an agent's commit may not do, whatever a verification says of it.
//!
//! Everything is judged by the committed objects, not by the files of the tree. What was there in the base already is
//! not held against the agent. A finding never shows a secret.

use std::collections::BTreeSet;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use outpost_executor::{Redaction, Secrets};
use serde::Serialize;

use crate::blobs::Reader;
use crate::commit::{Change, Committed, LeftOut, Mode, Why};
use crate::conflict::has_marks;
use crate::git::fields;
use crate::links::{Links, leaves};
use crate::repository::{Repository, id};
use crate::{Error, TreePath, shapes};

/// What is allowed.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Paths and patterns from the root of the tree (`src/**/*.rs`; a folder stands for all that is in it). Without one,
    /// everything that is not protected.
    pub allowed: Vec<String>,
    /// What judges the agent: the blueprint, scripts of verifications. Upper and lower case count as the same.
    pub protected: Vec<String>,
    pub secrets: Secrets,
    /// Bytes of a file.
    pub largest: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { allowed: Vec::new(), protected: Vec::new(), secrets: Secrets::default(), largest: 5 << 20 }
    }
}

/// Something that may not land.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub kind: FindingKind,
    /// Where; the message of the commit has no path.
    pub path: Option<TreePath>,
    /// A fragment that the path goes before.
    pub what: String,
    pub way_out: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    Outside,
    Protected,
    Secret,
    Link,
    Submodule,
    Filter,
    TooLarge,
    Nested,
    Reserved,
    Unresolved,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.path {
            Some(path) => write!(f, "`{path}` {}: {}", self.what, self.way_out),
            None => write!(f, "the message of the commit {}: {}", self.what, self.way_out),
        }
    }
}

impl Repository {
    /// Everything that keeps a commit from landing; nothing where it may.
    pub fn policy(&self, policy: &Policy, committed: &Committed) -> Result<Vec<Finding>, Error> {
        let mut judge = Judge::of(policy)?;
        let mut reader = Reader::start(self.framed("read what has changed"))?;
        for change in &committed.changed {
            judge.place(change);
            judge.content(change, &mut reader)?;
        }
        for left in &committed.left_out {
            judge.left_out(&left.path, left.why);
        }
        // A link that is gone changes where others lead through it.
        let blobs = committed.changed.iter().flat_map(|change| [&change.was, &change.is]);
        if blobs.flatten().any(|blob| blob.mode == Mode::Link) {
            let links = self.links(committed.tree.as_str(), &mut reader)?;
            let before = self.links(committed.base.as_str(), &mut reader)?;
            let leaving =
                |path: &&Vec<u8>| leaves(&links, path) && !(before.contains_key(*path) && leaves(&before, path));
            for path in links.keys().filter(leaving) {
                let way_out = "link to something within the tree, by a relative path";
                judge.note(FindingKind::Link, &TreePath::new(path.clone()), "is a link out of the tree", way_out);
            }
        }
        let (message, _) = reader.read(&committed.commit.0, u64::MAX)?;
        judge.message(&message);
        judge.findings.sort_by(|a, b| (&a.path, a.kind).cmp(&(&b.path, b.kind)));
        Ok(judge.findings)
    }

    /// What keeps a tree without a change from being all of the work: no commit takes it.
    pub fn untaken(&self, policy: &Policy, left_out: &[LeftOut]) -> Result<Vec<Finding>, Error> {
        let mut judge = Judge::of(policy)?;
        for left in left_out {
            judge.left_out(&left.path, left.why);
        }
        Ok(judge.findings)
    }

    fn links(&self, tree: &str, reader: &mut Reader) -> Result<Links, Error> {
        let listed = self.framed("list the links of a tree").args(["ls-tree", "-r", "-z", tree]).run()?;
        let mut links = Links::new();
        for field in fields(&listed).filter(|field| field.starts_with(b"120000 ")) {
            let mut halves = field.splitn(2, |byte| *byte == b'\t');
            let (head, path) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
            let blob = String::from_utf8_lossy(head.rsplit(|byte| *byte == b' ').next().unwrap_or_default());
            links.insert(path.to_vec(), reader.read(&id(blob.into_owned())?, 1 << 16)?.0);
        }
        Ok(links)
    }
}

struct Judge<'a> {
    policy: &'a Policy,
    allowed: Patterns<'a>,
    protected: Patterns<'a>,
    /// All of them at once, to see whether it is worth asking for each.
    any: Option<Redaction>,
    each: Vec<(String, Redaction)>,
    findings: Vec<Finding>,
}

impl<'a> Judge<'a> {
    fn of(policy: &'a Policy) -> Result<Self, Error> {
        let too_many = |error| Error::Unsuited(format!("look for secrets: {error}"));
        let mut each = Vec::new();
        for (name, value) in policy.secrets.pairs() {
            let one = Secrets::new([(name.to_owned(), value.to_vec())]);
            if let Some(redaction) = Redaction::beyond_doubt(&one).map_err(too_many)? {
                each.push((name.to_owned(), redaction));
            }
        }
        Ok(Self {
            policy,
            allowed: Patterns::of(&policy.allowed, false)?,
            protected: Patterns::of(&policy.protected, true)?,
            any: Redaction::beyond_doubt(&policy.secrets).map_err(too_many)?,
            each,
            findings: Vec::new(),
        })
    }

    fn note(&mut self, kind: FindingKind, path: &TreePath, what: impl Into<String>, way_out: &'static str) {
        let path = match &self.any {
            Some(any) if any.finds(path.as_bytes()) => TreePath::new(any.text(&path.to_string())),
            _ => path.clone(),
        };
        self.findings.push(Finding { kind, path: Some(path), what: what.into(), way_out });
    }

    fn place(&mut self, change: &Change) {
        let path = &change.path;
        if self.protected.hold(path) {
            let way_out = "put it back as it was; what judges the work is not part of it";
            self.note(FindingKind::Protected, path, "is protected", way_out);
        } else if !self.policy.allowed.is_empty() && !self.allowed.hold(path) {
            let way_out = "put it back as it was, or have the task's files say that it may change";
            self.note(FindingKind::Outside, path, "is none of the task's files", way_out);
        }
        let is_module = [&change.was, &change.is].into_iter().flatten().any(|blob| blob.mode == Mode::Module);
        if is_module || (path.file_name().eq_ignore_ascii_case(b".gitmodules") && change.is.is_some()) {
            let way_out = "leave submodules to people";
            self.note(FindingKind::Submodule, path, "changes a submodule", way_out);
        }
    }

    fn content(&mut self, change: &Change, reader: &mut Reader) -> Result<(), Error> {
        let path = &change.path;
        let known = if change.was.is_some() { path.as_bytes() } else { &[] };
        self.secrets(Some(path), path.as_bytes(), known);
        let Some(is) = change.is.as_ref().filter(|is| is.mode != Mode::Module) else { return Ok(()) };
        let (new, length) = reader.read(&is.id, self.policy.largest)?;
        if length > self.policy.largest {
            self.too_large(path, length);
            return Ok(());
        }
        let was = change.was.as_ref().filter(|was| was.mode != Mode::Module && was.id != is.id);
        let unchanged = change.was.as_ref().is_some_and(|was| was.id == is.id);
        if unchanged {
            return Ok(());
        }
        let old = was.map_or(Ok(Vec::new()), |was| reader.read(&was.id, self.policy.largest).map(|(old, _)| old))?;
        self.secrets(Some(path), &new, &old);
        if has_marks(&new) && !has_marks(&old) {
            let way_out = "resolve the conflict: keep what both sides meant, and remove the marks";
            self.note(FindingKind::Unresolved, path, "holds the marks of a conflict", way_out);
        }
        if path.file_name().eq_ignore_ascii_case(b".gitattributes") && is.mode != Mode::Link {
            let known: BTreeSet<&[u8]> = filters(&old).collect();
            if filters(&new).any(|line| !known.contains(line)) {
                let way_out = "leave filters to people: they start programs on every machine that checks it out";
                self.note(FindingKind::Filter, path, "asks for a filter", way_out);
            }
        }
        Ok(())
    }

    /// What is in `new` and was not in `old`.
    fn secrets(&mut self, path: Option<&TreePath>, new: &[u8], old: &[u8]) {
        let mut found = Vec::new();
        if self.any.as_ref().is_some_and(|any| any.finds(new)) {
            let held = self.each.iter().filter(|(_, redaction)| redaction.finds(new) && !redaction.finds(old));
            found.extend(held.map(|(name, _)| format!("holds the secret `{name}`")));
        }
        let known: BTreeSet<&[u8]> = shapes::find(old).into_iter().map(|shape| shape.text).collect();
        for shape in shapes::find(new).into_iter().filter(|shape| !known.contains(shape.text)) {
            let line = new.get(..shape.at).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() + 1;
            found.push(format!("holds what looks like {} in line {line}", shape.what));
        }
        let way_out = "take it out; have it come from the environment where it is needed";
        for what in found {
            match path {
                Some(path) => self.note(FindingKind::Secret, path, what, way_out),
                None => self.findings.push(Finding { kind: FindingKind::Secret, path: None, what, way_out }),
            }
        }
    }

    fn message(&mut self, commit: &[u8]) {
        let text = commit.windows(2).position(|pair| pair == b"\n\n").and_then(|end| commit.get(end + 2..));
        self.secrets(None, text.unwrap_or_default(), &[]);
    }

    fn too_large(&mut self, path: &TreePath, length: u64) {
        let what = format!("has {length} bytes, more than the {} that are allowed", self.policy.largest);
        let way_out = "leave it out, and have it made or fetched where it is needed";
        self.note(FindingKind::TooLarge, path, what, way_out);
    }

    fn left_out(&mut self, path: &TreePath, why: Why) {
        match why {
            Why::Repository => {
                let way_out = "remove the `.git` in it, or the folder: what is in there is not landed";
                self.note(FindingKind::Nested, path, "is a repository of its own", way_out);
            }
            Why::Reserved => {
                let what = "could be taken for what is git's own";
                self.note(FindingKind::Reserved, path, what, "give it another name: it is not landed");
            }
            Why::TooLarge(length) => self.too_large(path, length),
            // Pipes and sockets are what programs leave behind; no commit could hold them.
            Why::Special => {}
        }
    }
}

fn filters(attributes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = attributes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|line| line.windows(7).any(|window| window == b"filter=") && !line.starts_with(b"#"))
}

/// Paths and patterns.
struct Patterns<'a> {
    literal: Vec<&'a str>,
    set: GlobSet,
    any_case: bool,
}

impl<'a> Patterns<'a> {
    fn of(written: &'a [String], any_case: bool) -> Result<Self, Error> {
        let (mut literal, mut set) = (Vec::new(), GlobSetBuilder::new());
        let unreadable = |text: &str, error: &dyn std::fmt::Display| {
            Error::Unsuited(format!("read the pattern `{text}`: {error}; write it like `src/**/*.rs`"))
        };
        for text in written {
            let plain = text.trim_start_matches("./").trim_matches('/');
            literal.push(plain);
            for pattern in [plain.to_owned(), format!("{plain}/**")] {
                let glob: Result<Glob, _> =
                    GlobBuilder::new(&pattern).literal_separator(true).case_insensitive(any_case).build();
                set.add(glob.map_err(|error| unreadable(text, &error.kind()))?);
            }
        }
        let set = set.build().map_err(|error| unreadable(&written.join(", "), &error.kind()))?;
        Ok(Self { literal, set, any_case })
    }

    fn hold(&self, path: &TreePath) -> bool {
        let is_it = |plain: &&str| {
            let (plain, path) = (plain.as_bytes(), path.as_bytes());
            let head = path.get(..plain.len()).unwrap_or_default();
            let is_same = if self.any_case { head.eq_ignore_ascii_case(plain) } else { head == plain };
            is_same && matches!(path.get(plain.len()), None | Some(b'/')) && !plain.is_empty()
        };
        self.literal.iter().any(is_it) || self.set.is_match(path.as_path())
    }
}
