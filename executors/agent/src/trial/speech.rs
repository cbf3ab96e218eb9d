//! One sentence in each of the four protocols. Pure.

use serde_json::{Value, json};

use crate::definition::Protocol;
use crate::stream::Usage;

pub(super) const SENTENCE: &str = "Done.";
/// What one answer costs, `cached` apart.
pub(super) const USAGE: Usage = Usage { input: 800, cached: 200, output: 50 };

/// An answer, at once or in pieces.
#[derive(Debug)]
pub(super) enum Speech {
    Whole(Value),
    Stream(String),
}

/// In a form that each of the protocols takes for an error.
pub(super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        429 => "rate_limit_error",
        404 => "not_found_error",
        _ => "invalid_request_error",
    };
    let name = if status == 429 { "RESOURCE_EXHAUSTED" } else { "UNAUTHENTICATED" };
    json!({"type": "error", "error": {"type": kind, "message": message, "code": status, "status": name}})
}

/// Whether this is the path of the protocol where a model is asked.
pub(super) fn is_question(protocol: Protocol, path: &str) -> bool {
    match protocol {
        Protocol::Anthropic => path.ends_with("/messages"),
        Protocol::OpenaiResponses => path.ends_with("/responses"),
        Protocol::OpenaiChat => path.ends_with("/chat/completions"),
        Protocol::Gemini => path.contains(":generateContent") || path.contains(":streamGenerateContent"),
    }
}

pub(super) fn says(protocol: Protocol, path: &str, body: &Value) -> Speech {
    let streams = body.get("stream").and_then(Value::as_bool).unwrap_or_default();
    let model = body.get("model").cloned().unwrap_or_else(|| json!("trial"));
    match protocol {
        Protocol::Anthropic => anthropic(&model, streams),
        Protocol::OpenaiResponses => responses(streams),
        Protocol::OpenaiChat => chat(&model, streams),
        Protocol::Gemini => gemini(path.contains("stream")),
    }
}

fn named(events: &[Value]) -> Speech {
    let name = |event: &Value| event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    Speech::Stream(events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", name(event))).collect())
}

fn anthropic(model: &Value, streams: bool) -> Speech {
    let usage = json!({
        "input_tokens": USAGE.input, "cache_read_input_tokens": USAGE.cached, "cache_creation_input_tokens": 0,
        "output_tokens": USAGE.output,
    });
    if !streams {
        return Speech::Whole(json!({
            "id": "msg_trial", "type": "message", "role": "assistant", "model": model,
            "content": [{"type": "text", "text": SENTENCE}], "stop_reason": "end_turn", "stop_sequence": null, "usage": usage,
        }));
    }
    named(&[
        json!({"type": "message_start", "message": {
            "id": "msg_trial", "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": null,
            "stop_sequence": null, "usage": usage,
        }}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": SENTENCE}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({
            "type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": USAGE.output},
        }),
        json!({"type": "message_stop"}),
    ])
}

fn responses(streams: bool) -> Speech {
    let message = json!({
        "type": "message", "role": "assistant", "id": "msg_trial", "status": "completed",
        "content": [{"type": "output_text", "text": SENTENCE, "annotations": []}],
    });
    let whole = json!({
        "id": "resp_trial", "object": "response", "status": "completed", "output": [message],
        "usage": {
            "input_tokens": USAGE.input + USAGE.cached, "input_tokens_details": {"cached_tokens": USAGE.cached},
            "output_tokens": USAGE.output, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": USAGE.input + USAGE.cached + USAGE.output,
        },
    });
    if !streams {
        return Speech::Whole(whole);
    }
    named(&[
        json!({"type": "response.created", "response": {"id": "resp_trial"}}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": message}),
        json!({"type": "response.completed", "response": whole}),
    ])
}

fn chat(model: &Value, streams: bool) -> Speech {
    let usage = json!({
        "prompt_tokens": USAGE.input + USAGE.cached, "completion_tokens": USAGE.output,
        "total_tokens": USAGE.input + USAGE.cached + USAGE.output, "prompt_tokens_details": {"cached_tokens": USAGE.cached},
    });
    if !streams {
        return Speech::Whole(json!({
            "id": "chat_trial", "object": "chat.completion", "created": 1, "model": model, "usage": usage,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": SENTENCE}, "finish_reason": "stop"}],
        }));
    }
    let chunk = |choices: Value, usage: Value| {
        json!({
            "id": "chat_trial", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": choices,
            "usage": usage,
        })
    };
    let said = json!([{"index": 0, "delta": {"role": "assistant", "content": SENTENCE}, "finish_reason": null}]);
    let stop = json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]);
    let chunks = [chunk(said, Value::Null), chunk(stop, Value::Null), chunk(json!([]), usage)];
    let mut text: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    text.push_str("data: [DONE]\n\n");
    Speech::Stream(text)
}

fn gemini(streams: bool) -> Speech {
    let whole = json!({
        "candidates": [{"content": {"role": "model", "parts": [{"text": SENTENCE}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": USAGE.input + USAGE.cached, "candidatesTokenCount": USAGE.output,
            "totalTokenCount": USAGE.input + USAGE.cached + USAGE.output, "cachedContentTokenCount": USAGE.cached,
        },
        "modelVersion": "trial",
    });
    if streams { Speech::Stream(format!("data: {whole}\n\n")) } else { Speech::Whole(whole) }
}
