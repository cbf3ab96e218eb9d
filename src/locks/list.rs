//! Who holds what and who waits for it, for people: `outpost-bp locks`.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::claim::{Entry, Standing};
use super::door::Door;
use super::error::LockError;
use super::holders;
use super::queue;

/// How long a person is kept at a door that somebody keeps shut.
const AT_THE_DOOR: Duration = Duration::from_secs(2);

/// All holders and waiters of a lock directory, by name: holders first, then waiters in their order. A
/// directory that is not there has none.
pub fn list(dir: &Path) -> Result<Vec<Entry>, LockError> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let Some(_door) = Door::pass(dir, AT_THE_DOOR)? else { return Err(LockError::Busy { dir: dir.to_owned() }) };
    let mut entries = all(dir).map_err(LockError::io("list the locks in", dir))?;
    // Stable: waiters stay in the order of their tickets.
    entries.sort_by(|a, b| {
        let key = |entry: &Entry| (entry.claim.scope.clone(), entry.claim.name.clone(), entry.standing);
        key(a).cmp(&key(b))
    });
    Ok(entries)
}

fn all(dir: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for file in fs::read_dir(dir)? {
        let name = file?.file_name();
        if let Some(name) = name.to_str().filter(|name| is_name(name)) {
            entries.extend(holders::of_file(dir, name)?);
        }
    }
    for waiter in queue::waiting(dir, None)? {
        entries.extend(waiter.record.claims.iter().map(|claim| waiter.record.entry(claim, Standing::Waits)));
    }
    Ok(entries)
}

/// Whether a file is a name's own: the hexadecimal digest and nothing else.
fn is_name(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
