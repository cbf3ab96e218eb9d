//! The source `aws_ssm`: the Parameter Store, decrypted.
//!
//! Where the prefix is a path (`/app/`), everything below it is asked for, page by page, until all names are found; else
//! the names are asked for, ten at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::DisplayErrorContext;
use aws_sdk_ssm::types::Parameter;

use super::{Found, Pair, Question};
use crate::blueprint::model::SecretSource;
use crate::engine::aws;

/// For all pages together.
const PATIENCE: Duration = Duration::from_secs(60);
/// As many names as the service takes at once.
const AT_ONCE: usize = 10;

pub(super) async fn ask(source: &SecretSource<'_>, question: &Question<'_>) -> Found {
    let prefix = source.prefix.as_deref().unwrap_or_default();
    let fault = |what: String| format!("aws_ssm: {what}");
    let config = aws::config_of(source.region.as_deref(), source.profile.as_deref()).await;
    if config.region().is_none() {
        return Err(fault("there is no region: set `AWS_REGION`, or the `region` of the source".to_owned()));
    }
    let client = Client::new(&config);
    let asked = async {
        match folder(prefix) {
            Some(folder) => below(&client, folder, prefix, question).await,
            None => named(&client, prefix, question).await,
        }
    };
    let found = tokio::time::timeout(PATIENCE, asked).await;
    found.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs()))).map_err(fault)
}

/// The path in which everything with this prefix is. The root is none: it would be the whole account.
fn folder(prefix: &str) -> Option<&str> {
    let end = prefix.rfind('/').filter(|end| prefix.starts_with('/') && *end > 0)?;
    prefix.get(..end)
}

async fn below(client: &Client, folder: &str, prefix: &str, question: &Question<'_>) -> Found {
    let request = client.get_parameters_by_path().path(folder).recursive(true).with_decryption(true);
    let mut pages = request.into_paginator().send();
    let mut found = Known { prefix, pairs: BTreeMap::new() };
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| told(&error))?;
        for parameter in page.parameters.unwrap_or_default() {
            found.add(parameter, question);
        }
        if found.pairs.len() == question.names.len() {
            break;
        }
    }
    Ok(found.pairs.into_iter().collect())
}

async fn named(client: &Client, prefix: &str, question: &Question<'_>) -> Found {
    let names: Vec<String> = question.names.iter().map(|name| format!("{prefix}{name}")).collect();
    let mut found = Known { prefix, pairs: BTreeMap::new() };
    for names in names.chunks(AT_ONCE) {
        let request = client.get_parameters().set_names(Some(names.to_vec())).with_decryption(true);
        let answer = request.send().await.map_err(|error| told(&error))?;
        for parameter in answer.parameters.unwrap_or_default() {
            found.add(parameter, question);
        }
    }
    Ok(found.pairs.into_iter().collect())
}

struct Known<'p> {
    prefix: &'p str,
    pairs: BTreeMap<String, Vec<u8>>,
}

impl Known<'_> {
    /// Takes a parameter that somebody asked for. Below a path, `/app/db/password` is `db_password`.
    fn add(&mut self, parameter: Parameter, question: &Question<'_>) {
        let name = parameter.name.as_deref().and_then(|name| name.strip_prefix(self.prefix));
        let (Some(name), Some(value)) = (name.map(|name| name.trim_start_matches('/')), parameter.value) else {
            return;
        };
        let spelt = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let is_exact = question.names.contains(name);
        if is_exact || (question.names.contains(&spelt) && !self.pairs.contains_key(&spelt)) {
            let (name, value): Pair = (if is_exact { name.to_owned() } else { spelt }, value.into_bytes());
            self.pairs.insert(name, value);
        }
    }
}

/// The causes of an error too: that there are no credentials stands at its bottom.
fn told<E: std::error::Error>(error: &E) -> String {
    let text = DisplayErrorContext(error).to_string();
    // The dump of the request that follows is for those who develop the SDK.
    let words = text.split(" (").next().unwrap_or(&text);
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::folder;

    #[test]
    fn f_31_a_prefix_that_is_a_path_is_asked_as_one() {
        for (prefix, path) in [
            ("/app/", Some("/app")),
            ("/app/prod-", Some("/app")),
            ("/a/b/", Some("/a/b")),
            ("/", None),
            ("app-", None),
            ("", None),
        ] {
            assert_eq!(folder(prefix), path, "{prefix}");
        }
    }
}
