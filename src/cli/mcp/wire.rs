//! Messages: one line of JSON each, as JSON-RPC 2.0 and the Model Context Protocol have them.
//!
//! Two kinds of clients are served. Those up to 2025-11-25 begin with `initialize`, which settles the revision for all
//! that follows; those of 2026-07-28 name it in each request and may ask `server/discover` first. A request that cannot
//! be understood gets an error and nothing else; a notification, a request that was cancelled when it was answered long
//! ago, and an answer that nobody asked for get nothing.

use std::io::{self, BufRead, Read as _, Write};

use serde_json::{Map, Value, json};

use super::seat::Seat;
use super::tools;

/// The revisions that begin with `initialize`, the latest first.
const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The revision that every request names.
const MODERN: &str = "2026-07-28";
/// From here on tools tell of their results, which stand beside the text.
const STRUCTURED: &str = "2025-06-18";
/// The last revision in which several messages may come as one.
const BATCHES: &str = "2025-03-26";

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const SERVER: &str = "io.modelcontextprotocol/serverInfo";

/// The longest message.
const LONGEST: u64 = 1 << 20;
/// The most messages that come as one.
const MOST: usize = 32;
/// How long a client may remember the tools: as long as the process lives, they stay the same.
const FRESH_MS: u64 = 3_600_000;

const NO_JSON: i64 = -32_700;
const NO_REQUEST: i64 = -32_600;
const NO_METHOD: i64 = -32_601;
const BAD_PARAMS: i64 = -32_602;
const OTHER_VERSION: i64 = -32_022;

const INSTRUCTIONS: &str = "What an outpost-bp run does: its status, logs and open gates. Within an attempt also your own \
    task, and `report` for its outcome. Nothing here decides for a person: gates are for people only.";

/// Why a request gets no result.
struct Fault {
    code: i64,
    message: String,
    data: Option<Value>,
}

impl Fault {
    fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }
}

/// What a request says of the revision it is made in.
enum Era {
    /// As it was settled, or else the latest.
    Settled,
    Modern,
}

pub(super) struct Server {
    seat: Seat,
    settled: &'static str,
}

enum Heard {
    Line(Vec<u8>),
    TooLong,
    End,
}

impl Server {
    pub(super) const fn of(seat: Seat) -> Self {
        Self { seat, settled: LEGACY[0] }
    }

    /// Answers until nothing more comes.
    pub(super) fn serve(mut self, mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
        loop {
            let answer = match hear(&mut input)? {
                Heard::End => return Ok(()),
                Heard::TooLong => Some(failed(&Value::Null, Fault::new(NO_REQUEST, "it is longer than 1 MiB"))),
                Heard::Line(line) if line.trim_ascii().is_empty() => None,
                Heard::Line(line) => match serde_json::from_slice(&line) {
                    Ok(message) => self.heard(&message),
                    Err(error) => Some(failed(&Value::Null, Fault::new(NO_JSON, format!("it is no JSON: {error}")))),
                },
            };
            if let Some(answer) = answer {
                writeln!(output, "{answer}")?;
                output.flush()?;
            }
        }
    }

    fn heard(&mut self, message: &Value) -> Option<Value> {
        let Value::Array(all) = message else {
            return self.answer(message);
        };
        if self.settled > BATCHES || all.is_empty() || all.len() > MOST {
            let fault =
                Fault::new(NO_REQUEST, format!("messages come one by one; up to {BATCHES} at most {MOST} as one"));
            return Some(failed(&Value::Null, fault));
        }
        let answers: Vec<Value> = all.iter().filter_map(|message| self.answer(message)).collect();
        (!answers.is_empty()).then_some(Value::Array(answers))
    }

    fn answer(&mut self, message: &Value) -> Option<Value> {
        let no_request = |id: &Value, why: &str| Some(failed(id, Fault::new(NO_REQUEST, why)));
        let id = match message.get("id") {
            Some(id) if id.is_string() || id.is_i64() || id.is_u64() => Some(id),
            Some(_) => return no_request(&Value::Null, "`id` is text or a whole number"),
            None => None,
        };
        let shown = id.unwrap_or(&Value::Null);
        if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return no_request(shown, "it is no message of JSON-RPC 2.0");
        }
        let Some(method) = message.get("method").and_then(Value::as_str) else {
            // We ask nothing of clients.
            let is_answer = message.get("result").or_else(|| message.get("error")).is_some();
            return if is_answer { None } else { no_request(shown, "it has no `method`") };
        };
        // One after the other: what is cancelled was answered before.
        let id = id?;
        Some(match self.result(method, message.get("params")) {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err(fault) => failed(id, fault),
        })
    }

    fn result(&mut self, method: &str, params: Option<&Value>) -> Result<Value, Fault> {
        let none = Map::new();
        let params = match params {
            None => &none,
            Some(Value::Object(params)) => params,
            Some(_) => return Err(Fault::new(BAD_PARAMS, "`params` is an object")),
        };
        let is_modern = match era(params)? {
            Era::Modern => true,
            Era::Settled if method == "server/discover" => {
                return Err(Fault::new(BAD_PARAMS, format!("`_meta` names no `{VERSION}`")));
            }
            Era::Settled => false,
        };
        let revision = if is_modern { MODERN } else { self.settled };
        let mut result = match method {
            "initialize" if !is_modern => self.begun(params)?,
            "ping" if !is_modern => json!({}),
            "server/discover" => kept(json!({
                "supportedVersions": [MODERN],
                "capabilities": { "tools": {} },
                "instructions": INSTRUCTIONS,
            })),
            "tools/list" => {
                if params.get("cursor").is_some_and(|cursor| !cursor.is_null()) {
                    return Err(Fault::new(BAD_PARAMS, "there is one page of tools, without a cursor"));
                }
                let tools: Vec<Value> = tools::all(&self.seat).iter().map(|tool| tool.told(revision)).collect();
                let list = json!({ "tools": tools });
                if is_modern { kept(list) } else { list }
            }
            "tools/call" => self.called(params, revision)?,
            _ => return Err(Fault::new(NO_METHOD, format!("there is no method `{method}` in revision {revision}"))),
        };
        if is_modern {
            result["resultType"] = "complete".into();
            result["_meta"] = json!({ SERVER: ourselves() });
        }
        Ok(result)
    }

    fn begun(&mut self, params: &Map<String, Value>) -> Result<Value, Fault> {
        let Some(asked) = params.get("protocolVersion").and_then(Value::as_str) else {
            return Err(Fault::new(BAD_PARAMS, "`protocolVersion` is missing"));
        };
        self.settled = LEGACY.into_iter().find(|known| *known == asked).unwrap_or(LEGACY[0]);
        Ok(json!({
            "protocolVersion": self.settled,
            "capabilities": { "tools": {} },
            "serverInfo": ourselves(),
            "instructions": INSTRUCTIONS,
        }))
    }

    fn called(&self, params: &Map<String, Value>, revision: &str) -> Result<Value, Fault> {
        let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
        let all = tools::all(&self.seat);
        let Some(tool) = all.iter().find(|tool| tool.name == name) else {
            let known: Vec<&str> = all.iter().map(|tool| tool.name).collect();
            return Err(Fault::new(BAD_PARAMS, format!("there is no tool `{name}`; there are {}", known.join(", "))));
        };
        let none = json!({});
        let arguments = params.get("arguments").filter(|arguments| !arguments.is_null()).unwrap_or(&none);
        // What goes wrong in a tool is told to the model, which may mend it.
        Ok(match tool.call(&self.seat, arguments) {
            Ok(found) => {
                let mut result =
                    json!({ "content": [{ "type": "text", "text": found.to_string() }], "isError": false });
                if revision >= STRUCTURED {
                    result["structuredContent"] = found;
                }
                result
            }
            Err(why) => json!({ "content": [{ "type": "text", "text": why }], "isError": true }),
        })
    }
}

/// The next line, without more of it in memory than a message may have.
fn hear(input: &mut impl BufRead) -> io::Result<Heard> {
    let mut line = Vec::new();
    if input.by_ref().take(LONGEST + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(Heard::End);
    }
    if line.len() as u64 > LONGEST && !line.ends_with(b"\n") {
        input.skip_until(b'\n')?;
        return Ok(Heard::TooLong);
    }
    Ok(Heard::Line(line))
}

/// Which revision a request is made in; one that names it has to name all that belongs to it.
fn era(params: &Map<String, Value>) -> Result<Era, Fault> {
    let Some(meta) = params.get("_meta") else {
        return Ok(Era::Settled);
    };
    match meta.get(VERSION) {
        None => Ok(Era::Settled),
        Some(Value::String(version)) if version == MODERN => {
            if meta.get(CAPABILITIES).is_some_and(Value::is_object) {
                Ok(Era::Modern)
            } else {
                Err(Fault::new(BAD_PARAMS, format!("`_meta` names no `{CAPABILITIES}`")))
            }
        }
        Some(Value::String(version)) => Err(Fault {
            data: Some(json!({ "supported": [MODERN], "requested": version })),
            ..Fault::new(OTHER_VERSION, format!("requests are served in revision {MODERN}, or after `initialize`"))
        }),
        Some(_) => Err(Fault::new(BAD_PARAMS, format!("`{VERSION}` is text"))),
    }
}

/// A result that a client may remember.
fn kept(mut result: Value) -> Value {
    result["ttlMs"] = FRESH_MS.into();
    result["cacheScope"] = "private".into();
    result
}

fn ourselves() -> Value {
    json!({ "name": "outpost-bp", "version": env!("CARGO_PKG_VERSION") })
}

fn failed(id: &Value, fault: Fault) -> Value {
    let mut error = json!({ "code": fault.code, "message": fault.message });
    if let Some(data) = fault.data {
        error["data"] = data;
    }
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}
