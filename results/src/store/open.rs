//! Opening: checks before the first write, then the ladder.

use super::migrations::{MIGRATIONS, VERSION};
use super::{Result, Store, StoreError, file_in, header};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::cell::RefCell;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a writer waits for another one. Each transaction takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

impl Store {
    /// Opens the store in `directory`, and makes it when it is not there.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Foreign`] and [`StoreError::Corrupt`] leave the file as it was.
    pub fn open(directory: impl AsRef<Path>) -> Result<Store> {
        let directory = directory.as_ref();
        std::fs::create_dir_all(directory.join("runs"))
            .map_err(|source| StoreError::Directory { path: directory.to_owned(), source })?;
        let path = file_in(directory);
        header::check(&path)?;
        let sqlite = |source| StoreError::from_sqlite(&path, source);
        let connection = connect(&path).map_err(sqlite)?;
        migrate(&connection, &path, VERSION)?;
        use_write_ahead_log(&connection).map_err(sqlite)?;
        Ok(Store { connection, directory: directory.to_owned(), claims: RefCell::default() })
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Commits survive the death of the process; one of the last may be lost when the machine itself goes down,
    // which never damages the file. FULL would cost an fsync per result.
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// After the first migration, so that a new file's header says at once whose it is ([`header`]).
fn use_write_ahead_log(connection: &Connection) -> rusqlite::Result<()> {
    // SQLite does not wait when two processes switch the mode of a new file at the same time.
    retry_while_busy(|| connection.pragma_update(None, "journal_mode", "wal"))
}

fn retry_while_busy(mut attempt: impl FnMut() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && start.elapsed() < PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            outcome => return outcome,
        }
    }
}

/// Climbs the ladder up to `target`, in one transaction: another process sees all of it or nothing.
pub(super) fn migrate(connection: &Connection, path: &Path, target: u32) -> Result<()> {
    let sqlite = |source| StoreError::from_sqlite(path, source);
    let found = version(connection).map_err(sqlite)?;
    header::check_version(path, found)?;
    if found == target {
        return Ok(());
    }
    let transaction =
        Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(sqlite)?;
    // Again, now that nobody else can be climbing.
    let found = version(connection).map_err(sqlite)?;
    header::check_version(path, found)?;
    for migration in &MIGRATIONS[found as usize..(target as usize).max(found as usize)] {
        transaction.execute_batch(migration.sql).map_err(|source| failed(path, migration.name, source))?;
    }
    transaction.pragma_update(None, "application_id", header::APPLICATION_ID).map_err(sqlite)?;
    transaction.pragma_update(None, "user_version", target.max(found)).map_err(sqlite)?;
    transaction.commit().map_err(sqlite)
}

fn failed(path: &Path, step: &'static str, source: rusqlite::Error) -> StoreError {
    match StoreError::from_sqlite(path, source) {
        StoreError::Sqlite { path, source } => StoreError::Migration { path, step, source },
        known => known,
    }
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
