//! What an expression yields: jq in process. It may recurse until its stack is gone, and need not come to an end.

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::Val;
use serde_json::Value;

/// Most results of one expression that are looked at.
const MOST_RESULTS: usize = 2;

/// The first results of an expression. `input` is JSON.
pub(super) fn results_of(expression: &str, input: &[u8]) -> Result<Vec<Value>, String> {
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
