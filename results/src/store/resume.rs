//! Going on with a run that was cut off.

use super::{Result, Store, StoreError};
use crate::RunInfo;
use rusqlite::params;
use std::collections::BTreeSet;

impl RunInfo {
    /// Equal for two invocations that must give the same results: same verb, command line and configuration.
    /// `config_digest` has to cover whatever else shapes them, the kernels' images included.
    pub fn resume_key(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in [&self.verb, &self.config_digest, &self.gauntlet_version].into_iter().chain(&self.command)
        {
            // Lengths, so that ["ab"] and ["a", "b"] differ.
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}

impl Store {
    /// The newest run like `info` that was killed or interrupted and that nobody is writing: now this process's,
    /// to be gone on with under its own identifier. None: start a new one.
    ///
    /// # Errors
    /// As [`Store::load`].
    pub fn unfinished_run(&self, info: &RunInfo) -> Result<Option<String>> {
        let sql = "SELECT id FROM runs WHERE resume_key = ?1 ORDER BY rowid DESC LIMIT 1";
        let newest = self.strings(sql, params![info.resume_key()])?;
        let Some(run) = newest.into_iter().next() else { return Ok(None) };
        match self.claim(&run) {
            Err(StoreError::Running { .. }) => return Ok(None),
            other => other?,
        }
        // Only now: whoever had the claim a moment ago may just have finished.
        let open = "SELECT id FROM runs WHERE id = ?1 AND ifnull(ended ->> 'interrupted', 1)";
        let open = self.strings(open, params![run])?;
        if open.is_empty() {
            self.release(&run);
        }
        Ok(open.into_iter().next())
    }

    /// What a resumed run need not do again: kernel, case (or workload) and repetition of every result, except
    /// INFRA, where it was our fault that there is no answer. What was not to be repeated has the number 0.
    ///
    /// # Errors
    /// As [`Store::load`].
    pub fn finished_cases(&self, run: &str) -> Result<BTreeSet<(String, String, u32)>> {
        let sql = "SELECT kernel, name, 0 FROM results
                   WHERE run = ?1 AND verdict <> 'INFRA' AND body ->> 'repetitions' IS NULL UNION ALL
                   SELECT kernel, name, value ->> 'number' FROM results, json_each(body, '$.repetitions')
                   WHERE run = ?1 AND value ->> 'verdict' <> 'INFRA' UNION ALL
                   SELECT kernel, name, 0 FROM workloads WHERE run = ?1 AND verdict <> 'INFRA'";
        let rows = self.rows(sql, [run], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.into_iter().collect())
    }
}
