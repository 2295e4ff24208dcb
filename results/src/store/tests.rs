//! What needs a look behind the public face: old versions, no space.

use super::migrations::{MIGRATIONS, VERSION};
use super::{Store, StoreError, file_in, header, open};
use crate::{Event, RunInfo};
use rusqlite::Connection;

fn info(id: &str) -> RunInfo {
    RunInfo { id: id.to_owned(), verb: "test".to_owned(), ..RunInfo::default() }
}

fn note(length: usize) -> Event {
    Event::Note { text: "x".repeat(length) }
}

/// A store as a gauntlet that knew only the first `version` steps left it.
fn old_store(directory: &std::path::Path, version: u32) {
    let connection = Connection::open(file_in(directory)).unwrap();
    open::migrate(&connection, &file_in(directory), version).unwrap();
    let body = serde_json::to_string(&info("old")).unwrap();
    connection.execute("INSERT INTO runs (id, info, resume_key) VALUES ('old', ?1, '')", [body]).unwrap();
}

#[test]
fn every_older_version_is_brought_up_to_date_and_keeps_its_runs() {
    for version in 1..=VERSION {
        let directory = tempfile::tempdir().unwrap();
        old_store(directory.path(), version);
        let store = Store::open(directory.path()).unwrap();
        assert_eq!(store.load("old").unwrap().info, info("old"), "from version {version}");
        store.record("new", &Event::RunStarted(info("new"))).unwrap();
        store.record("new", &note(3)).unwrap();
        assert_eq!(store.load("new").unwrap().notes, ["xxx"]);
    }
}

#[test]
fn a_newer_store_is_refused_and_left_untouched() {
    let directory = tempfile::tempdir().unwrap();
    old_store(directory.path(), VERSION);
    let connection = Connection::open(file_in(directory.path())).unwrap();
    connection.pragma_update(None, "user_version", VERSION + 2).unwrap();
    drop(connection);
    let before = std::fs::read(file_in(directory.path())).unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found, known, .. } if found == known + 2), "{error}");
    assert!(error.to_string().contains(&format!("version {}", VERSION + 2)), "{error}");
    assert!(error.to_string().contains(&format!("version {VERSION}")), "{error}");
    assert_eq!(std::fs::read(file_in(directory.path())).unwrap(), before);
}

#[test]
fn a_newer_version_that_is_still_in_the_log_is_refused_too() {
    let directory = tempfile::tempdir().unwrap();
    drop(Store::open(directory.path()).unwrap());
    let writer = Connection::open(file_in(directory.path())).unwrap();
    writer.pragma_update(None, "user_version", VERSION + 1).unwrap();
    assert!(header::check(&file_in(directory.path())).is_ok(), "the main file does not say so yet");
    assert!(matches!(Store::open(directory.path()), Err(StoreError::Newer { .. })));
}

#[test]
fn steps_have_names_of_their_own() {
    let names: std::collections::HashSet<_> = MIGRATIONS.iter().map(|migration| migration.name).collect();
    assert_eq!(names.len(), MIGRATIONS.len());
}

#[test]
fn a_full_disk_is_reported_as_such_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.record("r", &Event::RunStarted(info("r"))).unwrap();
    store.record("r", &note(3)).unwrap();
    // SQLite's own way to run out of space; ENOSPC comes back as the same code.
    store.connection.pragma_update(None, "max_page_count", 40).unwrap();
    let error = (0..100).find_map(|_| store.record("r", &note(10_000)).err()).expect("40 pages are 160 kB");
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    assert!(error.hint().unwrap().contains("free some space"));
    drop(store);
    let notes = Store::open(directory.path()).unwrap().load("r").unwrap().notes;
    assert_eq!(notes[0], "xxx");
    assert!(notes[1..].iter().all(|note| note.len() == 10_000));
}

#[test]
fn the_last_run_is_the_one_that_began_last_whatever_it_is_called() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for id in ["20261126-120000-ffffff", "20261126-120000-000000"] {
        store.record(id, &Event::RunStarted(info(id))).unwrap();
    }
    assert_eq!(store.find_run("last").unwrap(), "20261126-120000-000000");
    assert_eq!(store.find_run("last~1").unwrap(), "20261126-120000-ffffff");
}
