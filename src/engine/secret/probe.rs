//! Which secrets have a value here. Names go in and out; no value is kept, printed or compared.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;

use super::file;
use crate::blueprint::model::{SecretPolicy, SecretSourceKind};

/// Where a secret stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Present,
    Missing,
    /// Only a source that is asked when the run starts can tell.
    Remote,
}

/// Answers for each name, by the sources of the document; the environment without any.
///
/// `root` is where relative paths of the document begin, `set` tells whether an environment variable
/// is set, and not to nothing.
pub fn probe(
    names: &[String],
    policy: Option<&SecretPolicy<'_>>,
    root: &Path,
    set: impl Fn(&OsStr) -> bool,
) -> Vec<Standing> {
    let mut known: HashSet<String> = HashSet::new();
    let mut prefixes = Vec::new();
    let mut remote = false;
    for source in SecretPolicy::sources_or_env(policy) {
        match source.kind {
            SecretSourceKind::Env => prefixes.push(source.prefix.as_deref().unwrap_or_default()),
            SecretSourceKind::File => {
                let path = root.join(source.path.as_deref().unwrap_or(file::USUAL));
                let pairs = file::read(&path).ok().flatten().unwrap_or_default();
                known.extend(pairs.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name));
            }
            SecretSourceKind::Vault | SecretSourceKind::AwsSsm => remote = true,
        }
    }
    names
        .iter()
        .map(|name| {
            let in_environment = || prefixes.iter().any(|prefix| set(OsStr::new(&format!("{prefix}{name}"))));
            match known.contains(name) || in_environment() {
                true => Standing::Present,
                false if remote => Standing::Remote,
                false => Standing::Missing,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Standing, probe};
    use crate::blueprint::read;
    use crate::document::Source;

    fn standings(sources: &str) -> Vec<Standing> {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(".env"), "# keys\nexport FILED='x y'\nOTHER=1\n").expect("write");
        let text = format!("```yaml\nexecution:\n  secret_resolution:\n    sources: {sources}\n```\n");
        let (source, _) = Source::from_bytes("t.md", text.into_bytes());
        let reading = read(&source, false);
        let names = ["FILED", "APP_TOKEN", "TOKEN", "NOWHERE"].map(str::to_owned);
        probe(&names, reading.draft.execution.secrets.as_ref(), folder.path(), |name| name == "APP_TOKEN")
    }

    #[test]
    fn f_31_the_first_source_that_has_the_name_wins() {
        use Standing::{Missing, Present, Remote};
        assert_eq!(standings("[]"), [Missing, Present, Missing, Missing]);
        assert_eq!(standings("[{type: env}]"), [Missing, Present, Missing, Missing]);
        assert_eq!(
            standings("[{type: env, prefix: APP_}, {type: file, path: .env}]"),
            [Present, Missing, Present, Missing]
        );
        assert_eq!(standings("[{type: file, path: no.env}, {type: aws_ssm, prefix: /x/}]"), [Remote; 4]);
    }

    #[test]
    fn a_file_that_never_ends_is_not_read() {
        assert_eq!(standings("[{type: file, path: /dev/zero}]"), [Standing::Missing; 4]);
    }
}
