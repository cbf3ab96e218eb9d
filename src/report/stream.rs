//! Events as lines of JSON: what `--events` writes, what `replay` reads, and the published schema of both.
//!
//! A line is `{"v": 1, "n": 7, "t": "…", "event": "…", …}`: the version, the number and the time of the event's record in
//! the journal, and the event itself. Every line can be understood alone. Within a version fields and events are only
//! added; a line of another version is refused and not guessed at.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::run::{Event, Moment};

/// The version of the lines.
pub const VERSION: u64 = 1;

/// An event, when it happened, and which record of its run it is, from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub number: u64,
    pub at: Moment,
    pub event: Event,
}

/// Why a line is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoEvent {
    NotJson(String),
    /// `v`, `n` or `t` is missing or is something else.
    Wrong(&'static str),
    Version(u64),
    /// An event of a name or a shape that this version does not know.
    Unknown(String),
}

impl fmt::Display for NoEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(reason) => write!(f, "it is no JSON object: {reason}"),
            Self::Wrong(key) => write!(f, "its `{key}` is missing, or not what it should be"),
            Self::Version(version) => {
                write!(f, "it is of version {version}, and this outpost-bp understands version {VERSION}")
            }
            Self::Unknown(reason) => write!(f, "it is no event that this outpost-bp knows: {reason}"),
        }
    }
}

impl Told {
    /// The line, without its end. Nothing if the event has no JSON, which none is without.
    pub fn line(&self) -> Option<String> {
        let Ok(Value::Object(fields)) = serde_json::to_value(&self.event) else {
            return None;
        };
        let head = [("v", json!(VERSION)), ("n", json!(self.number)), ("t", json!(self.at.to_string()))];
        let mut line: Map<String, Value> = head.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        line.extend(fields);
        Some(Value::Object(line).to_string())
    }

    pub fn read(line: &str) -> Result<Self, NoEvent> {
        let mut fields: Map<String, Value> =
            serde_json::from_str(line).map_err(|error| NoEvent::NotJson(error.to_string()))?;
        let mut take = |key: &'static str| fields.shift_remove(key).ok_or(NoEvent::Wrong(key));
        let version = take("v")?.as_u64().ok_or(NoEvent::Wrong("v"))?;
        if version != VERSION {
            return Err(NoEvent::Version(version));
        }
        let number = take("n")?.as_u64().ok_or(NoEvent::Wrong("n"))?;
        let time = take("t")?.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let at = time.and_then(|time| u64::try_from(time.as_millisecond()).ok()).ok_or(NoEvent::Wrong("t"))?;
        let event =
            serde_json::from_value(Value::Object(fields)).map_err(|error| NoEvent::Unknown(error.to_string()))?;
        Ok(Self { number, at: Moment(at), event })
    }
}

/// JSON Schema of a line.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Event).to_value();
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "outpost-bp events",
        "description": "A line of `outpost-bp run --events FILE`. Fields and events are only ever added within a version; leave alone what you do not know.",
        "type": "object",
        "required": ["v", "n", "t", "event"],
        "properties": {
            "v": { "description": "The version of the stream.", "const": VERSION },
            "n": { "description": "The number of the event within its run, from 1 and without gaps.", "type": "integer", "minimum": 1 },
            "t": { "description": "When it happened, in UTC.", "type": "string", "format": "date-time" },
            "event": { "description": "What happened.", "type": "string" },
        },
    });
    if let (Some(known), Value::Object(head)) = (schema.as_object_mut(), head) {
        let rest = std::mem::take(known);
        known.extend(head);
        known.extend(rest.into_iter().filter(|(key, _)| matches!(key.as_str(), "oneOf" | "$defs")));
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::{NoEvent, Told, schema};
    use crate::run::{Event, Moment};

    #[test]
    fn a_line_is_read_as_what_was_written() {
        let event = Event::RetryScheduled { task: "a".to_owned(), attempt: 2, at: Moment(1_500) };
        let told = Told { number: 3, at: Moment(1_000), event };
        let line = told.line().expect("JSON");
        assert_eq!(
            line,
            r#"{"v":1,"n":3,"t":"1970-01-01T00:00:01Z","event":"retry_scheduled","task":"a","attempt":2,"at":1500}"#
        );
        assert_eq!(Told::read(&line), Ok(told));
    }

    #[test]
    fn what_is_no_event_says_why() {
        let line = r#"{"v":1,"n":3,"t":"2026-01-01T00:00:00Z","event":"condition_held","task":"a"}"#;
        assert!(Told::read(line).is_ok());
        assert!(Told::read(&line.replace("\"a\"", "\"a\",\"later\":1")).is_ok(), "fields may be added");
        for (from, to, reason) in [
            ("{", "", "it is no JSON object: "),
            ("\"v\":1", "\"v\":2", "it is of version 2, and"),
            ("\"v\":1,", "", "its `v` is missing"),
            ("3", "-3", "its `n` is missing"),
            ("2026-01", "then", "its `t` is missing"),
            ("condition_held", "condition_hled", "it is no event that this outpost-bp knows: unknown variant"),
            ("task", "tusk", "it is no event that this outpost-bp knows: missing field"),
        ] {
            let refused = Told::read(&line.replacen(from, to, 1)).map_err(|error| NoEvent::to_string(&error));
            assert!(refused.as_ref().is_err_and(|words| words.starts_with(reason)), "{refused:?}");
        }
    }

    #[test]
    fn the_schema_knows_every_event_and_refuses_others() {
        let validator = jsonschema::validator_for(&schema()).expect("a schema");
        let valid = |line: &str| validator.is_valid(&serde_json::from_str(line).expect("JSON"));
        let line = r#"{"v":1,"n":3,"t":"2026-01-01T00:00:00Z","event":"condition_held","task":"a"}"#;
        assert!(valid(line) && valid(&line.replace("\"a\"", "\"a\",\"later\":1")));
        for (from, to) in [
            ("\"v\":1", "\"v\":2"),
            ("\"n\":3", "\"n\":0"),
            ("condition_held", "no_event"),
            ("\"a\"", "1"),
            ("task", "tusk"),
        ] {
            assert!(!valid(&line.replacen(from, to, 1)), "{from} → {to}");
        }
    }
}
