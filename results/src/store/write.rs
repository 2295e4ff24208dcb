//! Events into rows; each event one transaction. `record/fold.rs` says the same without a disk.

use super::{Result, Store, StoreError};
use crate::{Event, KernelFailure, RunEnd, RunInfo, TestResult};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde::Serialize;

impl Store {
    /// Records one event of a run. When this returns, the event survives SIGKILL.
    ///
    /// The last word on a case counts, so a resumed run may repeat itself. The first event of a run is
    /// [`Event::RunStarted`], for a resumed one too; it makes this process the run's only writer until
    /// [`Event::RunFinished`] or the end of the process.
    ///
    /// # Errors
    /// [`StoreError::Running`], [`StoreError::NotStarted`]; [`StoreError::DiskFull`] and other trouble of the machine; everything recorded before is kept.
    pub fn record(&self, run: &str, event: &Event) -> Result<()> {
        if matches!(event, Event::RunStarted(_)) {
            self.claim(run)?;
        } else if !self.claims.borrow().contains_key(run) {
            return Err(StoreError::NotStarted { run: run.to_owned() });
        }
        self.write(run, event).map_err(|source| self.error(source))?;
        if matches!(event, Event::RunFinished { .. }) {
            self.release(run);
        }
        Ok(())
    }

    fn write(&self, run: &str, event: &Event) -> rusqlite::Result<()> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        Writer { connection: &transaction, run }.write(event)?;
        transaction.commit()
    }
}

struct Writer<'a> {
    connection: &'a Connection,
    run: &'a str,
}

impl Writer<'_> {
    fn write(&self, event: &Event) -> rusqlite::Result<()> {
        match event {
            Event::RunStarted(info) => self.start(info),
            Event::Planned { kernel, cases, times: _ } => self.set_kernel(kernel, "planned", &json(cases)),
            Event::KernelReady(info) => {
                self.set_kernel(&info.name, "info", &json(info))?;
                let sql = "UPDATE kernels SET failure = NULL WHERE run = ?1 AND name = ?2";
                self.execute(sql, params![self.run, info.name])
            }
            Event::KernelFailed { kernel, verdict, reason, console } => {
                let failure =
                    KernelFailure { verdict: *verdict, reason: reason.clone(), console: console.clone() };
                self.set_kernel(kernel, "failure", &json(&failure))
            }
            Event::CaseStarted { kernel, case } => self.begin(kernel, case),
            Event::CaseFinished(result) => {
                let joined = self.joined(result)?;
                self.put("results", &result.kernel, &result.case, &json(joined.as_ref().unwrap_or(result)))
            }
            Event::WorkloadFinished(result) => {
                self.put("workloads", &result.kernel, &result.workload, &json(result))
            }
            Event::Found(finding) => self.put("findings", &finding.kernel, &finding.title, &json(finding)),
            Event::Progress { .. } => Ok(()),
            Event::Note { text } => {
                self.execute("INSERT INTO notes (run, text) VALUES (?1, ?2)", params![self.run, text])
            }
            Event::RunFinished { at, interrupted } => {
                let end = RunEnd { at: at.clone(), interrupted: *interrupted };
                self.execute("UPDATE runs SET ended = ?2 WHERE id = ?1", params![self.run, json(&end)])
            }
        }
    }

    fn start(&self, info: &RunInfo) -> rusqlite::Result<()> {
        let sql = "INSERT INTO runs (id, info, resume_key) VALUES (?1, ?2, ?3)
                   ON CONFLICT DO UPDATE SET ended = NULL";
        self.execute(sql, params![self.run, json(info), info.resume_key()])
    }

    fn begin(&self, kernel: &str, name: &str) -> rusqlite::Result<()> {
        self.add_kernel(kernel)?;
        let sql = "INSERT OR IGNORE INTO begun (run, kernel, name) SELECT ?1, ?2, ?3
                   WHERE NOT EXISTS (SELECT 1 FROM results WHERE (run, kernel, name) = (?1, ?2, ?3))
                     AND NOT EXISTS (SELECT 1 FROM workloads WHERE (run, kernel, name) = (?1, ?2, ?3))";
        self.execute(sql, params![self.run, kernel, name])
    }

    /// With the repetitions that are there already; None when there are none.
    fn joined(&self, result: &TestResult) -> rusqlite::Result<Option<TestResult>> {
        if result.repetitions.is_empty() {
            return Ok(None);
        }
        let sql = "SELECT body FROM results WHERE (run, kernel, name) = (?1, ?2, ?3)";
        let mut statement = self.connection.prepare_cached(sql)?;
        let key = params![self.run, result.kernel, result.case];
        let Some(body) = statement.query_row(key, |row| row.get::<_, String>(0)).optional()? else {
            return Ok(None);
        };
        let unreadable = |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error));
        let earlier: TestResult = serde_json::from_str(&body).map_err(unreadable)?;
        Ok(Some(result.clone().after(&earlier)))
    }

    fn put(&self, table: &str, kernel: &str, name: &str, body: &str) -> rusqlite::Result<()> {
        self.add_kernel(kernel)?;
        if table != "findings" {
            let sql = "DELETE FROM begun WHERE (run, kernel, name) = (?1, ?2, ?3)";
            self.execute(sql, params![self.run, kernel, name])?;
        }
        let sql = format!(
            "INSERT INTO {table} (run, kernel, name, body) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET body = excluded.body"
        );
        self.execute(&sql, params![self.run, kernel, name, body])
    }

    fn set_kernel(&self, kernel: &str, column: &str, value: &str) -> rusqlite::Result<()> {
        self.add_kernel(kernel)?;
        let sql = format!("UPDATE kernels SET {column} = ?3 WHERE run = ?1 AND name = ?2");
        self.execute(&sql, params![self.run, kernel, value])
    }

    fn add_kernel(&self, kernel: &str) -> rusqlite::Result<()> {
        let sql = "INSERT OR IGNORE INTO kernels (run, name, position)
                   VALUES (?1, ?2, (SELECT count(*) FROM kernels WHERE run = ?1))";
        self.execute(sql, params![self.run, kernel])
    }

    fn execute(&self, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute(params).map(drop)
    }
}

/// JSON escapes NUL and lone control characters, which SQLite's text functions stumble over.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our types have no maps with odd keys and no failing serializers")
}
