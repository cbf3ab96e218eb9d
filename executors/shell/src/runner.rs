//! What the process that runs tasks does once, when it starts.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, set_child_subreaper, setrlimit};

/// Has processes that lose their keeper come to this process, so that it can find and end them.
pub fn become_subreaper() -> io::Result<()> {
    // Any number that is not zero switches it on.
    Ok(set_child_subreaper(rustix::process::Pid::from_raw(1))?)
}

/// Raises the soft limit of open files as far as it goes and returns what it was, for `Keepers::open_files`: tasks
/// get the limit that the user had, because a high one misleads older programs.
pub fn raise_open_files() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // As good as it was if it cannot be raised.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
    current
}
