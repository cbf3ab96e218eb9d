//! The source `vault`: one request to a KV engine, version 2, for all names.
//!
//! The address is that of the document, in which `${NAME}` stands for a variable of the runner, else `VAULT_ADDR`. The
//! token is `VAULT_TOKEN`, else what `vault login` left in `~/.vault-token`. Nothing is renewed and nothing is kept.

use std::fs;
use std::path::Path;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::{Found, Question};
use crate::blueprint::model::SecretSource;
use crate::blueprint::variable::replaced;
use crate::engine::net;

const PATIENCE: Duration = Duration::from_secs(15);
/// The most that is read of an answer.
const MOST_BYTES: usize = 1 << 20;
/// The most that is shown of its words.
const MOST_SAID: usize = 200;
/// Where a source looks unless it says where: the path in the text of the format.
const USUAL: &str = "secret/data/blueprint";

pub(super) async fn ask(source: &SecretSource<'_>, question: &Question<'_>) -> Found {
    let variable = |name: &str| (question.variable)(name).and_then(|value| value.into_string().ok());
    let address = address(source.address.as_deref(), &variable).map_err(|what| format!("vault: {what}"))?;
    let place = net::shown(&address).trim_end_matches('/').to_owned();
    let fault = |what: String| format!("vault at {place}: {what}");
    let token = token(&variable)
        .ok_or_else(|| fault("there is no token: set `VAULT_TOKEN`, or run `vault login`".to_owned()))?;
    let path = path(source.path.as_deref().unwrap_or(USUAL));
    let mut request = net::client(PATIENCE)
        .map_err(fault)?
        .get(format!("{address}/v1/{path}"))
        .header("X-Vault-Token", hidden(&token).map_err(fault)?)
        .header("X-Vault-Request", "true");
    if let Some(namespace) = variable("VAULT_NAMESPACE").filter(|namespace| !namespace.is_empty()) {
        request = request.header("X-Vault-Namespace", namespace);
    }
    let response = request.send().await.map_err(|error| fault(net::problem(error)))?;
    let status = response.status();
    let body = body(response).await.map_err(fault)?;
    let values = match status {
        StatusCode::OK => {
            values(&body).ok_or_else(|| fault(format!("`{path}` is not a secret of a KV engine, version 2")))?
        }
        // A path that holds nothing; with words, it is none of a secret's.
        StatusCode::NOT_FOUND if said(&body).is_empty() => return Ok(Vec::new()),
        status => return Err(fault(refusal(status, &path, &body))),
    };
    Ok(question.names.iter().filter_map(|name| Some((name.clone(), text(values.get(name)?)?.into_bytes()))).collect())
}

/// A value that shows up in nobody's log of requests.
fn hidden(token: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(token.trim())
        .map_err(|_| "its token is none: it has characters that no token has".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Where the vault is, without a slash at its end.
fn address(written: Option<&str>, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let set =
        |name: &str| variable(name).filter(|value| !value.is_empty()).ok_or_else(|| format!("`{name}` is not set"));
    let Some(text) = written else {
        return Ok(set("VAULT_ADDR")?.trim_end_matches('/').to_owned());
    };
    let mut unset = None;
    let address = replaced(text, |reference| {
        let value = set(reference.name).map_err(|why| unset.get_or_insert(why).clone());
        value.ok().map(String::into_bytes)
    });
    match unset {
        Some(why) => Err(why),
        None => Ok(String::from_utf8_lossy(&address).trim_end_matches('/').to_owned()),
    }
}

fn token(variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let is_there = |token: &String| !token.trim().is_empty();
    variable("VAULT_TOKEN").filter(is_there).or_else(|| {
        let home = variable("HOME")?;
        fs::read_to_string(Path::new(&home).join(".vault-token")).ok().filter(is_there)
    })
}

/// Whether there is an address and a token here, for whoever only wants to know.
pub fn standing() -> (bool, bool) {
    let variable = |name: &str| std::env::var(name).ok();
    (address(None, &variable).is_ok(), token(&variable).is_some())
}

/// `mount/data/path`, as the API has it; `mount/path` is how the command `vault kv get` writes it.
fn path(written: &str) -> String {
    let path = written.trim_matches('/');
    let path = path.strip_prefix("v1/").unwrap_or(path);
    if path.split('/').skip(1).any(|part| part == "data") {
        return path.to_owned();
    }
    match path.split_once('/') {
        Some((mount, rest)) => format!("{mount}/data/{rest}"),
        None => format!("{path}/data"),
    }
}

async fn body(mut response: Response) -> Result<Value, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(net::problem)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_BYTES {
            return Err(format!("its answer is larger than {} MiB", MOST_BYTES >> 20));
        }
    }
    // Whatever is no JSON is judged by its status.
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Version 2 has the values below `data.data`, beside `data.metadata`.
fn values(body: &Value) -> Option<&Value> {
    let data = body.get("data")?;
    data.get("metadata")?;
    data.get("data").filter(|values| values.is_object())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

/// Its own words, as far as they fit into a line.
fn said(body: &Value) -> String {
    let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
    let said: Vec<&str> = errors.filter_map(Value::as_str).map(str::trim).filter(|said| !said.is_empty()).collect();
    let words = said.join("; ").split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(|c| !c.is_control()).take(MOST_SAID).collect()
}

fn refusal(status: StatusCode, path: &str, body: &Value) -> String {
    let said = said(body);
    let said = if said.is_empty() { said } else { format!(" ({said})") };
    match status {
        StatusCode::FORBIDDEN => format!("its token may not read `{path}`, or is not valid any more{said}"),
        StatusCode::SERVICE_UNAVAILABLE => format!("it is sealed, or in maintenance{said}"),
        status if status.is_redirection() => "it redirects: name the address of its active node".to_owned(),
        status => format!("it answers {status} for `{path}`{said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{address, path};

    #[test]
    fn f_31_a_path_is_that_of_the_api_or_of_the_command() {
        for (written, asked) in [
            ("secret/data/blueprint", "secret/data/blueprint"),
            ("/v1/secret/data/a/b/", "secret/data/a/b"),
            ("team/kv/data/app", "team/kv/data/app"),
            ("kv/app", "kv/data/app"),
            ("kv/app/data", "kv/app/data"),
            ("kv", "kv/data"),
        ] {
            assert_eq!(path(written), asked, "{written}");
        }
    }

    #[test]
    fn f_31_an_address_may_be_a_variable() {
        let variable = |name: &str| (name == "VAULT_ADDR").then(|| "https://vault.example:8200/".to_owned());
        for (written, found) in [
            (None, Ok("https://vault.example:8200")),
            (Some("${VAULT_ADDR}"), Ok("https://vault.example:8200")),
            (Some("http://127.0.0.1:1/"), Ok("http://127.0.0.1:1")),
            (Some("https://${HOST}"), Err("`HOST` is not set")),
        ] {
            assert_eq!(address(written, &variable), found.map(str::to_owned).map_err(str::to_owned), "{written:?}");
        }
    }
}
