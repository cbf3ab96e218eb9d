//! DRIVE: where a plan meets a machine.
//!
//! [`driver`] drives a run and is the only place that awaits; the rest is what it drives with: [`session`]
//! opens a run, [`history`] reads one, [`mod@bench`] makes work of a stage, [`inputs`] and [`output`] carry data
//! in and out, [`hands`] are the executors, [`cleanup`] puts away what tasks left, [`inbox`] takes notes for the runner, [`store`] says where all of it
//! is kept. [`capability`], [`secret`] and [`preflight`] ask what this machine has; [`net`] is how HTTP is spoken,
//! [`remote`] sends and fetches files over it and over S3. [`agent`] is what agents are asked, and what follows from how
//! they end. None of it knows how answers are shown.

pub mod agent;
#[cfg(feature = "aws")]
pub mod aws;
pub mod bench;
pub mod capability;
pub mod cleanup;
pub mod driver;
pub mod error;
mod fence;
pub mod glance;
mod handoff;
pub mod hands;
pub mod history;
pub mod inbox;
pub mod inputs;
pub mod jq;
pub mod moment;
pub mod net;
pub mod notice;
pub mod output;
mod outside;
mod patience;
pub mod place;
pub mod preflight;
pub mod remote;
pub mod retire;
pub mod secret;
pub mod session;
pub mod store;
pub mod verdict;
