//! Stands on loopback between one attempt's agent and the model that answers it.
//!
//! ```text
//! agent ──run token──► gateway ──provider's key──► provider
//!   ◄────── the bytes, as they come ──────┘ counts them, stops at the cap, is the heartbeat
//! ```
//! What it guarantees: the provider's key never leaves this process but to the pinned upstream; no request is
//! forwarded without the run's token, off the list of paths, or once a cap is spent; of what an answer reports,
//! every token is counted once; hostile bytes end a connection, never the gateway. It lives as long as its
//! [`Gateway`], in the process of the attempt.
//!
//! It changes nothing in what passes: only the key is swapped, hop-by-hop headers are dropped, and the upstream is asked
//! not to compress. It does not know tasks, agents or attempts, and writes no log.

mod ask;
mod body;
mod forward;
mod headers;
mod ledger;
mod meter;
mod prices;
mod protocol;
mod refusal;
mod relay;
mod serve;
mod settings;
mod usage;

pub use prices::{Prices, PricesError};
pub use protocol::Protocol;
pub use serve::{Gateway, StartError};
pub use settings::{Bounds, Caps, Key, Settings, Upstream};
pub use usage::{Cap, Usage};
