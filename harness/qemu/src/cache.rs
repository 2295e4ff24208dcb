//! Templates on disk, under the digest of everything that shaped them.
//!
//! `DIGEST.ram` and `DIGEST.state`; a template exists when both do. Files are made without a name and linked
//! when complete, so an interrupted run leaves nothing behind. Concurrent invocations share templates: a lock
//! per digest lets one boot while the others wait.

use crate::error::{Error, Result};
use crate::template::Template;
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, linkat, openat};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const MAGIC: &[u8; 16] = b"gauntlet-state 1";

/// A folder of templates.
#[derive(Debug, Clone)]
pub struct TemplateCache {
    folder: PathBuf,
}

/// Holds the right to make one template; released when dropped.
#[derive(Debug)]
pub struct MakerLock {
    _file: File,
}

/// What [`TemplateCache::collect`] removed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Collected {
    pub templates: usize,
    pub bytes: u64,
}

impl TemplateCache {
    pub fn open(folder: &Path) -> Result<TemplateCache> {
        fs::create_dir_all(folder).map_err(Error::io(format!("cannot create {}", folder.display())))?;
        Ok(TemplateCache { folder: folder.to_owned() })
    }

    fn path(&self, digest: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{digest}.{extension}"))
    }

    /// The template of that digest, if it is here and whole. A damaged one is removed and counts as absent.
    pub fn find(&self, digest: &str) -> Result<Option<Template>> {
        let state_path = self.path(digest, "state");
        let ram = self.path(digest, "ram");
        let bytes = match fs::read(&state_path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(format!("cannot read {}", state_path.display()))(error)),
        };
        match decode(&bytes) {
            Some((description, device)) if ram.is_file() => {
                touch(&state_path);
                Template::new(digest.to_owned(), ram, device, description).map(Some)
            }
            _ => {
                tracing::warn!(path = %state_path.display(), "removing a damaged template");
                self.remove(digest);
                Ok(None)
            }
        }
    }

    /// Waits for the right to make the template of that digest. Blocks the calling thread.
    pub fn lock(&self, digest: &str) -> Result<MakerLock> {
        let path = self.path(digest, "lock");
        let what = format!("cannot lock {}", path.display());
        let file = File::options().create(true).append(true).open(&path).map_err(Error::io(what.clone()))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|errno| Error::io(what)(errno.into()))?;
        Ok(MakerLock { _file: file })
    }

    /// A nameless file of that size in the cache's filesystem, for a template's RAM.
    pub fn new_ram(&self, size: u64) -> Result<File> {
        let file = self.nameless()?;
        file.set_len(size).map_err(Error::io("cannot size the RAM file"))?;
        Ok(file)
    }

    fn nameless(&self) -> Result<File> {
        let mode = Mode::RUSR | Mode::WUSR;
        openat(CWD, &self.folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode)
            .map(File::from)
            .map_err(|errno| {
                let what = format!("cannot create a file in {}", self.folder.display());
                Error::io(what)(errno.into())
            })
    }

    /// Gives a finished template its name. RAM first: a template without state does not exist yet.
    pub fn store(&self, digest: &str, ram: &File, device: &[u8], description: Value) -> Result<Template> {
        let ram_path = self.path(digest, "ram");
        self.give_name(ram, &ram_path)?;
        let mut state = self.nameless()?;
        let state_path = self.path(digest, "state");
        state
            .write_all(&encode(&description, device))
            .map_err(Error::io(format!("cannot write {}", state_path.display())))?;
        self.give_name(&state, &state_path)?;
        Template::new(digest.to_owned(), ram_path, device, description)
    }

    fn give_name(&self, file: &File, path: &Path) -> Result<()> {
        let from = format!("/proc/self/fd/{}", file.as_raw_fd());
        let _ = fs::remove_file(path);
        linkat(CWD, from.as_str(), CWD, path, AtFlags::SYMLINK_FOLLOW)
            .map_err(|errno| Error::io(format!("cannot name {}", path.display()))(errno.into()))
    }

    /// Forgets a template. Clones that run from it keep their memory.
    pub fn remove(&self, digest: &str) {
        for extension in ["state", "ram"] {
            let _ = fs::remove_file(self.path(digest, extension));
        }
    }

    /// Removes templates unused for `max_age`, then the least recently used until all take `max_bytes` at most.
    pub fn collect(&self, max_bytes: u64, max_age: Duration, now: SystemTime) -> Result<Collected> {
        let entries = self.entries()?;
        let mut templates = self.by_last_use(&entries);
        let mut total: u64 = templates.iter().map(|template| template.bytes).sum();
        let mut collected = Collected::default();
        templates.sort_by_key(|template| template.used);
        for template in templates {
            let age = now.duration_since(template.used).unwrap_or_default();
            if total <= max_bytes && age <= max_age {
                continue;
            }
            self.remove(&template.digest);
            total -= template.bytes;
            collected.templates += 1;
            collected.bytes += template.bytes;
        }
        collect_locks(&entries, max_age, now);
        Ok(collected)
    }

    fn entries(&self) -> Result<Vec<PathBuf>> {
        let what = || Error::io(format!("cannot list {}", self.folder.display()));
        let entries = fs::read_dir(&self.folder).map_err(what())?;
        entries.map(|entry| entry.map(|entry| entry.path()).map_err(what())).collect()
    }

    fn by_last_use(&self, entries: &[PathBuf]) -> Vec<Stored> {
        let mut found = Vec::new();
        for path in entries {
            if path.extension().is_some_and(|extension| extension == "state")
                && let Some(digest) = path.file_stem().and_then(|stem| stem.to_str())
                && let Ok(metadata) = path.metadata()
            {
                let ram = self.path(digest, "ram");
                let bytes = metadata.len() + ram.metadata().map_or(0, |ram| allocated(&ram));
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                found.push(Stored { digest: digest.to_owned(), bytes, used });
            }
        }
        found
    }
}

/// Removes locks that old without a template. Should somebody be about to take one, two may make the template at once,
/// and the later one is kept: time lost, and nothing else.
fn collect_locks(entries: &[PathBuf], max_age: Duration, now: SystemTime) {
    for path in entries {
        let lock = path.extension().is_some_and(|extension| extension == "lock");
        let made = path.metadata().and_then(|metadata| metadata.modified());
        let old = made.is_ok_and(|made| now.duration_since(made).unwrap_or_default() > max_age);
        if lock && old && !path.with_extension("state").exists() {
            let _ = fs::remove_file(path);
        }
    }
}

struct Stored {
    digest: String,
    bytes: u64,
    used: SystemTime,
}

fn allocated(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata) * 512
}

fn touch(path: &Path) {
    if let Ok(file) = File::options().append(true).open(path) {
        // Only the order of collection depends on it.
        let _ = file.set_modified(SystemTime::now());
    }
}

/// magic · length of description u64 · description JSON · device state · BLAKE3 of all before.
fn encode(description: &Value, device: &[u8]) -> Vec<u8> {
    let description = description.to_string().into_bytes();
    let mut bytes = MAGIC.to_vec();
    bytes.extend((description.len() as u64).to_le_bytes());
    bytes.extend(description);
    bytes.extend(device);
    let digest = blake3::hash(&bytes);
    bytes.extend(digest.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<(Value, &[u8])> {
    let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(blake3::OUT_LEN)?)?;
    if blake3::hash(body).as_bytes() != digest {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC)?;
    let mut length = [0; 8];
    rest.read_exact(&mut length).ok()?;
    let (description, device) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(length)).ok()?)?;
    Some((serde_json::from_slice(description).ok()?, device))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn cache() -> (tempfile::TempDir, TemplateCache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = TemplateCache::open(folder.path()).unwrap();
        (folder, cache)
    }

    #[test]
    fn an_unfinished_template_leaves_no_file() {
        let (folder, cache) = cache();
        drop(cache.new_ram(1 << 20).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(cache.find("d").unwrap().is_none());
    }

    #[test]
    fn a_stored_template_is_found_with_its_description() {
        let (_folder, cache) = cache();
        let ram = cache.new_ram(1 << 20).unwrap();
        cache.store("d", &ram, b"devices", json!({"release": "6.1"})).unwrap();
        let found = cache.find("d").unwrap().unwrap();
        assert_eq!(found.description["release"], "6.1");
        assert!(found.ram.is_file());
    }

    #[test]
    fn a_damaged_template_counts_as_absent() {
        let (folder, cache) = cache();
        let ram = cache.new_ram(4096).unwrap();
        cache.store("d", &ram, b"devices", json!({})).unwrap();
        let path = folder.path().join("d.state");
        let mut bytes = fs::read(&path).unwrap();
        bytes[30] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(cache.find("d").unwrap().is_none());
        assert!(!folder.path().join("d.ram").exists());
    }

    #[test]
    fn old_and_surplus_templates_are_collected_oldest_first() {
        let (folder, cache) = cache();
        let now = SystemTime::now();
        for (digest, days) in [("old", 40), ("middle", 3), ("new", 0)] {
            let mut ram = cache.new_ram(0).unwrap();
            ram.write_all(&vec![1; 1 << 20]).unwrap();
            cache.store(digest, &ram, b"", json!({})).unwrap();
            let state =
                File::options().append(true).open(folder.path().join(format!("{digest}.state"))).unwrap();
            state.set_modified(now - Duration::from_secs(days * 86_400)).unwrap();
        }
        let month = Duration::from_secs(30 * 86_400);
        assert_eq!(cache.collect(u64::MAX, month, now).unwrap().templates, 1);
        assert!(cache.find("old").unwrap().is_none());
        assert_eq!(cache.collect(3 << 19, month, now).unwrap().templates, 1);
        assert!(cache.find("middle").unwrap().is_none());
        assert!(cache.find("new").unwrap().is_some());
    }

    #[test]
    fn locks_of_templates_long_gone_are_collected() {
        let (folder, cache) = cache();
        let now = SystemTime::now();
        let month = Duration::from_secs(30 * 86_400);
        cache.store("kept", &cache.new_ram(0).unwrap(), b"", json!({})).unwrap();
        for digest in ["gone", "kept"] {
            drop(cache.lock(digest).unwrap());
        }
        cache.collect(u64::MAX, month, now).unwrap();
        assert!(folder.path().join("gone.lock").exists());
        touch(&folder.path().join("kept.state"));
        cache.collect(u64::MAX, Duration::ZERO, now + Duration::from_secs(1)).unwrap();
        assert!(!folder.path().join("gone.lock").exists());
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }
    }
}
