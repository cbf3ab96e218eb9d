//! Reads from an answer, while it passes, what it cost.
//!
//! Works on pieces cut anywhere. Understands server-sent events and JSON, looks only at what speaks of usage, and takes
//! anything else for an answer that reports nothing. Never fails: an answer it cannot follow is passed on all the same.

use memchr::{memchr2, memmem};
use serde_json::Value;

use crate::protocol::Protocol;
use crate::usage::Counts;

/// The longest event or JSON answer that is looked into.
const LONGEST: usize = 64 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Events,
    Json,
    /// Compressed, or nothing known.
    Other,
}

/// How much of the usage was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Heard {
    Nothing,
    Part,
    All,
}

#[derive(Debug)]
pub(crate) struct Meter {
    protocol: Protocol,
    form: Form,
    counts: Counts,
    heard: Heard,
    /// The line of an event so far, or all of a JSON answer.
    line: Vec<u8>,
    /// The data of the event so far.
    data: Vec<u8>,
    /// The last byte was a carriage return: a newline after it belongs to it.
    returned: bool,
    /// What is being read is too long: nothing is kept until it ends.
    skips: bool,
}

impl Meter {
    pub(crate) fn new(protocol: Protocol, form: Form) -> Self {
        Self {
            protocol,
            form,
            counts: Counts::default(),
            heard: Heard::Nothing,
            line: Vec::new(),
            data: Vec::new(),
            returned: false,
            skips: false,
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.heard == Heard::All
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match self.form {
            Form::Events => self.events(bytes),
            Form::Json => self.keep(bytes),
            Form::Other => {}
        }
    }

    /// The answer ended as it should.
    pub(crate) fn end(&mut self) {
        match self.form {
            Form::Events => {
                // An event without its empty line is still heard: what was used was used.
                self.line_ends();
                self.event_ends();
                // Gemini has no last event: each one holds what was used so far.
                if self.protocol == Protocol::Gemini && self.heard == Heard::Part {
                    self.heard = Heard::All;
                }
            }
            Form::Json if !self.skips => {
                let body = std::mem::take(&mut self.line);
                self.read(&body);
                if self.heard == Heard::Part {
                    self.heard = Heard::All;
                }
            }
            Form::Json | Form::Other => {}
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.skips || self.line.len() + self.data.len() + bytes.len() > LONGEST {
            self.skips = true;
            self.line = Vec::new();
            self.data = Vec::new();
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    fn events(&mut self, mut bytes: &[u8]) {
        if std::mem::take(&mut self.returned) && !bytes.is_empty() {
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        } else if bytes.is_empty() {
            return;
        }
        while let Some(at) = memchr2(b'\r', b'\n', bytes) {
            let (line, rest) = bytes.split_at(at);
            self.keep(line);
            self.line_ends();
            let ended_by = rest.first().copied();
            bytes = rest.get(1..).unwrap_or_default();
            if ended_by == Some(b'\r') {
                if bytes.is_empty() {
                    self.returned = true;
                } else {
                    bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
                }
            }
        }
        self.keep(bytes);
    }

    fn line_ends(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() && !self.skips {
            self.event_ends();
        } else if line.is_empty() {
            // The end of the line that was too long; what follows of its event is no event of its own.
            self.skips = false;
            self.data = Vec::new();
        } else if let Some(data) = line.strip_prefix(b"data:") {
            self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
            self.data.push(b'\n');
        }
    }

    fn event_ends(&mut self) {
        let data = std::mem::take(&mut self.data);
        if !data.is_empty() {
            self.read(&data);
        }
    }

    fn read(&mut self, json: &[u8]) {
        if memmem::find(json, b"usage").is_none() {
            return;
        }
        let Ok(value) = serde_json::from_slice::<Value>(json) else { return };
        let heard = match self.protocol {
            Protocol::Anthropic => self.anthropic(&value),
            Protocol::OpenAiResponses => self.responses(&value),
            Protocol::OpenAiChat => self.chat(&value),
            Protocol::Gemini => self.gemini(&value),
        };
        self.heard = self.heard.max(heard);
    }

    /// The beginning reports the prompt, the end everything; both are totals, and the later one counts.
    fn anthropic(&mut self, value: &Value) -> Heard {
        let begins = value.get("type").and_then(Value::as_str) == Some("message_start");
        let usage = if begins { value.pointer("/message/usage") } else { value.get("usage") };
        let Some(usage) = usage.filter(|usage| usage.is_object()) else { return Heard::Nothing };
        let counts = &mut self.counts;
        set(&mut counts.input, usage, "/input_tokens");
        set(&mut counts.cached, usage, "/cache_read_input_tokens");
        if let Some(written) = number(usage, "/cache_creation_input_tokens") {
            // Only the beginning says for how long; the end repeats the sum alone.
            let hour = number(usage, "/cache_creation/ephemeral_1h_input_tokens").unwrap_or(counts.written_1h);
            counts.written_1h = hour.min(written);
            counts.written = written - counts.written_1h;
        }
        set(&mut counts.output, usage, "/output_tokens");
        if begins { Heard::Part } else { Heard::All }
    }

    fn responses(&mut self, value: &Value) -> Heard {
        let usage = value.pointer("/response/usage").or_else(|| value.get("usage"));
        let Some(usage) = usage.filter(|usage| usage.is_object()) else { return Heard::Nothing };
        let names = ["/input_tokens", "/input_tokens_details/cached_tokens", "/output_tokens"];
        self.openai(usage, names)
    }

    fn chat(&mut self, value: &Value) -> Heard {
        let Some(usage) = value.get("usage").filter(|usage| usage.is_object()) else { return Heard::Nothing };
        let names = ["/prompt_tokens", "/prompt_tokens_details/cached_tokens", "/completion_tokens"];
        self.openai(usage, names)
    }

    /// What was read from the cache is part of the prompt here, and thoughts are part of the answer: by their name, or,
    /// as xAI has it, only in the total.
    fn openai(&mut self, usage: &Value, [prompt, cached, output]: [&str; 3]) -> Heard {
        let prompt = number(usage, prompt).unwrap_or(0);
        let cached = number(usage, cached).unwrap_or(0).min(prompt);
        let rest = number(usage, "/total_tokens").map_or(0, |total| total.saturating_sub(prompt));
        let output = number(usage, output).unwrap_or(0).max(rest);
        self.counts = Counts { input: prompt - cached, cached, output, ..Counts::default() };
        Heard::All
    }

    fn gemini(&mut self, value: &Value) -> Heard {
        let last = match value {
            Value::Array(parts) => parts.iter().rev().find(|part| part.get("usageMetadata").is_some()),
            value => Some(value),
        };
        let Some(usage) = last.and_then(|part| part.get("usageMetadata")).filter(|usage| usage.is_object()) else {
            return Heard::Nothing;
        };
        let of = |name: &str| number(usage, name).unwrap_or(0);
        let prompt = of("/promptTokenCount");
        let cached = of("/cachedContentTokenCount").min(prompt);
        self.counts = Counts {
            input: (prompt - cached).saturating_add(of("/toolUsePromptTokenCount")),
            cached,
            output: of("/candidatesTokenCount").saturating_add(of("/thoughtsTokenCount")),
            ..Counts::default()
        };
        Heard::Part
    }
}

fn number(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer).and_then(Value::as_u64)
}

fn set(place: &mut u64, usage: &Value, pointer: &str) {
    if let Some(number) = number(usage, pointer) {
        *place = number;
    }
}
