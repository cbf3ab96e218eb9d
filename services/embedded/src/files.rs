//! Files of jobs: `artifacts/{tenant}/{path}`, with the names that they have.
//!
//! A file is written in `artifacts.part`, synced and renamed into its place: whoever opens it finds one whole or none. What
//! a writer that died left there is thrown away when it is a day old, and what jobs left after ninety.

use std::convert::Infallible;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use outpost_core::id::TenantId;
use outpost_core::moment::Moment;
use outpost_core::ports::{Blobs, is_path, is_prefix};
use outpost_core::store::{Pending, Problem};
use rustix::fs::{AtFlags, Dir, FileType, statat, unlinkat};
use rustix::io::Errno;

use crate::folder::{below, lookup, open_folder, open_plain, replace};
use crate::link::Links;

const STALE: Duration = Duration::from_secs(86_400);
/// What jobs left is kept for so long, as in AWS by the bucket's own rule.
const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// How often is looked for what is older.
const LOOK: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(crate) struct Files {
    place: Arc<Place>,
    links: Arc<Links>,
    /// With it ends who looks for what is too old.
    _looks: Sender<Infallible>,
}

#[derive(Debug)]
struct Place {
    root: File,
    parts: File,
}

impl Files {
    pub(crate) fn open(data: &Path, links: Arc<Links>) -> Result<Self, Problem> {
        let open = || {
            let data = open_folder(data)?;
            let place = Place { root: below(&data, "artifacts", true)?, parts: below(&data, "artifacts.part", true)? };
            place.clear()?;
            let place = Arc::new(place);
            let (looks, ended) = channel();
            let looked = Arc::clone(&place);
            let look = move || {
                while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                    // What cannot be removed now is tried again.
                    let _ = looked.expire(KEPT);
                }
            };
            thread::Builder::new().name("files".to_owned()).spawn(look)?;
            Ok(Self { place, links, _looks: looks })
        };
        open().map_err(|error| problem("artifacts", &error))
    }

    /// A file, to be read bit by bit.
    pub(crate) fn file(&self, tenant: &TenantId, path: &str) -> Pending<'static, Result<Option<File>, Problem>> {
        self.with(tenant, path, is_path(path), Place::open)
    }

    /// Does something with the disk where no async thread waits for it.
    fn with<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        path: &str,
        fits: bool,
        run: impl FnOnce(&Place, &str, &str) -> io::Result<T> + Send + 'static,
    ) -> Pending<'static, Result<T, Problem>> {
        let (place, tenant, path) = (Arc::clone(&self.place), tenant.to_string(), path.to_owned());
        Box::pin(async move {
            if !fits {
                return Err(Problem::Broken("a file has a path of plain segments, and this is none".into()));
            }
            let done = tokio::task::spawn_blocking(move || {
                run(&place, &tenant, &path).map_err(|error| problem(&format!("artifacts/{tenant}/{path}"), &error))
            });
            done.await.unwrap_or_else(|_| Err(Problem::Broken("a thread that works with files has ended".into())))
        })
    }
}

fn problem(what: &str, error: &io::Error) -> Problem {
    Problem::Broken(match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk of the data folder is full: free some space, nothing else is needed".into()
        }
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
            format!("`{what}` in the data folder: a file cannot lie where a folder is, nor below a file")
        }
        _ => format!("`{what}` in the data folder: {error}"),
    })
}

impl Blobs for Files {
    fn put<'a>(&'a self, tenant: &'a TenantId, path: &'a str, bytes: Vec<u8>) -> Pending<'a, Result<(), Problem>> {
        self.with(tenant, path, is_path(path), move |place, tenant, path| {
            place.put(tenant, path, |file| file.write_all(&bytes))
        })
    }

    fn put_file<'a>(&'a self, tenant: &'a TenantId, path: &'a str, file: &'a Path) -> Pending<'a, Result<(), Problem>> {
        let file = file.to_owned();
        self.with(tenant, path, is_path(path), move |place, tenant, path| {
            let missing =
                || io::Error::new(io::ErrorKind::NotFound, "what is to be stored is not there, or no plain file");
            let (Some(folder), Some(name)) = (file.parent(), file.file_name().and_then(|name| name.to_str())) else {
                return Err(missing());
            };
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            // A job may have made it: no link that it set leads out of its folder.
            let mut from = open_plain(&open_folder(folder)?, name)?.ok_or_else(missing)?;
            place.put(tenant, path, |to| io::copy(&mut from, to).map(drop))
        })
    }

    fn get<'a>(
        &'a self,
        tenant: &'a TenantId,
        path: &'a str,
        most: u64,
    ) -> Pending<'a, Result<Option<Vec<u8>>, Problem>> {
        self.with(tenant, path, is_path(path), move |place, tenant, path| {
            let Some(file) = place.open(tenant, path)? else { return Ok(None) };
            if file.metadata()?.len() > most {
                return Ok(None);
            }
            let mut bytes = Vec::new();
            file.take(most).read_to_end(&mut bytes)?;
            Ok(Some(bytes))
        })
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Pending<'a, Result<Vec<String>, Problem>> {
        let after = after.map(str::to_owned);
        self.with(tenant, prefix, is_prefix(prefix), move |place, tenant, prefix| {
            let mut found = Vec::new();
            place.walk(tenant, prefix, &mut |_, _, path| {
                if after.as_deref().is_none_or(|after| path > after) && found.len() < limit {
                    found.push(path.to_owned());
                }
                Ok(found.len() < limit)
            })?;
            Ok(found)
        })
    }

    fn link<'a>(&'a self, tenant: &'a TenantId, path: &'a str, until: Moment) -> Pending<'a, Result<String, Problem>> {
        Box::pin(async move {
            if is_path(path) {
                self.links.make(tenant, path, until)
            } else {
                Err(Problem::Broken("a link leads to a path of plain segments, and this is none".into()))
            }
        })
    }

    fn remove<'a>(&'a self, tenant: &'a TenantId, prefix: &'a str) -> Pending<'a, Result<(), Problem>> {
        self.with(tenant, prefix, is_prefix(prefix), |place, tenant, prefix| {
            place.walk(tenant, prefix, &mut |folder, name, _| unlink(folder, name).map(|()| true))?;
            place.prune(tenant)
        })
    }
}

/// What is done with a file that was found, by its folder, name and path; false: that is enough.
type Visit<'a> = &'a mut dyn FnMut(&File, &str, &str) -> io::Result<bool>;

impl Place {
    fn open(&self, tenant: &str, path: &str) -> io::Result<Option<File>> {
        let found = below(&self.root, tenant, false).and_then(|root| {
            let (folder, name) = lookup(&root, path, false)?;
            open_plain(&folder, name)
        });
        absent(found)
    }

    fn put(&self, tenant: &str, path: &str, write: impl FnMut(&mut File) -> io::Result<()>) -> io::Result<()> {
        replace(&self.root, &format!("{tenant}/{path}"), &self.parts, write)
    }

    /// Files with a path that begins so, in the order of the paths.
    fn walk(&self, tenant: &str, prefix: &str, visit: Visit<'_>) -> io::Result<()> {
        let begin = || {
            let root = below(&self.root, tenant, false)?;
            lookup(&root, prefix, false).map(|(folder, begun)| Some((folder, begun)))
        };
        let Some((folder, begun)) = absent(begin())? else { return Ok(()) };
        let mut path = prefix[..prefix.len() - begun.len()].to_owned();
        step(&folder, begun, &mut path, visit).map(drop)
    }

    /// Takes away the folders of a tenant that are empty.
    fn prune(&self, tenant: &str) -> io::Result<()> {
        let Some(root) = absent(below(&self.root, tenant, false).map(Some))? else { return Ok(()) };
        empty(&root)?;
        rmdir(&self.root, tenant)
    }

    fn clear(&self) -> io::Result<()> {
        for (_, name, kind) in entries(&self.parts)? {
            // Another process clears, too, or has put it in its place.
            if kind == FileType::RegularFile && is_older(&self.parts, &name, STALE)? {
                unlink(&self.parts, &name)?;
            }
        }
        Ok(())
    }

    /// Removes what has been there for longer.
    fn expire(&self, kept: Duration) -> io::Result<()> {
        for (_, tenant, kind) in entries(&self.root)? {
            if kind != FileType::Directory {
                continue;
            }
            self.walk(&tenant, "", &mut |folder, name, _| {
                if is_older(folder, name, kept)? {
                    unlink(folder, name)?;
                }
                Ok(true)
            })?;
            self.prune(&tenant)?;
        }
        Ok(())
    }
}

/// One that is gone is not.
fn is_older(folder: &File, name: &str, age: Duration) -> io::Result<bool> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => {
            let written = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(found.st_mtime).unwrap_or(0));
            Ok(written.elapsed().is_ok_and(|found| found > age))
        }
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn unlink(folder: &File, name: &str) -> io::Result<()> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Nothing there is no fault, nor is a file where a folder was looked for, or a link.
fn absent<T>(found: io::Result<Option<T>>) -> io::Result<Option<T>> {
    let is = |error: &io::Error, this: Errno| error.raw_os_error() == Some(this.raw_os_error());
    match found {
        Err(error) if [Errno::NOENT, Errno::NOTDIR, Errno::LOOP].iter().any(|this| is(&error, *this)) => Ok(None),
        found => found,
    }
}

/// What is in a folder, by the text that it is sorted by: below a folder all paths go on with `/`.
fn entries(folder: &File) -> io::Result<Vec<(String, String, FileType)>> {
    let mut all = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let Some(name) = plain(entry.file_name()) else { continue };
        let kind = match entry.file_type() {
            FileType::Unknown => match statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(found) => FileType::from_raw_mode(found.st_mode),
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            },
            kind => kind,
        };
        let sorted = if kind == FileType::Directory { format!("{name}/") } else { name.clone() };
        all.push((sorted, name, kind));
    }
    all.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    Ok(all)
}

/// A name that we gave: not `.` or `..`, nor another's.
fn plain(name: &CStr) -> Option<String> {
    name.to_str().ok().filter(|name| is_path(name)).map(str::to_owned)
}

fn step(folder: &File, begun: &str, path: &mut String, visit: Visit<'_>) -> io::Result<bool> {
    let before = path.len();
    for (_, name, kind) in entries(folder)? {
        if !name.starts_with(begun) {
            continue;
        }
        path.push_str(&name);
        let on = match kind {
            FileType::RegularFile => visit(folder, &name, path)?,
            FileType::Directory => {
                path.push('/');
                match absent(below(folder, &name, false).map(Some))? {
                    Some(inner) => step(&inner, "", path, visit)?,
                    None => true,
                }
            }
            _ => true,
        };
        path.truncate(before);
        if !on {
            return Ok(false);
        }
    }
    Ok(true)
}

fn empty(folder: &File) -> io::Result<()> {
    for (_, name, kind) in entries(folder)? {
        if kind == FileType::Directory
            && let Some(inner) = absent(below(folder, &name, false).map(Some))?
        {
            empty(&inner)?;
            rmdir(folder, &name)?;
        }
    }
    Ok(())
}

fn rmdir(folder: &File, name: &str) -> io::Result<()> {
    match unlinkat(folder, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn what_is_old_goes_with_its_folders_and_the_rest_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let links =
            Arc::new(Links::new("http://x", Zeroizing::new([0; 32]), Arc::new(outpost_here::SystemClock::default())));
        let files = Files::open(folder.path(), links).expect("files");
        let place = &files.place;
        for path in ["one/jobs/a/log", "one/jobs/b/log", "two/jobs/c/deep/log"] {
            let (tenant, path) = path.split_once('/').expect("a tenant");
            place.put(tenant, path, |file| file.write_all(b"x")).expect("a file");
        }
        let artifacts = folder.path().join("artifacts");
        let old = SystemTime::now() - Duration::from_secs(100);
        for path in ["one/jobs/a/log", "two/jobs/c/deep/log"] {
            File::options().write(true).open(artifacts.join(path)).expect("it").set_modified(old).expect("its time");
        }
        place.expire(Duration::from_secs(200)).expect("nothing to do");
        assert!(artifacts.join("one/jobs/a/log").is_file());
        place.expire(Duration::from_secs(50)).expect("it is removed");
        assert!(artifacts.join("one/jobs/b/log").is_file());
        assert!(!artifacts.join("one/jobs/a").exists() && !artifacts.join("two").exists());
    }
}
