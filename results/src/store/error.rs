//! What can go wrong with the store, told so that a person knows what to do.

use rusqlite::{ErrorCode, ffi};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error("cannot open the results directory {}", path.display())]
    Directory { path: PathBuf, source: std::io::Error },
    #[error("{} is damaged: {detail}", path.display())]
    Corrupt { path: PathBuf, detail: String },
    #[error("{} is an SQLite file, but not one of Gauntlet's", path.display())]
    Foreign { path: PathBuf },
    #[error("{} has version {found}, this gauntlet knows up to version {known}; it was left untouched", path.display())]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("no space left for {}; everything recorded so far is kept", path.display())]
    DiskFull { path: PathBuf },
    #[error("{} is locked by another process for too long", path.display())]
    Busy { path: PathBuf },
    #[error("run {run} is being written by another gauntlet")]
    Running { run: String },
    #[error("run {run} was not started here, or is finished")]
    NotStarted { run: String },
    #[error("'{run}' cannot be the identifier of a run")]
    BadRunId { run: String },
    #[error("no run '{typed}'")]
    UnknownRun { typed: String, known: Vec<String> },
    #[error("no result '{typed}'")]
    UnknownResult { typed: String, known: Vec<String> },
    #[error("'{typed}' fits several")]
    Ambiguous { typed: String, candidates: Vec<String> },
    #[error("{} cannot be brought up to date (step '{step}')", path.display())]
    Migration { path: PathBuf, step: &'static str, source: rusqlite::Error },
    #[error("{} cannot be used", path.display())]
    Sqlite { path: PathBuf, source: rusqlite::Error },
}

/// How many names a hint lists.
const SHOWN: usize = 8;

impl StoreError {
    pub(super) fn from_sqlite(path: &Path, source: rusqlite::Error) -> StoreError {
        let path = path.to_owned();
        // The shared-memory index could not be extended, which SQLite does not call a full disk.
        if source.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE) {
            return StoreError::DiskFull { path };
        }
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::DiskFull { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { path },
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                StoreError::Corrupt { path, detail: source.to_string() }
            }
            _ => StoreError::Sqlite { path, source },
        }
    }

    /// True when what the user named is wrong, false when the machine let us down.
    pub fn is_usage(&self) -> bool {
        match self {
            StoreError::Foreign { .. }
            | StoreError::Newer { .. }
            | StoreError::BadRunId { .. }
            | StoreError::UnknownRun { .. }
            | StoreError::UnknownResult { .. }
            | StoreError::Ambiguous { .. } => true,
            StoreError::Directory { .. }
            | StoreError::Corrupt { .. }
            | StoreError::DiskFull { .. }
            | StoreError::Busy { .. }
            | StoreError::Running { .. }
            | StoreError::NotStarted { .. }
            | StoreError::Migration { .. }
            | StoreError::Sqlite { .. } => false,
        }
    }

    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            StoreError::Directory { .. } | StoreError::Foreign { .. } => {
                Some("name another directory with --results".to_owned())
            }
            StoreError::Newer { .. } => {
                Some("use the newer gauntlet, or another directory with --results".to_owned())
            }
            StoreError::Corrupt { path, .. } => Some(format!(
                "move it away (a new one is made), or save what can be read: sqlite3 {} .recover",
                path.display()
            )),
            StoreError::DiskFull { .. } => {
                Some("free some space and repeat the command: it goes on where it stopped".to_owned())
            }
            StoreError::UnknownRun { known, .. } if known.is_empty() => {
                Some("there are no runs yet".to_owned())
            }
            StoreError::UnknownRun { known, .. } | StoreError::UnknownResult { known, .. } => {
                (!known.is_empty()).then(|| format!("known: {}", listed(known)))
            }
            StoreError::Ambiguous { candidates, .. } => Some(format!("which of {}?", listed(candidates))),
            StoreError::Busy { .. }
            | StoreError::Running { .. }
            | StoreError::BadRunId { .. }
            | StoreError::NotStarted { .. }
            | StoreError::Migration { .. }
            | StoreError::Sqlite { .. } => None,
        }
    }
}

fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text += &format!(" … {} more", names.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_as_one_wherever_sqlite_meets_it() {
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_SHMSIZE] {
            let source = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let error = StoreError::from_sqlite(Path::new("db"), source);
            assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
        }
    }
}
