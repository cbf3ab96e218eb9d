//! Makes events of lines, by the rules of a definition.

use serde_json::Value;

use super::{Event, Finish, Line, Told, Usage};
use crate::definition::{Aggregate, Definition, EventRule, Format, Join, Kind, Matches, ResultRule};

/// The most of a text or of a tool's arguments that an event carries.
const LONGEST: usize = 4 << 10;
/// The longest name of a session.
const LONGEST_NAME: usize = 256;
/// The most of the agent's own words that is kept.
const MOST_WORDS: usize = 64 << 10;

/// Reads the lines of one start.
#[derive(Debug)]
pub struct Reader<'a> {
    definition: &'a Definition,
    told: Told,
    /// Words that came without the end of their line.
    pending: String,
    summed: bool,
}

impl<'a> Reader<'a> {
    pub fn new(definition: &'a Definition) -> Self {
        Self { definition, told: Told::default(), pending: String::new(), summed: false }
    }

    pub const fn told(&self) -> &Told {
        &self.told
    }

    /// Whether the last word was said: what the agent does after it is of no interest. A result for each message is none.
    pub const fn is_over(&self) -> bool {
        (self.told.result.is_some() && !self.summed) || self.told.failure.is_some()
    }

    /// A line of the stream that carries the events.
    pub fn line(&mut self, line: &Line) -> Vec<Event> {
        let mut events = Vec::new();
        match serde_json::from_str::<Value>(&line.text) {
            Ok(value) if value.is_object() => self.value(&value, &mut events),
            // Nobody reads that much for nothing.
            _ if line.cut > 0 => events.push(Event::Progress),
            _ => {}
        }
        events
    }

    /// A line of what it prints, where its events are elsewhere.
    pub fn printed(&mut self, line: &Line) -> Vec<Event> {
        let is_text = self.definition.output.format == Format::Text;
        if is_text && !line.text.trim().is_empty() {
            append(&mut self.told.text, &line.text, true);
            return vec![Event::Text { text: head(&line.text) }];
        }
        Vec::new()
    }

    /// Words that are still held, when nothing more comes.
    pub fn finish(&mut self) -> Option<Event> {
        let text = std::mem::take(&mut self.pending);
        (!text.trim().is_empty()).then(|| Event::Text { text: head(&text) })
    }

    fn value(&mut self, value: &Value, events: &mut Vec<Event>) {
        let output = &self.definition.output;
        if let Some(rule) = &output.session
            && holds(value, &rule.matches)
            && let Some(id) = session(value, &rule.session)
        {
            self.told.session = Some(id);
        }
        let has_text_rule = output.events.iter().any(|rule| rule.kind == Kind::Text);
        let mut said = false;
        if let Some(rule) = &output.text
            && holds(value, &rule.matches)
            && let Some(words) = text(value, &rule.text)
        {
            said = true;
            match rule.join {
                Join::Last => {
                    self.told.text.clear();
                    append(&mut self.told.text, &words, false);
                    if !has_text_rule {
                        events.push(Event::Text { text: head(&words) });
                    }
                }
                Join::Concat => {
                    append(&mut self.told.text, &words, false);
                    self.pieces(&words, events);
                }
            }
        }
        if let Some(rule) = &output.failure
            && holds(value, &rule.matches)
        {
            let words = text(value, &rule.text).unwrap_or_else(|| "it says no more than that it failed".to_owned());
            self.told.failure = Some(head(&words));
        }
        let rule = self.definition.classify.events.iter().rfind(|rule| holds(value, &rule.matches));
        self.told.class = rule.map(|rule| rule.class).or(self.told.class);
        let found: Vec<Event> = output.events.iter().flat_map(|rule| applied(rule, value)).collect();
        let speaks = found.iter().any(|event| !matches!(event, Event::Progress));
        for event in found {
            match &event {
                // One line, one sign of life: others say more.
                Event::Progress if speaks || said || events.contains(&Event::Progress) => continue,
                Event::Retry { detail } => self.told.last_retry = Some(detail.clone()),
                Event::Text { text } if !said => {
                    self.told.text.clear();
                    append(&mut self.told.text, text, false);
                }
                _ => {}
            }
            if !said {
                events.extend(self.finish());
            }
            events.push(event);
        }
        if holds(value, &output.result.matches) {
            events.extend(self.finish());
            self.result(&output.result, value, events);
        }
    }

    /// Words that come in pieces are told by the line.
    fn pieces(&mut self, words: &str, events: &mut Vec<Event>) {
        self.pending.push_str(words);
        while let Some(end) = self.pending.find('\n') {
            let rest = self.pending.split_off(end + 1);
            let line = std::mem::replace(&mut self.pending, rest);
            if !line.trim().is_empty() {
                events.push(Event::Text { text: head(line.trim_end()) });
            }
        }
        if self.pending.len() > LONGEST {
            events.extend(self.finish());
        }
        if events.is_empty() {
            events.push(Event::Progress);
        }
    }

    fn result(&mut self, rule: &ResultRule, value: &Value, events: &mut Vec<Event>) {
        let told = &mut self.told;
        let finish = Finish {
            ok: holds(value, &rule.ok),
            text: rule.text.as_deref().and_then(|pointer| text(value, pointer)).map(|words| head(&words)),
            status: rule.status.as_deref().and_then(|pointer| text(value, pointer)),
            http_status: rule.http_status.as_deref().and_then(|pointer| text(value, pointer)),
        };
        if let Some(words) = &finish.text
            && !words.is_empty()
        {
            told.text.clear();
            append(&mut told.text, words, false);
        }
        if let Some(id) = rule.session.as_deref().and_then(|pointer| session(value, pointer)) {
            told.session = Some(id);
        }
        if let Some(words) = rule.error.as_deref().and_then(|pointer| text(value, pointer)) {
            told.failure.get_or_insert_with(|| head(&words));
        }
        told.turns = rule.turns.as_deref().and_then(|pointer| number(value, pointer)).or(told.turns);
        let usage = rule.usage.as_ref().and_then(|usage| {
            let cached = usage.cached.as_deref().and_then(|pointer| number(value, pointer)).unwrap_or_default();
            let input = number(value, &usage.input)?;
            let input = if rule.cached_in_input { input.saturating_sub(cached) } else { input };
            Some(Usage { input, cached, output: number(value, &usage.output).unwrap_or_default() })
        });
        let cost = rule.cost_usd.as_deref().and_then(|pointer| value.pointer(pointer)).and_then(Value::as_f64);
        let cost = cost.filter(|cost| cost.is_finite() && *cost >= 0.0);
        if rule.aggregate == Some(Aggregate::Sum) {
            self.summed = true;
            told.usage = match (told.usage, usage) {
                (Some(so_far), Some(more)) => Some(so_far.plus(more)),
                (so_far, more) => more.or(so_far),
            };
            told.cost_usd = match (told.cost_usd, cost) {
                (Some(so_far), Some(more)) => Some(so_far + more),
                (so_far, more) => more.or(so_far),
            };
        } else {
            told.usage = usage.or(told.usage);
            told.cost_usd = cost.or(told.cost_usd);
        }
        if let Some(usage) = told.usage {
            events.push(Event::Usage { usage, cost_usd: told.cost_usd });
        }
        let ok = finish.ok && told.failure.is_none();
        told.result = Some(finish);
        if !self.summed {
            events.push(Event::Result { ok });
        }
    }
}

fn applied(rule: &EventRule, value: &Value) -> Vec<Event> {
    if !holds(value, &rule.matches) {
        return Vec::new();
    }
    let items: Vec<&Value> = match &rule.each {
        Some(pointer) => {
            value.pointer(pointer).and_then(Value::as_array).map(|list| list.iter().collect()).unwrap_or_default()
        }
        None => vec![value],
    };
    let items = items.into_iter().filter(|item| holds(item, &rule.holds));
    let of = |item: &Value, pointer: &Option<String>| pointer.as_deref().and_then(|pointer| text(item, pointer));
    items
        .filter_map(|item| match rule.kind {
            Kind::Text => {
                let words = of(item, &rule.text).filter(|words| !words.trim().is_empty())?;
                Some(Event::Text { text: head(&words) })
            }
            Kind::Tool => Some(Event::Tool {
                name: of(item, &rule.name).map_or_else(|| "tool".to_owned(), |name| head(&name)),
                detail: head(&of(item, &rule.detail).unwrap_or_default()),
                id: of(item, &rule.id).map(|id| head(&id)),
            }),
            Kind::Failed => of(item, &rule.id).map(|id| Event::Failed { id: head(&id) }),
            Kind::Progress => Some(Event::Progress),
            Kind::Retry => Some(Event::Retry { detail: head(&of(item, &rule.detail).unwrap_or_default()) }),
        })
        .collect()
}

/// Whether all of it stands there.
pub(super) fn holds(value: &Value, matches: &Matches) -> bool {
    matches.iter().all(|(pointer, wanted)| value.pointer(pointer) == Some(wanted))
}

/// What stands there: a string as it is, anything else as JSON, nothing where nothing or `null` stands.
fn text(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The name of a session. It becomes a word of a command, and whoever can print a line can say one: what is none is not
/// heard.
fn session(value: &Value, pointer: &str) -> Option<String> {
    let is_name = |id: &String| {
        !id.is_empty() && id.len() <= LONGEST_NAME && !id.starts_with('-') && !id.chars().any(char::is_control)
    };
    text(value, pointer).filter(is_name)
}

fn number(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer)?.as_u64()
}

fn head(text: &str) -> String {
    let head = first(text, LONGEST);
    if head.len() == text.len() {
        return text.to_owned();
    }
    format!("{head}… [{} bytes left out]", text.len() - head.len())
}

/// At most so many bytes of it.
fn first(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

fn append(words: &mut String, more: &str, as_line: bool) {
    if as_line && !words.is_empty() && words.len() < MOST_WORDS {
        words.push('\n');
    }
    words.push_str(first(more, MOST_WORDS.saturating_sub(words.len())));
}
