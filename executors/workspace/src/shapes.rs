//! Credentials that are known by their shape.
//!
//! A shape is as narrow as its issuer makes it, so that prose, names of styles and digests are not taken for one. The
//! examples of a provider's own manual (`…EXAMPLE`) are none.

/// Something that looks like a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape<'a> {
    pub(crate) what: &'static str,
    pub(crate) at: usize,
    pub(crate) text: &'a [u8],
}

struct Kind {
    what: &'static str,
    prefix: &'static [u8],
    least: usize,
    most: usize,
    is_part: fn(u8) -> bool,
    /// Whether upper case, lower case and digits all have to be there: what people write by hand has not.
    mixed: bool,
}

const ANY: usize = usize::MAX;

const fn kind(what: &'static str, prefix: &'static [u8], least: usize, most: usize, is_part: fn(u8) -> bool) -> Kind {
    Kind { what, prefix, least, most, is_part, mixed: false }
}

const KINDS: &[Kind] = &[
    kind("an AWS access key", b"AKIA", 16, 16, is_upper),
    kind("an AWS access key", b"ASIA", 16, 16, is_upper),
    kind("a GitHub token", b"ghp_", 36, ANY, is_word),
    kind("a GitHub token", b"gho_", 36, ANY, is_word),
    kind("a GitHub token", b"ghu_", 36, ANY, is_word),
    kind("a GitHub token", b"ghs_", 36, ANY, is_word),
    kind("a GitHub token", b"ghr_", 36, ANY, is_word),
    kind("a GitHub token", b"github_pat_", 22, ANY, is_word),
    Kind { mixed: true, ..kind("a model provider's key", b"sk-", 20, ANY, is_url) },
    Kind { mixed: true, ..kind("an xAI key", b"xai-", 40, ANY, is_url) },
    kind("a Google key", b"AIza", 35, 35, is_url),
];

fn is_upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_url(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

const PEM: &[u8] = b"-----BEGIN ";

/// All of them, in their order.
pub(crate) fn find(bytes: &[u8]) -> Vec<Shape<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let starts = at == 0 || bytes.get(at - 1).is_none_or(|before| !is_url(*before));
        let shape = match rest.first() {
            Some(b'A' | b'a' | b'g' | b's' | b'x') if starts => token(rest),
            Some(b'e') if starts => jwt(rest),
            Some(b'-') => pem(rest),
            _ => None,
        };
        if let Some((what, length)) = shape {
            let text = rest.get(..length).unwrap_or(rest);
            if !text.ends_with(b"EXAMPLE") {
                found.push(Shape { what, at, text });
            }
            at += length;
        } else {
            at += 1;
        }
    }
    found
}

fn run(bytes: &[u8], is_part: fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !is_part(*byte)).unwrap_or(bytes.len())
}

fn token(rest: &[u8]) -> Option<(&'static str, usize)> {
    KINDS.iter().find_map(|kind| {
        let body = rest.strip_prefix(kind.prefix)?;
        let length = run(body, kind.is_part);
        let body = body.get(..length)?;
        let has = |class: fn(&u8) -> bool| body.iter().any(class);
        let is_mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit);
        let fits = (kind.least..=kind.most).contains(&length) && (is_mixed || !kind.mixed);
        fits.then_some((kind.what, kind.prefix.len() + length))
    })
}

/// Three parts in base64, the first two of which are JSON objects.
fn jwt(rest: &[u8]) -> Option<(&'static str, usize)> {
    let mut length = 0;
    for (number, least) in [(0, 10), (1, 10), (2, 16)] {
        let part = rest.get(length..)?;
        let here = run(part, is_url);
        if here < least || (number < 2 && !part.starts_with(b"eyJ")) {
            return None;
        }
        length += here;
        if number < 2 {
            (rest.get(length) == Some(&b'.')).then_some(())?;
            length += 1;
        }
    }
    Some(("a JSON web token", length))
}

fn pem(rest: &[u8]) -> Option<(&'static str, usize)> {
    let label = rest.strip_prefix(PEM)?;
    let end = run(label, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
    let label = label.get(..end)?;
    let closes = rest.get(PEM.len() + end..)?.starts_with(b"-----");
    (label.ends_with(b"PRIVATE KEY") && closes).then_some(("a private key", PEM.len() + end + 5))
}

#[cfg(test)]
mod tests {
    use super::find;

    /// Put together here, so that this file holds none.
    fn tokens() -> Vec<(String, &'static str)> {
        let long = "aB3".repeat(20);
        vec![
            (format!("AK{}", "IAIOSFODNN7REALKEY"), "an AWS access key"),
            (format!("gh{}{}", "p_", "a1B2".repeat(9)), "a GitHub token"),
            (format!("github_{}{long}", "pat_"), "a GitHub token"),
            (format!("s{}{long}", "k-proj-"), "a model provider's key"),
            (format!("xa{}{long}", "i-"), "an xAI key"),
            (format!("AI{}{}", "za", &long[..35]), "a Google key"),
            (format!("ey{}.ey{}.{}", "JhbGciOiJIUzI1NiJ9", "JzdWIiOiIxMjM0NSJ9", &long[..43]), "a JSON web token"),
            (format!("-----BEGIN {} KEY-----", "RSA PRIVATE"), "a private key"),
        ]
    }

    #[test]
    fn each_shape_is_found_wherever_it_stands() {
        for (token, what) in tokens() {
            for text in [token.clone(), format!("x = \"{token}\"\n"), format!("\n{token}"), format!("a:{token};")] {
                let found = find(text.as_bytes());
                assert_eq!(found.len(), 1, "{text}");
                assert_eq!((found[0].what, found[0].text), (what, token.as_bytes()), "{text}");
                assert_eq!(&text.as_bytes()[found[0].at..][..token.len()], token.as_bytes());
            }
        }
    }

    #[test]
    fn what_only_begins_alike_is_left_alone() {
        for text in [
            "AKIAIOSFODNN7EXAMPLE",
            "AKIA",
            "class=\"sk-spinner-three-bounce-something\"",
            "risk-aB3aB3aB3aB3aB3aB3aB3",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            "eyJhbGciOiJIUzI1NiJ9.no.token",
            "ghp_short",
            "",
        ] {
            assert_eq!(find(text.as_bytes()), [], "{text}");
        }
    }
}
