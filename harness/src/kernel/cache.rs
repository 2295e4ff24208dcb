//! The cache of kernels on this machine: outside every repository, shared by all invocations.
//!
//! An entry is a directory that appears whole by one rename(2), so whoever sees it sees all of it, and an invocation
//! that is killed half-way leaves nothing but a scratch directory, which the next one removes: flock(2) tells whether
//! its owner lives, because the kernel releases the lock whichever way a process ends.

use crate::error::{Error, Result};
use rustix::fs::FlockOperation;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The root of the cache.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// A cache in this directory, which is made if it is missing.
    pub fn at(root: impl Into<PathBuf>) -> Result<Cache> {
        let root = root.into();
        // Programs that run in other directories are told paths below it.
        let root = std::path::absolute(&root).map_err(|error| unwritable(&root, error))?;
        let cache = Cache { root };
        for folder in ["scratch", "locks"] {
            make_folder(&cache.root.join(folder))?;
        }
        cache.sweep();
        Ok(cache)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the root; its folder is made.
    pub fn path(&self, relative: impl AsRef<Path>) -> Result<PathBuf> {
        let path = self.root.join(relative);
        make_folder(path.parent().unwrap_or(&self.root))?;
        Ok(path)
    }

    /// Waits until no other invocation works on `name`; the lock goes with the guard.
    pub fn lock(&self, name: &str) -> Result<Lock> {
        let path = self.root.join("locks").join(digest(name));
        let file = File::create(&path).map_err(|error| unwritable(&path, error))?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .map_err(|error| unwritable(&path, error.into()))?;
        Ok(Lock { _file: file })
    }

    /// The directory `relative`, filled by `fill` unless it is there and `intact`. Of two invocations that want the
    /// same entry one fills it and the other waits.
    pub fn entry(
        &self,
        relative: &str,
        intact: impl Fn(&Path) -> bool,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.path(relative)?;
        if intact(&path) {
            return Ok(path);
        }
        let _lock = self.lock(relative)?;
        if intact(&path) {
            return Ok(path);
        }
        let scratch = self.scratch()?;
        let draft = scratch.path.join("entry");
        make_folder(&draft)?;
        fill(&draft)?;
        if path.exists() {
            let damaged = scratch.path.join("damaged");
            std::fs::rename(&path, &damaged).map_err(|error| unwritable(&path, error))?;
        }
        std::fs::rename(&draft, &path).map_err(|error| unwritable(&path, error))?;
        Ok(path)
    }

    /// Writes a file so that nobody ever sees a part of it.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let scratch = self.scratch()?;
        let draft = scratch.path.join("file");
        std::fs::write(&draft, bytes).map_err(|error| unwritable(&draft, error))?;
        std::fs::rename(&draft, path).map_err(|error| unwritable(path, error))
    }

    /// A directory of our own, removed when dropped or, if we are killed, by the next invocation.
    pub fn scratch(&self) -> Result<Scratch> {
        let folder = self.root.join("scratch");
        loop {
            let path = tempfile::Builder::new()
                .prefix("")
                .tempdir_in(&folder)
                .map_err(|error| unwritable(&folder, error))?
                .keep();
            // Another invocation may sweep it away before we hold the lock; then there is nothing to open, or what
            // we locked is no longer there.
            if let Ok(lock) = File::open(&path)
                && rustix::fs::flock(&lock, FlockOperation::LockExclusive).is_ok()
                && path.is_dir()
            {
                return Ok(Scratch { path, _lock: lock });
            }
        }
    }

    /// Removes what killed invocations left behind. Whatever cannot be removed is left for the next time.
    fn sweep(&self) {
        let Ok(entries) = std::fs::read_dir(self.root.join("scratch")) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let Ok(folder) = File::open(&path) else { continue };
            if rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
                let _ = std::fs::remove_dir_all(&path);
            }
        }
    }
}

/// Held while it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// See [`Cache::scratch`].
#[derive(Debug)]
pub struct Scratch {
    pub path: PathBuf,
    _lock: File,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// A short name for any text that can stand in a path: 128 bits of its BLAKE3.
pub fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}

pub(super) fn unwritable(path: &Path, error: std::io::Error) -> Error {
    let full = error.kind() == std::io::ErrorKind::StorageFull;
    let failed = Error::infra(format!("cannot write {}", path.display())).because(error);
    match full {
        true => failed.hint("make room, or set GAUNTLET_CACHE to a directory on a larger disk"),
        false => failed.hint("set GAUNTLET_CACHE to a directory that can be written"),
    }
}

fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|error| unwritable(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        (folder, cache)
    }

    fn scratch_entries(cache: &Cache) -> usize {
        std::fs::read_dir(cache.root().join("scratch")).unwrap().count()
    }

    #[test]
    fn an_entry_is_filled_once_however_many_want_it() {
        let (_folder, cache) = cache();
        let fills = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let path = cache.entry("kernels/one", Path::is_dir, |path| {
                        fills.fetch_add(1, Ordering::SeqCst);
                        std::fs::write(path.join("image"), "x").map_err(|error| unwritable(path, error))
                    });
                    assert!(path.unwrap().join("image").is_file());
                });
            }
        });
        assert_eq!(fills.into_inner(), 1);
        assert_eq!(scratch_entries(&cache), 0);
    }

    #[test]
    fn a_failed_fill_leaves_nothing() {
        let (_folder, cache) = cache();
        assert!(cache.entry("kernels/one", Path::is_dir, |_| Err(Error::infra("no"))).is_err());
        assert!(!cache.root().join("kernels/one").exists());
        assert_eq!(scratch_entries(&cache), 0);
    }

    #[test]
    fn the_scratch_of_the_dead_is_swept_and_of_the_living_kept() {
        let (folder, cache) = cache();
        let dead = folder.path().join("scratch/1-0");
        std::fs::create_dir(&dead).unwrap();
        std::fs::write(dead.join("half"), "x").unwrap();
        let living = cache.scratch().unwrap();
        Cache::at(folder.path()).unwrap();
        assert!(!dead.exists());
        assert!(living.path.is_dir());
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let (_folder, cache) = cache();
        let path = cache.path("resolved/one").unwrap();
        cache.write(&path, b"first").unwrap();
        cache.write(&path, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
    }
}
