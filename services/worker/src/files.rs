//! What a job leaves, on its way to the store.
//!
//! A tenant's program had the tree in its hands: what is read there is looked up one part of its path at a time, no link is
//! followed, and only plain files are taken. Each file is copied first, with every secret in it hidden; what is stored is
//! the copy, so nothing can change between looking and storing.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use outpost_core::job::Artifact;
use outpost_executor::Redaction;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use sha2::{Digest as _, Sha256};

/// A file that may become an artifact.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) name: String,
    pub(crate) media_type: &'static str,
    pub(crate) file: File,
}

/// A file of ours.
pub(crate) fn ours(name: &str, media_type: &'static str, path: &Path) -> io::Result<Option<Left>> {
    match File::open(path) {
        Ok(file) => Ok(Some(Left { name: name.to_owned(), media_type, file })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A plain file below a folder that is not to be trusted.
pub(crate) fn below(folder: &Path, path: &str) -> io::Result<File> {
    let root = openat(CWD, folder, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY, Mode::empty())?;
    // A pipe must not keep who opens it waiting.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(openat2(root, path, flags, Mode::empty(), within)?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no plain file")) }
}

/// A copy that may be stored.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) artifact: Artifact,
    pub(crate) path: PathBuf,
    /// Whether a secret was in it.
    pub(crate) hid: bool,
}

/// Copies a file of `most` bytes at most without its secrets; none if it is larger.
pub(crate) fn copy(left: Left, most: u64, redaction: Option<&Redaction>, folder: &Path) -> io::Result<Option<Copy>> {
    let Left { name, media_type, mut file } = left;
    if file.metadata()?.len() > most {
        return Ok(None);
    }
    let path = folder.join(hex(&Sha256::digest(name.as_bytes())));
    let mut out = File::create(&path)?;
    let mut stream = redaction.map(Redaction::stream);
    let (mut digest, mut bytes, mut read) = (Sha256::new(), 0_u64, 0_u64);
    let mut original = Sha256::new();
    let (mut buffer, mut clean) = (vec![0; 64 << 10], Vec::new());
    loop {
        let count = file.read(&mut buffer)?;
        let portion = buffer.get(..count).unwrap_or_default();
        read += count as u64;
        if read > most {
            drop(fs::remove_file(&path));
            return Ok(None);
        }
        original.update(portion);
        clean.clear();
        match &mut stream {
            Some(stream) if count == 0 => stream.finish(&mut clean),
            Some(stream) => stream.push(portion, &mut clean),
            None => clean.extend_from_slice(portion),
        }
        out.write_all(&clean)?;
        digest.update(&clean);
        bytes += clean.len() as u64;
        if count == 0 {
            break;
        }
    }
    let (digest, original) = (digest.finalize(), original.finalize());
    let artifact = Artifact { name, media_type: media_type.to_owned(), bytes, sha256: hex(&digest) };
    Ok(Some(Copy { artifact, path, hid: digest != original }))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use outpost_executor::{Redaction, Secrets};

    use super::{below, copy, ours};

    #[test]
    fn nothing_outside_of_a_tree_is_taken() {
        let root = tempfile::tempdir().expect("a folder");
        let tree = root.path().join("tree");
        fs::create_dir_all(tree.join("sub")).expect("room");
        fs::write(root.path().join("secret"), "s").expect("room");
        fs::write(tree.join("sub/file"), "f").expect("room");
        symlink("../secret", tree.join("link")).expect("a link");
        symlink("sub", tree.join("folder")).expect("a link");
        assert!(below(&tree, "sub/file").is_ok());
        for path in ["../secret", "link", "folder/file", "/etc/passwd", "sub", "none", "/proc/self/environ", ""] {
            assert!(below(&tree, path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_copy_has_no_secret_and_tells_what_it_is() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("file");
        let secret = "hunter2-hunter2";
        fs::write(&path, format!("{}{secret}{}", "a".repeat((64 << 10) - 4), "b".repeat(100))).expect("room");
        let redaction = Redaction::of(&Secrets::new([("s".to_owned(), secret.into())])).expect("few");
        let left = || ours("x", "text/plain", &path).expect("a file").expect("a file");
        let kept = copy(left(), 1 << 20, redaction.as_ref(), root.path()).expect("room").expect("small enough");
        let text = fs::read_to_string(&kept.path).expect("a copy");
        assert!(kept.hid && text.contains("***") && !text.contains("hunter2"));
        assert_eq!(kept.artifact.bytes, text.len() as u64);
        assert_eq!(kept.artifact.sha256.len(), 64);
        assert!(!copy(left(), 1 << 20, None, root.path()).expect("room").expect("small enough").hid);
        assert!(copy(left(), 100, None, root.path()).expect("room").is_none());
    }
}
