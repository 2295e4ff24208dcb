//! The store: one SQLite file that survives whatever kills `gauntlet`.
//!
//! Every event is committed by itself, in write-ahead-log mode: what [`Store::record`] returned from is there
//! after SIGKILL (<https://www.sqlite.org/wal.html>). Rows keep the very JSON of the event types, beside the keys;
//! columns such as `verdict` are generated from it, so that the file can be read with `sqlite3` and a new
//! field of a type needs no migration (but a `#[serde(default)]`, for the sake of old rows).

mod claim;
mod error;
mod header;
mod migrations;
mod open;
mod read;
mod resume;
mod select;
mod write;

#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use read::RunSummary;
pub use select::ResultId;

use rusqlite::Connection;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The results directory: `gauntlet.db`, and `runs/ID/` for what is too big for it.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    directory: PathBuf,
    /// The runs this process writes; a lock file each.
    claims: RefCell<BTreeMap<String, File>>,
}

impl Store {
    /// The SQLite file.
    pub fn file(&self) -> PathBuf {
        file_in(&self.directory)
    }

    /// Where a run keeps consoles, crash programs and other artefacts. Made when the run starts.
    pub fn run_directory(&self, run: &str) -> PathBuf {
        self.directory.join("runs").join(run)
    }

    /// Names the file and the cause in an error of SQLite.
    fn error(&self, source: rusqlite::Error) -> StoreError {
        StoreError::from_sqlite(&self.file(), source)
    }
}

fn file_in(directory: &Path) -> PathBuf {
    directory.join("gauntlet.db")
}
