//! One call, from the agent's request to the answer on its way back.
//!
//! The order matters: the token before anything is read, the list of paths before the body, the account before the
//! provider hears of it.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use hyper::{HeaderMap, Request, Response, StatusCode};

use crate::ask::Ask;
use crate::body::take_in;
use crate::headers;
use crate::ledger::{Hold, Ledger};
use crate::meter::{Form, Meter};
use crate::protocol::{Errand, Protocol, Route};
use crate::refusal::Refusal;
use crate::relay::{Account, Pulse, Relay};
use crate::settings::{Bounds, Key};

pub(crate) type Answer = Response<Either<Full<Bytes>, Relay>>;

/// A provider that was checked when the gateway started.
pub(crate) struct Provider {
    pub(crate) protocol: Protocol,
    /// Without a slash at its end.
    pub(crate) base: String,
    pub(crate) key: Key,
    pub(crate) client: reqwest::Client,
}

pub(crate) struct Desk {
    pub(crate) token: Key,
    pub(crate) providers: Vec<Provider>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) pulse: Pulse,
    pub(crate) bounds: Bounds,
}

impl Desk {
    pub(crate) async fn serve(&self, request: Request<Incoming>) -> Answer {
        let anthropic = request.headers().contains_key("anthropic-version");
        let route = Route::find(request.method(), request.uri().path(), anthropic);
        let spoken = self.spoken(route.as_ref());
        match self.call(request, route).await {
            Ok(answer) => answer,
            Err(refusal) => refusal.answer(spoken).map(|body| Either::Left(Full::new(body))),
        }
    }

    /// Whose shape a refusal takes: the path's, else that of the one that is served first.
    fn spoken(&self, route: Option<&Route>) -> Protocol {
        let first = self.providers.first().map_or(Protocol::OpenAiChat, |provider| provider.protocol);
        let served = route.and_then(|route| self.provider(route)).map(|provider| provider.protocol);
        served.or_else(|| route.and_then(|route| route.by.first().copied())).unwrap_or(first)
    }

    fn provider(&self, route: &Route) -> Option<&Provider> {
        route.by.iter().find_map(|by| self.providers.iter().find(|provider| provider.protocol == *by))
    }

    async fn call(&self, request: Request<Incoming>, route: Option<Route>) -> Result<Answer, Refusal> {
        if !headers::holds_token(request.headers(), request.uri(), &self.token) {
            return Err(Refusal::Token);
        }
        let route = route.filter(|_| headers::is_for_us(request.headers(), request.uri())).ok_or(Refusal::Place)?;
        let provider = self.provider(&route).ok_or(Refusal::Place)?;
        if is_encoded(request.headers()) {
            return Err(Refusal::Compressed);
        }
        let (head, body) = request.into_parts();
        let body = take_in(body, &self.bounds).await?;
        let unsendable = || Refusal::Upstream("the request cannot be put into its words".to_owned());
        let sent = headers::to_provider(&head.headers, provider.protocol, &provider.key).ok_or_else(unsendable)?;
        let mut hold = match route.errand {
            Errand::Answer { model } => {
                let ask = Ask::read(&body, model, self.bounds.assumed_output)?;
                Some(self.ledger.admit(&ask).await?)
            }
            Errand::Free => None,
        };
        let url = format!("{}{}", provider.base, headers::target(&head.uri));
        let request = provider.client.request(head.method, url).headers(sent).body(body);
        if let Some(hold) = &mut hold {
            hold.mark_sent();
        }
        match request.send().await {
            Ok(response) => self.pass(response.into(), hold, provider.protocol),
            Err(error) => {
                // What may have reached the provider stays counted: the hold is dropped as it is.
                if let Some(hold) = hold.filter(|_| error.is_connect() || error.is_builder()) {
                    hold.release();
                }
                Err(Refusal::Upstream(told(&error.without_url())))
            }
        }
    }

    fn pass(
        &self,
        response: Response<reqwest::Body>,
        hold: Option<Hold>,
        protocol: Protocol,
    ) -> Result<Answer, Refusal> {
        let (head, body) = response.into_parts();
        let mut account = None;
        if head.status.is_success() {
            account = hold.map(|hold| Account::open(Meter::new(protocol, form(&head.headers)), hold, &self.pulse));
        } else if let Some(hold) = hold {
            hold.release();
        }
        if head.status == StatusCode::UNAUTHORIZED {
            // The provider's own words may repeat a part of the key.
            return Err(Refusal::Key);
        }
        if head.status.is_redirection() || head.status.is_informational() {
            return Err(Refusal::Upstream(format!("it sent us elsewhere, with status {}", head.status.as_u16())));
        }
        let mut answer = Response::new(Either::Right(Relay::new(body, account)));
        *answer.status_mut() = head.status;
        *answer.headers_mut() = headers::to_agent(&head.headers);
        Ok(answer)
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn form(headers: &HeaderMap) -> Form {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if is_encoded(headers) {
        Form::Other
    } else if kind.eq_ignore_ascii_case("text/event-stream") {
        Form::Events
    } else {
        Form::Json
    }
}

/// The fault with its causes; the library keeps headers out of them, and the address was taken out.
fn told(error: &reqwest::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}
