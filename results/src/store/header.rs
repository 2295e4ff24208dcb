//! The first bytes of the file, read before SQLite may touch it.
//! Source: <https://www.sqlite.org/fileformat2.html#the_database_header>.

use super::{Result, StoreError, migrations};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// `GNTL`, in the field that SQLite keeps for telling file types apart.
pub(super) const APPLICATION_ID: u32 = u32::from_be_bytes(*b"GNTL");

const MAGIC: &[u8] = b"SQLite format 3\0";
const USER_VERSION_AT: usize = 60;
const APPLICATION_ID_AT: usize = 68;

/// Refuses what is not ours to open. A file that is not there, or empty, is a new store.
pub(super) fn check(path: &Path) -> Result<()> {
    let mut header = Vec::new();
    let read = File::open(path).and_then(|file| file.take(100).read_to_end(&mut header));
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(StoreError::Directory { path: path.to_owned(), source }),
        Ok(0) => return Ok(()),
        Ok(_) => {}
    }
    if header.len() < 100 || !header.starts_with(MAGIC) {
        let detail = "it does not begin like an SQLite file".to_owned();
        return Err(StoreError::Corrupt { path: path.to_owned(), detail });
    }
    if number(&header, APPLICATION_ID_AT) != APPLICATION_ID {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    check_version(path, number(&header, USER_VERSION_AT))
}

pub(super) fn check_version(path: &Path, found: u32) -> Result<()> {
    let known = migrations::VERSION;
    if found > known { Err(StoreError::Newer { path: path.to_owned(), found, known }) } else { Ok(()) }
}

fn number(header: &[u8], at: usize) -> u32 {
    header[at..at + 4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}
