//! Literals that look like live credentials, anywhere in the document.

use memchr::memmem;

use crate::diagnostic::{Code, Diagnostic};
use crate::document::Source;
use crate::document::source::span;

/// What a credential begins with, how many word characters must follow, and whose it is.
const KINDS: &[(&str, usize, &str)] = &[
    ("AKIA", 16, "an AWS access key id"),
    ("ASIA", 16, "an AWS access key id"),
    ("ghp_", 36, "a GitHub token"),
    ("gho_", 36, "a GitHub token"),
    ("ghs_", 36, "a GitHub token"),
    ("github_pat_", 40, "a GitHub token"),
    ("sk-ant-", 30, "an Anthropic key"),
    ("sk-proj-", 30, "an OpenAI key"),
    ("sk_live_", 20, "a Stripe key"),
    ("rk_live_", 20, "a Stripe key"),
    ("xoxb-", 20, "a Slack token"),
    ("xoxp-", 20, "a Slack token"),
    ("AIza", 35, "a Google API key"),
    ("glpat-", 20, "a GitLab token"),
    ("xai-", 40, "an xAI key"),
];

pub(super) fn check(source: &Source, problems: &mut Vec<Diagnostic>) {
    let bytes = source.text().as_bytes();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    for (prefix, least, whose) in KINDS {
        for start in memmem::find_iter(bytes, prefix) {
            if start > 0 && is_word(&bytes[start - 1]) {
                continue;
            }
            let tail = start + prefix.len();
            let length = bytes[tail..].iter().take_while(|byte| is_word(byte)).count();
            let body = &bytes[tail..tail + length];
            // `AKIAXXXXXXXXXXXXXXXX` and the documentation's `…EXAMPLE` are nobody's.
            let placeholder =
                body.windows(4).any(|four| four.iter().all(|byte| *byte == four[0])) || body.ends_with(b"EXAMPLE");
            if length < *least || placeholder || (*least == 16 && length != 16) {
                continue;
            }
            problems.push(literal(span(start, tail + length), whose));
        }
    }
    for start in memmem::find_iter(bytes, "-----BEGIN ") {
        // `-----BEGIN OPENSSH PRIVATE KEY-----`
        let line = bytes[start..].iter().take(64).take_while(|byte| **byte != b'\n').count();
        let end = "PRIVATE KEY-----";
        if let Some(at) = memmem::find(&bytes[start..start + line], end.as_bytes()) {
            problems.push(literal(span(start, start + at + end.len()), "a private key"));
        }
    }
}

fn literal(place: crate::diagnostic::Span, whose: &str) -> Diagnostic {
    Diagnostic::new(Code::LiteralSecret, place, format!("this looks like {whose}"))
        .label("readable by everyone who reads the document")
        .help("revoke it, and write `${secrets.NAME}` in its place")
}
