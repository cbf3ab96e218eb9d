//! What the Outpost service is about, without a server, a database or a clock.
//!
//! ```text
//! HTTP, worker, admin ──► actions ──► rules (job, key, tenant: pure) ──► writes ──► store
//!                            └──────► ports: queue, blobs, vault, wake, clock, chance
//! ```
//! [`job`], [`key`], [`spec`] and [`tenant`] hold the rules; [`actions`] is all that can be done; [`store`] the one way to
//! change what is kept; [`ports`] the rest of the world. Nothing here starts a thread, opens a file or asks for the time.

pub mod actions;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod fleet;
pub mod id;
pub mod job;
pub mod key;
pub mod moment;
pub mod ports;
pub mod record;
pub mod spec;
pub mod store;
pub mod tenant;
pub mod web;
