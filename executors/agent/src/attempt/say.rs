//! An event as a line for people: the log of the task.

use serde_json::Value;

use crate::stream::Event;

const WIDTH: usize = 200;

/// None for what is of no interest to a reader.
pub(super) fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Text { text } => format!("says   {}", one_line(text)),
        Event::Tool { name, detail, .. } => format!("does   {}: {}", one_line(name), one_line(&gist(detail))),
        Event::Failed { .. } => "       that failed".to_owned(),
        Event::Retry { detail } => format!("waits  {}", one_line(detail)),
        Event::Usage { usage, cost_usd } => {
            let cost = cost_usd.map(|cost| format!(", {cost:.4} USD")).unwrap_or_default();
            format!("used   {} tokens in, {} cached, {} out{cost}", usage.input, usage.cached, usage.output)
        }
        Event::Result { ok } => {
            format!("ends   {}", if *ok { "and says that it is done" } else { "and says that it failed" })
        }
        Event::Progress => return None,
    })
}

/// The first text among the arguments is what a tool is about: a command, a file.
fn gist(detail: &str) -> String {
    match serde_json::from_str::<Value>(detail) {
        Ok(Value::Object(arguments)) => {
            arguments.values().find_map(Value::as_str).map_or_else(|| detail.to_owned(), str::to_owned)
        }
        _ => detail.to_owned(),
    }
}

/// Without what could move a terminal's cursor.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean = words.chars().filter(|c| !c.is_control());
    let mut short: String = clean.clone().take(WIDTH).collect();
    if clean.count() > WIDTH {
        short.push('…');
    }
    short
}
