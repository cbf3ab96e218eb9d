//! The name of a container says which start of which work it belongs to, so that it is found without a record.

use std::fmt::Write as _;

use outpost_executor::Token;

const PREFIX: &str = "outpost-";

/// `outpost-RUN.TASK.ATTEMPT.STAGE`; what a name may not hold, and the dot, is `_` and two digits.
pub fn name_of(token: &Token) -> String {
    let Token { run, task, attempt, stage } = token;
    format!("{PREFIX}{}.{}.{attempt}.{}", escaped(run), escaped(task), escaped(stage))
}

/// Whose container it is; none of ours without an answer.
pub fn decoded(name: &str) -> Option<Token> {
    let mut parts = name.strip_prefix(PREFIX)?.split('.');
    let token = Token {
        run: plain(parts.next()?)?,
        task: plain(parts.next()?)?,
        attempt: parts.next()?.parse().ok()?,
        stage: plain(parts.next()?)?,
    };
    parts.next().is_none().then_some(token)
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            out.push(char::from(byte));
        } else {
            // Writing to a `String` does not fail.
            let _ = write!(out, "_{byte:02x}");
        }
    }
    out
}

fn plain(text: &str) -> Option<String> {
    let (mut bytes, mut out) = (text.bytes(), Vec::new());
    while let Some(byte) = bytes.next() {
        if byte == b'_' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use outpost_executor::Token;

    use super::{decoded, name_of};

    #[test]
    fn names_say_whose_they_are() {
        for (run, task, stage) in [("20261121-1012", "T1.2", "verify:unit"), ("a.b", "_x_", "rün"), ("", "", "")] {
            let token = Token { run: run.into(), task: task.into(), attempt: 3, stage: stage.into() };
            let name = name_of(&token);
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{name}");
            assert_eq!(decoded(&name), Some(token), "{name}");
        }
        for name in ["other", "outpost-a.b.c.d", "outpost-a.b.1", "outpost-a.b.1.c.d", "outpost-_zz.b.1.c"] {
            assert_eq!(decoded(name), None, "{name}");
        }
    }
}
