//! Workloads side by side: figures, ratios to the first kernel, and the functions behind them.

use crate::figures::{self, FunctionChange, Trend};
use crate::{RunRecord, Verdict, WorkloadResult};
use std::collections::BTreeSet;

/// One workload over the kernels that ran any.
#[derive(Debug)]
pub(super) struct PerfRow<'a> {
    pub workload: &'a str,
    pub unit: &'a str,
    /// One per kernel of [`PerfTable::kernels`].
    pub cells: Vec<Option<PerfCell>>,
}

#[derive(Debug)]
pub(super) struct PerfCell {
    pub verdict: Verdict,
    pub median: Option<u64>,
    /// To the first kernel; None for that kernel itself.
    pub ratio: Option<f64>,
    /// Against the first kernel.
    pub trend: Option<Trend>,
    /// Only of what got slower or faster.
    pub functions: Vec<FunctionChange>,
}

#[derive(Debug)]
pub(super) struct PerfTable<'a> {
    pub kernels: Vec<&'a str>,
    pub rows: Vec<PerfRow<'a>>,
}

impl<'a> PerfTable<'a> {
    /// None when no workload ran.
    pub fn of(record: &'a RunRecord) -> Option<PerfTable<'a>> {
        let names: BTreeSet<&str> = record.workloads.iter().map(|one| one.workload.as_str()).collect();
        let ran = |kernel: &&str| record.workloads.iter().any(|one| one.kernel == *kernel);
        let kernels: Vec<&str> =
            record.kernels.iter().map(|kernel| kernel.name.as_str()).filter(ran).collect();
        let rows: Vec<PerfRow> = names.into_iter().map(|name| row(record, &kernels, name)).collect();
        (!rows.is_empty()).then_some(PerfTable { kernels, rows })
    }

    /// The unit, when all have the same.
    pub fn unit(&self) -> Option<&'a str> {
        let unit = self.rows.first()?.unit;
        self.rows.iter().all(|row| row.unit == unit).then_some(unit)
    }
}

fn row<'a>(record: &'a RunRecord, kernels: &[&str], workload: &'a str) -> PerfRow<'a> {
    let find = |kernel: &&str| {
        record.workloads.iter().find(|one| one.kernel == **kernel && one.workload == workload)
    };
    let results: Vec<Option<&WorkloadResult>> = kernels.iter().map(find).collect();
    let base = results.first().copied().flatten();
    let unit = results.iter().flatten().next().map_or("", |one| one.unit.as_str());
    let cells = results.iter().enumerate().map(|(index, result)| {
        let base = if index == 0 { None } else { base };
        result.map(|result| cell(base, result))
    });
    PerfRow { workload, unit, cells: cells.collect() }
}

fn cell(base: Option<&WorkloadResult>, result: &WorkloadResult) -> PerfCell {
    let median = figures::figure(result);
    let trend = base.map(|base| figures::trend(base, result));
    let comparable = base.filter(|_| trend != Some(Trend::Incomparable));
    let ratio = comparable.and_then(|base| figures::ratio(figures::figure(base)?, median?));
    let functions = match (comparable, trend) {
        (Some(base), Some(Trend::Slower | Trend::Faster)) => figures::function_changes(base, result),
        _ => Vec::new(),
    };
    PerfCell { verdict: result.verdict, median, ratio, trend, functions }
}

/// `+1.25 %`, `−41 %`, `=`; a true minus sign, so that columns of them read well.
pub(crate) fn percent(ratio: f64) -> String {
    let percent = (ratio - 1.0) * 100.0;
    let sign = if percent < 0.0 { '−' } else { '+' };
    match percent.abs() {
        0.0 => "=".to_owned(),
        size if size < 0.005 => format!("{sign}0.00 %"),
        size if size < 10.0 => format!("{sign}{size:.2} %"),
        size if size < 1000.0 => format!("{sign}{size:.1} %"),
        size => format!("{sign}{size:.0} %"),
    }
}

/// `−41 chacha_block_generic`.
pub(crate) fn function_change(change: &FunctionChange) -> String {
    let sign = if change.instructions < 0.0 { '−' } else { '+' };
    let size = super::text::thousands(change.instructions.abs().round() as u64);
    format!("{sign}{size} {}", super::text::line(&change.function))
}
