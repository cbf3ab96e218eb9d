//! What the Outpost service is about, without a server, a database or a clock.
//!
//! ```text
//! HTTP, worker, admin ──► actions ──► rules (job, key, tenant: pure) ──► writes ──► store
//!                            └──────► ports: queue, blobs, vault, wake, clock, chance
//! ```
//! [`job`], [`key`] and [`tenant`] hold the rules; [`store`] the one way to change what is kept; [`ports`] the rest of the
//! world. Nothing here starts a thread, opens a file or asks for the time.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod id;
pub mod job;
pub mod key;
pub mod moment;
pub mod ports;
pub mod record;
pub mod store;
pub mod tenant;
