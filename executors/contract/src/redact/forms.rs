//! The forms in which a value may turn up in what a program prints.
//!
//! All forms are kept without blanks and are looked for in text without blanks: so an encoding that was wrapped at
//! 76 columns, a key that was indented and a line that a terminal folded are found as well.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{SHORTEST, TELLING};

/// Every form of a value, and of each of its lines.
pub(super) fn of(value: &[u8]) -> BTreeSet<Vec<u8>> {
    all(value, |_| true)
}

/// Every form of a value, and of those of its lines that nobody else writes.
pub(super) fn beyond_doubt(value: &[u8]) -> BTreeSet<Vec<u8>> {
    all(value, |line| squeezed(line).len() >= TELLING && !line.starts_with(b"-----"))
}

fn all(value: &[u8], is_meant: impl Fn(&[u8]) -> bool) -> BTreeSet<Vec<u8>> {
    let mut units = BTreeSet::from([value, value.trim_ascii()]);
    let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    units.extend(lines.filter(|line| is_meant(line)));
    let long_enough = units.into_iter().filter(|unit| squeezed(unit).len() >= SHORTEST);
    let mut forms: BTreeSet<Vec<u8>> = long_enough.flat_map(encoded).map(|form| squeezed(&form)).collect();
    // An encoding of something short may be shorter still.
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

pub(super) fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

/// Without blanks.
pub(super) fn squeezed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| !is_blank(*byte)).collect()
}

fn encoded(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![value.to_vec(), hex(value, LOWER), hex(value, UPPER)];
    base64(value, &mut forms);
    percent(value, &mut forms);
    json(value, &mut forms);
    shell(value, &mut forms);
    markup(value, &mut forms);
    forms
}

const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";

fn digits(byte: u8, alphabet: &[u8; 16]) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|half| alphabet.get(usize::from(half)).copied().unwrap_or_default())
}

fn hex(value: &[u8], alphabet: &[u8; 16]) -> Vec<u8> {
    value.iter().flat_map(|byte| digits(*byte, alphabet)).collect()
}

/// As it looks within the encoding of a longer text, where it may begin at each byte of a group of three, and at
/// the end of one. A character that also holds bits of what stands before it is not part of a form.
fn base64(value: &[u8], forms: &mut Vec<Vec<u8>>) {
    for before in 0..3 {
        let mut text = vec![0; before];
        text.extend_from_slice(value);
        let padded = STANDARD.encode(&text).into_bytes();
        let bare = padded.iter().position(|byte| *byte == b'=').unwrap_or(padded.len());
        let first = (before * 8).div_ceil(6);
        for end in [text.len() * 8 / 6, bare, padded.len()] {
            let form = padded.get(first..end).unwrap_or_default().to_vec();
            forms.push(
                form.iter()
                    .map(|byte| {
                        if *byte == b'+' {
                            b'-'
                        } else if *byte == b'/' {
                            b'_'
                        } else {
                            *byte
                        }
                    })
                    .collect(),
            );
            forms.push(form);
        }
    }
}

/// What the ways to percent-encode leave as it is, beside letters and digits: RFC 3986, `urllib`, and the two of
/// JavaScript; at last one that leaves nothing.
const LEFT: [Option<&[u8]>; 5] =
    [Some(b"-._~"), Some(b"-._~/"), Some(b"-._~!'()*"), Some(b"-._~!'()*;,/?:@&=+$#"), None];

fn percent(value: &[u8], forms: &mut Vec<Vec<u8>>) {
    for (alphabet, left) in [LOWER, UPPER].into_iter().flat_map(|alphabet| LEFT.map(|left| (alphabet, left))) {
        for blank in [&b"%20"[..], b"+"] {
            let mut form = Vec::with_capacity(value.len() * 2);
            for byte in value {
                let is_left = left.is_some_and(|left| byte.is_ascii_alphanumeric() || left.contains(byte));
                match byte {
                    _ if is_left => form.push(*byte),
                    b' ' => form.extend_from_slice(blank),
                    _ => {
                        form.push(b'%');
                        form.extend(digits(*byte, alphabet));
                    }
                }
            }
            forms.push(form);
        }
    }
}

/// How writers of JSON differ in what they escape.
#[derive(Clone, Copy, Default)]
struct Json {
    slashes: bool,
    /// `<`, `>`, `&`, as for pages.
    markup: bool,
    /// What is not ASCII.
    wide: Option<&'static [u8; 16]>,
}

fn json(value: &[u8], forms: &mut Vec<Vec<u8>>) {
    let plain = Json::default();
    for style in [
        plain,
        Json { slashes: true, ..plain },
        Json { markup: true, ..plain },
        Json { wide: Some(LOWER), ..plain },
        Json { wide: Some(UPPER), ..plain },
        Json { slashes: true, wide: Some(LOWER), ..plain },
        Json { markup: true, wide: Some(LOWER), ..plain },
    ] {
        forms.push(escaped(value, style));
    }
    // JSON that is a string in JSON.
    forms.push(escaped(&escaped(value, plain), plain));
}

fn escaped(value: &[u8], style: Json) -> Vec<u8> {
    let mut form = Vec::with_capacity(value.len() * 2);
    // What is not UTF-8 is in no JSON.
    for c in String::from_utf8_lossy(value).chars() {
        let short = match c {
            '"' | '\\' => Some(c),
            '/' if style.slashes => Some('/'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            _ => None,
        };
        let wide = match c {
            c if c.is_ascii_control() => Some(LOWER),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if style.markup => Some(LOWER),
            c if !c.is_ascii() => style.wide,
            _ => None,
        };
        match (short, wide) {
            (Some(short), _) => form.extend([b'\\', u8::try_from(short).unwrap_or_default()]),
            (None, Some(alphabet)) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    form.extend_from_slice(b"\\u");
                    form.extend(unit.to_be_bytes().into_iter().flat_map(|byte| digits(byte, alphabet)));
                }
            }
            (None, None) => form.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    form
}

/// What `printf %q` of bash puts a backslash before; some versions leave the comma.
const QUOTED: &[u8] = b"'\"\\|&;()<>!{}*[]?^$`,";

/// As shells and their tools write it: in quotes of each kind, and with backslashes.
fn shell(value: &[u8], forms: &mut Vec<Vec<u8>>) {
    let before = |special: &dyn Fn(u8) -> bool| -> Vec<u8> {
        value.iter().flat_map(|byte| special(*byte).then_some(b'\\').into_iter().chain([*byte])).collect()
    };
    forms.push(before(&|byte| QUOTED.contains(&byte)));
    forms.push(before(&|byte| byte != b',' && QUOTED.contains(&byte)));
    forms.push(before(&|byte| !byte.is_ascii_alphanumeric() && !b"_-.,:+/@".contains(&byte) && byte.is_ascii()));
    forms.push(before(&|byte| b"\\\"$`".contains(&byte)));
    for quote in [&b"'\\''"[..], b"'\"'\"'"] {
        forms.push(replaced(value, |byte| (byte == b'\'').then(|| quote.to_vec())));
    }
    // `$'…'`, with what is not ASCII as it is and in octal.
    for wide in [false, true] {
        forms.push(replaced(value, |byte| match byte {
            b'\'' | b'\\' => Some(vec![b'\\', byte]),
            b'\n' => Some(b"\\n".to_vec()),
            b'\r' => Some(b"\\r".to_vec()),
            b'\t' => Some(b"\\t".to_vec()),
            b'\x07' => Some(b"\\a".to_vec()),
            b'\x08' => Some(b"\\b".to_vec()),
            b'\x0b' => Some(b"\\v".to_vec()),
            b'\x0c' => Some(b"\\f".to_vec()),
            b'\x1b' => Some(b"\\E".to_vec()),
            byte if byte.is_ascii_control() || (wide && !byte.is_ascii()) => Some(format!("\\{byte:03o}").into_bytes()),
            _ => None,
        }));
    }
}

/// As in XML and HTML.
fn markup(value: &[u8], forms: &mut Vec<Vec<u8>>) {
    for (single, double) in [
        (&b"'"[..], &b"\""[..]),
        (b"'", b"&quot;"),
        (b"&apos;", b"&quot;"),
        (b"&#39;", b"&#34;"),
        (b"&#x27;", b"&quot;"),
    ] {
        forms.push(replaced(value, |byte| match byte {
            b'&' => Some(b"&amp;".to_vec()),
            b'<' => Some(b"&lt;".to_vec()),
            b'>' => Some(b"&gt;".to_vec()),
            b'\'' => Some(single.to_vec()),
            b'"' => Some(double.to_vec()),
            _ => None,
        }));
    }
}

fn replaced(value: &[u8], by: impl Fn(u8) -> Option<Vec<u8>>) -> Vec<u8> {
    value.iter().flat_map(|byte| by(*byte).unwrap_or_else(|| vec![*byte])).collect()
}
