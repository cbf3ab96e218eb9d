//! jq expressions: whether they are ones. Running them is the engine's work.

use std::collections::HashMap;
use std::thread;

use jaq_core::load::{Arena, File, Loader, lex, parse};
use jaq_core::{Compiler, data, load};
use jaq_json::Val;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::Text;
use crate::document::source::offset;

/// The longest expression that is read, in bytes.
const MOST_BYTES: usize = 4096;
/// The compiler calls itself for every level of an expression, and a level is at least a byte long.
const STACK_PER_BYTE: usize = 16 * 1024;
/// Expressions up to this length fit the stack that is there.
const SHORT: usize = 48;

/// Compiles each distinct expression once.
#[derive(Debug, Default)]
pub(super) struct Expressions {
    known: HashMap<String, Option<Fault>>,
}

/// What is wrong with an expression, and where in it.
#[derive(Clone, Debug)]
struct Fault {
    message: String,
    at: std::ops::Range<usize>,
}

impl Expressions {
    /// `example` shows the author what such an expression looks like.
    pub(super) fn check(&mut self, expression: &Text<'_>, example: &'static str) -> Option<Diagnostic> {
        let fault = match self.known.get(&*expression.value) {
            Some(fault) => fault.clone(),
            None => {
                let fault = compile(expression);
                self.known.insert(expression.to_string(), fault.clone());
                fault
            }
        }?;
        Some(
            Diagnostic::new(
                Code::BadTransform,
                place(expression, &fault.at),
                format!("this is no jq expression: {}", fault.message),
            )
            .label("here")
            .help(example),
        )
    }
}

/// The fault's place in the document, exact where the scalar stands there as it is.
fn place(expression: &Text<'_>, at: &std::ops::Range<usize>) -> Span {
    let shift = match expression.span.len().checked_sub(offset(expression.len())) {
        Some(0) => 0,
        Some(2) => 1,
        _ => return expression.span,
    };
    // A fault at the end of the expression points at its last character.
    let (last, length) = expression.char_indices().next_back().map_or((0, 1), |(at, c)| (at, c.len_utf8()));
    let start = at.start.min(last);
    let end = if start == last { last + length } else { at.end.max(start + 1) };
    Span::new(expression.span.start + shift + offset(start), expression.span.start + shift + offset(end))
}

fn compile(code: &str) -> Option<Fault> {
    let refuse = |message: String| Some(Fault { message, at: 0..code.len() });
    if code.len() > MOST_BYTES {
        return refuse(format!("it is longer than {MOST_BYTES} bytes"));
    }
    if code.len() <= SHORT {
        return compile_here(code);
    }
    let stack = thread::Builder::new().stack_size((code.len() + SHORT) * STACK_PER_BYTE);
    thread::scope(|scope| match stack.spawn_scoped(scope, || compile_here(code)) {
        Ok(compiler) => compiler.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        Err(error) => refuse(format!("there is no memory to read it: {error}")),
    })
}

fn compile_here(code: &str) -> Option<Fault> {
    let arena = Arena::default();
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let modules = match Loader::new(definitions).load(&arena, File { code, path: () }) {
        Ok(modules) => modules,
        Err(errors) => return errors.into_iter().find_map(|(_, error)| loading(code, error)),
    };
    let functions = jaq_core::funs::<data::JustLut<Val>>().chain(jaq_std::funs()).chain(jaq_json::funs());
    match Compiler::default().with_funs(functions).compile(modules) {
        Ok(_) => None,
        Err(errors) => errors.into_iter().flat_map(|(_, errors)| errors).next().map(|(name, undefined)| Fault {
            message: format!("there is no {} `{name}`", undefined.as_str()),
            at: load::span(code, name),
        }),
    }
}

fn loading(code: &str, error: load::Error<&str>) -> Option<Fault> {
    let fault = |message: String, part: &str| Fault { message, at: load::span(code, part) };
    match error {
        load::Error::Io(errors) => errors.into_iter().next().map(|(part, error)| fault(error, part)),
        load::Error::Lex(errors) => errors.into_iter().next().map(|(expected, part): lex::Error<&str>| {
            fault(
                format!("expected {}", expected.as_str()),
                part.get(..part.chars().next().map_or(0, char::len_utf8)).unwrap_or(part),
            )
        }),
        load::Error::Parse(errors) => errors
            .into_iter()
            .next()
            .map(|(expected, part): parse::Error<&str>| fault(format!("expected {}", expected.as_str()), part)),
    }
}

#[cfg(test)]
mod tests {
    use super::Expressions;
    use crate::diagnostic::Span;
    use crate::document::Text;
    use crate::document::source::offset;

    #[test]
    fn f_17_jq_is_judged_by_a_jq_compiler() {
        let mut expressions = Expressions::default();
        let mut fault = |code: &'static str| {
            let text = Text { value: code.into(), span: Span::new(0, offset(code.len())) };
            expressions.check(&text, "").map(|problem| code[problem.span.expect("place").range()].to_owned())
        };
        for fine in [
            ".items[0]",
            ".users | map(select(.active)) | .[].email",
            ".config.timeout // 30",
            "@base64",
            "to_entries",
            "now",
        ] {
            assert_eq!(fault(fine), None, "{fine}");
        }
        assert_eq!(fault(".items["), Some("[".into()));
        assert_eq!(fault(".a | nosuch(1)").as_deref(), Some("nosuch"));
        assert_eq!(fault("$x").as_deref(), Some("$x"));
        assert!(fault(".a |").is_some());
        assert_eq!(fault("#p\u{e9}").as_deref(), Some("\u{e9}"), "the last character, all of it");
        assert_eq!(fault(".\u{e9}\u{1f512}").as_deref(), Some("\u{e9}"));
    }
}
