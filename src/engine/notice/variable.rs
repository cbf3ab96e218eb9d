//! The `env` channel: a decision is read from a variable of the runner, and nobody is told.
//!
//! `approve`, `approved`, `yes` or `true` approve, whatever their case; `reject`, `rejected`, `no` or `false` reject;
//! `approve:DIGEST` approves only what has this digest. A variable that is not set decides nothing, and neither
//! does any other word: an approval is never guessed. Only where the document says that whatever the variable holds
//! approves (`any_value`) does another word do so, too. Its value is told to nobody.

use std::ffi::OsStr;

const YES: [&str; 4] = ["approve", "approved", "yes", "true"];
const NO: [&str; 4] = ["reject", "rejected", "no", "false"];

/// What a variable says about a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is not set, or empty.
    Nothing,
    Yes,
    /// To what has this digest.
    YesTo(String),
    No,
    /// It is set, and means neither.
    Unclear,
}

pub fn said(value: Option<&OsStr>, any_value: bool) -> Said {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Said::Nothing;
    };
    let text = value.to_string_lossy();
    let word = text.trim().to_ascii_lowercase();
    match word.split_once(':') {
        Some(("approve", digest)) if !digest.is_empty() => return Said::YesTo(digest.trim().to_owned()),
        _ if YES.contains(&&*word) => return Said::Yes,
        _ if NO.contains(&&*word) => return Said::No,
        _ => {}
    }
    match word.is_empty() {
        true => Said::Nothing,
        false if any_value => Said::Yes,
        false => Said::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::{Said, said};

    #[test]
    fn only_a_yes_is_a_yes() {
        let of = |text: &str| said(Some(OsStr::new(text)), false);
        for yes in ["approve", "Approved", " YES ", "true"] {
            assert_eq!(of(yes), Said::Yes, "{yes}");
        }
        for no in ["reject", "REJECTED", "no", "False"] {
            assert_eq!(of(no), Said::No, "{no}");
            assert_eq!(said(Some(OsStr::new(no)), true), Said::No, "{no}");
        }
        assert_eq!(of("approve:1A2b"), Said::YesTo("1a2b".to_owned()));
        for unclear in ["1", "0", "nope", "approve:", "disapprove", "yes, but", "sk-4711"] {
            assert_eq!(of(unclear), Said::Unclear, "{unclear}");
            assert_eq!(said(Some(OsStr::new(unclear)), true), Said::Yes, "{unclear}");
        }
        for nothing in [None, Some(OsStr::new("")), Some(OsStr::new(" \n"))] {
            assert_eq!(said(nothing, true), Said::Nothing);
        }
    }
}
