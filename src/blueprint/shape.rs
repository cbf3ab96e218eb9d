//! What a block may look like, as data: one description that the checker walks, that
//! `outpost-bp schema` prints and that the reference page is held to.
//!
//! [`Checker::check`] compares a tree with a [`Shape`] and reports every difference at its place.
//! It judges one value at a time; what values mean together is the work of `blueprint::check`.

use super::duration;
use super::variable;
use crate::diagnostic::{Code, Diagnostic, Span, nearest};
use crate::document::{Entry, Node, Text, Value};

/// The largest count that is read.
pub const MAX_COUNT: u32 = u32::MAX;

/// The form of a value.
#[derive(Debug)]
pub enum Shape {
    /// Any text.
    Text,
    /// Text that must not be blank: a command, a name.
    Filled,
    /// A path: `${variables}` are replaced in it.
    Path,
    /// An environment value: `${secrets.NAME}` is resolved in it.
    Template,
    Flag,
    /// A whole number. None is above [`MAX_COUNT`]: that is what the model can hold.
    Count {
        min: u32,
        max: u32,
    },
    /// A number that is not negative.
    Amount,
    Duration,
    /// Whole seconds, v1's way to write a duration.
    Seconds,
    Size,
    Cores,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A status in any of its spellings.
    Status,
    TaskId,
    Any,
    JsonSchema,
    List(&'static Shape),
    /// A mapping from names of the author's choice.
    Named(&'static Shape),
    Record(&'static Record),
    /// The first form that has the value's kind.
    OneOf(&'static [Shape]),
}

/// A mapping with known keys.
#[derive(Debug)]
pub struct Record {
    pub title: &'static str,
    pub fields: &'static [Field],
}

impl Record {
    /// `a task block`, `an execution block`
    pub fn with_article(&self) -> String {
        let article = if self.title.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        format!("{article} {}", self.title)
    }
}

#[derive(Debug)]
pub struct Field {
    pub key: &'static str,
    pub shape: Shape,
    pub need: Need,
    /// One sentence for editors and the reference.
    pub doc: &'static str,
}

/// Whether a field must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Must,
    /// Required by strict 2.0, left out by real documents.
    Strict,
    May,
    /// A v1 spelling; the words name today's.
    Legacy(&'static str),
    /// Read and kept, but nothing acts on it.
    Inert,
}

impl Shape {
    /// The form in words, after "must be".
    pub fn words(&self) -> String {
        match self {
            Self::Text | Self::Filled | Self::Template => "text".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Count { min, max: MAX_COUNT } => format!("a whole number from {min}"),
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::Amount => "a number that is not negative".to_owned(),
            Self::Duration => "an ISO 8601 duration such as `PT30S`, `PT5M` or `P1D`".to_owned(),
            Self::Seconds => "a whole number of seconds".to_owned(),
            Self::Size => "a size such as `512Mi` or `4Gi`".to_owned(),
            Self::Cores => "a number of processors such as `2` or `0.5`".to_owned(),
            Self::Word(words) => format!("one of {}", choices(words)),
            Self::Status => format!("one of {}", choices(super::status::WORDS)),
            Self::TaskId => "a task id such as `T1.2`".to_owned(),
            Self::Any => "a value".to_owned(),
            Self::JsonSchema => "a JSON Schema: a mapping, `true` or `false`".to_owned(),
            Self::List(item) => match item {
                Self::Record(record) => format!("a list of {} mappings", record.title),
                _ => format!("a list, each item {}", item.words()),
            },
            Self::Named(_) => "a mapping".to_owned(),
            Self::Record(record) => format!("a mapping ({})", record.title),
            Self::OneOf(shapes) => shapes.iter().map(Self::words).collect::<Vec<_>>().join(", or "),
        }
    }

    /// Whether a value of this kind may be of this shape at all.
    fn accepts_kind(&self, node: &Node<'_>) -> bool {
        match (self, &node.value) {
            (Self::Any, _) | (Self::List(_), Value::List(_)) | (Self::Named(_) | Self::Record(_), Value::Map(_)) => {
                true
            }
            (Self::JsonSchema, Value::Map(_)) => true,
            (Self::JsonSchema, Value::Scalar { .. }) => node.as_bool().is_some(),
            (Self::OneOf(shapes), _) => shapes.iter().any(|shape| shape.accepts_kind(node)),
            (Self::Flag, Value::Scalar { .. }) => node.as_bool().is_some(),
            (Self::Named(_) | Self::Record(_) | Self::List(_), _) => false,
            (Self::Count { .. } | Self::Seconds | Self::Amount, _) => node.as_number::<f64>().is_some(),
            (_, Value::Scalar { .. }) => true,
            _ => false,
        }
    }
}

/// `` `a`, `b` or `c` ``
pub fn choices(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// Where the checker stands, for messages: `verification.smoke.timeout`.
#[derive(Clone, Copy)]
struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    key: &'a str,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.key)
    }
}

/// A field that strict 2.0 requires and this block leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    pub key: &'static str,
    /// What to underline: the block's first key.
    pub at: Span,
}

/// What checking a block found.
#[derive(Debug, Default)]
pub struct Checker {
    pub problems: Vec<Diagnostic>,
    /// v1 spellings; whether they are a problem depends on the document's dialect.
    pub legacy: Vec<Diagnostic>,
    pub absent: Vec<Absent>,
}

impl Checker {
    /// Checks a whole block against a record. Answers whether it was a mapping at all.
    pub fn check(&mut self, node: &Node<'_>, record: &'static Record) -> bool {
        match node.as_map() {
            Some(entries) => {
                self.record(node, entries, record, None);
                true
            }
            None => {
                self.problems.push(
                    Diagnostic::new(
                        Code::WrongType,
                        node.span,
                        format!("{} must be a mapping, this is {}", record.with_article(), node.kind()),
                    )
                    .help("write it as `key: value` lines"),
                );
                false
            }
        }
    }

    fn record(&mut self, node: &Node<'_>, entries: &[Entry<'_>], record: &'static Record, place: Option<&Place<'_>>) {
        // Bit i: the key of field i is written, and has a value. Records have fewer than 64 fields (a
        // test holds them to it).
        let (mut written, mut present) = (0_u64, 0_u64);
        let mut unknown = Vec::new();
        for entry in entries {
            let Some(index) = record.fields.iter().position(|field| entry.key.value == field.key) else {
                unknown.push(&entry.key);
                continue;
            };
            written |= 1 << index;
            if entry.value.is_null() {
                continue;
            }
            present |= 1 << index;
            let field = &record.fields[index];
            let here = Place { parent: place, key: field.key };
            match field.need {
                Need::Legacy(instead) => self.legacy_key(entry, node, instead, place),
                Need::Inert => self.problems.push(
                    Diagnostic::new(Code::NoEffect, entry.key.span, format!("`{here}` has no effect here"))
                        .label("read and kept, nothing acts on it")
                        .help("this executor does not do what the key asks for; remove it, or do not rely on it"),
                ),
                Need::Must | Need::Strict | Need::May => {}
            }
            self.value(&entry.value, &field.shape, &here);
        }
        for key in unknown {
            self.unknown_key(key, written, record, place);
        }
        let anchor = entries.first().map_or(node.span, |entry| entry.key.span);
        for (index, field) in record.fields.iter().enumerate() {
            if present & (1 << index) != 0 {
                continue;
            }
            match field.need {
                Need::Must => {
                    let null = entries.iter().find(|entry| entry.key.value == field.key);
                    let owner = place.map_or_else(|| format!("this {}", record.title), |place| format!("`{place}`"));
                    self.problems.push(
                        Diagnostic::new(
                            Code::MissingField,
                            null.map_or(anchor, |entry| entry.key.span),
                            format!("{owner} has no `{}`", field.key),
                        )
                        .label(if null.is_some() { "the value is missing" } else { "belongs here" })
                        .help(format!(
                            "add `{}:`, {}: {}",
                            field.key,
                            field.shape.words(),
                            field.doc
                        )),
                    );
                }
                Need::Strict => self.absent.push(Absent { key: field.key, at: anchor }),
                Need::May | Need::Legacy(_) | Need::Inert => {}
            }
        }
    }

    fn unknown_key(&mut self, key: &Text<'_>, written: u64, record: &'static Record, place: Option<&Place<'_>>) {
        let owner = place.map_or_else(|| record.with_article(), |place| format!("`{place}`"));
        let open = record
            .fields
            .iter()
            .enumerate()
            .filter(|(index, _)| written & (1 << index) == 0)
            .filter(|(_, field)| matches!(field.need, Need::Must | Need::Strict | Need::May))
            .map(|(_, field)| field.key);
        let problem = Diagnostic::new(Code::UnknownKey, key.span, format!("{owner} has no key `{key}`"));
        self.problems.push(match nearest(key, open) {
            Some(meant) => problem
                .label(format!("did you mean `{meant}`?"))
                .help(format!("rename it to `{meant}`, or remove it: unknown keys are ignored")),
            None => {
                problem.label("ignored").help("remove it, or move what it says into `notes`: unknown keys are ignored")
            }
        });
    }

    /// A v1 key. `instead` is today's key, or the way to it: `execution_context.timeout`.
    fn legacy_key(&mut self, entry: &Entry<'_>, node: &Node<'_>, instead: &'static str, place: Option<&Place<'_>>) {
        let key = &entry.key;
        let here = Place { parent: place, key };
        let owner = place.map_or_else(String::new, |place| format!("{place}."));
        let problem = Diagnostic::new(Code::LegacySpelling, key.span, format!("`{here}` is the v1 spelling"));
        let (first, inner) = instead.split_once('.').map_or((instead, None), |(first, inner)| (first, Some(inner)));
        let other = node.entry(first);
        // What a merge key brings along is written elsewhere, and may mean something else to others.
        let own = node.span.holds(key.span);
        let seconds = entry.value.as_number::<u64>().filter(|_| own && key.ends_with("_seconds"));
        let iso = seconds.and_then(|seconds| duration::exact(std::time::Duration::from_secs(seconds)));
        self.legacy.push(match (other, inner, iso) {
            // Both keys: which of them is meant is for a person to say.
            (Some(other), None, _) => problem
                .label(format!("`{first}` is there too"))
                .related(other.key.span, "today's spelling")
                .help(format!("keep one of them: `{owner}{first}` decides")),
            (Some(other), Some(inner), _) => problem
                .label(format!("today: `{owner}{instead}`"))
                .related(other.key.span, "belongs here")
                .help(format!("move it into `{owner}{first}` as `{inner}`")),
            (None, inner, iso) => {
                let problem = problem
                    .label(format!("today: `{owner}{instead}`"))
                    .help(format!("write `{owner}{instead}`, or set `execution.compatibility_mode: v1_migration`"));
                match (inner, iso) {
                    (_, None) => problem,
                    (None, Some(iso)) => problem.edit(key.span, first).edit(entry.value.span, iso),
                    (Some(inner), Some(iso)) => {
                        problem.edit(key.span, first).edit(entry.value.span, format!("{{{inner}: {iso}}}"))
                    }
                }
            }
        });
    }

    fn wrong(&mut self, node: &Node<'_>, shape: &Shape, place: &Place<'_>) {
        let problem = Diagnostic::new(
            Code::WrongType,
            node.span,
            format!("`{place}` must be {}, this is {}", shape.words(), node.kind()),
        );
        self.problems.push(match (shape, node.text()) {
            (Shape::Flag, Some(text)) => {
                let meant = match text.to_ascii_lowercase().as_str() {
                    "yes" | "on" | "y" | "true" => Some("true"),
                    "no" | "off" | "n" | "false" => Some("false"),
                    _ => None,
                };
                // Behind `|` it stays text, whatever the word.
                let in_block =
                    matches!(node.value, Value::Scalar { plain: false, .. }) && node.span.len() as usize == text.len();
                match meant {
                    Some(word) if !in_block => problem
                        .label(format!("write `{word}`"))
                        .help("`true` and `false` are the only flags; other words are text")
                        .edit(node.span, word),
                    _ => problem.help("write `true` or `false`, without quotes"),
                }
            }
            (Shape::List(_), Some(text)) => problem.help(format!("write it as a list: `[{text}]`")),
            _ => problem.help(format!("give `{place}` {}", shape.words())),
        });
    }

    fn value(&mut self, node: &Node<'_>, shape: &'static Shape, place: &Place<'_>) {
        if node.is_null() {
            return;
        }
        if !shape.accepts_kind(node) {
            self.wrong(node, shape, place);
            return;
        }
        match (shape, &node.value) {
            (Shape::OneOf(shapes), _) => {
                if let Some(shape) = shapes.iter().find(|shape| shape.accepts_kind(node)) {
                    self.value(node, shape, place);
                }
            }
            (Shape::Record(record), Value::Map(entries)) => self.record(node, entries, record, Some(place)),
            (Shape::Named(shape), Value::Map(entries)) => {
                for entry in entries {
                    self.value(&entry.value, shape, &Place { parent: Some(place), key: &entry.key });
                }
            }
            (Shape::List(shape), Value::List(items)) => {
                for item in items {
                    if item.is_null() {
                        self.problems.push(
                            Diagnostic::new(Code::EmptyValue, item.span, format!("`{place}` has an empty item"))
                                .help("remove the lone `-`, or write the item"),
                        );
                    }
                    self.value(item, shape, place);
                }
            }
            (_, Value::Scalar { text, .. }) => self.scalar(node, text, shape, place),
            _ => {}
        }
    }

    fn scalar(&mut self, node: &Node<'_>, text: &str, shape: &'static Shape, place: &Place<'_>) {
        match shape {
            Shape::Filled if text.trim().is_empty() => self.problems.push(
                Diagnostic::new(Code::EmptyValue, node.span, format!("`{place}` is empty"))
                    .help("write it, or remove the key"),
            ),
            Shape::Path => {
                if text.trim().is_empty() {
                    self.problems.push(
                        Diagnostic::new(Code::EmptyValue, node.span, format!("`{place}` is empty"))
                            .help("write a path, or remove the key"),
                    );
                }
                variable::check_path(text, node.span, place.key == "working_directory", &mut self.problems);
            }
            Shape::Template => variable::check_secrets(text, node.span, &mut self.problems),
            Shape::Filled | Shape::Text => variable::check_secrets(text, node.span, &mut self.problems),
            Shape::Count { min, max } => self.whole(node, text, *min..=*max, shape, place),
            Shape::Seconds => self.whole(node, text, 0..=MAX_COUNT, shape, place),
            Shape::Amount => match node.as_number::<f64>() {
                Some(number) if number >= 0.0 && number.is_finite() => {}
                // `nan` and `inf` are words to everyone but a parser of numbers.
                Some(_) if text.contains(|c: char| c.is_ascii_digit()) => self.out_of_range(node, text, shape, place),
                _ => self.wrong(node, shape, place),
            },
            Shape::Size => self.measured(duration::bytes(text).is_some(), node, shape, place),
            Shape::Cores => self.measured(duration::millicores(text).is_some(), node, shape, place),
            Shape::Duration => {
                if let Err(refused) = duration::parse(text) {
                    let problem = Diagnostic::new(
                        Code::BadDuration,
                        node.span,
                        format!("`{place}` is no duration: {}", refused.reason),
                    );
                    self.problems.push(match refused.meant {
                        Some(meant) => problem
                            .label(format!("write `{meant}`"))
                            .help(format!("durations are ISO 8601: `{meant}`"))
                            .edit(node.span, meant),
                        None => problem
                            .help("write an ISO 8601 duration: `PT30S` is 30 seconds, `PT5M` 5 minutes, `P1D` a day"),
                    });
                }
            }
            Shape::Word(words) if !words.contains(&text) => {
                self.unknown_word(node, text, words, place);
            }
            Shape::Status => match super::status::read(text) {
                Some((status, true)) => self.legacy.push(
                    Diagnostic::new(Code::LegacySpelling, node.span, format!("`{text}` is the v1 spelling"))
                        .label(format!("today: `{status}`"))
                        .help(format!("write `{status}`; icons are for display"))
                        .edit(node.span, status.word()),
                ),
                Some((_, false)) => {}
                None => self.unknown_word(node, text, super::status::WORDS, place),
            },
            Shape::TaskId => {
                if let Err(reason) = super::id_problem(text) {
                    self.problems.push(
                        Diagnostic::new(Code::BadId, node.span, format!("`{text}` cannot be a task id: {reason}"))
                            .help("start with a letter or digit and use letters, digits, `.`, `-` and `_`, such as `T1.2`"),
                    );
                }
            }
            _ => {}
        }
    }

    fn whole(
        &mut self,
        node: &Node<'_>,
        text: &str,
        range: std::ops::RangeInclusive<u32>,
        shape: &'static Shape,
        place: &Place<'_>,
    ) {
        if node.as_number::<u32>().is_some_and(|number| range.contains(&number)) {
            return;
        }
        // However many digits: a whole number, and not one that counts.
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            self.out_of_range(node, text, shape, place);
        } else {
            self.wrong(node, shape, place);
        }
    }

    fn out_of_range(&mut self, node: &Node<'_>, text: &str, shape: &Shape, place: &Place<'_>) {
        let range = match shape {
            Shape::Count { min, max } => format!("a whole number from {min} to {max}"),
            Shape::Seconds => format!("a whole number of seconds up to {MAX_COUNT}"),
            _ => shape.words(),
        };
        self.problems.push(
            Diagnostic::new(Code::BadNumber, node.span, format!("`{place}` must be {}, this is {text}", shape.words()))
                .help(format!("write {range}")),
        );
    }

    fn measured(&mut self, fits: bool, node: &Node<'_>, shape: &Shape, place: &Place<'_>) {
        if !fits {
            self.problems.push(
                Diagnostic::new(Code::BadNumber, node.span, format!("`{place}` must be {}", shape.words()))
                    .help(format!("write {}", shape.words())),
            );
        }
    }

    fn unknown_word(&mut self, node: &Node<'_>, text: &str, words: &'static [&'static str], place: &Place<'_>) {
        let problem = Diagnostic::new(Code::UnknownWord, node.span, format!("`{place}` cannot be `{text}`"))
            .help(format!("`{place}` is one of {}", choices(words)));
        self.problems.push(match nearest(text, words.iter().copied()) {
            Some(meant) => problem.label(format!("did you mean `{meant}`?")),
            None => problem.label("not one of the choices"),
        });
    }
}
