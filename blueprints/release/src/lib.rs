//! The bill of materials of a release (SBOM), as CycloneDX 1.6 in JSON.
//!
//! Three witnesses, each asked for what only it knows: `cargo tree` which packages are part of the programs, with the features
//! they are built with; `Cargo.lock` which bytes those are; `cargo metadata` whose they are and under which license. Where they
//! disagree there is no bill. The same witnesses make the same bytes.
//!
//! `bill` reads texts and gives a value: it starts nothing, and knows neither files nor clocks. `run` is the program.

mod bill;
mod command;
mod lock;
mod tree;

pub use bill::{Error, Part, Release, bill};
pub use command::run;
