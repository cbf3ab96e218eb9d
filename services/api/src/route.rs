//! The table of routes: what each takes, gives and asks for. The router, the document and the tests are made from it, so that
//! none of them knows a route that the others do not.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use outpost_core::key::Scope;
use schemars::JsonSchema;

use crate::app::App;
use crate::door;
use crate::problem::{METHOD, Problem};
use crate::shape::Shape;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody. A short list, which a test knows by heart.
    Public,
    /// Everybody who can sign: the payment provider, holders of a link.
    Signed,
    /// Whoever has a key with this scope; none: any good key.
    Key(Option<Scope>),
}

/// What an answer with a status carries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    Json(Shape),
    Text(&'static str),
    Nothing,
}

pub(crate) struct Route {
    pub(crate) id: &'static str,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) about: &'static str,
    pub(crate) access: Access,
    pub(crate) query: Option<Shape>,
    pub(crate) body: Option<Shape>,
    /// Whether an `Idempotency-Key` makes it one request however often it comes.
    pub(crate) once: bool,
    pub(crate) deprecated: bool,
    pub(crate) answers: Vec<(u16, Content)>,
    /// Statuses of problems, beside those that any request may meet.
    pub(crate) problems: Vec<u16>,
    handler: MethodRouter<App>,
}

impl Route {
    fn new<H, T>(method: Method, path: &'static str, id: &'static str, about: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::TRACE);
        Self {
            id,
            method,
            path,
            tag: "",
            about,
            access: Access::Key(None),
            query: None,
            body: None,
            once: false,
            deprecated: false,
            answers: Vec::new(),
            problems: Vec::new(),
            handler: axum::routing::on(filter, handler),
        }
    }

    pub(crate) fn get<H: Handler<T, App>, T: 'static>(
        path: &'static str,
        id: &'static str,
        about: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::GET, path, id, about, handler)
    }

    pub(crate) fn post<H: Handler<T, App>, T: 'static>(
        path: &'static str,
        id: &'static str,
        about: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::POST, path, id, about, handler)
    }

    pub(crate) fn put<H: Handler<T, App>, T: 'static>(
        path: &'static str,
        id: &'static str,
        about: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::PUT, path, id, about, handler)
    }

    pub(crate) fn patch<H: Handler<T, App>, T: 'static>(
        path: &'static str,
        id: &'static str,
        about: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::PATCH, path, id, about, handler)
    }

    pub(crate) fn delete<H: Handler<T, App>, T: 'static>(
        path: &'static str,
        id: &'static str,
        about: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::DELETE, path, id, about, handler)
    }

    pub(crate) fn key(self, scope: Scope) -> Self {
        Self { access: Access::Key(Some(scope)), ..self }
    }

    pub(crate) fn public(self) -> Self {
        Self { access: Access::Public, ..self }
    }

    pub(crate) fn signed(self) -> Self {
        Self { access: Access::Signed, ..self }
    }

    pub(crate) fn asks<T: JsonSchema + 'static>(self) -> Self {
        Self { query: Some(Shape::of::<T>()), ..self }
    }

    pub(crate) fn takes<T: JsonSchema + 'static>(self) -> Self {
        Self { body: Some(Shape::of::<T>()), ..self }
    }

    pub(crate) fn gives<T: JsonSchema + 'static>(self, status: u16) -> Self {
        self.answers(status, Content::Json(Shape::of::<T>()))
    }

    pub(crate) fn answers(mut self, status: u16, content: Content) -> Self {
        self.answers.push((status, content));
        self
    }

    pub(crate) fn fails(self, problems: &[u16]) -> Self {
        Self { problems: problems.to_vec(), ..self }
    }

    pub(crate) fn once(self) -> Self {
        Self { once: true, ..self }
    }

    pub(crate) fn deprecated(self) -> Self {
        Self { deprecated: true, ..self }
    }
}

/// Routes of a chapter.
pub(crate) fn chapter(tag: &'static str, routes: Vec<Route>) -> Vec<Route> {
    routes.into_iter().map(|route| Route { tag, ..route }).collect()
}

/// A router that does what the table says, and nothing else.
pub(crate) fn routed(table: Vec<Route>, app: &App) -> Router {
    let mut paths: BTreeMap<&'static str, (MethodRouter<App>, Vec<String>)> = BTreeMap::new();
    for route in table {
        let gate = door::Gate { app: app.clone(), access: route.access, deprecated: route.deprecated };
        let guarded = route.handler.route_layer(from_fn_with_state(gate, door::guard));
        let (methods, allowed) = paths.remove(route.path).unwrap_or_default();
        let mut allowed = allowed;
        allowed.push(route.method.to_string());
        if route.method == Method::GET {
            allowed.push(Method::HEAD.to_string());
        }
        paths.insert(route.path, (methods.merge(guarded), allowed));
    }
    let mut router = Router::new();
    for (path, (methods, mut allowed)) in paths {
        allowed.push(Method::OPTIONS.to_string());
        let allow: Arc<str> = allowed.join(", ").into();
        router = router.route(path, methods.fallback(move |method: Method| async move { other(&method, &allow) }));
    }
    router.fallback(|| async { Problem::not_found("path") }).with_state(app.clone())
}

/// What a path answers to a method that it does not have.
fn other(method: &Method, allow: &str) -> Response {
    if *method == Method::OPTIONS {
        let mut response = StatusCode::NO_CONTENT.into_response();
        response.headers_mut().extend(HeaderValue::from_str(allow).ok().map(|allow| (header::ALLOW, allow)));
        return response;
    }
    Problem::new(METHOD, format!("this path takes {allow}")).allowing(allow).into_response()
}
