//! `check --fix`: a document with its mechanical edits made, every other byte as it was.
//!
//! Edits are made in rounds, because one may uncover what another mends. Lines are added with the
//! line ends of their neighbours. Knows neither files nor what an edit means.

use std::collections::BTreeMap;

use super::{checksum, read};
use crate::diagnostic::{Code, Diagnostic, Edit};
use crate::document::Source;

/// A mended document.
#[derive(Debug)]
pub struct Mended {
    pub source: Source,
    /// How many problems are gone.
    pub problems: usize,
}

/// Rounds of mending, far above what any document needs.
const MOST_ROUNDS: usize = 16;

/// Makes all edits a document's diagnostics offer; `None` when there are none. A checksum that was
/// right stays right; one that was wrong stays as it is.
pub fn mend(source: &Source) -> Option<Mended> {
    let reading = read(source, false);
    let vouched = checksum::fits(source.text(), &reading.draft.metadata);
    let before = reading.diagnostics;
    let mut mended: Option<(Source, Vec<Diagnostic>)> = None;
    for _ in 0..MOST_ROUNDS {
        let (now, diagnostics) = mended.as_ref().map_or((source, &before), |(now, after)| (now, after));
        let Some(text) = apply(now.text(), diagnostics.iter().map(|diagnostic| &*diagnostic.edits)) else {
            break;
        };
        let (now, _) = Source::from_bytes(source.name(), text.into_bytes());
        let after = read(&now, false).diagnostics;
        mended = Some((now, after));
    }
    let (now, after) = mended?;
    Some(Mended { source: if vouched { checksum::refresh(now) } else { now }, problems: gone(&before, &after).max(1) })
}

/// How many problems are told no more. Counted by code: words such as `3 of 5 tasks` may change.
fn gone(before: &[Diagnostic], after: &[Diagnostic]) -> usize {
    let mut counts: BTreeMap<Code, (usize, usize)> = BTreeMap::new();
    before.iter().for_each(|problem| counts.entry(problem.code).or_default().0 += 1);
    after.iter().for_each(|problem| counts.entry(problem.code).or_default().1 += 1);
    counts.values().map(|(before, after)| before.saturating_sub(*after)).sum()
}

/// The text with all edits that do not touch each other; those that belong together are made together or not at all.
/// `None` when there are none.
pub(super) fn apply<'e>(text: &str, together: impl IntoIterator<Item = &'e [Edit]>) -> Option<String> {
    let mut taken: BTreeMap<(u32, u32), &Edit> = BTreeMap::new();
    for edits in together {
        if edits.is_empty() || !edits.iter().all(|edit| is_free(&taken, edit)) {
            continue;
        }
        taken.extend(edits.iter().map(|edit| ((edit.span.start, edit.span.end), edit)));
    }
    if taken.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for edit in taken.values() {
        out.push_str(&text[at..edit.span.start as usize]);
        match line_end(text, edit.span.start as usize) {
            "\n" => out.push_str(&edit.text),
            end => out.push_str(&edit.text.replace('\n', end)),
        }
        at = edit.span.end as usize;
    }
    out.push_str(&text[at..]);
    Some(out)
}

/// Whether an edit overlaps none of those taken. Two insertions at one place overlap: which of them
/// comes first would be chance.
fn is_free(taken: &BTreeMap<(u32, u32), &Edit>, edit: &Edit) -> bool {
    let key = (edit.span.start, edit.span.end);
    let before = taken.range(..=key).next_back().map(|(key, _)| *key);
    let after = taken.range(key..).next().map(|(key, _)| *key);
    before.is_none_or(|before| before != key && before.1 <= key.0) && after.is_none_or(|after| key.1 <= after.0)
}

/// How the line of a place ends, or the one before it.
fn line_end(text: &str, at: usize) -> &'static str {
    let next = text[at..].find('\n').map(|newline| at + newline).or_else(|| text[..at].rfind('\n'));
    match next {
        Some(newline) if text[..newline].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

#[cfg(test)]
mod tests {
    use super::{mend, read};
    use crate::diagnostic::Code;
    use crate::document::Source;

    /// The mended text; mending it again must change nothing.
    fn mended(text: &str) -> String {
        let source = |text: &str| Source::from_bytes("t.md", text.as_bytes().to_vec()).0;
        let once = mend(&source(text)).map_or(text.to_owned(), |mended| mended.source.text().to_owned());
        assert!(mend(&source(&once)).is_none(), "mending is not finished after one run:\n{once}");
        once
    }

    #[test]
    fn lines_are_added_with_the_line_ends_of_their_neighbours() {
        assert_eq!(mended("# T\n\n```yaml\na: 1\n"), "# T\n\n```yaml\na: 1\n```\n");
        assert_eq!(mended("# T\r\n\r\n```yaml\r\na: 1\r\n"), "# T\r\n\r\n```yaml\r\na: 1\r\n```\r\n");
        assert_eq!(mended("# T\r\n\r\n```yaml\r\na: 1"), "# T\r\n\r\n```yaml\r\na: 1\r\n```");
    }

    /// A document with one task of these fields.
    fn task(fields: &str) -> String {
        format!("<!-- _blueprint_version: 2.0.2 -->\n\n```yaml\ntask_id: T0.1\nname: a\n{fields}```\n")
    }

    #[test]
    fn a_v1_time_limit_becomes_a_key_that_exists() {
        for (before, after) in [
            ("timeout_seconds: 300 # s\n", "execution_context: {timeout: PT5M} # s\n"),
            ("resources: {timeout_seconds: 90}\n", "resources: {timeout: PT1M30S}\n"),
            ("on_failure:\n  retry_delay_seconds: 5\n", "on_failure:\n  retry_delay: PT5S\n"),
        ] {
            assert_eq!(mended(&task(before)), task(after));
        }
    }

    #[test]
    fn a_key_that_is_there_already_is_not_written_again() {
        for fields in [
            "timeout_seconds: 300\nexecution_context: {working_directory: x}\n",
            "timeout_seconds: 300\nexecution_context:\n",
            "execution_context: {timeout: PT1M, timeout_seconds: 300}\n",
            "resources:\n  timeout_seconds: 300\n  timeout:\n",
            "timeout_seconds: 300\nresources: {timeout_seconds: 99999999999999999}\n",
        ] {
            let text = task(fields);
            let fields =
                fields.replace("timeout_seconds: 300\nresources", "execution_context: {timeout: PT5M}\nresources");
            assert_eq!(mended(&text), task(&fields));
        }
    }

    #[test]
    fn what_is_merged_from_elsewhere_is_left_there() {
        let text = "<!-- _blueprint_version: 2.0.2 -->\n\n```yaml\n- task_id: T0.1\n  name: a\n  x: &x {timeout_seconds: 300}\n\
                    - task_id: T0.2\n  name: b\n  <<: *x\n```\n";
        let (source, _) = Source::from_bytes("t.md", text.into());
        assert!(read(&source, false).diagnostics.iter().any(|problem| problem.code == Code::LegacySpelling));
        assert_eq!(mended(text), text);
    }

    #[test]
    fn a_fence_is_closed_and_marked_in_its_own_way() {
        let task = "task_id: T0.1\nname: a\n";
        for (before, after) in [
            (format!("~~~yaml\n{task}"), format!("~~~yaml\n{task}~~~\n")),
            (format!("````yaml\n{task}\n## T\n"), format!("````yaml\n{task}````\n\n## T\n")),
            (format!("```yaml\n\n```yaml\n{task}```\n"), format!("```yaml\n```\n\n```yaml\n{task}```\n")),
            (format!("```\n{task}```\n"), format!("```yaml\n{task}```\n")),
            (format!("~~~ {{#a .b}}\n{task}~~~\n"), format!("~~~yaml {{#a .b}}\n{task}~~~\n")),
            (format!("``` {{.yaml}}\n{task}```\n"), format!("``` {{.yaml}}\n{task}```\n")),
            (
                format!("> ```\n> {}", task.replace("\nname", "\n> name")),
                format!("> ```yaml\n> {}", task.replace("\nname", "\n> name")),
            ),
            (format!("~~~~\n{task}"), format!("~~~~yaml\n{task}~~~~\n")),
        ] {
            assert_eq!(mended(&before), after);
        }
    }

    #[test]
    fn f_03_a_checksum_that_was_right_stays_right() {
        let text =
            |sum: &str| task("timeout_seconds: 60\n").replace("-->\n", &format!("-->\n<!-- _checksum: {sum} -->\n"));
        let mismatch = |text: &str| {
            let (source, _) = Source::from_bytes("t.md", text.into());
            let diagnostics = read(&source, false).diagnostics;
            diagnostics.into_iter().find(|problem| problem.code == Code::ChecksumMismatch).map(|problem| problem.help)
        };
        let wrong = text("sha256:00");
        let help = mismatch(&wrong).expect("the sum is wrong");
        let right = text(help.split('`').nth(1).expect("the right sum"));
        assert_eq!(mismatch(&right), None);
        let after = mended(&right);
        assert!(after.contains("timeout: PT1M") && mismatch(&after).is_none(), "{after}");
        let quoted = format!(
            "---\n_blueprint_version: 2.0.2\n_checksum: \"{}\" # sum\n---\n```yaml\ntask_id: a\nstatus: DONE\n```\n",
            "sha256:00"
        );
        let help = mismatch(&quoted).expect("the sum is wrong");
        let after = mended(&quoted.replace("sha256:00", help.split('`').nth(1).expect("the right sum")));
        assert!(
            after.contains("status: complete") && after.contains("\" # sum\n") && mismatch(&after).is_none(),
            "{after}"
        );
        assert!(mended(&wrong).contains("_checksum: sha256:00 -->"), "nobody vouched for it");
        assert_eq!(
            mended(&text("md5:1")),
            text("md5:1").replace("timeout_seconds: 60", "execution_context: {timeout: PT1M}")
        );
    }

    #[test]
    fn problems_are_counted_once() {
        let count = |text: &str| {
            let (source, _) = Source::from_bytes("t.md", text.into());
            mend(&source).map(|mended| mended.problems)
        };
        assert_eq!(count(&task("timeout_seconds: 60\nidempotent: yes\n")), Some(2));
        assert_eq!(count(&task("")), None);
        // The number of tasks is corrected to 0, and back when the task is read.
        let text = task("status: x\n").replace("-->\n", "-->\n<!-- _total_tasks: 1 -->\n").replace("```yaml", "```");
        assert_eq!(count(&text), Some(3), "there is a task, its fence is marked, and the count is right");
        let graph = "```yaml\n- {task_id: a}\n- {task_id: b, dependencies: [a]}\n- {task_id: c, dependencies: [a]}\n---\ndependency_graph: {}\n```\n";
        assert_eq!(count(graph), Some(2), "one edit adds both entries");
    }

    #[test]
    fn a_value_in_a_block_is_mended_in_its_block_or_not_at_all() {
        let text = task("status: |\n  DONE\nresources:\n  timeout: >\n    5 minutes\n\nidempotent: |-\n  yes\n");
        let after = task("status: |\n  complete\nresources:\n  timeout: >\n    PT5M\n\nidempotent: |-\n  yes\n");
        assert_eq!(mended(&text), after, "behind `|` a flag would still be text");
    }
}
