//! TRY: a blueprint played with scripted outcomes in virtual time, and what came of it held to what was expected.
//!
//! The story: [`read`] turns a scenario into scripts, or into everything that is wrong with it; [`Play`] drives the real
//! run with them (its decisions, its inputs and conditions, its judgement of outputs), in a world that is made up; and
//! [`judge`] compares. No command is executed, no file is touched, no time passes.

pub mod format;
mod judge;
mod play;
mod read;
mod script;
mod value;

pub use judge::{end, judge};
pub use play::{Play, Played, elapsed};
pub use read::read;
pub use script::Scenario;
