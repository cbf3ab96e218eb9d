//! JSON Schemas: whether they are ones, and whether what one describes satisfies another.

use std::collections::HashMap;

use crate::blueprint::model::Draft;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::{Node, Value, Written};

/// Checks each distinct schema once, told apart by its text.
#[derive(Default)]
pub(super) struct Schemas<'s> {
    known: HashMap<&'s str, Option<Fault>>,
}

#[derive(Clone, Debug)]
struct Fault {
    message: String,
    /// JSON pointer into the schema.
    pointer: String,
}

impl<'s> Schemas<'s> {
    pub(super) fn check_all(&mut self, draft: &Draft<'s>, problems: &mut Vec<Diagnostic>) {
        for task in &draft.tasks {
            let ports = task.ports().iter().filter_map(|port| port.schema.as_deref());
            let own = [
                task.input_schema(),
                task.output_schema(),
                task.handoff.as_ref().and_then(|handoff| handoff.state_schema.as_ref()),
            ];
            for schema in own.into_iter().flatten().chain(ports) {
                if let Some(problem) = self.check(schema) {
                    problems.push(problem.task(&task.id));
                }
            }
        }
    }

    fn check(&mut self, schema: &Written<'s>) -> Option<Diagnostic> {
        let fault = match schema.text() {
            Some(text) => match self.known.get(text) {
                Some(fault) => fault.clone(),
                None => self.known.entry(text).or_insert(fault(&schema.tree())).clone(),
            },
            None => fault(&schema.tree()),
        }?;
        Some(
            Diagnostic::new(
                Code::BadSchema,
                at(&schema.tree(), &fault.pointer),
                format!("this is no JSON Schema: {}", fault.message),
            )
            .help("the schema follows JSON Schema 2020-12; `type` is one of `object`, `array`, `string`, `integer`, `number`, `boolean`, `null`"),
        )
    }
}

fn fault(schema: &Node<'_>) -> Option<Fault> {
    let json = schema.to_json();
    let mut message = match jsonschema::options().build(&json) {
        Ok(_) => return None,
        Err(error) => Fault { message: error.to_string(), pointer: error.instance_path().to_string() },
    };
    if message.message.len() > 200 {
        message.message = format!("the value at `{}` does not fit the schema of schemas", message.pointer);
    }
    Some(message)
}

/// The place of a JSON pointer in a tree, or of the nearest part above it.
fn at(node: &Node<'_>, pointer: &str) -> Span {
    let mut node = node;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let next = match &node.value {
            Value::Map(entries) => {
                entries.iter().find(|entry| entry.key.value == *step.as_str()).map(|entry| &entry.value)
            }
            Value::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            Value::Scalar { .. } => None,
        };
        let Some(next) = next else {
            break;
        };
        node = next;
    }
    node.span
}

/// Why data of one schema cannot be used where another is expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// `user.email`; empty for the value itself.
    pub(super) path: String,
    pub(super) reason: String,
    /// Where the expectation is written.
    pub(super) expected: Span,
}

/// What is known of the data: a schema, or only its type.
#[derive(Clone, Copy)]
pub(super) enum Given<'a> {
    Schema(&'a Node<'a>),
    Type(&'a str),
    Unknown,
}

/// The format's compatibility rules: every required field exists, types fit, extra fields are fine.
pub(super) fn misfit(given: Given<'_>, wanted: &Node<'_>) -> Option<Misfit> {
    compare(given, wanted, &mut Vec::new())
}

fn compare(given: Given<'_>, wanted: &Node<'_>, path: &mut Vec<String>) -> Option<Misfit> {
    let found =
        |reason: String, expected: Span, path: &[String]| Some(Misfit { path: path.join("."), reason, expected });
    let wanted_types = types(wanted);
    let given_types = match given {
        Given::Schema(schema) => types(schema),
        Given::Type(word) => vec![word],
        Given::Unknown => return None,
    };
    if !wanted_types.is_empty() && !wanted_types.contains(&"any") {
        for have in &given_types {
            let fits = *have == "any"
                || wanted_types.iter().any(|want| want == have || (*want == "number" && *have == "integer"));
            if !fits {
                let expected = wanted.get("type").map_or(wanted.span, |node| node.span);
                return found(
                    format!("it is `{have}`, and `{}` is expected", wanted_types.join("` or `")),
                    expected,
                    path,
                );
            }
        }
    }
    let Given::Schema(given) = given else {
        return None;
    };
    if is_open(given) {
        return None;
    }
    let fields = given.get("properties");
    // A reference, a combination or a promise of more may add fields this comparison does not see.
    let opaque = ["$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas"]
        .iter()
        .any(|key| given.get(key).is_some())
        || given.get("additionalProperties").is_some_and(|more| more.as_bool() != Some(false));
    for required in wanted.get("required").and_then(Node::as_list).unwrap_or_default() {
        let Some(name) = required.text() else { continue };
        if fields.and_then(|fields| fields.entry(name)).is_none() && !opaque {
            return found(format!("the required field `{name}` is not part of it"), required.span, path);
        }
    }
    for entry in wanted.get("properties").and_then(Node::as_map).unwrap_or_default() {
        if let Some(have) = fields.and_then(|fields| fields.get(&entry.key)) {
            path.push(entry.key.to_string());
            let misfit = compare(Given::Schema(have), &entry.value, path);
            path.pop();
            if misfit.is_some() {
                return misfit;
            }
        }
    }
    if let (Some(have), Some(want)) = (given.get("items"), wanted.get("items")) {
        path.push("[]".to_owned());
        let misfit = compare(Given::Schema(have), want, path);
        path.pop();
        return misfit;
    }
    None
}

/// Whether a schema says nothing of its data: `true`, `{}`, or only words for people.
pub(super) fn is_open(schema: &Node<'_>) -> bool {
    const WORDS: [&str; 6] = ["title", "description", "$comment", "examples", "default", "deprecated"];
    match schema.as_map() {
        Some(entries) => entries.iter().all(|entry| WORDS.contains(&entry.key.as_str())),
        None => schema.as_bool() != Some(false),
    }
}

fn types<'n>(schema: &'n Node<'_>) -> Vec<&'n str> {
    match schema.get("type") {
        Some(node) => match node.as_list() {
            Some(items) => items.iter().filter_map(Node::text).collect(),
            None => node.text().into_iter().collect(),
        },
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Given, misfit};
    use crate::document::origin::Origin;
    use crate::document::yaml;

    fn reason(given: &str, wanted: &str) -> Option<String> {
        let given = yaml::parse(given, Origin::Base(0)).documents.remove(0);
        let wanted = yaml::parse(wanted, Origin::Base(0)).documents.remove(0);
        misfit(Given::Schema(&given), &wanted).map(|misfit| format!("{}: {}", misfit.path, misfit.reason))
    }

    #[test]
    fn f_16_schemas_fit_by_the_table_of_the_text() {
        let user = "{type: object, properties: {user_id: {type: string}, email: {type: string}, at: {type: string}}}";
        assert_eq!(reason(user, "{type: object, properties: {user_id: {type: string}}, required: [user_id]}"), None);
        assert_eq!(
            reason(user, "{type: object, required: [user_id, phone]}").as_deref(),
            Some(": the required field `phone` is not part of it")
        );
        assert_eq!(
            reason("{type: object, properties: {count: {type: string}}}", "{properties: {count: {type: integer}}}")
                .as_deref(),
            Some("count: it is `string`, and `integer` is expected")
        );
        assert_eq!(reason("{type: integer}", "{type: number}"), None, "an integer is a number");
        assert!(reason("{type: number}", "{type: integer}").is_some());
        assert_eq!(reason("{type: string}", "{type: any}"), None);
        assert_eq!(reason("{type: string}", "{type: [string, 'null']}"), None);
        assert_eq!(
            reason("{type: array, items: {type: string}}", "{type: array, items: {type: object}}").as_deref(),
            Some("[]: it is `string`, and `object` is expected")
        );
        let nested = |inner: &str| {
            format!("{{type: object, properties: {{a: {{type: object, properties: {{b: {{type: {inner}}}}}}}}}}}")
        };
        assert_eq!(reason(&nested("integer"), &nested("number")), None);
        assert!(reason(&nested("string"), &nested("number")).is_some_and(|reason| reason.starts_with("a.b:")));
        assert_eq!(reason("{$ref: '#/x'}", "{required: [a]}"), None, "nothing is claimed about what is not seen");
    }

    #[test]
    fn f_16_a_schema_that_says_nothing_fits_everything() {
        let wanted = "{type: object, properties: {a: {type: object, required: [b]}}, required: [a]}";
        for open in ["true", "{}", "{description: anything}"] {
            assert_eq!(reason(open, wanted), None, "{open}");
            assert_eq!(reason(wanted, open), None, "{open}");
            assert_eq!(reason(&format!("{{type: object, properties: {{a: {open}}}}}"), wanted), None, "{open}");
        }
        let more = |more: &str| format!("{{type: object, properties: {{x: {{}}}}, additionalProperties: {more}}}");
        assert_eq!(reason(&more("true"), wanted), None);
        assert_eq!(reason(&more("{type: string}"), wanted), None);
        assert!(reason(&more("false"), wanted).is_some());
        assert!(reason("{type: object}", wanted).is_some());
        assert!(reason("{type: string}", wanted).is_some());
    }
}
