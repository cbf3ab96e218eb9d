//! The source `aws_ssm`: the Parameter Store, decrypted.
//!
//! Where the prefix is a path (`/app/`), everything below it is asked for, page by page, until all names are found; else
//! the names are asked for, ten at a time.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::error::DisplayErrorContext;
use aws_sdk_ssm::types::Parameter;

use super::{Found, Question};
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
    // A name as it is asked for may still come after one that is only spelt like it.
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| told(&error))?;
        for parameter in page.parameters.unwrap_or_default() {
            found.add(&parameter, question);
        }
        if found.pairs.len() == question.names.len() && found.pairs.values().all(|known| known.is_exact) {
            break;
        }
    }
    found.pairs()
}

async fn named(client: &Client, prefix: &str, question: &Question<'_>) -> Found {
    let names: Vec<String> = question.names.iter().map(|name| format!("{prefix}{name}")).collect();
    let mut found = Known { prefix, pairs: BTreeMap::new() };
    for names in names.chunks(AT_ONCE) {
        let request = client.get_parameters().set_names(Some(names.to_vec())).with_decryption(true);
        let answer = request.send().await.map_err(|error| told(&error))?;
        for parameter in answer.parameters.unwrap_or_default() {
            found.add(&parameter, question);
        }
    }
    found.pairs()
}

struct Known<'p> {
    prefix: &'p str,
    pairs: BTreeMap<String, Named>,
}

/// A parameter that is what somebody asked for.
struct Named {
    /// Its whole name.
    name: String,
    value: Vec<u8>,
    is_exact: bool,
    /// Another that is spelt alike.
    other: Option<String>,
}

impl Known<'_> {
    /// Takes a parameter that somebody asked for. Below a path, `/app/db/password` is `db_password`.
    fn add(&mut self, parameter: &Parameter, question: &Question<'_>) {
        let name = parameter.name.as_deref().and_then(|name| name.strip_prefix(self.prefix));
        let (Some(name), Some(value)) = (name.map(|name| name.trim_start_matches('/')), parameter.value.clone()) else {
            return;
        };
        let spelt = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let is_exact = question.names.contains(name);
        if !is_exact && !question.names.contains(&spelt) {
            return;
        }
        let whole = parameter.name.clone().unwrap_or_default();
        let named = Named { name: whole, value: value.into_bytes(), is_exact, other: None };
        match self.pairs.entry(if is_exact { name.to_owned() } else { spelt }) {
            Entry::Vacant(place) => {
                place.insert(named);
            }
            Entry::Occupied(mut known) if is_exact => {
                known.insert(named);
            }
            Entry::Occupied(mut known) => known.get_mut().other = Some(named.name),
        }
    }

    /// What was found, whatever the order in which it came: of two that are only spelt like a name, none is meant.
    fn pairs(self) -> Found {
        let pair = |(name, known): (String, Named)| match known.other.filter(|_| !known.is_exact) {
            None => Ok((name, known.value)),
            Some(other) => {
                let mut both = [known.name, other];
                both.sort_unstable();
                let [one, other] = both;
                Err(format!(
                    "`{one}` and `{other}` both stand for `{name}`: rename one, or call the secret as it is called"
                ))
            }
        };
        self.pairs.into_iter().map(pair).collect()
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
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use super::{Known, Parameter, folder};
    use crate::engine::secret::Question;

    #[test]
    fn f_31_the_order_of_parameters_does_not_matter() {
        let names = BTreeSet::from(["db_password".to_owned()]);
        let question = Question { names: &names, root: Path::new("."), variable: &|_| None };
        let found = |parameters: &[&str]| {
            let mut known = Known { prefix: "/app/", pairs: BTreeMap::new() };
            for name in parameters {
                known.add(&Parameter::builder().name(*name).value(*name).build(), &question);
            }
            known.pairs().map(|pairs| pairs.into_iter().map(|(_, value)| String::from_utf8(value)).collect::<Vec<_>>())
        };
        let (path, dash, exact) = ("/app/db/password", "/app/db-password", "/app/db_password");
        assert_eq!(found(&[path]), Ok(vec![Ok(path.to_owned())]));
        for order in [[path, exact, dash], [exact, dash, path], [dash, path, exact]] {
            assert_eq!(found(&order), Ok(vec![Ok(exact.to_owned())]), "{order:?}");
        }
        let both = "`/app/db-password` and `/app/db/password` both stand for `db_password`";
        for order in [[path, dash], [dash, path]] {
            assert!(found(&order).is_err_and(|why| why.contains(both)), "{order:?}");
        }
    }

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
