//! The desk over a world in memory: what it promises, one story each, and all of it at once under faults.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod book;
mod chaos;
mod door;
mod jobs;
mod kept;
mod money;
mod month;
mod set;
mod things;
mod work;
mod world;
