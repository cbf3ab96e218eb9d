//! The adapters on an AWS of this machine: the suites of the ports, races, faults below the client, roles, waking, names of
//! what is missing.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod emulator;
mod faults;
mod house;
mod names;
mod proxy;
mod roles;
mod sizes;
mod suites;
mod wake;
