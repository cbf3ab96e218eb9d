//! What the tool itself does, for who looks for a fault: `OUTPOST_LOG=debug`, on standard error.
//!
//! Only our own words are shown, never those of libraries: they may hold what we keep to ourselves. Ours are ids, numbers and
//! paths; no command, no value and no environment is among them. Without `OUTPOST_LOG` nothing is built.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

/// The variable that asks for it.
pub const ASKED: &str = "OUTPOST_LOG";
/// Where our words begin.
const OURS: &str = "outpost";

/// Whether somebody looks for a fault.
pub fn is_asked() -> bool {
    std::env::var_os(ASKED).is_some_and(|words| !words.is_empty())
}

/// Shows what the variable asks for. What it asks for in words that mean nothing is the error.
pub fn show(is_colored: bool) -> Result<(), String> {
    if !is_asked() {
        return Ok(());
    }
    let words = std::env::var(ASKED).map_err(|_| format!("`{ASKED}` is no text"))?;
    let filter = EnvFilter::builder().parse(ours(&words)).map_err(|error| format!("`{ASKED}`: {error}"))?;
    let is_colored = is_colored && io::stderr().is_terminal();
    let shown = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(is_colored);
    shown.try_init().map_err(|error| format!("`{ASKED}`: {error}"))
}

/// The same words about us alone: `debug` is `outpost=debug`, which is every crate of ours.
fn ours(words: &str) -> String {
    let own = words.split(',').map(str::trim).filter_map(|word| {
        let is_level = ["off", "error", "warn", "info", "debug", "trace"].contains(&word.to_ascii_lowercase().as_str());
        match word {
            _ if is_level || word.starts_with('[') => Some(format!("{OURS}{}{word}", if is_level { "=" } else { "" })),
            _ if word.starts_with(OURS) => Some(word.to_owned()),
            _ => None,
        }
    });
    own.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::ours;

    #[test]
    fn nobody_else_is_heard() {
        assert_eq!(ours("debug"), "outpost=debug");
        assert_eq!(ours("WARN, hyper=trace,outpost_bp::engine=trace"), "outpost=WARN,outpost_bp::engine=trace");
        assert_eq!(ours("[stage]=trace"), "outpost[stage]=trace");
        assert_eq!(ours("reqwest"), "");
    }
}
