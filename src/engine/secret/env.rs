//! The source `env`: variables of the runner, with a prefix before the name.

use std::os::unix::ffi::OsStringExt as _;

use super::{Pair, Question};
use crate::blueprint::model::SecretSource;

pub(super) fn ask(source: &SecretSource<'_>, question: &Question<'_>) -> Vec<Pair> {
    let prefix = source.prefix.as_deref().unwrap_or_default();
    let found = |name: &String| {
        let value = (question.variable)(&format!("{prefix}{name}"))?;
        Some((name.clone(), value.into_vec()))
    };
    question.names.iter().filter_map(found).collect()
}
