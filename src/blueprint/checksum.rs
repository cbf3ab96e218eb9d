//! `_checksum: sha256:…`: whether it fits the document, and the one that does.
//!
//! The line that states it does not count, or it could never be right.

use sha2::{Digest, Sha256};

use super::model::Metadata;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::Source;

const PREFIX: &str = "sha256:";

/// Whether the document states a checksum, and it is right.
pub(super) fn fits(text: &str, metadata: &Metadata<'_>) -> bool {
    metadata.checksum.as_ref().is_some_and(|stated| {
        let digits = stated.trim().strip_prefix(PREFIX);
        digits.is_some_and(|digits| digits.eq_ignore_ascii_case(&of(text, stated.span)))
    })
}

pub(super) fn check(text: &str, metadata: &Metadata<'_>, problems: &mut Vec<Diagnostic>) {
    let Some(stated) = &metadata.checksum else {
        return;
    };
    if !stated.trim().starts_with(PREFIX) {
        problems.push(
            Diagnostic::new(Code::ChecksumMismatch, stated.span, "the checksum is not of the form `sha256:…`")
                .help("write `sha256:` and 64 hexadecimal digits, or remove the line"),
        );
    } else if !fits(text, metadata) {
        let right = of(text, stated.span);
        problems.push(
            Diagnostic::new(Code::ChecksumMismatch, stated.span, "the checksum does not fit the document")
                .label("the document was changed after this was written")
                .help(format!("if the change is yours, write `{PREFIX}{right}` (the line itself does not count)")),
        );
    }
}

/// The document with the right checksum, if it states one. For a program that changed a document
/// whose checksum was right before: nobody else may vouch for it.
pub fn refresh(source: Source) -> Source {
    let reading = super::read(&source, false);
    let text = source.text();
    let Some(stated) = reading.draft.metadata.checksum.as_ref().filter(|_| !fits(text, &reading.draft.metadata)) else {
        return source;
    };
    let Some(digits) = source.slice(stated.span).find(PREFIX) else {
        return source;
    };
    let start = stated.span.start as usize + digits + PREFIX.len();
    let end = start + text[start..].find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len() - start);
    let right = [&text[..start], &of(text, stated.span), &text[end..]].concat();
    Source::from_bytes(source.name(), right.into_bytes()).0
}

/// SHA-256 of all lines but the one that states it.
fn of(text: &str, stated: Span) -> String {
    let start = text[..stated.start as usize].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[stated.end as usize..].find('\n').map_or(text.len(), |newline| stated.end as usize + newline + 1);
    let mut hasher = Sha256::new();
    hasher.update(&text.as_bytes()[..start]);
    hasher.update(&text.as_bytes()[end..]);
    hex(&hasher.finalize())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
