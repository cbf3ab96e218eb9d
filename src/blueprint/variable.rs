//! `${…}` in a document: which names exist where, and how they are escaped.
//!
//! Paths are substituted by the executor, so every name in them must be known before the run.
//! Commands are not: they get the same names as environment variables, and `${HOME}` there is the
//! shell's. Only `${secrets.…}` is checked everywhere.

use crate::diagnostic::{Code, Diagnostic, Span, nearest};
use crate::document::source::offset;

/// The variables of path fields, in the order of the format's table.
pub const NAMES: &[&str] = &[
    "task_id",
    "blueprint_id",
    "blueprint_root",
    "working_directory",
    "source_task_id",
    "output_port",
    "timestamp",
    "timestamp_unix",
    "executor_id",
];

/// Those that only a task, or something that it binds, can fill in.
const OF_TASKS: &[&str] = &["task_id", "source_task_id", "output_port"];

/// A `${…}` found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Between the braces, or all that follows `${` when `closed` is false.
    pub name: &'a str,
    /// Byte offset of `$` in the text.
    pub at: usize,
    pub closed: bool,
}

impl<'a> Reference<'a> {
    /// Byte offset of what follows it.
    pub const fn end(&self) -> usize {
        self.at + 2 + self.name.len() + self.closed as usize
    }

    /// The name of a `${secrets.NAME}` or `${secrets.NAME:default}`, and the default.
    pub fn secret(&self) -> Option<(&'a str, Option<&'a str>)> {
        let rest = self.name.strip_prefix("secrets.")?;
        Some(match rest.split_once(':') {
            Some((name, default)) => (name, Some(default)),
            None => (rest, None),
        })
    }
}

/// All references of a text. `$${…}` and `\${…}` are literal and left out.
pub fn references(text: &str) -> impl Iterator<Item = Reference<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text[at..].find("${")?;
            let escaped = matches!(text.as_bytes().get(start.wrapping_sub(1)), Some(b'$' | b'\\')) && start > 0;
            at = start + 2;
            if escaped {
                continue;
            }
            let rest = &text[at..];
            return Some(match rest.find(['}', '\n']) {
                Some(end) if rest.as_bytes()[end] == b'}' => {
                    at += end + 1;
                    Reference { name: &rest[..end], at: start, closed: true }
                }
                end => {
                    let end = end.unwrap_or(rest.len());
                    at += end;
                    Reference { name: &rest[..end], at: start, closed: false }
                }
            });
        }
    })
}

/// A text with what its references stand for. One that stands for nothing stays as it is, and nothing is looked into again.
pub fn replaced(text: &str, meaning: impl FnMut(&Reference<'_>) -> Option<Vec<u8>>) -> Vec<u8> {
    rewritten(text, str::to_owned, meaning)
}

/// The same, with all else written as it says.
pub fn rewritten(
    text: &str,
    literal: impl Fn(&str) -> String,
    mut meaning: impl FnMut(&Reference<'_>) -> Option<Vec<u8>>,
) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    for reference in references(text) {
        out.extend(literal(&text[at..reference.at]).into_bytes());
        at = reference.end();
        match meaning(&reference) {
            Some(value) => out.extend(value),
            None => out.extend_from_slice(&text.as_bytes()[reference.at..at]),
        }
    }
    out.extend(literal(&text[at..]).into_bytes());
    out
}

/// Checks a path field: every variable must exist.
pub fn check_path(text: &str, span: Span, is_working_directory: bool, problems: &mut Vec<Diagnostic>) {
    if !text.contains('$') && !text.contains('`') {
        return;
    }
    for reference in references(text) {
        let place = place_in(span, text, &reference);
        if !reference.closed {
            problems.push(malformed(place, &reference));
        } else if reference.secret().is_some() {
            problems.push(
                Diagnostic::new(Code::BadSecretReference, place, "a secret cannot be part of a path")
                    .label("paths are logged, journaled and shown")
                    .help("pass the secret as an environment variable: `execution_context.environment_variables`"),
            );
        } else if is_working_directory && reference.name == "working_directory" {
            problems.push(
                Diagnostic::new(Code::CircularVariable, place, "`working_directory` is defined by itself")
                    .help("use `${blueprint_root}`, the directory of the blueprint"),
            );
        } else if !NAMES.contains(&reference.name) {
            let problem =
                Diagnostic::new(Code::UnknownVariable, place, format!("there is no variable `{}`", reference.name));
            problems.push(match nearest(reference.name, NAMES.iter().copied()) {
                Some(meant) => problem
                    .label(format!("did you mean `${{{meant}}}`?"))
                    .help(format!("the variables are {}", super::shape::choices(NAMES))),
                None => problem.help(format!(
                    "the variables are {}; write `$${{{}}}` for the characters themselves",
                    super::shape::choices(NAMES),
                    reference.name
                )),
            });
        }
    }
    if text.contains("$(") || text.contains('`') {
        problems.push(
            Diagnostic::new(Code::ShellInPath, span, "shell syntax in a path is not expanded")
                .label("a file of exactly this name is expected")
                .help("use `${timestamp_unix}` or another variable, or a fixed name"),
        );
    }
}

/// Checks a path of the whole run: what only a task has means nothing in it. Other faults are those of every path.
pub fn check_run_path(text: &str, span: Span, problems: &mut Vec<Diagnostic>) {
    for reference in references(text).filter(|reference| OF_TASKS.contains(&reference.name)) {
        problems.push(
            Diagnostic::new(
                Code::UnknownVariable,
                place_in(span, text, &reference),
                format!("`{}` means nothing here: the path is that of the whole run", reference.name),
            )
            .help("use `${blueprint_id}` or `${timestamp_unix}`"),
        );
    }
}

/// Checks what stands anywhere: `${secrets.…}` must be well formed. Without the dot it is a variable
/// of the shell; with it, no shell has a use for it.
pub fn check_secrets(text: &str, span: Span, problems: &mut Vec<Diagnostic>) {
    if !text.contains("${secret") {
        return;
    }
    for reference in references(text) {
        if !reference.name.starts_with("secrets.") && !reference.name.starts_with("secret.") {
            continue;
        }
        let place = place_in(span, text, &reference);
        if !reference.closed {
            problems.push(malformed(place, &reference));
            continue;
        }
        let fine = reference.secret().is_some_and(|(name, _)| is_name(name));
        if !fine {
            problems.push(
                Diagnostic::new(
                    Code::BadSecretReference,
                    place,
                    format!("`${{{}}}` is no secret reference", reference.name),
                )
                .help("write `${secrets.NAME}`, `${secrets.NAME:default}` or `${secrets.NAME:}`; names are letters, digits and `_`"),
            );
        }
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn malformed(place: Span, reference: &Reference<'_>) -> Diagnostic {
    Diagnostic::new(Code::MalformedVariable, place, format!("`${{{}` has no closing brace", reference.name.trim_end()))
        .help("add the `}`, or write `$${` for the characters themselves")
}

/// The place of a reference, exact where the scalar stands in the document as it is.
pub(super) fn place_in(span: Span, text: &str, reference: &Reference<'_>) -> Span {
    // Quotes, escapes and folding change lengths; then the whole scalar is underlined.
    let quotes = span.len().checked_sub(offset(text.len()));
    let shift = match quotes {
        Some(0) => 0,
        Some(2) => 1,
        _ => return span,
    };
    let start = span.start + shift + offset(reference.at);
    Span::new(start, start + offset(reference.end() - reference.at))
}

#[cfg(test)]
mod tests {
    use super::{check_path, check_secrets, references};
    use crate::diagnostic::{Code, Span};
    use crate::document::source::offset;

    fn codes(text: &str, working_directory: bool) -> Vec<(Code, String)> {
        let mut problems = Vec::new();
        let span = Span::new(0, offset(text.len()));
        check_path(text, span, working_directory, &mut problems);
        problems
            .into_iter()
            .map(|problem| (problem.code, text[problem.span.expect("place").range()].to_owned()))
            .collect()
    }

    #[test]
    fn f_33_variables_and_their_escapes() {
        let names: Vec<_> = references("a ${x} $${y} \\${z} ${w}").map(|r| r.name).collect();
        assert_eq!(names, ["x", "w"]);
        assert_eq!(codes("/tmp/${task_id}/${timestamp_unix}", false), []);
        assert_eq!(codes("/tmp/$${anything}", false), []);
        assert_eq!(codes("/tmp/${tsk_id}", false), [(Code::UnknownVariable, "${tsk_id}".into())]);
        assert_eq!(codes("/tmp/${task_id", false), [(Code::MalformedVariable, "${task_id".into())]);
        assert_eq!(codes("${working_directory}/x", true), [(Code::CircularVariable, "${working_directory}".into())]);
        assert_eq!(codes("x_$(date).log", false), [(Code::ShellInPath, "x_$(date).log".into())]);
        assert_eq!(codes("/x/${secrets.A}", false), [(Code::BadSecretReference, "${secrets.A}".into())]);
    }

    #[test]
    fn f_32_secret_references_are_well_formed() {
        let bad = |text: &str| {
            let mut problems = Vec::new();
            check_secrets(text, Span::new(0, offset(text.len())), &mut problems);
            problems.len()
        };
        for fine in ["${secrets.A}", "${secrets.A_1:x y}", "${secrets.A:}", "${HOME} ${x:-1}", "$${secrets.}"] {
            assert_eq!(bad(fine), 0, "{fine}");
        }
        for shell in ["${secrets}", "${secrets_dir}/x", "${secret_key:-none}", "${secrets[0]}", "${secrets%.txt}"] {
            assert_eq!(bad(shell), 0, "{shell}");
            assert_eq!(bad(&format!("{shell} ${{secrets.}}")), 1, "{shell}");
        }
        for wrong in ["${secrets.}", "${secrets.a-b}", "${secret.A}", "${secrets.A"] {
            assert_eq!(bad(wrong), 1, "{wrong}");
        }
    }
}
