//! What one invocation found out and the next need not ask again: small JSON files in the cache.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{Result, Write};
use std::path::Path;

/// What was remembered there; `None` when nothing was, or something else.
pub fn recall<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Remembers it whole or not at all.
pub fn remember<T: Serialize>(path: &Path, what: &T) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&mut file, what)?;
    file.flush()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
