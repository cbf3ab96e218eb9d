//! jq in process: what a transform makes of a value, and whether a condition holds.
//!
//! Expressions were compiled once by `check`; what only the data can show is an error here.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::Val;
use serde_json::Value;

/// How long an expression may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Room for recursion: address space, of which only what is used becomes memory.
const STACK: usize = 256 << 20;
/// Most results of one expression that are looked at.
const MOST_RESULTS: usize = 2;

/// The one value that an expression makes of another.
pub fn transform(expression: &str, input: &Value) -> Result<Value, String> {
    let mut results = evaluate(expression, input, PATIENCE)?;
    match results.len() {
        1 => Ok(results.remove(0)),
        0 => Err("it yields nothing".to_owned()),
        _ => Err("it yields more than one value; collect them with `[…]`".to_owned()),
    }
}

/// Whether a condition holds: everything but `false`, `null` and nothing does.
pub fn holds(expression: &str, input: &Value) -> Result<bool, String> {
    let results = evaluate(expression, input, PATIENCE)?;
    Ok(results.first().is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false))))
}

/// Evaluates in a thread of its own: an expression may recurse deeply, and need not come to an end. One that does
/// not is left behind until the process ends.
fn evaluate(expression: &str, input: &Value, patience: Duration) -> Result<Vec<Value>, String> {
    let (expression, input) = (expression.to_owned(), serde_json::to_vec(input).map_err(|error| error.to_string())?);
    let (sender, results) = mpsc::channel();
    let evaluator = thread::Builder::new().name("jq".to_owned()).stack_size(STACK);
    // Nobody listens any more if it took too long.
    let began = evaluator.spawn(move || sender.send(results_of(&expression, &input)).unwrap_or_default());
    began.map_err(|error| format!("it cannot be evaluated: {error}"))?;
    results.recv_timeout(patience).map_err(|_| format!("it yields nothing within {} s", patience.as_secs_f64()))?
}

fn results_of(expression: &str, input: &[u8]) -> Result<Vec<Value>, String> {
    let input = jaq_json::read::parse_single(input).map_err(|error| error.to_string())?;
    let arena = Arena::default();
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let modules = Loader::new(definitions)
        .load(&arena, File { code: expression, path: () })
        .map_err(|_| "it is not jq".to_owned())?;
    let functions = jaq_core::funs::<data::JustLut<Val>>().chain(jaq_std::funs()).chain(jaq_json::funs());
    let filter = Compiler::default()
        .with_funs(functions)
        .compile(modules)
        .map_err(|_| "it calls what does not exist".to_owned())?;
    let context = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new([]));
    filter
        .id
        .run((context, input))
        .take(MOST_RESULTS)
        .map(|result| {
            let value = unwrap_valr(result).map_err(|error| error.to_string())?;
            serde_json::from_str(&value.to_string()).map_err(|error| format!("its result is no JSON: {error}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Duration, evaluate, holds, transform};

    #[test]
    fn f_17_a_transform_is_jq() {
        let users = json!({"users": [{"n": 1, "é": "x\u{0}"}, {"n": 2.5}]});
        assert_eq!(transform(".users[0]", &users), Ok(json!({"n": 1, "é": "x\u{0}"})));
        assert_eq!(transform("[.users[].n] | add", &users), Ok(json!(3.5)));
        assert!(transform(".users[]", &users).is_err_and(|error| error.contains("more than one")));
        assert!(transform("empty", &users).is_err_and(|error| error.contains("nothing")));
        assert!(transform(".users.x", &users).is_err());
        assert!(transform("error(\"no\")", &users).is_err_and(|error| error.contains("no")));
    }

    #[test]
    fn what_takes_too_long_is_given_up() {
        // It comes to an end, so that no thread spins on beside the other tests.
        let late = evaluate("[range(1000000)] | add", &json!(null), Duration::ZERO);
        assert!(late.is_err_and(|error| error.contains("within 0 s")));
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
            assert_eq!(holds(condition, &world), Ok(expected), "{condition}");
        }
    }
}
