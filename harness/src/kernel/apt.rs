//! The seam to apt: the machine's own programs, or a fake in tests.

use super::package::Package;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub mod private;
pub mod program;
pub mod sources;

/// What we ask of apt for one suite.
pub trait Apt {
    /// The records of every package whose name matches the regular expression, as `apt-cache show` prints them.
    fn search(&self, pattern: &str) -> Result<String>;
    /// Fetches the packages into a directory; apt checks signatures and digests.
    fn download(&self, packages: &[&Package], into: &Path) -> Result<()>;
    /// Fetches the lists of packages again, if they are ours to change and at least so old; tells whether it did.
    fn refresh(&self, least_age: Duration) -> Result<bool>;
    /// Where the lists of packages are.
    fn lists(&self) -> Result<PathBuf>;
}

/// Changes whenever apt's lists change: names, sizes and times of the files there.
pub fn fingerprint(lists: &Path) -> Result<String> {
    let unreadable = |error| {
        Error::infra(format!("apt's lists in {}", lists.display())).because(anyhow::Error::new(error))
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(lists).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let file = entry.metadata().map_err(unreadable)?;
        if file.is_file() {
            files.push(format!("{:?} {} {:?}", entry.file_name(), file.len(), file.modified().ok()));
        }
    }
    files.sort();
    Ok(super::cache::digest(&files.join("\n")))
}

/// Whether any list of packages is there.
pub fn has_lists(lists: &Path) -> bool {
    let files = std::fs::read_dir(lists).into_iter().flatten().flatten();
    files.into_iter().any(|file| file.file_name().to_string_lossy().contains("_Packages"))
}
