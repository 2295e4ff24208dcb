//! The ladder: each step takes the store from the version before to its own. Steps are never edited, only added.

/// A step, and what it brought.
pub(super) struct Migration {
    pub name: &'static str,
    pub sql: &'static str,
}

/// The version of a store that has all of them, kept in SQLite's `user_version`.
pub(super) const VERSION: u32 = MIGRATIONS.len() as u32;

pub(super) const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "runs, kernels and results",
        sql: "
CREATE TABLE runs (
    id         TEXT NOT NULL PRIMARY KEY,
    info       TEXT NOT NULL,  -- RunInfo
    resume_key TEXT NOT NULL,
    ended      TEXT,           -- RunEnd
    verb       TEXT GENERATED ALWAYS AS (info ->> 'verb'),
    started    TEXT GENERATED ALWAYS AS (info ->> 'started')
) STRICT;

CREATE TABLE kernels (
    run      TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
    name     TEXT NOT NULL,
    position INTEGER NOT NULL,
    planned  TEXT NOT NULL DEFAULT '[]',
    info     TEXT,             -- KernelInfo
    failure  TEXT,             -- KernelFailure
    PRIMARY KEY (run, name)
) STRICT;

CREATE TABLE begun (
    run    TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
    kernel TEXT NOT NULL,
    name   TEXT NOT NULL,
    PRIMARY KEY (run, kernel, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE results (
    run     TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
    kernel  TEXT NOT NULL,
    name    TEXT NOT NULL,
    body    TEXT NOT NULL,     -- TestResult
    verdict TEXT GENERATED ALWAYS AS (body ->> 'verdict'),
    reason  TEXT GENERATED ALWAYS AS (body ->> 'reason'),
    splat   TEXT GENERATED ALWAYS AS (body ->> 'splat'),
    PRIMARY KEY (run, kernel, name)
) STRICT;
",
    },
    Migration {
        name: "workloads and findings",
        sql: "
CREATE TABLE workloads (
    run     TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
    kernel  TEXT NOT NULL,
    name    TEXT NOT NULL,
    body    TEXT NOT NULL,     -- WorkloadResult
    verdict TEXT GENERATED ALWAYS AS (body ->> 'verdict'),
    PRIMARY KEY (run, kernel, name)
) STRICT;

CREATE TABLE findings (
    run    TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
    kernel TEXT NOT NULL,
    name   TEXT NOT NULL,
    body   TEXT NOT NULL,      -- Finding
    PRIMARY KEY (run, kernel, name)
) STRICT;
",
    },
    Migration {
        name: "notes",
        sql: "
CREATE TABLE notes (
    number INTEGER PRIMARY KEY,
    run    TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
    text   TEXT NOT NULL
) STRICT;

CREATE INDEX notes_by_run ON notes (run);
",
    },
];
