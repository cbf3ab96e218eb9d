//! The four protocols that agents speak: their paths, their keys, their homes.
//!
//! A path that is not here is not forwarded. The list is by exact form, so that nothing can climb out of it.

use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderName};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Messages, as `claude` speaks them.
    Anthropic,
    /// Responses, as `codex` speaks them.
    OpenAiResponses,
    /// Chat completions, as most others speak them.
    OpenAiChat,
    /// Generative Language, as `gemini` speaks it.
    Gemini,
}

/// The family decides the shape of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Anthropic,
    OpenAi,
    Gemini,
}

/// What a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Costs tokens. The model is named by the path, or else by the body.
    Answer { model: Option<String> },
    /// Costs nothing and is not counted.
    Free,
}

/// A path of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Who may serve it, first choice first.
    pub(crate) by: &'static [Protocol],
    pub(crate) errand: Errand,
}

impl Protocol {
    pub const ALL: [Self; 4] = [Self::Anthropic, Self::OpenAiResponses, Self::OpenAiChat, Self::Gemini];

    pub(crate) fn home(self) -> &'static str {
        match self {
            Self::Anthropic => "https://api.anthropic.com",
            Self::OpenAiResponses | Self::OpenAiChat => "https://api.openai.com",
            Self::Gemini => "https://generativelanguage.googleapis.com",
        }
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::Anthropic => Family::Anthropic,
            Self::OpenAiResponses | Self::OpenAiChat => Family::OpenAi,
            Self::Gemini => Family::Gemini,
        }
    }

    /// The header that the provider reads its key from, and what stands before the key.
    pub(crate) fn credential(self) -> (HeaderName, &'static str) {
        match self {
            Self::Anthropic => (HeaderName::from_static("x-api-key"), ""),
            Self::OpenAiResponses | Self::OpenAiChat => (AUTHORIZATION, "Bearer "),
            Self::Gemini => (HeaderName::from_static("x-goog-api-key"), ""),
        }
    }
}

const ANTHROPIC: &[Protocol] = &[Protocol::Anthropic];
const RESPONSES: &[Protocol] = &[Protocol::OpenAiResponses];
const CHAT: &[Protocol] = &[Protocol::OpenAiChat];
const GEMINI: &[Protocol] = &[Protocol::Gemini];
const LISTS: &[Protocol] = &[Protocol::OpenAiResponses, Protocol::OpenAiChat, Protocol::Anthropic];
const LISTS_OF_ANTHROPIC: &[Protocol] = &[Protocol::Anthropic, Protocol::OpenAiResponses, Protocol::OpenAiChat];

impl Route {
    /// `anthropic` tells whose list of models is meant, where two providers have the same path.
    pub(crate) fn find(method: &Method, path: &str, anthropic: bool) -> Option<Self> {
        let get = method == Method::GET;
        if !get && method != Method::POST {
            return None;
        }
        let counted = |by| Self { by, errand: Errand::Answer { model: None } };
        let free = |by| Self { by, errand: Errand::Free };
        match path {
            "/v1/messages" if !get => return Some(counted(ANTHROPIC)),
            "/v1/messages/count_tokens" if !get => return Some(free(ANTHROPIC)),
            "/v1/responses" | "/v1/responses/compact" if !get => return Some(counted(RESPONSES)),
            "/v1/chat/completions" if !get => return Some(counted(CHAT)),
            "/v1/models" if get => return Some(free(if anthropic { LISTS_OF_ANTHROPIC } else { LISTS })),
            "/v1beta/models" if get => return Some(free(GEMINI)),
            _ => {}
        }
        if get && let Some(model) = path.strip_prefix("/v1/models/") {
            return is_plain(model).then(|| free(if anthropic { LISTS_OF_ANTHROPIC } else { LISTS }));
        }
        let rest = path.strip_prefix("/v1beta/models/").or_else(|| path.strip_prefix("/v1/models/"))?;
        if get {
            return is_plain(rest).then(|| free(GEMINI));
        }
        let (model, verb) = rest.split_once(':')?;
        let errand = match verb {
            "generateContent" | "streamGenerateContent" => Errand::Answer { model: Some(model.to_owned()) },
            "countTokens" => Errand::Free,
            _ => return None,
        };
        is_plain(model).then_some(Self { by: GEMINI, errand })
    }
}

/// A name that is a name wherever it is put into a path.
fn is_plain(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= 200 && name.bytes().all(fits) && !name.bytes().all(|byte| byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errand(method: &Method, path: &str) -> Option<(Protocol, Errand)> {
        Route::find(method, path, false).map(|route| (route.by[0], route.errand))
    }

    #[test]
    fn the_list_is_by_exact_form() {
        let answer = Errand::Answer { model: None };
        assert_eq!(errand(&Method::POST, "/v1/messages"), Some((Protocol::Anthropic, answer)));
        let pro = Errand::Answer { model: Some("gemini-2.5-pro".to_owned()) };
        let path = "/v1beta/models/gemini-2.5-pro:streamGenerateContent";
        assert_eq!(errand(&Method::POST, path), Some((Protocol::Gemini, pro)));
        assert_eq!(errand(&Method::GET, "/v1/models/gpt-5"), Some((Protocol::OpenAiResponses, Errand::Free)));
        let lists = Route::find(&Method::GET, "/v1/models", true);
        assert_eq!(lists.map(|route| route.by[0]), Some(Protocol::Anthropic));
    }

    #[test]
    fn nothing_climbs_out_of_it() {
        for path in [
            "/",
            "",
            "*",
            "/v1/messages/",
            "/v1/messages/../files",
            "/v1/messages/batches",
            "//v1/messages",
            "/V1/messages",
            "/v1/files",
            "/v1/responses/resp_1",
            "/v1beta/models/..:generateContent",
            "/v1beta/models/a%2f..:generateContent",
            "/v1beta/models/a/b:generateContent",
            "/v1beta/models/:generateContent",
            "/v1beta/models/a:batchGenerateContent",
            "/v1beta/models/a:generateContent:countTokens",
            "/v1/models/..",
            "/v1/models/a/b",
        ] {
            for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::CONNECT, Method::HEAD] {
                assert_eq!(errand(&method, path), None, "{method} {path}");
            }
        }
        assert_eq!(errand(&Method::GET, "/v1/messages"), None);
        assert_eq!(errand(&Method::DELETE, "/v1/models/gpt-5"), None);
    }
}
