//! DRIVE: where a plan meets a machine.
//!
//! [`capability`] looks for tools and their versions, [`secret`] for names (never values) of secrets.
//! [`store`] says where runs are kept, [`inbox`] takes notes for their runner, [`output`] judges and keeps
//! what a task left, [`place`] fills the variables of its paths, [`jq`] transforms what it binds. None of
//! it knows how answers are shown.

pub mod capability;
pub mod inbox;
pub mod jq;
pub mod output;
pub mod place;
pub mod secret;
pub mod store;
