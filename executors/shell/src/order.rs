//! Work as it goes to a keeper. It lives in a socket only and holds secrets, so it is never kept.

use std::ffi::OsString;
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use outpost_executor::{Limit, LogCaps, OnRunnerDeath, Secrets, Token, Work};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// [`Work`] without its descriptors, which travel beside it: the input first, then the locks.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) token: Token,
    pub(crate) program: Text,
    pub(crate) args: Vec<Text>,
    pub(crate) direct: bool,
    pub(crate) env: Vec<(Text, Text)>,
    pub(crate) inherit_env: bool,
    pub(crate) dir: Text,
    pub(crate) stdin: bool,
    pub(crate) locks: usize,
    pub(crate) log: Text,
    pub(crate) log_caps: LogCaps,
    pub(crate) stdout_file: Option<(Text, u64)>,
    /// Names and values.
    secrets: Vec<(String, Text)>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) leak_timeout: Duration,
    pub(crate) stays: bool,
    pub(crate) limits: Vec<Limit>,
    pub(crate) on_runner_death: OnRunnerDeath,
}

/// What does not go into the text of an order.
#[derive(Debug)]
pub(crate) struct Baggage {
    pub(crate) stdin: Option<Vec<u8>>,
    pub(crate) locks: Vec<OwnedFd>,
}

impl Order {
    pub(crate) fn new(work: Work) -> (Self, Baggage) {
        let Work { token, program, args, direct, env, inherit_env, dir, stdin, log, log_caps, stdout_file, .. } = work;
        let Work { secrets, timeout, grace, leak_timeout, stays, limits, locks, on_runner_death, .. } = work;
        let order = Self {
            token,
            program: Text(program),
            args: args.into_iter().map(Text).collect(),
            direct,
            env: env.into_iter().map(|(name, value)| (Text(name), Text(value))).collect(),
            inherit_env,
            dir: Text(dir.into_os_string()),
            stdin: stdin.is_some(),
            locks: locks.len(),
            log: Text(log.into_os_string()),
            log_caps,
            stdout_file: stdout_file.map(|file| (Text(file.path.into_os_string()), file.most)),
            secrets: secrets.pairs().map(|(name, value)| (name.to_owned(), Text::of(value))).collect(),
            timeout,
            grace,
            leak_timeout,
            stays,
            limits,
            on_runner_death,
        };
        (order, Baggage { stdin, locks })
    }

    /// What may not be written down.
    pub(crate) fn secrets(&self) -> Secrets {
        Secrets::new(self.secrets.iter().map(|(name, value)| (name.clone(), value.0.as_bytes().to_vec())))
    }
}

/// It holds secrets in its environment, too.
impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order").field("token", &self.token).field("program", &self.program).finish_non_exhaustive()
    }
}

/// Text of the operating system, which need not be UTF-8: a string where it is, its bytes where not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) OsString);

impl Text {
    fn of(bytes: &[u8]) -> Self {
        Self(OsString::from_vec(bytes.to_vec()))
    }

    pub(crate) fn to_path(&self) -> PathBuf {
        PathBuf::from(&self.0)
    }

    pub(crate) fn shown(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => self.0.as_bytes().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or bytes")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Text, A::Error> {
                let mut text = Vec::new();
                while let Some(byte) = bytes.next_element()? {
                    text.push(byte);
                }
                Ok(Text(OsString::from_vec(text)))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use super::Text;

    #[test]
    fn any_text_survives_the_way() {
        for bytes in [&b"plain"[..], "sm\u{f8}rrebr\u{f8}d\n\"".as_bytes(), b"\xff\xfe\0x", b""] {
            let text = Text(OsString::from_vec(bytes.to_vec()));
            let written = serde_json::to_string(&text).expect("text");
            assert_eq!(serde_json::from_str::<Text>(&written).expect("what was written"), text);
        }
    }
}
