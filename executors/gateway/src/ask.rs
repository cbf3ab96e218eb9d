//! What a request asks for, as far as spending goes: which model, and how much it may answer.
//!
//! Reads the few fields that matter and lets the rest pass. A field named twice is refused: two readers could
//! take it in two ways, and the cap would hold for the wrong one.

use serde::Deserialize;

use crate::refusal::Refusal;

/// Bytes of a request for a token of its prompt, on average. An estimate, replaced by what the answer reports.
const BYTES_PER_TOKEN: u64 = 4;

#[derive(Deserialize)]
struct Body {
    model: Option<String>,
    max_tokens: Option<f64>,
    max_completion_tokens: Option<f64>,
    max_output_tokens: Option<f64>,
    n: Option<f64>,
    background: Option<bool>,
    #[serde(alias = "generation_config", rename = "generationConfig")]
    generation: Option<Generation>,
}

#[derive(Deserialize)]
struct Generation {
    #[serde(alias = "max_output_tokens", rename = "maxOutputTokens")]
    max_output_tokens: Option<f64>,
    #[serde(alias = "candidate_count", rename = "candidateCount")]
    candidate_count: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) model: String,
    /// Estimated from the bytes.
    pub(crate) prompt: u64,
    /// At most this many tokens of answer.
    pub(crate) output: u64,
}

impl Ask {
    /// `model` is the one of the path, where the path names it; `assumed` stands for a limit that is not set.
    pub(crate) fn read(body: &[u8], model: Option<String>, assumed: u64) -> Result<Self, Refusal> {
        let read: Body = serde_json::from_slice(body)
            .map_err(|error| Refusal::Unreadable(format!("the body cannot be read as a call of a model: {error}")))?;
        if read.background == Some(true) {
            let what = "`background` is not passed on: what it uses is reported to nobody; leave it out";
            return Err(Refusal::Unreadable(what.to_owned()));
        }
        let model = model.or(read.model).ok_or_else(|| Refusal::Unreadable("the body names no `model`".to_owned()))?;
        let generation = read.generation.as_ref();
        let limits = [
            read.max_tokens,
            read.max_completion_tokens,
            read.max_output_tokens,
            generation.and_then(|generation| generation.max_output_tokens),
        ];
        let limit = limits.into_iter().flatten().map(|limit| limit as u64).max().unwrap_or(assumed);
        let answers = [read.n, generation.and_then(|generation| generation.candidate_count)];
        let answers = answers.into_iter().flatten().map(|answers| answers as u64).max().unwrap_or(1).max(1);
        let prompt = u64::try_from(body.len()).unwrap_or(u64::MAX) / BYTES_PER_TOKEN + 1;
        Ok(Self { model, prompt, output: limit.saturating_mul(answers) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<(String, u64), Refusal> {
        Ask::read(body.as_bytes(), None, 500).map(|ask| (ask.model, ask.output))
    }

    #[test]
    fn every_protocol_names_its_limit() {
        for (body, output) in [
            (r#"{"model":"m","max_tokens":32000,"messages":[]}"#, 32_000),
            (r#"{"model":"m","max_output_tokens":7}"#, 7),
            (r#"{"model":"m","max_completion_tokens":7,"n":3}"#, 21),
            (r#"{"model":"m","max_tokens":7.0}"#, 7),
            (r#"{"model":"m","max_tokens":null}"#, 500),
            (r#"{"model":"m","max_tokens":-1}"#, 0),
            (r#"{"model":"m","max_tokens":1e300,"n":2}"#, u64::MAX),
            (r#"{"model":"m"}"#, 500),
        ] {
            assert_eq!(read(body), Ok(("m".to_owned(), output)), "{body}");
        }
        let body = br#"{"generationConfig":{"maxOutputTokens":9,"candidateCount":2}}"#;
        let ask = Ask::read(body, Some("gemini".to_owned()), 500).unwrap();
        assert_eq!((ask.model.as_str(), ask.output), ("gemini", 18));
        assert_eq!(ask.prompt, body.len() as u64 / 4 + 1);
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        for body in [
            "",
            "null",
            "[]",
            "{",
            "{}",
            r#"{"model":1}"#,
            r#"{"model":"m","model":"n"}"#,
            r#"{"model":"m","max_tokens":1,"max_tokens":90000}"#,
            r#"{"model":"m","background":true}"#,
            "\u{feff}{}",
        ] {
            assert!(matches!(read(body), Err(Refusal::Unreadable(_))), "{body}");
        }
        let deep = format!(r#"{{"model":"m","x":{}"#, "[".repeat(100_000));
        assert!(read(&deep).is_err());
    }
}
