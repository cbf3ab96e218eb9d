//! Nothing of a secret comes through, in whatever form and however it is cut; all else comes through as it was.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{Redaction, SHORTEST, Secrets, forms};

const CANARY: &str = "c4n'ry \"$v\u{e9}ry\\/secret<&>+value%21";
const KEY: &str = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEAx1/y+z\nq8Zk\tlong line of a key\n-----END KEY-----\n";

fn secrets(values: &[&[u8]]) -> Secrets {
    Secrets::new(values.iter().enumerate().map(|(number, value)| (format!("S{number}"), value.to_vec())))
}

fn redaction(values: &[&str]) -> Redaction {
    let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
    Redaction::of(&secrets(&values)).expect("few").expect("long enough")
}

/// Redacts a text that comes in these pieces.
fn in_pieces<'p>(redaction: &Redaction, pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<u8> {
    let (mut stream, mut out) = (redaction.stream(), Vec::new());
    pieces.into_iter().for_each(|piece| stream.push(piece, &mut out));
    stream.finish(&mut out);
    out
}

#[test]
fn debug_output_holds_names_only() {
    let secrets = Secrets::new([("TOKEN".to_owned(), b"hunter2hunter2".to_vec())]);
    let shown = format!(
        "{secrets:?} {:?} {:?}",
        Redaction::of(&secrets),
        Redaction::of(&secrets).map(|all| all.map(|all| all.stream()))
    );
    assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn without_secrets_there_is_nothing_to_do() {
    assert!(Redaction::of(&Secrets::default()).is_ok_and(|all| all.is_none()));
    let short = secrets(&[b"12345", b"a b c d e", b""]);
    assert!(Redaction::of(&short).is_ok_and(|all| all.is_none()));
    assert_eq!(short.exposed().collect::<Vec<_>>(), ["S0", "S1", "S2"]);
    assert_eq!(secrets(&[b"123456"]).exposed().count(), 0);
}

#[test]
fn lines_that_anybody_writes_are_hidden_and_no_reason_to_refuse() {
    let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEyMzQ1Njc4OTAifQ";
    let config = format!("apiVersion: v1\nkind: Config\nusers:\n- name: ada\n  user:\n    token: {token}\n");
    let key = KEY.replace("KEY", "OPENSSH PRIVATE KEY");
    let values = secrets(&[config.as_bytes(), key.as_bytes()]);
    let (hides, refuses) = (Redaction::of(&values), Redaction::beyond_doubt(&values));
    let [hides, refuses] = [hides, refuses].map(|all| all.expect("few").expect("long enough"));
    for harmless in ["apiVersion: v1\nkind: Config\nusers: []\n", "-----BEGIN OPENSSH PRIVATE KEY-----"] {
        assert!(hides.finds(harmless.as_bytes()) && !refuses.finds(harmless.as_bytes()), "{harmless}");
    }
    for telling in [&config, &key, config.trim(), &format!("{{\"a\": \"token: {token}\"}}"), &STANDARD.encode(&key)] {
        assert!(refuses.finds(telling.as_bytes()), "{telling}");
    }
}

#[test]
fn each_form_is_found_in_its_text() {
    let redaction = redaction(&[CANARY, KEY]);
    let json = |value: &str| serde_json::to_string(value).expect("text");
    let ascii: String = json(CANARY).replace('\u{e9}', "\\u00e9");
    let hex = |value: &str| value.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let percent = "c4n%27ry%20%22%24v%C3%A9ry%5C%2Fsecret%3C%26%3E%2Bvalue%2521";
    let texts = [
        ("as it is", format!("<{CANARY}>")),
        ("in JSON", format!("{{\"a\":{}}}", json(CANARY))),
        ("in JSON in JSON", json(&json(CANARY))),
        ("in ASCII JSON", ascii),
        ("in hex", format!("0x{}", hex(CANARY))),
        ("in upper hex", hex(CANARY).to_uppercase()),
        ("in percent", format!("?a={percent}&b")),
        (
            "in lower percent",
            format!(
                "?a={}&b",
                percent
                    .replace("%C3%A9", "%c3%a9")
                    .replace("%3C", "%3c")
                    .replace("%3E", "%3e")
                    .replace("%2F", "%2f")
                    .replace("%5C", "%5c")
                    .replace("%2B", "%2b")
            ),
        ),
        ("in a form", format!("a={}", percent.replace("%20", "+"))),
        ("in single quotes", format!("'{}'", CANARY.replace('\'', "'\\''"))),
        ("in double quotes", format!("\"{}\"", CANARY.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$"))),
        ("in base64", STANDARD.encode(CANARY)),
        ("in base64 for addresses", URL_SAFE.encode(CANARY)),
        ("one line", "x q8Zk\tlong line of a key y".to_owned()),
        ("all lines, indented", KEY.replace('\n', "\r\n    ")),
        ("a key in JSON", json(KEY)),
        ("a key in base64", STANDARD.encode(KEY)),
    ];
    for (what, text) in texts {
        let shown = redaction.text(&text);
        assert!(shown.contains("***"), "{what}: {text}\n{shown}");
        assert!(redaction.finds(text.as_bytes()), "{what}");
        for part in ["c4n", "secret", "63346e", "63346E", "YzRu", "q8Zk", "MIIE", "long"] {
            assert!(!shown.contains(part), "{what}: `{part}` in {shown}");
        }
    }
    assert_eq!(redaction.text(&format!("a{CANARY}{CANARY} {CANARY}b")), "a*** ***b");
}

#[test]
fn base64_is_found_within_that_of_a_longer_text() {
    let redaction = redaction(&[CANARY]);
    let core = &STANDARD_NO_PAD.encode(CANARY)[4..20];
    for before in ["", "u", "us", "user:", "user:x"] {
        for after in ["", "\n", "--", "@host", "and some more"] {
            let text = STANDARD.encode(format!("{before}{CANARY}{after}"));
            let shown = redaction.text(&text);
            let left: usize = shown.replace("***", "").len();
            // At either end a character also holds bits of its neighbour.
            let allowed = (before.len() * 8).div_ceil(6) + (after.len() * 8).div_ceil(6) + 3;
            assert!(shown.contains("***") && left <= allowed, "{before}|{after}: {text} {shown}");
            assert!(!before.is_empty() || !shown.contains(core), "{shown}");
        }
    }
}

#[test]
fn a_wrapped_encoding_is_found() {
    let redaction = redaction(&[KEY]);
    for width in [20, 60, 64, 76] {
        let text = STANDARD.encode(format!("before {KEY} after"));
        let lines: Vec<&str> = text.as_bytes().chunks(width).map(|line| str::from_utf8(line).expect("ASCII")).collect();
        let shown = redaction.text(&lines.join("\n"));
        assert!(shown.replace("***", "").len() < 30, "{width}: {shown}");
    }
}

#[test]
fn what_is_no_secret_comes_through_at_once() {
    let redaction = redaction(&["hunter2-and-more"]);
    let (mut stream, mut out) = (redaction.stream(), Vec::new());
    stream.push(b"Password: ", &mut out);
    assert_eq!(out, b"Password: ");
    // It may begin with `h`: it is held, until nothing more comes.
    stream.push(b"which", &mut out);
    assert_eq!((out.as_slice(), stream.is_waiting()), (&b"Password: whic"[..], true));
    stream.pause(&mut out);
    assert_eq!((out.as_slice(), stream.is_waiting()), (&b"Password: which"[..], false));
    stream.push(b"unt", &mut out);
    stream.pause(&mut out);
    assert_eq!((out.as_slice(), stream.is_waiting()), (&b"Password: which"[..], false));
    stream.push(b"er2-and-more!", &mut out);
    assert_eq!(out, b"Password: which***!");
    assert_eq!(stream.found(), 1);
    // The beginning of a secret at the end is shown: it is none.
    stream.push(b" hunt", &mut out);
    stream.finish(&mut out);
    assert_eq!(out, b"Password: which***! hunt");
}

#[test]
fn many_blanks_are_no_wrapping() {
    let redaction = redaction(&["hunter2-and-more"]);
    let apart = |blanks: usize| format!("hunter2{}-and-more", " ".repeat(blanks));
    assert_eq!(redaction.text(&apart(64)), "***");
    assert_eq!(redaction.text(&apart(65)), apart(65));
}

/// Slow and plain: what the automaton is held to.
fn plainly(values: &[&[u8]], text: &[u8]) -> Vec<u8> {
    let all: BTreeSet<Vec<u8>> = values.iter().flat_map(|value| forms::of(value)).collect();
    let solid: Vec<usize> = (0..text.len()).filter(|at| !forms::is_blank(text[*at])).collect();
    let squeezed = forms::squeezed(text);
    let mut hidden = vec![false; text.len()];
    for form in &all {
        for (at, _) in squeezed.windows(form.len()).enumerate().filter(|(_, part)| part == form) {
            let (begin, end) = (solid[at], solid[at + form.len() - 1]);
            hidden[begin..=end].fill(true);
        }
    }
    let mut out = Vec::new();
    for (at, byte) in text.iter().enumerate() {
        match hidden[at] {
            false => out.push(*byte),
            true if at == 0 || !hidden[at - 1] => out.extend_from_slice(b"***"),
            true => {}
        }
    }
    out
}

/// Few letters, so that values overlap, repeat and contain each other.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(b' '), Just(b'\n')], SHORTEST..12),
        prop::collection::vec(any::<u8>(), SHORTEST..40),
        "[a-z'\"\\\\\u{e9}&+/ ]{6,20}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_a_stream_is_cut_the_result_is_that_of_the_whole(
        values in prop::collection::vec(value(), 1..4),
        parts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[ab \n]{0,9}"), 0..8),
        cuts in prop::collection::vec(1_usize..9, 1..20),
    ) {
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let Ok(Some(redaction)) = Redaction::of(&secrets(&values)) else {
            return Ok(());
        };
        let mut text = Vec::new();
        for (value, form, between) in &parts {
            let forms: Vec<Vec<u8>> = forms::of(values[value.index(values.len())]).into_iter().collect();
            if !forms.is_empty() {
                text.extend_from_slice(&forms[form.index(forms.len())]);
            }
            text.extend_from_slice(between.as_bytes());
        }
        let whole = in_pieces(&redaction, [text.as_slice()]);
        prop_assert_eq!(&whole, &plainly(&values, &text));
        let mut pieces = Vec::new();
        let mut rest = text.as_slice();
        for size in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(&whole, &in_pieces(&redaction, pieces));
    }

    #[test]
    fn no_form_of_a_canary_survives(canary in "[A-Za-z0-9/+'\"$ ]{12,60}", before in any::<Vec<u8>>(), after in any::<Vec<u8>>()) {
        let canary = canary.into_bytes();
        let Ok(Some(redaction)) = Redaction::of(&secrets(&[&canary])) else {
            return Ok(());
        };
        for form in forms::of(&canary) {
            let text = [before.as_slice(), &form, &after].concat();
            let out = in_pieces(&redaction, text.chunks(7));
            for form in forms::of(&canary) {
                let is_there = forms::squeezed(&out).windows(form.len()).any(|part| part == form);
                prop_assert!(!is_there, "{}", String::from_utf8_lossy(&form));
            }
        }
    }
}
