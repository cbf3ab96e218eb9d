//! What git asks for a password: this program, under a name of its own.
//!
//! It answers for one place only, and looks whether the prompt is about that one: git asks again wherever it was led to. The
//! token lies in memory that has no name and is reached by a descriptor that only git and what it starts have.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;

/// What this program is called when it is asked for a password.
pub(crate) const NAME: &str = "outpost-askpass";
/// The place that it answers for: `https://github.com`.
pub(crate) const PLACE: &str = "OUTPOST_ASKPASS_PLACE";
/// The number of the descriptor.
pub(crate) const DESCRIPTOR: &str = "OUTPOST_ASKPASS_DESCRIPTOR";
/// What GitHub and others take for a name beside a token.
pub(crate) const USER: &str = "x-access-token";
/// The longest token.
const LONGEST: u64 = 16 << 10;

enum Asked {
    User,
    Password,
}

/// Answers the prompt in the first argument.
pub(crate) fn main(prompt: Option<&OsString>) -> ExitCode {
    match answer(prompt.and_then(|prompt| prompt.to_str()).unwrap_or_default()) {
        Some(answer) if writeln!(std::io::stdout(), "{answer}").is_ok() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn answer(prompt: &str) -> Option<String> {
    let place = std::env::var(PLACE).ok()?;
    match asked(prompt, &place)? {
        Asked::User => Some(USER.to_owned()),
        Asked::Password => {
            let descriptor: u32 = std::env::var(DESCRIPTOR).ok()?.parse().ok()?;
            let mut token = String::new();
            // Opened anew: each who asks reads it from its beginning.
            let file = File::open(format!("/proc/self/fd/{descriptor}")).ok()?;
            file.take(LONGEST).read_to_string(&mut token).ok()?;
            Some(token)
        }
    }
}

/// What a prompt asks for, if it is about this place: `Password for 'https://x-access-token@github.com': `.
fn asked(prompt: &str, place: &str) -> Option<Asked> {
    let (what, rest) = prompt.split_once(" for '")?;
    let (about, _) = rest.split_once('\'')?;
    let (scheme, rest) = about.split_once("://")?;
    let host = rest.split('/').next()?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    if format!("{scheme}://{host}") != place {
        return None;
    }
    match what {
        "Username" => Some(Asked::User),
        "Password" => Some(Asked::Password),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, asked};

    #[test]
    fn it_answers_for_its_place_only() {
        let place = "https://github.com";
        assert!(matches!(asked("Username for 'https://github.com': ", place), Some(Asked::User)));
        assert!(matches!(asked("Password for 'https://x-access-token@github.com': ", place), Some(Asked::Password)));
        assert!(matches!(asked("Password for 'https://x@github.com/a/b': ", place), Some(Asked::Password)));
        for prompt in [
            "Password for 'https://evil.example': ",
            "Password for 'https://github.com@evil.example': ",
            "Password for 'https://github.com.evil.example': ",
            "Password for 'http://github.com': ",
            "Password for 'https://evil.example/github.com': ",
            "Enter passphrase for key 'https://github.com': ",
            "Password",
            "",
        ] {
            assert!(asked(prompt, place).is_none(), "{prompt}");
        }
    }
}
