//! What can be said of an Outpost installation before it is there: what its plan costs and allows, and what its functions are
//! packed into.
//!
//! ```text
//! terraform show -json PLAN ─► plan ─┬─► bill ◄── prices.json ─► page (docs/COST.md)
//!                                    └─► policy (who may do what)
//! cargo build ─► a program ─► package (a zip that is the same each time)
//! ```
//! It runs nothing and asks nobody: text in, text out. The tests beside it run Terraform.

pub mod bill;
pub mod package;
pub mod page;
pub mod plan;
pub mod policy;
pub mod prices;
pub mod usage;
