//! DRIVE: where a plan meets a machine.
//!
//! Today it answers what this machine has: [`capability`] looks for tools and their versions,
//! [`secret`] for names (never values) of secrets. It does not know how answers are shown.

pub mod capability;
pub mod inbox;
pub mod secret;
pub mod store;
