//! Telling people: what is due, what it says, and the ways it goes.
//!
//! What is due follows from the run alone (`due`): a gate that is open, an end, and the time. A `letter` says it,
//! under an id that is the same after a crash. `deliver` tries until it is told, or gives
//! up with a reason. A way that does not work never fails a run and never delays its tasks; the driver writes
//! down what became of each notice, so that none is lost and none is silent.
//!
//! Each way is a file: `webhook`, `slack`, `email`, `command`, and `console`, which only the driver's
//! watcher can reach. `variable` is the odd one: a way for an answer to come in.

mod command;
mod console;
mod deliver;
mod desk;
mod due;
mod email;
mod letter;
mod slack;
mod variable;
mod way;
mod webhook;

pub use command::Command;
pub use console::line;
pub use desk::{Desk, Told};
pub use due::{About, Due, Turn, is_due};
pub use email::Mail;
pub use letter::{Facts, Letter};
pub use slack::Slack;
pub use variable::{Said, said};
pub use way::Way;
pub use webhook::Webhook;
