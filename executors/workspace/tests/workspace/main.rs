//! Agents' trees on real git repositories, judged by the `git` of this machine and the files on its disk.

#![expect(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "shows what was measured")]

mod commits;
mod crashes;
mod hostile;
mod landing;
mod many;
mod policy;
mod project;
mod refusals;
