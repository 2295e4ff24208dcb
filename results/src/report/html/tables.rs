//! Kernels × suites, cases × kernels, skips.

use super::super::summary::{CaseRow, Counts, Entry, Matrix, SkipGroup};
use super::super::text::{count, duration, line, thousands};
use super::card::Card;
use super::{class, mark};
use crate::{KernelRecord, Verdict};
use std::collections::HashMap;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct MatrixRow {
    pub kernel: String,
    pub cells: Vec<MatrixCell>,
    /// All its cases together.
    pub time: String,
}

/// Counts as text, and as the parts of a bar.
#[derive(Debug)]
pub(super) struct MatrixCell {
    pub class: &'static str,
    pub text: String,
    pub parts: Vec<(&'static str, usize)>,
}

#[derive(Debug)]
pub(super) struct KernelHead {
    pub name: String,
    /// Release, build, machine, image.
    pub facts: Vec<(&'static str, String)>,
}

/// One case over all kernels.
#[derive(Debug)]
pub(super) struct CaseLine {
    pub case: String,
    /// The card that tells why; empty for none.
    pub card: String,
    /// Verdicts by name, for the filter.
    pub verdicts: String,
    pub cells: Vec<CaseCell>,
    /// The slowest of all kernels.
    pub time: String,
}

#[derive(Debug)]
pub(super) struct CaseCell {
    pub class: &'static str,
    pub mark: &'static str,
    /// Why, and how long it took; empty for a plain pass.
    pub hint: String,
    pub missing: bool,
}

#[derive(Debug)]
pub(super) struct SuiteTable {
    pub suite: String,
    pub total: String,
    /// Not all passed.
    pub class: &'static str,
    pub lines: Vec<CaseLine>,
}

#[derive(Debug)]
pub(super) struct SkipLine {
    pub count: String,
    pub reason: String,
    pub kernels: Vec<String>,
    pub suites: Vec<String>,
}

pub(super) fn matrix(matrix: &Matrix, entries: &[Entry]) -> Vec<MatrixRow> {
    let mut times: HashMap<&str, u64> = HashMap::new();
    for entry in entries {
        let time = times.entry(entry.kernel).or_default();
        *time = time.saturating_add(entry.result.map_or(0, |result| result.duration_ms));
    }
    let row = |(kernel, cells): &(&str, Vec<Counts>)| MatrixRow {
        kernel: line(kernel),
        cells: cells.iter().map(matrix_cell).collect(),
        time: times.get(kernel).filter(|ms| **ms > 0).map(|ms| milliseconds(*ms)).unwrap_or_default(),
    };
    matrix.rows.iter().map(row).collect()
}

fn milliseconds(ms: u64) -> String {
    duration(Duration::from_millis(ms))
}

fn matrix_cell(counts: &Counts) -> MatrixCell {
    let passed = counts.get(Verdict::Pass);
    let text = match counts.total() {
        0 => "·".to_owned(),
        total if total == passed => total.to_string(),
        total => format!("{passed}/{total}"),
    };
    MatrixCell {
        class: counts.worst().map_or("n", class),
        text,
        parts: counts.each().map(|(verdict, number)| (class(verdict), number)).collect(),
    }
}

pub(super) fn kernel_head(kernel: &KernelRecord) -> KernelHead {
    let facts = kernel.info.as_ref().map_or_else(Vec::new, |info| {
        vec![
            ("from", line(&info.spec)),
            ("release", line(&info.release)),
            ("build", line(&info.build)),
            ("machine", line(&info.machine)),
            ("image", line(&info.image_digest)),
            ("template", line(&info.template)),
        ]
    });
    KernelHead { name: line(&kernel.name), facts }
}

pub(super) fn case_line(row: &CaseRow, cards: &[Card]) -> CaseLine {
    let mut verdicts: Vec<Verdict> = row.cells.iter().flatten().map(|entry| entry.verdict).collect();
    verdicts.sort();
    verdicts.dedup();
    let slowest = row.cells.iter().flatten().filter_map(|entry| Some(entry.result?.duration_ms)).max();
    let failed = row.worst().is_some_and(Verdict::is_failure);
    let card = cards.iter().find(|card| failed && card.key == row.case);
    CaseLine {
        case: line(row.case),
        card: card.map(|card| card.anchor.clone()).unwrap_or_default(),
        verdicts: verdicts.iter().map(|verdict| verdict.as_str()).collect::<Vec<_>>().join(" "),
        cells: row.cells.iter().map(|entry| case_cell(entry.as_ref())).collect(),
        time: slowest.map(milliseconds).unwrap_or_default(),
    }
}

fn case_cell(entry: Option<&Entry>) -> CaseCell {
    let Some(entry) = entry else {
        return CaseCell { class: "n", mark: "·", hint: String::new(), missing: true };
    };
    let hint = match entry.verdict {
        Verdict::Pass => String::new(),
        verdict => super::super::text::clip(&format!("{verdict}: {}", line(entry.reason)), 120),
    };
    CaseCell { class: class(entry.verdict), mark: mark(entry.verdict), hint, missing: entry.missing }
}

/// Consecutive rows of a suite; the rows come sorted.
pub(super) fn by_suite(rows: &[CaseRow], cards: &[Card]) -> Vec<SuiteTable> {
    rows.chunk_by(|a, b| a.suite == b.suite).map(|rows| suite_table(rows, cards)).collect()
}

fn suite_table(rows: &[CaseRow], cards: &[Card]) -> SuiteTable {
    let worst = rows.iter().filter_map(CaseRow::worst).max();
    let results = rows.iter().flat_map(|row| row.cells.iter().flatten()).filter_map(|entry| entry.result);
    let time = results.fold(0_u64, |sum, result| sum.saturating_add(result.duration_ms));
    let total = count(rows.len(), "case");
    SuiteTable {
        suite: line(rows[0].suite),
        total: if time > 0 { format!("{total} · {}", milliseconds(time)) } else { total },
        class: worst.map_or("n", class),
        lines: rows.iter().map(|row| case_line(row, cards)).collect(),
    }
}

pub(super) fn skip_line(group: &SkipGroup) -> SkipLine {
    let suites =
        group.suites.iter().map(|(suite, cases)| format!("{} ({})", line(suite), count(*cases, "case")));
    SkipLine {
        count: thousands(group.count as u64),
        reason: if group.reason.is_empty() { "no cause given".to_owned() } else { line(group.reason) },
        kernels: group.kernels.iter().map(|kernel| line(kernel)).collect(),
        suites: suites.collect(),
    }
}
