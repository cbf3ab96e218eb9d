//! Files behind links that the service signed: fetched by whoever has the link, never shown in a browser.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use tokio_util::io::ReaderStream;

use crate::app::App;
use crate::problem::Problem;
use crate::route::{Content, Route, chapter};

pub(crate) fn routes() -> Vec<Route> {
    chapter(
        "Jobs",
        vec![
            Route::get(
                "/v1/files/{tenant_id}/{*path}",
                "getFile",
                "A file, by a link that `listArtifacts` gave.",
                file,
            )
            .signed()
            .answers(200, Content::Text("application/octet-stream"))
            .fails(&[404]),
        ],
    )
}

async fn file(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let gone = || Problem::not_found("file: the link is none of ours, or it has ended");
    let files = app.settings.files.as_ref().ok_or_else(gone)?;
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let file = files.open(path, query).await?.ok_or_else(gone)?;
    let file = tokio::fs::File::from_std(file);
    let bytes = file.metadata().await.map_err(|_| gone())?.len();
    // Segments of paths are plain: letters, digits and `._-`.
    let name = path.rsplit('/').next().unwrap_or("file");
    let named = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let mut response = Body::from_stream(ReaderStream::with_capacity(file, 64 * 1024)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    headers.extend(named.ok().map(|named| (header::CONTENT_DISPOSITION, named)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}
