//! Who is asked, in which order, and what comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Answer, Resolved, resolve};
use crate::blueprint::{read, secret};
use crate::document::Source;
use crate::run::{Failure, FailureCode, FailurePhase};

const NAMES: [&str; 4] = ["FILED", "TOKEN", "BOTH", "NOWHERE"];

/// Asks sources for the names; the environment has `APP_TOKEN` and `APP_BOTH`.
fn asked(sources: &str, root: &Path) -> Answer {
    let text = format!("```yaml\nexecution:\n  secret_resolution:\n    sources: {sources}\n```\n");
    let (source, _) = Source::from_bytes("t.md", text.into_bytes());
    let reading = read(&source, false);
    let variable = |name: &str| match name {
        "APP_TOKEN" => Some(OsString::from("from env")),
        "APP_BOTH" => Some(OsString::from("env first")),
        _ => None,
    };
    resolve(NAMES.map(str::to_owned).into(), reading.draft.execution.secrets.as_ref(), root, &variable)
}

fn told(answer: &Answer) -> Vec<String> {
    let pair = |(name, value): &(String, Vec<u8>)| format!("{name}={}", String::from_utf8_lossy(value));
    let mut pairs: Vec<String> = answer.found.iter().map(pair).collect();
    pairs.sort_unstable();
    pairs
}

fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(".env"), text).expect("a file");
    fs::set_permissions(folder.path().join(".env"), fs::Permissions::from_mode(0o600)).expect("ours");
    folder
}

#[test]
fn f_31_the_first_source_that_has_a_name_wins_and_all_others_are_missing() {
    let folder = folder("# keys\nexport FILED='x y'\nBOTH=file\nBOTH=\"last\nof two\"\n");
    let both = asked("[{type: env, prefix: APP_}, {type: file, path: .env}]", folder.path());
    assert_eq!(told(&both), ["BOTH=env first", "FILED=x y", "TOKEN=from env"]);
    assert_eq!(both.missing, BTreeSet::from(["NOWHERE".to_owned()]));
    let file_first = asked("[{type: file}, {type: env, prefix: APP_}]", folder.path());
    assert_eq!(told(&file_first), ["BOTH=last\nof two", "FILED=x y", "TOKEN=from env"]);
    assert_eq!((both.troubles, both.remarks, file_first.troubles), (vec![], vec![], vec![]));
    // Without sources the environment is asked, without a prefix.
    assert_eq!(asked("[]", folder.path()).missing.len(), 4);
}

#[test]
fn f_31_what_cannot_be_asked_is_told_and_the_next_is_asked() {
    let folder = folder("FILED=hunter2-in-a-file\nnot a pair: hunter2-in-a-line\n");
    let answer = asked("[{type: file}, {type: vault}, {type: env, prefix: APP_}]", folder.path());
    assert_eq!(told(&answer), ["BOTH=env first", "TOKEN=from env"]);
    let [file, vault] = &answer.troubles[..] else { panic!("{answer:?}") };
    assert!(
        file.contains(".env`: a line is not `NAME=value`") && vault.contains("`VAULT_ADDR` is not set"),
        "{answer:?}"
    );
    // What a line says may be a secret, and so may what was found.
    let shown = format!("{answer:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("env first"), "{shown}");
}

#[test]
fn f_31_a_file_that_others_may_read_is_remarked() {
    let folder = folder("FILED=1\n");
    fs::set_permissions(folder.path().join(".env"), fs::Permissions::from_mode(0o640)).expect("ours");
    let remarks = asked("[{type: file}]", folder.path()).remarks;
    assert!(remarks.len() == 1 && remarks[0].contains("chmod 600"), "{remarks:?}");
    // A file without any of the names is nobody's business.
    fs::write(folder.path().join(".env"), "OTHER=1\n").expect("a file");
    assert_eq!(asked("[{type: file}]", folder.path()).remarks, Vec::<String>::new());
}

#[test]
fn f_31_what_is_no_file_and_what_is_too_large_is_not_taken() {
    let folder = folder(&format!("FILED={}\n", "x".repeat(outpost_executor::LONGEST + 1)));
    let answer = asked("[{type: file}, {type: file, path: /dev/zero}, {type: file, path: no.env}]", folder.path());
    assert_eq!((told(&answer), answer.missing.len()), (vec![], 4));
    let [large, device] = &answer.troubles[..] else { panic!("{answer:?}") };
    assert!(large.contains("`FILED` is larger than 16 KiB") && device.contains("not a regular file"), "{answer:?}");
}

fn resolved() -> Resolved {
    let pairs = [("A", "hunter2 'a'"), ("B_2", "other-secret")];
    let defaults = BTreeMap::from([("D".to_owned(), "usual".to_owned())]);
    Resolved::new(pairs.map(|(name, value)| (name.to_owned(), value.into())).to_vec(), defaults, &BTreeSet::new())
        .expect("few")
}

#[test]
fn f_32_values_are_filled_in_once() {
    for (text, filled) in [
        ("${secrets.A}", "hunter2 'a'"),
        ("x-${secrets.B_2:no}-${secrets.C:so}${secrets.C:}|${secrets.D}", "x-other-secret-so|usual"),
        ("${secrets.C} $${secrets.A} ${HOME}", "${secrets.C} $${secrets.A} ${HOME}"),
    ] {
        assert_eq!(resolved().fill(text), *filled, "{text}");
    }
    let inner = Resolved::new(
        vec![("A".into(), b"${secrets.B}".to_vec()), ("B".into(), b"deeper".to_vec())],
        BTreeMap::new(),
        &BTreeSet::new(),
    )
    .expect("few");
    assert_eq!(inner.fill("${secrets.A}"), *"${secrets.B}");
}

#[test]
fn f_32_a_command_gets_references_and_never_a_value() {
    let (command, variables) =
        resolved().carry("curl -H \"T: ${secrets.A}\" ${secrets.C:it's} ${secrets.C:$(x)} ${secrets.A:no} $HOME");
    assert_eq!(
        command,
        "curl -H \"T: ${OUTPOST_SECRET_A}\" ${OUTPOST_SECRET_C} ${OUTPOST_SECRET_C_} ${OUTPOST_SECRET_A} $HOME"
    );
    let pairs = [("OUTPOST_SECRET_A", "hunter2 'a'"), ("OUTPOST_SECRET_C", "it's"), ("OUTPOST_SECRET_C_", "$(x)")];
    assert_eq!(variables, pairs.map(|(name, value)| (name.into(), value.into())));
    // One that nobody has stays as it is; nothing that needs it is started.
    assert_eq!(resolved().carry("echo ${secrets.C}"), ("echo ${secrets.C}".to_owned(), vec![]));
    let lacking = |text: &str| resolved().lacking(&secret::of_text(text)).map(str::to_owned);
    assert_eq!(lacking("${secrets.A} ${secrets.C:} ${secrets.D}"), None);
    assert_eq!(lacking("${secrets.A} ${secrets.C}").as_deref(), Some("C"));
}

#[test]
fn f_32_what_is_told_is_clean() {
    let failure = Failure {
        stdout: "a hunter2 'a' b".to_owned(),
        stderr: "aHVudGVyMiAnYSc=".to_owned(),
        ..Failure::new(FailureCode::ExecutionFailed, FailurePhase::Execution, "other-secret is wrong")
    };
    let clean = resolved().clean_failure(failure);
    assert_eq!((&*clean.message, &*clean.stdout, &*clean.stderr), ("*** is wrong", "a *** b", "***"));
    assert_eq!(resolved().find(b"{\"a\": \"other-secret\"}"), Some("B_2"));
    assert_eq!(resolved().find(b"nothing"), None);
}

#[test]
fn f_32_parts_of_a_secret_are_hidden_and_long_ones_refused() {
    let role = r#"{"Credentials": {"AccessKeyId": "ASIA-of-a-role", "SecretAccessKey": "wJalr/XUtnFEMI+K7MDENG-bPxRfiCYEXAMPLE"}, "engine": "postgres"}"#;
    let found = [("ROLE", role), ("PAIR", "AKIA-id:pair-secret:to:ken"), ("URL", "AKIA-id:url-secret")];
    let found = found.map(|(name, value)| (name.to_owned(), value.into())).to_vec();
    let resolved = Resolved::new(found, BTreeMap::new(), &BTreeSet::from(["PAIR".to_owned()])).expect("few");
    let clean = |text: &str| resolved.clean(text.to_owned());
    assert_eq!(clean("at wJalr/XUtnFEMI+K7MDENG-bPxRfiCYEXAMPLE and pair-secret"), "at *** and ***");
    assert_eq!(clean("to:ken postgres, AKIA-id url-secret"), "*** ***, AKIA-id url-secret");
    let finds = |text: &str| resolved.find(text.as_bytes());
    assert_eq!(finds("key = wJalr/XUtnFEMI+K7MDENG-bPxRfiCYEXAMPLE"), Some("ROLE"));
    assert_eq!((finds("a pair-secret"), finds("engine: postgres")), (Some("PAIR"), None));
    // Work hides the same.
    assert_eq!(resolved.hidden().get("PAIR.key1"), Some(&b"pair-secret"[..]));
    assert_eq!(resolved.secrets().names().count(), 3);
}

#[test]
fn f_32_each_reference_has_its_own_default() {
    let defaults = BTreeMap::from([("HOOK".to_owned(), "https://a".to_owned())]);
    let resolved = Resolved::new(Vec::new(), defaults, &BTreeSet::new()).expect("few");
    assert_eq!(resolved.revealed("${secrets.HOOK:https://b}/x"), Ok("https://b/x".to_owned()));
    assert_eq!(resolved.revealed("${secrets.HOOK}"), Ok("https://a".to_owned()));
    assert_eq!(resolved.revealed("${secrets.NO}"), Err("the secret `NO` has no value here".to_owned()));
}
