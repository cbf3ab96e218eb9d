//! Arbitrary expressions over arbitrary values: what `check` says of them, and what they yield in a run.
//!
//! The input is an expression, a NUL byte and a JSON value. The expression becomes the transform of a binding and the
//! condition of a task. Who calls this is a program that serves [`jq::main`] when it is told to, as the tool does.

use outpost_bp::blueprint::read;
use outpost_bp::document::Source;
use outpost_bp::engine::jq;
use serde_json::{Value, json};

/// What may take seconds, or answers something else each time. It is tried by hand in `tests/running`.
const BOUNDLESS: [&str; 19] = [
    "range",
    "repeat",
    "recurse",
    "while",
    "until",
    "def ",
    "def\t",
    "def\n",
    "*",
    "..",
    "combinations",
    "splits",
    "sub",
    "now",
    "local",
    "limit",
    "input",
    "foreach",
    "reduce",
];

pub(crate) fn examine(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (expression, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (Ok(expression), Ok(value)) = (str::from_utf8(expression), serde_json::from_slice::<Value>(value)) else {
        return;
    };
    let is_taken = check(expression);
    if !is_taken || BOUNDLESS.iter().any(|word| expression.contains(word)) || has_long_number(expression) {
        return;
    }
    let before = value.clone();
    let (made, holds) = (jq::transform(expression, &value), jq::holds(expression, &value));
    assert_eq!(value, before);
    for reason in made.as_ref().err().into_iter().chain(holds.as_ref().err()) {
        assert!(!reason.contains("it is not jq"), "`check` takes what no run can: {expression:?}");
        assert!(!reason.contains("what does not exist"), "`check` takes what no run can: {expression:?}");
    }
    if let Ok(made) = &made {
        assert_eq!(holds, Ok(!matches!(made, Value::Null | Value::Bool(false))), "{expression:?} of {value}");
        assert_eq!(jq::transform(expression, &value).as_ref(), Ok(made), "{expression:?} of {value}, once more");
    }
    if expression == "." {
        assert!(made.is_ok_and(|made| same(&made, &value)), "{value} is not itself");
    }
}

/// Numbers of JSON are the same if they are as near as their digits allow.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

/// `.[999999999] = 1` asks for a gigabyte.
fn has_long_number(expression: &str) -> bool {
    let has_exponent = expression.as_bytes().windows(2).any(|two| two[0].is_ascii_digit() && two[1] | 0x20 == b'e');
    has_exponent || expression.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 4)
}

/// Whether a document with this expression is taken. What is wrong stands within the document.
fn check(expression: &str) -> bool {
    let quoted = json!(expression);
    let text = format!(
        "# Jq\n\n```yaml\n- task_id: a\n  name: a\n  run: 'true'\n  output: {{location: stdout, ports: {{p: {{type: json}}}}}}\n- task_id: b\n  name: b\n  dependencies: [a]\n  run: 'true'\n  when: {quoted}\n  input_bindings: {{x: {{source: a, output_port: p, transform: {quoted}}}}}\n```\n"
    );
    let (source, refusal) = Source::from_bytes("jq.md", text.into_bytes());
    let reading = read(&source, false);
    for problem in &reading.diagnostics {
        if let Some(span) = problem.span {
            assert!(source.text().get(span.range()).is_some(), "no place of the document: {span:?} {problem:?}");
        }
    }
    refusal.is_none() && reading.into_blueprint().0.is_some()
}
