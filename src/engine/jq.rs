//! jq in process: what a transform makes of a value, and whether a condition holds.
//!
//! Expressions were compiled once by `check`; what only the data can show is an error here.

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::Val;
use serde_json::Value;

/// Most results of one expression that are looked at.
const MOST_RESULTS: usize = 2;

/// The one value that an expression makes of another.
pub fn transform(expression: &str, input: &Value) -> Result<Value, String> {
    let mut results = evaluate(expression, input)?;
    match results.len() {
        1 => Ok(results.remove(0)),
        0 => Err("it yields nothing".to_owned()),
        _ => Err("it yields more than one value; collect them with `[…]`".to_owned()),
    }
}

/// Whether a condition holds: everything but `false`, `null` and nothing does.
pub fn holds(expression: &str, input: &Value) -> Result<bool, String> {
    let results = evaluate(expression, input)?;
    Ok(results.first().is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false))))
}

fn evaluate(expression: &str, input: &Value) -> Result<Vec<Value>, String> {
    let text = serde_json::to_vec(input).map_err(|error| error.to_string())?;
    let input = jaq_json::read::parse_single(&text).map_err(|error| error.to_string())?;
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

    use super::{holds, transform};

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
