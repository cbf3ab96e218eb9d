//! Names that git and file systems take, and the identities of objects.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The id of any object: lower-case hexadecimal digits, as many as the project's format has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId(String);

impl ObjectId {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn of(digest: &[u8]) -> Self {
        let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        Self(digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect())
    }

    /// What stands for "no object".
    pub(crate) fn none_like(&self) -> Self {
        Self("0".repeat(self.0.len()))
    }
}

impl TryFrom<String> for ObjectId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex && matches!(text.len(), 40 | 64) { Ok(Self(text)) } else { Err(format!("`{text}` is no object id")) }
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! identity {
    ($(#[$story:meta])* $name:ident) => {
        $(#[$story])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub ObjectId);

        impl $name {
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

identity! {
    /// The id of a commit.
    CommitId
}

identity! {
    /// The id of the tree of a commit.
    TreeId
}

/// The longest name: with a lock's ending it still is the name of a file.
const LONGEST: usize = 200;

/// A run or a task, as one part of the name of a branch and of a folder. Different texts have different names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// What could be more than a name (`..`, `/`, a leading dash, `.lock`) is written as `%` and two digits.
    pub fn of(text: &str) -> Result<Self, Error> {
        let mut name = String::new();
        for (at, byte) in text.bytes().enumerate() {
            let is_dot_within = byte == b'.' && at > 0 && text.as_bytes().get(at + 1).is_some_and(|next| *next != b'.');
            let is_dash_within = byte == b'-' && at > 0;
            let opens_lock = text.as_bytes().get(at..).is_some_and(|rest| rest.eq_ignore_ascii_case(b".lock"));
            if byte.is_ascii_alphanumeric() || byte == b'_' || is_dash_within || (is_dot_within && !opens_lock) {
                name.push(char::from(byte));
            } else {
                name.push('%');
                name.push_str(ObjectId::of(&[byte]).as_str());
            }
        }
        if name.is_empty() || name.len() > LONGEST {
            return Err(Error::Unsuited(format!(
                "name a branch after `{text}`: it has to have 1 to {LONGEST} characters, escapes counted; choose a shorter id"
            )));
        }
        Ok(Self(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A branch of the project, without `refs/heads/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Branch(String);

impl Branch {
    /// One that a person named. What is no name of a branch is refused when it is used.
    pub fn named(name: &str) -> Self {
        Self(name.strip_prefix("refs/heads/").unwrap_or(name).to_owned())
    }

    /// Where the work of one task is kept.
    pub fn of_task(run: &Name, task: &Name) -> Self {
        Self(format!("bp/{}/{}", run.0, task.0))
    }

    /// Where the work of a run comes together.
    pub fn of_run(run: &Name) -> Self {
        Self(format!("outpost/{}", run.0))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn full(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, ObjectId};

    #[test]
    fn names_are_parts_of_branches() {
        for (text, name) in [
            ("T1.2", "T1.2"),
            ("a b", "a%20b"),
            ("../x", "%2e.%2fx"),
            ("-x-", "%2dx-"),
            (".x.", "%2ex%2e"),
            ("a..b", "a%2e.b"),
            ("x.lock", "x%2elock"),
            ("ä", "%c3%a4"),
            ("%20", "%2520"),
        ] {
            assert_eq!(Name::of(text).expect("a name").as_str(), name, "{text}");
        }
        assert!(Name::of("").is_err());
        assert!(Name::of(&"ä".repeat(40)).is_err());
    }

    #[test]
    fn ids_are_hexadecimal() {
        assert_eq!(ObjectId::of(&[0x0f, 0xa0]).as_str(), "0fa0");
        assert!(ObjectId::try_from("a".repeat(40)).is_ok());
        assert!(ObjectId::try_from("A".repeat(40)).is_err());
        assert!(ObjectId::try_from("--upload-pack".to_owned()).is_err());
    }
}
