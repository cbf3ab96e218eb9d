//! The source `file`: a `.env` file, `.env` itself unless the document names another.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Found, Question};
use crate::blueprint::model::SecretSource;

/// The most that is read of a `.env` file.
const MOST_BYTES: u64 = 1 << 20;

/// Where a source looks unless it says where.
pub(super) const USUAL: &str = ".env";

pub(super) fn ask(source: &SecretSource<'_>, question: &Question<'_>, remarks: &mut Vec<String>) -> Found {
    let path = question.root.join(source.path.as_deref().unwrap_or(USUAL));
    let Some(pairs) = read(&path)? else {
        return Ok(Vec::new());
    };
    let found: Vec<_> =
        question.names.iter().filter_map(|name| Some((name.clone(), pairs.get(name)?.clone().into_bytes()))).collect();
    let mode = fs::metadata(&path).map_or(0, |metadata| metadata.permissions().mode());
    if !found.is_empty() && mode & 0o077 != 0 {
        remarks.push(format!("others may read `{0}`, which holds secrets: chmod 600 {0}", path.display()));
    }
    Ok(found)
}

/// The variables of a `.env` file; nothing if there is no such file. A document chooses the path: a pipe would hold
/// us up and a device would never end. Of a name that comes twice the last counts, as in a shell.
pub(super) fn read(path: &Path) -> Result<Option<BTreeMap<String, String>>, String> {
    let fault = |what: &dyn std::fmt::Display| format!("`{}`: {what}", path.display());
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(&error)),
        Ok(metadata) if !metadata.is_file() => return Err(fault(&"it is not a regular file")),
        Ok(metadata) if metadata.len() > MOST_BYTES => {
            return Err(fault(&format!("it is larger than {} MiB", MOST_BYTES >> 20)));
        }
        Ok(_) => {}
    }
    let file = File::open(path).map_err(|error| fault(&error))?;
    let mut pairs = BTreeMap::new();
    for pair in dotenvy::from_read_iter(file.take(MOST_BYTES)) {
        match pair {
            Ok((name, value)) => {
                pairs.insert(name, value);
            }
            Err(dotenvy::Error::Io(error)) => return Err(fault(&error)),
            // What the line says may be a secret.
            Err(_) => return Err(fault(&"a line is not `NAME=value`")),
        }
    }
    Ok(Some(pairs))
}
