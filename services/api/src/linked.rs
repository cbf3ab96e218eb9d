//! Files of a data folder, behind links that the folder signed.

use std::fs::File;

use outpost_core::store::{Pending, Problem};
use outpost_embedded::Embedded;

use crate::settings::Files;

impl Files for Embedded {
    fn open<'a>(&'a self, path: &'a str, query: &'a str) -> Pending<'a, Result<Option<File>, Problem>> {
        Box::pin(async move {
            match self.links().check(path, query) {
                Some((tenant, path)) => self.file(&tenant, &path).await,
                None => Ok(None),
            }
        })
    }
}
