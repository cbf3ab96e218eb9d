//! What a job says: line by line, waiting for more of them, or as a stream of events.
//!
//! ```text
//! GET …/logs?after=SEQ&wait=20        some lines and where to go on; the contract of every front door
//! GET …/logs, Accept: text/event-stream, Last-Event-ID: SEQ       where the door can keep an answer open
//! ```
//! A stream ends with the job, or when the key that opened it opens nothing any more. Whoever lost it goes on with the last
//! number that it saw.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use outpost_core::actions::{Caller, LogPage};
use outpost_core::id::JobId;
use outpost_core::key::Scope;
use outpost_core::spec::Fault;
use outpost_core::tenant::Standing;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::envelope::json;
use crate::problem::Problem;
use crate::route::{Content, Route, chapter};
use crate::routes::jobs::job_id;
use crate::take::{Asked, Known, Named};
use crate::view::job::{LineView, LogView, status};
use crate::wait::Waiting;

const LAST: HeaderName = HeaderName::from_static("last-event-id");
/// How long is slept between two looks: short at first, for whoever waits for a job that just began.
const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(1);
/// How often a stream says that it is still there, and asks whether its reader still may.
const ALIVE: Duration = Duration::from_secs(15);
/// Longer than any job may run and wait its turn, most of the time.
const STREAM: Duration = Duration::from_secs(6 * 3600);

pub(crate) fn routes() -> Vec<Route> {
    chapter(
        "Jobs",
        vec![
            Route::get(
                "/v1/jobs/{job_id}/logs",
                "getLog",
                "What a job said, and says: waits for more if asked to.",
                log,
            )
            .key(Scope::JobsRead)
            .asks::<Wanted>()
            .gives::<LogView>(200)
            .answers(200, Content::Text("text/event-stream"))
            .fails(&[404]),
        ],
    )
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Lines after this one. Absent: from the first on.
    after: Option<u64>,
    /// For how many seconds to wait for a line, where there is none.
    #[schemars(range(min = 0, max = 20))]
    wait: Option<u32>,
    /// Absent: 1000.
    #[schemars(range(min = 1, max = 10_000))]
    limit: Option<u32>,
}

/// Looks at a log again and again.
struct Reader {
    app: App,
    caller: Caller,
    job: JobId,
    after: u64,
    most: usize,
    _place: Option<Waiting>,
}

impl Reader {
    /// What there is now.
    async fn look(&mut self) -> Result<LogView, Problem> {
        let LogPage { mut lines, mut next, mut done } = self.app.desk.log(&self.caller, &self.job, self.after).await?;
        if lines.len() > self.most {
            lines.truncate(self.most);
            next = lines.last().map_or(next, |line| line.seq);
            done = false;
        }
        let job = self.app.desk.job(&self.caller, &self.job).await?;
        self.after = next;
        Ok(LogView {
            data: lines.into_iter().map(LineView::from).collect(),
            next_after: next,
            r#final: done,
            status: status(job.status).to_owned(),
        })
    }

    /// Whether the key is still good, and its tenant still there.
    async fn may(&self) -> bool {
        let ports = self.app.desk.ports();
        let key = ports.house.key(&self.caller.key().hash).await;
        let good = key.is_ok_and(|key| key.is_some_and(|key| key.refused(self.app.now()).is_none()));
        good && self.app.desk.tenant_now(&self.caller).await.is_ok_and(|tenant| tenant.standing == Standing::Active)
    }

    /// What there is, or what comes within this time.
    async fn wait(&mut self, patience: Duration) -> Result<LogView, Problem> {
        let end = Instant::now() + patience;
        let mut pause = SHORT;
        loop {
            let page = self.look().await?;
            let left = end.saturating_duration_since(Instant::now());
            if !page.data.is_empty() || page.r#final || left.is_zero() {
                return Ok(page);
            }
            sleep(pause.min(left)).await;
            pause = (pause * 2).min(LONG);
        }
    }
}

async fn log(
    State(app): State<App>,
    Known(caller): Known,
    Named(id): Named<String>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let job = job_id(&id)?;
    let streamed = app.settings.streams
        && headers
            .get_all(header::ACCEPT)
            .iter()
            .any(|value| value.to_str().is_ok_and(|text| text.to_ascii_lowercase().contains("text/event-stream")));
    let patience = Duration::from_secs(u64::from(wanted.wait.unwrap_or(0)));
    let place = (streamed || !patience.is_zero()).then(|| app.waiters.enter(caller.id().as_str())).transpose()?;
    let most = wanted.limit.map_or(1000, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut reader = Reader { app, caller, job, after: wanted.after.unwrap_or(0), most, _place: place };
    if !streamed {
        return json(StatusCode::OK, &reader.wait(patience).await?);
    }
    if let Some(last) = headers.get(LAST) {
        let number = last.to_str().ok().and_then(|text| text.parse().ok());
        let wrong = || Problem::invalid(vec![Fault::new("Last-Event-ID", "has to be the number of a line")]);
        reader.after = number.ok_or_else(wrong)?;
    }
    // Whoever may not see the job is told so while there still is a status to tell it with.
    let first = reader.look().await?;
    Ok(streaming(reader, first))
}

fn streaming(reader: Reader, first: LogView) -> Response {
    let end = Instant::now() + STREAM;
    let events = stream::unfold(Some((reader, Some(first))), move |state| async move {
        let (mut reader, first) = state?;
        let page = match first {
            Some(page) => page,
            None if Instant::now() >= end => return None,
            None if !reader.may().await => return None,
            // A stream that breaks is taken up again by its reader; what broke it is in the log already.
            None => reader.wait(ALIVE).await.ok()?,
        };
        let text = written(&page);
        let next = (!page.r#final).then_some((reader, None));
        Some((Ok::<_, Infallible>(Bytes::from(text)), next))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(events)).into_response()
}

/// A page as events: each line by its number, and the end.
fn written(page: &LogView) -> String {
    let mut text = String::new();
    for line in &page.data {
        // One line, whatever is in it: JSON has no line ends but in strings, where they are escaped.
        let data = serde_json::to_string(line).unwrap_or_default();
        text.push_str(&format!("id: {}\nevent: line\ndata: {data}\n\n", line.seq));
    }
    if page.r#final {
        text.push_str(&format!("event: end\ndata: {{\"status\":\"{}\"}}\n\n", page.status));
    } else if page.data.is_empty() {
        text.push_str(": still here\n\n");
    }
    text
}
