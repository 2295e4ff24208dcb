//! The performance table.

use super::super::perf::{PerfCell, PerfTable, function_change, percent};
use super::super::text::{line, thousands};
use crate::figures::Trend;
use crate::{RunRecord, Verdict};

#[derive(Debug)]
pub(super) struct Figures {
    pub unit: String,
    pub kernels: Vec<String>,
    pub rows: Vec<FigureRow>,
}

#[derive(Debug)]
pub(super) struct FigureRow {
    pub workload: String,
    pub cells: Vec<FigureCell>,
    /// `KERNEL: −41 chacha_block_generic, …`
    pub notes: Vec<String>,
}

#[derive(Debug)]
pub(super) struct FigureCell {
    /// `slower`, `faster`, `same`, or of a failure its verdict's.
    pub class: &'static str,
    pub median: String,
    pub ratio: String,
    /// Length of the bar in percent of the room on its side; full for a factor of two and more.
    pub bar: u32,
}

impl Figures {
    pub fn of(record: &RunRecord) -> Option<Figures> {
        let table = PerfTable::of(record)?;
        let shared = table.unit();
        let rows = table.rows.iter().map(|row| {
            let unit = if shared.is_none() { format!(" ({})", line(row.unit)) } else { String::new() };
            FigureRow {
                workload: format!("{}{unit}", line(row.workload)),
                cells: row.cells.iter().map(|one| one.as_ref().map_or_else(absent, cell)).collect(),
                notes: row
                    .cells
                    .iter()
                    .zip(&table.kernels)
                    .filter_map(|(cell, kernel)| note(cell.as_ref()?, kernel, table.kernels.len() > 2))
                    .collect(),
            }
        });
        Some(Figures {
            unit: line(shared.unwrap_or("cost")),
            rows: rows.collect(),
            kernels: table.kernels.iter().map(|kernel| line(kernel)).collect(),
        })
    }
}

fn absent() -> FigureCell {
    FigureCell { class: "n", median: "·".to_owned(), ratio: String::new(), bar: 0 }
}

fn cell(cell: &PerfCell) -> FigureCell {
    let Some(median) = cell.median.filter(|_| cell.verdict == Verdict::Pass) else {
        let median = cell.verdict.to_string();
        return FigureCell { class: super::class(cell.verdict), median, ratio: String::new(), bar: 0 };
    };
    let class = match cell.trend {
        Some(Trend::Slower) => "slower",
        Some(Trend::Faster) => "faster",
        Some(Trend::Same | Trend::Incomparable) => "same",
        None => "base",
    };
    FigureCell {
        class,
        median: thousands(median),
        ratio: cell.ratio.map(percent).unwrap_or_default(),
        // A saturating cast: from 0 (equal) to 100 (half or double).
        bar: cell.ratio.map_or(0, |ratio| (ratio.log2().abs() * 100.0).min(100.0).round() as u32),
    }
}

fn note(cell: &PerfCell, kernel: &str, named: bool) -> Option<String> {
    let changes: Vec<String> = cell.functions.iter().map(function_change).collect();
    let place = if named { format!("{}: ", line(kernel)) } else { String::new() };
    (!changes.is_empty()).then(|| format!("{place}{}", changes.join(", ")))
}
