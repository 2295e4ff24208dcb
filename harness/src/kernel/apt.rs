//! The seam to apt: the machine's own programs, or a fake in tests.

use super::package::Package;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

pub mod program;

/// What we ask of apt for one suite.
pub trait Apt {
    /// The records of every package whose name matches the regular expression, as `apt-cache show` prints them.
    fn search(&self, pattern: &str) -> Result<String>;
    /// Fetches the packages into a directory; apt checks signatures and digests.
    fn download(&self, packages: &[&Package], into: &Path) -> Result<()>;
    /// Fetches the lists of packages again.
    fn update(&self) -> Result<()>;
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
