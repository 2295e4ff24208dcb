//! Rows into records.

use super::{Result, Store, StoreError};
use crate::{KernelRecord, RunEnd, RunInfo, RunRecord, TestResult, Verdict};
use rusqlite::{Params, Row, params};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// A run in the list of runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    pub info: RunInfo,
    /// None: still running, or killed.
    pub end: Option<RunEnd>,
    /// How many cases and workloads came to what.
    pub verdicts: BTreeMap<Verdict, u32>,
    pub findings: u32,
}

impl Store {
    /// All runs, newest first.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a row cannot be understood; trouble of the machine.
    pub fn runs(&self) -> Result<Vec<RunSummary>> {
        let mut verdicts = self.verdicts_by_run()?;
        let sql = "SELECT info, ended, (SELECT count(*) FROM findings WHERE run = id) FROM runs ORDER BY rowid DESC";
        let rows = self.rows(sql, [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, u32>(2)?))
        })?;
        rows.into_iter()
            .map(|(info, end, findings)| {
                let info: RunInfo = self.parse(&info)?;
                let verdicts = verdicts.remove(&info.id).unwrap_or_default();
                Ok(RunSummary { info, end: self.parse_option(end)?, verdicts, findings })
            })
            .collect()
    }

    fn verdicts_by_run(&self) -> Result<BTreeMap<String, BTreeMap<Verdict, u32>>> {
        let sql = "SELECT run, json_quote(verdict), count(*)
                   FROM (SELECT run, verdict FROM results UNION ALL SELECT run, verdict FROM workloads)
                   GROUP BY run, verdict";
        let rows = self.rows(sql, [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, u32>(2)?))
        })?;
        let mut verdicts: BTreeMap<String, BTreeMap<Verdict, u32>> = BTreeMap::new();
        for (run, verdict, count) in rows {
            verdicts.entry(run).or_default().insert(self.parse(&verdict)?, count);
        }
        Ok(verdicts)
    }

    /// Everything recorded of a run, by its full identifier ([`Store::find_run`] completes a typed one).
    ///
    /// # Errors
    /// [`StoreError::UnknownRun`]; [`StoreError::Corrupt`] when a row cannot be understood; trouble of the machine.
    pub fn load(&self, run: &str) -> Result<RunRecord> {
        // One transaction: another process may be writing the run.
        let _snapshot = self.connection.unchecked_transaction().map_err(|source| self.error(source))?;
        let heads = self.rows("SELECT info, ended FROM runs WHERE id = ?1", [run], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
        })?;
        let Some((info, end)) = heads.into_iter().next() else { return Err(self.unknown_run(run)) };
        Ok(RunRecord {
            kernels: self.kernels(run)?,
            results: self.bodies("results", run)?,
            workloads: self.bodies("workloads", run)?,
            findings: self.bodies("findings", run)?,
            notes: self.strings("SELECT text FROM notes WHERE run = ?1 ORDER BY number", [run])?,
            end: self.parse_option(end)?,
            ..RunRecord::new(self.parse(&info)?)
        })
    }

    /// One result, if it was recorded.
    ///
    /// # Errors
    /// As [`Store::load`], but an unknown run is None.
    pub fn result(&self, run: &str, kernel: &str, case: &str) -> Result<Option<TestResult>> {
        let sql = "SELECT body FROM results WHERE run = ?1 AND kernel = ?2 AND name = ?3";
        let body = self.strings(sql, params![run, kernel, case])?;
        self.parse_option(body.into_iter().next())
    }

    fn kernels(&self, run: &str) -> Result<Vec<KernelRecord>> {
        let sql = "SELECT name, planned, info, failure FROM kernels WHERE run = ?1 ORDER BY position";
        type Columns = (String, String, Option<String>, Option<String>);
        let rows: Vec<Columns> =
            self.rows(sql, [run], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        rows.into_iter()
            .map(|(name, planned, info, failure)| {
                let sql = "SELECT name FROM begun WHERE run = ?1 AND kernel = ?2 ORDER BY name";
                Ok(KernelRecord {
                    begun: self.strings(sql, params![run, name])?,
                    planned: self.parse(&planned)?,
                    info: self.parse_option(info)?,
                    failure: self.parse_option(failure)?,
                    name,
                })
            })
            .collect()
    }

    fn bodies<T: DeserializeOwned>(&self, table: &str, run: &str) -> Result<Vec<T>> {
        let sql = format!(
            "SELECT body FROM {table} AS one JOIN kernels ON kernels.run = one.run AND kernels.name = one.kernel
             WHERE one.run = ?1 ORDER BY position, one.name"
        );
        self.strings(&sql, [run])?.iter().map(|body| self.parse(body)).collect()
    }

    pub(super) fn strings(&self, sql: &str, params: impl Params) -> Result<Vec<String>> {
        self.rows(sql, params, |row| row.get(0))
    }

    pub(super) fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let query = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map(params, read)?;
            rows.collect::<rusqlite::Result<Vec<T>>>()
        };
        query().map_err(|source| self.error(source))
    }

    fn parse<T: DeserializeOwned>(&self, json: &str) -> Result<T> {
        serde_json::from_str(json)
            .map_err(|error| StoreError::Corrupt { path: self.file(), detail: error.to_string() })
    }

    fn parse_option<T: DeserializeOwned>(&self, json: Option<String>) -> Result<Option<T>> {
        json.map(|json| self.parse(&json)).transpose()
    }
}
