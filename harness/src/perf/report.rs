//! What a performance run found: figures, comparisons with the first kernel, and functions. Pure, from the
//! stored record, so that the same run always reads the same.

mod text;

use gauntlet_perf::{Change, Comparison, Contribution, Rule, contributions, median};
use gauntlet_results::{RunRecord, Verdict, WorkloadResult};
use serde::Serialize;

/// Functions that are named for a change.
const NAMED: usize = 5;

/// A whole run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The first is what the others are compared with.
    pub kernels: Vec<String>,
    pub rows: Vec<Row>,
    /// Kernels that did not come up, and why.
    pub absent: Vec<Absent>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Absent {
    pub kernel: String,
    pub verdict: Verdict,
    pub reason: String,
}

/// One workload on all kernels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub workload: String,
    pub cells: Vec<Cell>,
}

/// One workload on one kernel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// `None`: no result.
    pub verdict: Option<Verdict>,
    pub reason: String,
    /// Median instructions per operation, of the seeds' medians.
    pub figure: Option<u64>,
    pub operations: usize,
    pub medians: Vec<u64>,
    /// With the first kernel; `None` for that one itself and where a figure is missing.
    pub comparison: Option<Comparison>,
    /// What accounts for a change, largest first.
    pub functions: Vec<Part>,
}

/// A function's part in a change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    pub function: String,
    /// Instructions per operation in the first kernel and in this one.
    pub before: u64,
    pub after: u64,
    /// Of the whole difference.
    pub share: f64,
}

impl Report {
    /// Reads a run; `order` is that of the workloads, by name.
    pub fn of(record: &RunRecord, order: &[&str], rule: &Rule) -> Report {
        let failed = |name: &str| record.kernel(name).is_some_and(|kernel| kernel.failure.is_some());
        let names = record.kernels.iter().map(|kernel| kernel.name.clone());
        let (absent, kernels): (Vec<String>, Vec<String>) = names.partition(|name| failed(name));
        let rows = order.iter().map(|workload| row(record, &kernels, workload, rule)).collect();
        let absent = absent.into_iter().filter_map(|name| {
            let failure = record.kernel(&name)?.failure.clone()?;
            Some(Absent { kernel: name, verdict: failure.verdict, reason: failure.reason })
        });
        Report { absent: absent.collect(), kernels, rows }
    }

    /// Whether a kernel needs more instructions than the first, beyond the rule.
    pub fn has_regression(&self) -> bool {
        self.cells().any(|cell| cell.comparison.is_some_and(|one| one.change == Change::Slower))
    }

    /// Whether a kernel failed at a workload or at booting.
    pub fn has_failure(&self) -> bool {
        let mut verdicts = self.cells().filter_map(|cell| cell.verdict);
        verdicts.any(Verdict::is_failure) || self.absent.iter().any(|one| one.verdict.is_failure())
    }

    /// Whether something is missing through no fault of a kernel's.
    pub fn is_incomplete(&self) -> bool {
        self.cells().any(|cell| matches!(cell.verdict, None | Some(Verdict::Infra)))
            || self.absent.iter().any(|one| one.verdict == Verdict::Infra)
    }

    fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.rows.iter().flat_map(|row| &row.cells)
    }
}

fn row(record: &RunRecord, kernels: &[String], workload: &str, rule: &Rule) -> Row {
    let find = |kernel: &String| {
        record.workloads.iter().find(|one| one.kernel == *kernel && one.workload == workload)
    };
    let base = kernels.first().and_then(find);
    let cells = kernels.iter().enumerate().map(|(index, kernel)| {
        let base = base.filter(|_| index > 0);
        find(kernel).map_or_else(Cell::missing, |result| Cell::of(base, result, rule))
    });
    Row { workload: workload.to_owned(), cells: cells.collect() }
}

impl Cell {
    fn missing() -> Cell {
        Cell {
            verdict: None,
            reason: "no result".to_owned(),
            figure: None,
            operations: 0,
            medians: Vec::new(),
            comparison: None,
            functions: Vec::new(),
        }
    }

    fn of(base: Option<&WorkloadResult>, result: &WorkloadResult, rule: &Rule) -> Cell {
        let comparison = base.and_then(|base| rule.compare(&base.medians, &result.medians));
        let changed = comparison.is_some_and(|one| one.change != Change::Same);
        let functions = base.filter(|_| changed).map_or_else(Vec::new, |base| parts(base, result));
        Cell {
            verdict: Some(result.verdict),
            reason: result.reason.clone(),
            figure: median(&result.medians),
            operations: result.samples.len(),
            medians: result.medians.clone(),
            comparison,
            functions,
        }
    }
}

/// The functions were counted with the first seed, so they explain the difference of that seed's medians.
fn parts(base: &WorkloadResult, result: &WorkloadResult) -> Vec<Part> {
    let (Some(before), Some(after)) = (median(&base.samples), median(&result.samples)) else {
        return Vec::new();
    };
    let delta = after.wrapping_sub(before) as i64;
    let found = contributions(&per_operation(base), &per_operation(result), delta);
    found.into_iter().take(NAMED).map(Part::from).collect()
}

fn per_operation(result: &WorkloadResult) -> Vec<(String, u64)> {
    let operations = result.samples.len().max(1) as u64;
    result.functions.iter().map(|(name, total)| (name.clone(), total / operations)).collect()
}

impl From<Contribution> for Part {
    fn from(one: Contribution) -> Part {
        Part { before: one.a, after: one.b, share: one.share, function: one.function }
    }
}

#[cfg(test)]
mod tests;
