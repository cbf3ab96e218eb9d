//! DRIVE: where a plan meets a machine.
//!
//! [`capability`] looks for tools and their versions, [`secret`] for names (never values) of secrets.
//! [`store`] says where runs are kept, [`inbox`] takes notes for their runner. It does not know how
//! answers are shown.

pub mod capability;
pub mod inbox;
pub mod secret;
pub mod store;
