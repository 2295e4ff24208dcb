//! From what a person types to a run or a result: unique prefixes, `last`, `last~2`.

use super::{Result, Store, StoreError};
use std::fmt;

/// A result's full name, `RUN:KERNEL:SUITE/CASE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultId {
    pub run: String,
    pub kernel: String,
    pub case: String,
}

impl fmt::Display for ResultId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.run, self.kernel, self.case)
    }
}

impl Store {
    /// The run meant by an identifier, a unique prefix of one, `last`, or `last~N` (the N-th before it).
    ///
    /// # Errors
    /// [`StoreError::UnknownRun`] and [`StoreError::Ambiguous`], with the choices.
    pub fn find_run(&self, typed: &str) -> Result<String> {
        let runs = self.run_ids()?;
        if let Some(back) = generations_back(typed) {
            return runs.into_iter().nth(back).ok_or_else(|| self.unknown_run(typed));
        }
        match narrowed(&runs, |run| (run == typed, run.starts_with(typed))).as_slice() {
            [] => Err(self.unknown_run(typed)),
            [one] => Ok((*one).clone()),
            several => Err(ambiguous(typed, several.iter().copied())),
        }
    }

    /// The result meant by `RUN:KERNEL:SUITE/CASE`, where each part may be a unique prefix: `last:6.1:memfd/seal`.
    /// A kernel that is left empty (`last::memfd/seal`) is the only one that has the case.
    ///
    /// # Errors
    /// [`StoreError::UnknownResult`], [`StoreError::UnknownRun`] and [`StoreError::Ambiguous`], with the choices.
    pub fn find_result(&self, typed: &str) -> Result<ResultId> {
        let unknown = |known| StoreError::UnknownResult { typed: typed.to_owned(), known };
        let (run, rest) = typed
            .split_once(':')
            .ok_or_else(|| unknown(vec!["RUN:KERNEL:SUITE/CASE, such as last:6.1:memfd/seal".to_owned()]))?;
        let run = self.find_run(run)?;
        let results = self.result_ids(&run)?;
        let (kernel, case) = rest.split_once(':').unwrap_or(("", rest));
        // `6.1` is meant even when `6.12` is there too, and `memfd/seal` when `memfd/seal-write` is.
        let of_kernel = narrowed(&results, |id| (id.kernel == kernel, id.kernel.starts_with(kernel)));
        let mut found = narrowed(of_kernel, |id| (id.case == case, id.case.starts_with(case)));
        // Names are the guest's and the user's business: a kernel's may contain a colon.
        let whole = |id: &&ResultId| format!("{}:{}", id.kernel, id.case) == rest;
        if found.is_empty() {
            found.extend(results.iter().filter(whole));
        }
        match found.as_slice() {
            [] => Err(unknown(results.iter().map(ToString::to_string).collect())),
            [one] => Ok((*one).clone()),
            several => Err(ambiguous(typed, several.iter())),
        }
    }

    pub(super) fn unknown_run(&self, typed: &str) -> StoreError {
        StoreError::UnknownRun { typed: typed.to_owned(), known: self.run_ids().unwrap_or_default() }
    }

    /// The newest first. By the order in which they began: identifiers of one second differ in a random part only.
    fn run_ids(&self) -> Result<Vec<String>> {
        self.strings("SELECT id FROM runs ORDER BY rowid DESC", [])
    }

    fn result_ids(&self, run: &str) -> Result<Vec<ResultId>> {
        let sql = "SELECT kernel, name FROM results WHERE run = ?1 ORDER BY kernel, name";
        self.rows(sql, [run], |row| {
            Ok(ResultId { run: run.to_owned(), kernel: row.get(0)?, case: row.get(1)? })
        })
    }
}

/// `last` is 0, `last~2` is 2.
fn generations_back(typed: &str) -> Option<usize> {
    match typed.strip_prefix("last")? {
        "" => Some(0),
        rest => rest.strip_prefix('~')?.parse().ok(),
    }
}

/// The exact fits when there are any, else all that begin so.
fn narrowed<'a, T>(
    all: impl IntoIterator<Item = &'a T> + Clone,
    fits: impl Fn(&T) -> (bool, bool),
) -> Vec<&'a T> {
    let exact: Vec<&T> = all.clone().into_iter().filter(|one| fits(one).0).collect();
    if exact.is_empty() { all.into_iter().filter(|one| fits(one).1).collect() } else { exact }
}

fn ambiguous<T: fmt::Display>(typed: &str, candidates: impl Iterator<Item = T>) -> StoreError {
    let candidates = candidates.map(|one| one.to_string()).collect();
    StoreError::Ambiguous { typed: typed.to_owned(), candidates }
}
