//! `required_capabilities`: a tool and the versions that will do.
//!
//! Parsing and matching only; asking a machine what it has is done elsewhere.

use std::fmt;

use crate::document::Text;
use crate::document::source::offset;

/// A tool a task needs: `node>=18`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability<'s> {
    text: Text<'s>,
    /// Bytes of `text` that are the name.
    name: u32,
    range: Range,
    ambiguous: bool,
}

impl<'s> Capability<'s> {
    pub fn read(text: Text<'s>) -> Result<Self, (Text<'s>, &'static str)> {
        match Requirement::parse(&text) {
            Ok(Requirement { name, range, ambiguous }) => {
                let name = offset(text.len() - text.trim_start().len() + name.len());
                Ok(Self { text, name, range, ambiguous })
            }
            Err(reason) => Err((text, reason)),
        }
    }

    /// As written.
    pub const fn text(&self) -> &Text<'s> {
        &self.text
    }

    pub fn requirement(&self) -> Requirement<'_> {
        let name = self.text[..self.name as usize].trim_start();
        Requirement { name, range: self.range, ambiguous: self.ambiguous }
    }
}

/// `name`, and which versions of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement<'a> {
    pub name: &'a str,
    pub range: Range,
    /// The version came as trailing digits (`python3`), which may as well be part of the name
    /// (`s3`): whoever looks for the tool tries the whole word first.
    pub ambiguous: bool,
}

/// Which versions will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    Any,
    AtLeast(Version),
    Exactly(Version),
    /// From the version up to, not including, the other.
    Between(Version, Version),
}

/// Up to three numbers; missing ones count as 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any version"),
            Self::AtLeast(least) => write!(f, ">={least}"),
            Self::Exactly(version) => write!(f, "=={version}"),
            Self::Between(least, limit) => write!(f, ">={least} <{limit}"),
        }
    }
}

impl Range {
    pub fn contains(&self, version: Version) -> bool {
        match self {
            Self::Any => true,
            Self::AtLeast(least) => version >= *least,
            Self::Exactly(exact) => version == *exact,
            Self::Between(least, limit) => (*least..*limit).contains(&version),
        }
    }
}

/// Numbers of a version and how many were written.
fn numbers(text: &str) -> Option<(Version, usize)> {
    let mut parts = [0_u32; 3];
    let mut count = 0;
    for part in text.split('.') {
        let slot = parts.get_mut(count)?;
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *slot = part.parse().ok()?;
        count += 1;
    }
    Some((Version(parts[0], parts[1], parts[2]), count))
}

/// The first dotted number of a tool's own words, such as `git version 2.47.3`.
pub fn find_version(output: &str) -> Option<Version> {
    output
        .split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .map(|word| word.trim_matches('.'))
        .filter(|word| word.contains('.'))
        .find_map(|word| numbers(&word.split('.').take(3).collect::<Vec<_>>().join(".")))
        .map(|(version, _)| version)
}

const fn next(version: Version, written: usize) -> Version {
    match written {
        1 => Version(version.0.saturating_add(1), 0, 0),
        2 => Version(version.0, version.1.saturating_add(1), 0),
        _ => Version(version.0, version.1, version.2.saturating_add(1)),
    }
}

impl<'a> Requirement<'a> {
    /// A tool in any version.
    pub const fn any(name: &'a str) -> Self {
        Self { name, range: Range::Any, ambiguous: false }
    }

    /// Reads `name`, `name3`, `name3.11`, `name>=1.2`, `name~1.2`, `name^1.2`, `name==1.2.3`.
    pub fn parse(text: &'a str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("it is empty");
        }
        for (operator, range) in
            [(">=", at_least as fn(Version, usize) -> Range), ("==", exactly), ("~", tilde), ("^", caret)]
        {
            if let Some((name, version)) = text.split_once(operator) {
                let (version, written) =
                    numbers(version.trim()).ok_or("its version is not up to three numbers, such as `1.2.3`")?;
                return Ok(Self { name: check_name(name.trim())?, range: range(version, written), ambiguous: false });
            }
        }
        if text.contains(['<', '>', '=', '!']) {
            return Err("the operators are `>=`, `==`, `~` and `^`");
        }
        let name = text.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let digits = &text[name.len()..];
        check_name(if name.is_empty() { text } else { name })?;
        match numbers(digits) {
            Some((version, written)) if name.ends_with(|c: char| c.is_ascii_alphabetic()) => {
                let range = Range::Between(version, next(version, written));
                Ok(Self { name, range, ambiguous: true })
            }
            _ => Ok(Self { name: check_name(text)?, range: Range::Any, ambiguous: false }),
        }
    }
}

fn check_name(name: &str) -> Result<&str, &'static str> {
    let fine = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '@' | ':'));
    if fine { Ok(name) } else { Err("a tool's name is one word of letters, digits, `-`, `_`, `.` and `+`") }
}

const fn at_least(version: Version, _: usize) -> Range {
    Range::AtLeast(version)
}

const fn exactly(version: Version, _: usize) -> Range {
    Range::Exactly(version)
}

const fn tilde(version: Version, written: usize) -> Range {
    Range::Between(version, if written == 1 { next(version, 1) } else { next(version, 2) })
}

const fn caret(version: Version, _: usize) -> Range {
    Range::Between(version, if version.0 > 0 { next(version, 1) } else { next(version, 2) })
}

#[cfg(test)]
mod tests {
    use super::{Range, Requirement, Version, find_version};

    fn range(text: &str) -> (String, String) {
        let requirement = Requirement::parse(text).expect(text);
        (requirement.name.to_owned(), requirement.range.to_string())
    }

    #[test]
    fn f_19_the_version_syntax_of_the_text() {
        for (text, name, versions) in [
            ("python3.11", "python", ">=3.11.0 <3.12.0"),
            ("python3", "python", ">=3.0.0 <4.0.0"),
            ("node>=18", "node", ">=18.0.0"),
            ("docker>=24.0.0", "docker", ">=24.0.0"),
            ("rust~1.70", "rust", ">=1.70.0 <1.71.0"),
            ("go^1.21", "go", ">=1.21.0 <2.0.0"),
            ("python==3.11.5", "python", "==3.11.5"),
            ("git", "git", "any version"),
            ("aws-cli>=2.0", "aws-cli", ">=2.0.0"),
            ("node20", "node", ">=20.0.0 <21.0.0"),
            ("x^0.3", "x", ">=0.3.0 <0.4.0"),
        ] {
            assert_eq!(range(text), (name.to_owned(), versions.to_owned()), "{text}");
        }
        assert!(Requirement::parse("s3").expect("s3").ambiguous);
        for bad in ["", "node>18", "node>=eighteen", "two words", ">=1", "a>=1.2.3.4"] {
            assert!(Requirement::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn f_19_versions_are_compared_as_numbers() {
        let range = Requirement::parse("python3.11").expect("valid").range;
        assert!(range.contains(Version(3, 11, 99)) && !range.contains(Version(3, 12, 0)));
        assert!(Range::AtLeast(Version(1, 9, 0)).contains(Version(1, 10, 0)));
    }

    #[test]
    fn f_19_a_version_is_found_in_a_tools_own_words() {
        for (words, version) in [
            ("git version 2.47.3", Version(2, 47, 3)),
            ("aws-cli/2.15.30 Python/3.11.8", Version(2, 15, 30)),
            ("v20.20.2", Version(20, 20, 2)),
            ("go version go1.21 linux/amd64", Version(1, 21, 0)),
            ("OpenSSL 3.0.1.2 x", Version(3, 0, 1)),
        ] {
            assert_eq!(find_version(words), Some(version), "{words}");
        }
        assert_eq!(find_version("no version here"), None);
    }
}
