//! References to secrets where a shell replaces nothing: between single quotes, and in a here-document whose word is
//! quoted.
//!
//! This is a look at quotes, not a parser of shell. Where it is in doubt it says nothing.

use crate::blueprint::model::{Draft, Task};
use crate::blueprint::variable::{place_in, references};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::Text;

pub(super) fn check(draft: &Draft<'_>, problems: &mut Vec<Diagnostic>) {
    let execution = &draft.execution;
    let told = execution.notify.iter().filter_map(|notice| notice.to.command.as_ref());
    let checks = execution.preflight.iter().map(|check| &check.command);
    for text in checks.chain(execution.hooks.iter().map(|hook| &hook.command)).chain(told) {
        command(text, None, problems);
    }
    for task in &draft.tasks {
        for text in commands(task) {
            command(text, Some(task), problems);
        }
    }
}

fn commands<'t, 's>(task: &'t Task<'s>) -> impl Iterator<Item = &'t Text<'s>> {
    let context = task.context.as_deref();
    let setup = context.and_then(|context| context.setup_command.as_ref());
    let rollback = task.rollback.as_ref().and_then(|rollback| rollback.command.as_ref());
    let verifications = task.verification.iter().map(|stage| &stage.command);
    let told = task.gate.iter().flat_map(|gate| &gate.notify).filter_map(|notice| notice.to.command.as_ref());
    [task.run.as_ref(), setup, rollback, task.on_success()].into_iter().flatten().chain(verifications).chain(told)
}

fn command(text: &Text<'_>, task: Option<&Task<'_>>, problems: &mut Vec<Diagnostic>) {
    if !text.contains("${secrets.") || !(text.contains('\'') || text.contains("<<")) {
        return;
    }
    let literal = literal(text);
    let is_literal = |at: usize| literal.iter().any(|(begin, end)| (*begin..*end).contains(&at));
    for reference in references(text) {
        let Some((name, _)) = reference.secret().filter(|_| is_literal(reference.at)) else {
            continue;
        };
        let place = place_in(text.span, text, &reference);
        let problem = Diagnostic::new(Code::QuotedSecret, place, format!("the shell does not replace `{name}` here"))
            .label("between single quotes, or in a quoted here-document")
            .help(format!(
                "write `\"${{secrets.{name}}}\"`, or end the quote before it: `'…'\"${{secrets.{name}}}\"'…'`"
            ));
        problems.push(match task {
            Some(task) => problem.task(&task.id),
            None => problem,
        });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    Bare,
    Double,
}

/// A here-document that was announced.
struct Here {
    word: String,
    is_literal: bool,
    /// `<<-`: tabs before its word do not count.
    may_indent: bool,
}

struct Scan<'c> {
    text: &'c str,
    at: usize,
    found: Vec<(usize, usize)>,
    pending: Vec<Here>,
}

/// Where nothing is replaced, as ranges of bytes.
fn literal(text: &str) -> Vec<(usize, usize)> {
    let mut scan = Scan { text, at: 0, found: Vec::new(), pending: Vec::new() };
    let (mut quote, mut parentheses, mut outside) = (Quote::Bare, 0_usize, Vec::new());
    while let Some(byte) = scan.byte(0) {
        match (quote, byte) {
            (_, b'\\') => scan.at += 1,
            (_, b'$') if scan.byte(1) == Some(b'(') => {
                outside.push((quote, parentheses));
                (quote, parentheses) = (Quote::Bare, 0);
                scan.at += 1;
            }
            (Quote::Bare, b'(') => parentheses += 1,
            (Quote::Bare, b')') if parentheses > 0 => parentheses -= 1,
            (Quote::Bare, b')') => (quote, parentheses) = outside.pop().unwrap_or((quote, 0)),
            (Quote::Bare, b'"') => quote = Quote::Double,
            (Quote::Double, b'"') => quote = Quote::Bare,
            (Quote::Bare, b'\'') => scan.single(),
            (Quote::Bare, b'#') if scan.begins_word() => scan.skip_line(),
            (Quote::Bare, b'<') if scan.text[scan.at..].starts_with("<<<") => scan.at += 2,
            (Quote::Bare, b'<') if scan.byte(1) == Some(b'<') => scan.announce(),
            (_, b'\n') => scan.here(),
            _ => {}
        }
        scan.at += 1;
    }
    scan.found
}

impl Scan<'_> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn begins_word(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.text.as_bytes().get(at));
        before.is_none_or(|byte| byte.is_ascii_whitespace() || b";|&()".contains(byte))
    }

    /// To the last byte of the line.
    fn skip_line(&mut self) {
        while self.byte(1).is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    /// A quote, up to its end. What another shell is told to do is replaced by that one.
    fn single(&mut self) {
        let begin = self.at;
        let with_escapes = begin > 0 && self.text.as_bytes()[begin - 1] == b'$';
        self.at += 1;
        while let Some(byte) = self.byte(0).filter(|byte| *byte != b'\'') {
            self.at += if with_escapes && byte == b'\\' { 2 } else { 1 };
        }
        let before = self.text[..begin].trim_end().rsplit(char::is_whitespace).next().unwrap_or_default();
        let is_script = (before.starts_with('-') && before.ends_with('c')) || matches!(before, "eval" | "trap");
        if !is_script {
            self.found.push((begin, self.at));
        }
    }

    /// `<<EOF`, `<<-EOF`, `<<'EOF'`.
    fn announce(&mut self) {
        self.at += 2;
        let may_indent = self.byte(0) == Some(b'-');
        self.at += usize::from(may_indent);
        while matches!(self.byte(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        let begin = self.at;
        while self.byte(0).is_some_and(|byte| !byte.is_ascii_whitespace() && !b";|&()<>".contains(&byte)) {
            self.at += 1;
        }
        let written = &self.text[begin..self.at];
        let word = written.replace(['\'', '"', '\\'], "");
        self.pending.push(Here { is_literal: word != written, word, may_indent });
        self.at -= 1;
    }

    /// The here-documents that begin after this line.
    fn here(&mut self) {
        for Here { word, is_literal, may_indent } in std::mem::take(&mut self.pending) {
            let begin = self.at;
            loop {
                let rest = &self.text[(self.at + 1).min(self.text.len())..];
                if rest.is_empty() {
                    break;
                }
                let line = rest.split('\n').next().unwrap_or_default();
                self.at += 1 + line.len();
                if if may_indent { line.trim_start_matches('\t') } else { line } == word {
                    break;
                }
            }
            if is_literal {
                self.found.push((begin, self.at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::literal;
    use crate::blueprint::variable::references;

    /// `X` for each reference: `l` where it is literal, `r` where it is replaced.
    fn told(command: &str) -> String {
        let text = command.replace('X', "${secrets.X}");
        let literal = literal(&text);
        let is_literal = |at: usize| literal.iter().any(|(begin, end)| (*begin..*end).contains(&at));
        references(&text).map(|reference| if is_literal(reference.at) { 'l' } else { 'r' }).collect()
    }

    #[test]
    fn f_32_quotes_of_a_shell() {
        for (command, places) in [
            ("echo X \"X\" 'X' X", "rrlr"),
            ("echo \"it's X\" 'a'X'b' \\'X \"\\\"'X'\"", "rrrr"),
            ("echo $'it\\'s X' X", "lr"),
            ("# it's a comment\necho X # don't\necho X 'X' a#'X'", "rrll"),
            ("curl -H \"A: $(printf '%s' X)\" -d \"$(echo \"it's\" 'X')\" X", "rlr"),
            ("(echo 'X'); f() { echo X; }; x=$((1+2)); echo 'X'", "lrl"),
            ("bash -c 'echo X'; sh -ec 'X'; eval 'X'; trap 'X' 0; ssh host 'X'", "rrrrl"),
            ("cat <<EOF\nit's X\nEOF\necho X", "rr"),
            ("cat <<'EOF' > f\nit's X\nEOF\necho X 'X'", "lrl"),
            ("cat <<-\\EOF | tr a b\n\tX\n\tEOF\necho X; cat <<< 'X' X", "lrlr"),
            ("cat <<A <<'B'\nX\nA\nX\nB\nX", "rlr"),
            ("echo 'X", "l"),
            ("cat <<'EOF'\nX", "l"),
            ("\\", ""),
        ] {
            assert_eq!(told(command), places, "{command}");
        }
    }
}
