//! Who writes a run: a lock on a file, gone with its holder however that dies (flock(2)).

use super::{Result, Store, StoreError};
use std::fs::{File, TryLockError};

impl Store {
    /// Takes the run for this process, and makes its directory.
    ///
    /// # Errors
    /// [`StoreError::Running`] when another process has it.
    pub(super) fn claim(&self, run: &str) -> Result<()> {
        if self.claims.borrow().contains_key(run) {
            return Ok(());
        }
        check_id(run)?;
        let directory = self.run_directory(run);
        let failed = |source| StoreError::Directory { path: directory.clone(), source };
        std::fs::create_dir_all(&directory).map_err(failed)?;
        let file = File::create(directory.join("lock")).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Running { run: run.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        self.claims.borrow_mut().insert(run.to_owned(), file);
        Ok(())
    }

    pub(super) fn release(&self, run: &str) {
        self.claims.borrow_mut().remove(run);
    }
}

/// An identifier becomes the name of a directory, and the first part of a result's name.
fn check_id(run: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    if run.is_empty() || run.starts_with('.') || !run.chars().all(good) {
        return Err(StoreError::BadRunId { run: run.to_owned() });
    }
    Ok(())
}
