//! The files that a job left, brought into the folder of its attempt: bounded, and each the one that was named.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::client::{Client, Trouble};
use crate::wire::Artifact;

/// So many files, so many bytes of one, and of all of them.
const FILES: usize = 64;
const FILE: u64 = 64 << 20;
const ALL: u64 = 256 << 20;

/// Brings them; what could not be brought, in a line each.
pub(crate) async fn fetch(client: &Client, artifacts: Vec<Artifact>, folder: &Path) -> Result<Vec<String>, Trouble> {
    // Of a runner that was here before.
    let _ = fs::remove_dir_all(folder);
    let mut left_out = Vec::new();
    let mut room = ALL;
    for (number, artifact) in artifacts.into_iter().enumerate() {
        let name = &artifact.name;
        let most = FILE.min(room);
        let Some(path) = below(folder, name) else {
            left_out.push(format!("an artifact is called `{}`, which is no path", name.escape_debug()));
            continue;
        };
        if number >= FILES || artifact.bytes > most {
            left_out.push(format!("`{name}` was not brought here: {} bytes, in file {}", artifact.bytes, number + 1));
            continue;
        }
        match bring(client, &artifact, &path).await {
            Ok(()) => room -= artifact.bytes,
            Err(Failed::Asking(trouble @ (Trouble::Busy { .. } | Trouble::Unsure(_)))) => return Err(trouble),
            Err(Failed::Asking(Trouble::Refused { words, .. }) | Failed::Here(words)) => {
                left_out.push(format!("`{name}` was not brought here: {words}"));
            }
        }
    }
    Ok(left_out)
}

enum Failed {
    Asking(Trouble),
    Here(String),
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::Here(error.to_string())
    }
}

async fn bring(client: &Client, artifact: &Artifact, path: &Path) -> Result<(), Failed> {
    let mut answer = client.file(&artifact.url).await.map_err(Failed::Asking)?;
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let half = path.with_file_name(format!("{}.part", path.file_name().unwrap_or_default().display()));
    let _ = fs::remove_file(&half);
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    loop {
        let chunk = answer.chunk().await;
        let chunk = chunk.map_err(|_| Failed::Asking(Trouble::Unsure(format!("`{}` broke off", artifact.name))))?;
        let Some(chunk) = chunk else { break };
        bytes += chunk.len() as u64;
        if bytes > artifact.bytes {
            break;
        }
        digest.update(&chunk);
        file.write_all(&chunk)?;
    }
    let found: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if bytes != artifact.bytes || found != artifact.sha256 {
        let _ = fs::remove_file(&half);
        return Err(Failed::Here("what came is not what the job left".to_owned()));
    }
    drop(file);
    Ok(fs::rename(&half, path)?)
}

/// A place for a name, if it is one that stays below.
fn below(folder: &Path, name: &str) -> Option<PathBuf> {
    let is_plain = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.len() <= 200
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    (name.len() <= 1024 && name.split('/').all(is_plain)).then(|| folder.join(name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::below;

    #[test]
    fn names_stay_below() {
        let folder = Path::new("/f");
        assert_eq!(below(folder, "outputs/a/b.txt").as_deref(), Some(Path::new("/f/outputs/a/b.txt")));
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a\0b", "a b"] {
            assert_eq!(below(folder, bad), None, "{bad:?}");
        }
    }
}
