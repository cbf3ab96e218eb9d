//! S3 in a build without AWS: every request says how to get it.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use super::{Content, NO_AWS, Place, Problem};

pub(super) async fn put(_: &Place, _: &Path, _: &Content) -> Result<Option<String>, Problem> {
    Err(Problem::lasting(NO_AWS))
}

pub(super) async fn get(_: &Place, _: Option<&str>, _: &File, _: u64) -> Result<Content, Problem> {
    Err(Problem::lasting(NO_AWS))
}

pub(super) async fn delete(_: &Place, _: Option<&str>) -> Result<(), Problem> {
    Err(Problem::lasting(NO_AWS))
}

pub(super) async fn sign(_: &Place, _: Option<&str>, _: Duration) -> Result<String, Problem> {
    Err(Problem::lasting(NO_AWS))
}
