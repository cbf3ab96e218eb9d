//! jq: what a transform makes of a value, and whether a condition holds.
//!
//! Expressions were compiled once by `check`; what only the data can show is an error here. They are evaluated by a helper, a
//! process of its own, because a document may ask for more time, memory and depth than there is: that ends the helper
//! and no run.

mod evaluate;
mod helper;

use serde_json::Value;

pub use helper::{ARGUMENT, main};

/// The one value that an expression makes of another.
pub fn transform(expression: &str, input: &Value) -> Result<Value, String> {
    one(helper::ask(expression, input)?)
}

/// Whether a condition holds: everything but `false`, `null` and nothing does.
pub fn holds(expression: &str, input: &Value) -> Result<bool, String> {
    Ok(is_true(&helper::ask(expression, input)?))
}

fn one(mut results: Vec<Value>) -> Result<Value, String> {
    match results.len() {
        1 => Ok(results.remove(0)),
        0 => Err("it yields nothing".to_owned()),
        _ => Err("it yields more than one value; collect them with `[…]`".to_owned()),
    }
}

fn is_true(results: &[Value]) -> bool {
    results.first().is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::evaluate::results_of;
    use super::{is_true, one};

    fn results(expression: &str, input: &Value) -> Result<Vec<Value>, String> {
        results_of(expression, input.to_string().as_bytes())
    }

    #[test]
    fn f_17_a_transform_is_jq() {
        let users = json!({"users": [{"n": 1, "é": "x\u{0}"}, {"n": 2.5}]});
        let transform = |expression| results(expression, &users).and_then(one);
        assert_eq!(transform(".users[0]"), Ok(json!({"n": 1, "é": "x\u{0}"})));
        assert_eq!(transform("[.users[].n] | add"), Ok(json!(3.5)));
        assert!(transform(".users[]").is_err_and(|error| error.contains("more than one")));
        assert!(transform("empty").is_err_and(|error| error.contains("nothing")));
        assert!(transform(".users.x").is_err());
        assert!(transform("error(\"no\")").is_err_and(|error| error.contains("no")));
    }

    #[test]
    fn x_4_a_condition_holds_or_not() {
        let world = json!({"env": {"CI": "true"}, "capabilities": {"docker": null}});
        for (condition, expected) in [
            (".env.CI == \"true\"", true),
            (".capabilities.docker", false),
            ("empty", false),
            (".env | has(\"X\")", false),
        ] {
            assert_eq!(results(condition, &world).map(|results| is_true(&results)), Ok(expected), "{condition}");
        }
    }
}
