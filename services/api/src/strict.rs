//! JSON as it is sent to us: read strictly, and judged by the schema that the documentation shows.
//!
//! A key that is there twice is refused: two readers would not agree about what it says. Everything that is wrong is told at
//! once, with its place, and never with its value, which may be a secret.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, Validator};
use outpost_core::spec::Fault;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::{Map, Number, Value};

use crate::problem::{BAD_REQUEST, Problem};
use crate::shape::Shape;

/// Mistakes that are told at once.
const FAULTS: usize = 32;
/// Characters of a place.
const POINTER: usize = 256;

/// A value without a key that is there twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is too large"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let Strict(value) = map.next_value()?;
            if values.insert(key, value).is_some() {
                return Err(de::Error::custom("a key is there twice in the same object"));
            }
        }
        Ok(Value::Object(values))
    }
}

/// Reads a text as JSON.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice::<Strict>(bytes).map(|strict| strict.0).map_err(|error| {
        let told = match error.classify() {
            // Our own words: a key that is there twice.
            serde_json::error::Category::Data => error.to_string(),
            _ => format!("not JSON from line {}, column {} on", error.line(), error.column()),
        };
        Problem::new(BAD_REQUEST, format!("the body cannot be read: {told}"))
    })
}

/// What judges all that may be sent, made once.
#[derive(Debug)]
pub(crate) struct Judges(HashMap<TypeId, Validator>);

impl Judges {
    pub(crate) fn of(shapes: impl Iterator<Item = Shape>) -> Result<Self, String> {
        let mut judges = HashMap::new();
        for shape in shapes {
            let judge = jsonschema::draft202012::new(&shape.sent())
                .map_err(|error| format!("the schema of `{}` is none: {error}", shape.name()))?;
            judges.insert(shape.id(), judge);
        }
        Ok(Self(judges))
    }

    /// A value as a type, if it satisfies its schema. `at` is put before each place.
    pub(crate) fn take<T: DeserializeOwned + 'static>(&self, value: Value, in_query: bool) -> Result<T, Problem> {
        let judge = self.0.get(&TypeId::of::<T>());
        let mut faults: Vec<Fault> =
            judge.into_iter().flat_map(|judge| judge.iter_errors(&value)).flat_map(|error| told(&error)).collect();
        faults.truncate(FAULTS);
        if faults.is_empty() {
            match serde_json::from_value(value) {
                Ok(value) => return Ok(value),
                // The schema lets pass what the type does not: serde's words hold no value of a string, but may hold a word.
                Err(_) => faults.push(Fault::new("", "does not have the form that the documentation shows")),
            }
        }
        if in_query {
            faults.iter_mut().for_each(|fault| fault.at = fault.at.trim_start_matches('/').to_owned());
        }
        Err(Problem::invalid(faults))
    }
}

fn told(error: &ValidationError<'_>) -> Vec<Fault> {
    let place = error.instance_path().as_str();
    let at = |name: &str| {
        let name: String = name.replace('~', "~0").replace('/', "~1");
        format!("{place}/{name}").chars().take(POINTER).collect::<String>()
    };
    match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            unexpected.iter().take(FAULTS).map(|name| Fault::new(at(name), "is not known here")).collect()
        }
        Kind::Required { property } => {
            vec![Fault::new(at(property.as_str().unwrap_or_default()), "is missing")]
        }
        kind => {
            let told = match kind {
                Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => "has none of the allowed forms".to_owned(),
                Kind::MaxLength { limit } => format!("is longer than {limit} characters"),
                Kind::MinLength { limit } => format!("is shorter than {limit} characters"),
                Kind::MaxItems { limit } => format!("has more than {limit} entries"),
                Kind::MinItems { limit } => format!("has fewer than {limit} entries"),
                Kind::Maximum { limit } => format!("is more than {limit}"),
                Kind::Minimum { limit } => format!("is less than {limit}"),
                Kind::Enum { options } => format!("has to be one of {options}"),
                Kind::Pattern { pattern } => format!("has to be written like `{pattern}`"),
                _ => error.masked_with("it").to_string(),
            };
            vec![Fault::new(place.chars().take(POINTER).collect::<String>(), told)]
        }
    }
}
