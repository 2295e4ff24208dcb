//! A file that the user names, or standard input.

use crate::{Error, Result};
use std::io::Read;
use std::path::Path;

/// All of a file; `-` is standard input.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match path.to_str() {
        Some("-") => std::io::stdin().lock().read_to_end(&mut bytes),
        _ => std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    read.map_err(|source| Error::usage(format!("cannot read {}", path.display())).because(source))?;
    Ok(bytes)
}
