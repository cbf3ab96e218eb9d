//! One attempt over HTTP: `PUT` sends, `GET` fetches, `DELETE` removes.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Body, Method, RequestBuilder, Response};

use super::{Content, Hasher, Place, Problem, Whom, local, rewind, shown, too_large};
use crate::engine::net;

/// The most that is shown of what came with a refusal.
const MOST_SAID: usize = 200;

fn request(place: &Place, method: Method) -> Result<RequestBuilder, Problem> {
    let client = net::client(place.patience.timeout).map_err(Problem::lasting)?;
    let request = client.request(method, &place.uri);
    let Whom::Header(name, value) = &place.whom else {
        return Ok(request);
    };
    let name = HeaderName::try_from(name).map_err(|_| Problem::lasting(format!("`{name}` is no name of a header")))?;
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| Problem::lasting(format!("the value of its secret cannot stand in the header `{name}`")))?;
    value.set_sensitive(true);
    Ok(request.header(name, value))
}

async fn answer(request: RequestBuilder) -> Result<Response, Problem> {
    let answer = request.send().await.map_err(broken)?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status().as_u16();
    let header = |name| answer.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let after = header(RETRY_AFTER).and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let leads = header(LOCATION).map(|to| format!("(to `{}`)", shown(to)));
    let said = match leads {
        Some(leads) => leads,
        None => excerpt(answer).await,
    };
    Err(Problem { after, ..Problem::status(status, &said) })
}

/// What the other side has to say, in a line.
async fn excerpt(mut answer: Response) -> String {
    let bytes = answer.chunk().await.ok().flatten().unwrap_or_default();
    let line = whole_words(&bytes);
    if line.is_empty() { line } else { format!("(`{line}`)") }
}

/// As many of the words as are shown, none of them cut: it may repeat a secret, and half of one would not be known as
/// one any more.
fn whole_words(bytes: &[u8]) -> String {
    let read = &bytes[..bytes.len().min(4 * MOST_SAID)];
    let text = String::from_utf8_lossy(read);
    let mut words: Vec<&str> = text.split_whitespace().collect();
    // Whether the rest of a word comes in a later piece, nobody knows.
    let is_whole = read.len() == bytes.len() && bytes.len() < MOST_SAID;
    if !is_whole && !text.ends_with(char::is_whitespace) {
        words.pop();
    }
    let mut line = String::new();
    for word in words {
        let word: String = word.chars().filter(|c| !c.is_control()).collect();
        if line.chars().count() + word.chars().count() >= MOST_SAID {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += &word;
    }
    line
}

/// Only what never was a request is of no use again.
fn broken(error: reqwest::Error) -> Problem {
    let passing = !error.is_builder();
    Problem { passing, ..Problem::lasting(net::problem(error)) }
}

pub(super) async fn put(place: &Place, file: &Path, content: &Content) -> Result<(), Problem> {
    let file = place.fence.open(file).map_err(|error| local(&error))?;
    let request = request(place, Method::PUT)?
        .header(CONTENT_LENGTH, content.bytes)
        .header(CONTENT_TYPE, "application/octet-stream")
        .body(Body::from(tokio::fs::File::from_std(file)));
    answer(request).await.map(|_| ())
}

pub(super) async fn get(place: &Place, mut to: &File, most: u64) -> Result<Content, Problem> {
    rewind(to)?;
    let mut answer = answer(request(place, Method::GET)?).await?;
    if answer.content_length().is_some_and(|bytes| bytes > most) {
        return Err(too_large(most));
    }
    let mut hasher = Hasher::default();
    while let Some(piece) = answer.chunk().await.map_err(broken)? {
        if hasher.bytes + piece.len() as u64 > most {
            return Err(too_large(most));
        }
        hasher.add(&piece);
        to.write_all(&piece).map_err(|error| local(&error))?;
    }
    Ok(hasher.content())
}

pub(super) async fn delete(place: &Place) -> Result<(), Problem> {
    match answer(request(place, Method::DELETE)?).await {
        Err(Problem { status: Some(404 | 410), .. }) => Ok(()),
        other => other.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::whole_words;

    #[test]
    fn f_32_no_word_of_a_refusal_is_cut() {
        assert_eq!(whole_words(b" no  such\n bucket"), "no such bucket");
        let long = format!("your token {} {} {}", "a".repeat(90), "b".repeat(90), "c".repeat(90));
        assert_eq!(whole_words(long.as_bytes()), format!("your token {} {}", "a".repeat(90), "b".repeat(90)));
        assert_eq!(whole_words("x".repeat(900).as_bytes()), "");
        let cut = format!("{}secret-token", " ".repeat(795));
        assert_eq!(whole_words(cut.as_bytes()), "");
    }
}
