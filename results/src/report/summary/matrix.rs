//! Kernels × suites in counts, and cases × kernels in verdicts.

use super::Entry;
use crate::{RunRecord, Verdict};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How often each verdict was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::report) struct Counts(BTreeMap<Verdict, usize>);

impl Counts {
    pub fn of(verdicts: impl Iterator<Item = Verdict>) -> Counts {
        let mut counts = Counts::default();
        verdicts.for_each(|verdict| counts.add(verdict));
        counts
    }

    pub fn add(&mut self, verdict: Verdict) {
        *self.0.entry(verdict).or_default() += 1;
    }

    pub fn get(&self, verdict: Verdict) -> usize {
        self.0.get(&verdict).copied().unwrap_or(0)
    }

    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    pub fn worst(&self) -> Option<Verdict> {
        self.0.keys().next_back().copied()
    }

    /// From best to worst, only what there is.
    pub fn each(&self) -> impl Iterator<Item = (Verdict, usize)> + '_ {
        self.0.iter().map(|(verdict, count)| (*verdict, *count))
    }
}

/// Counts by kernel and suite.
#[derive(Debug)]
pub(in crate::report) struct Matrix<'a> {
    pub suites: Vec<&'a str>,
    /// In the order of the run's kernels; one cell per suite.
    pub rows: Vec<(&'a str, Vec<Counts>)>,
}

impl<'a> Matrix<'a> {
    pub fn of(record: &'a RunRecord, entries: &[Entry<'a>]) -> Matrix<'a> {
        let suites: BTreeSet<&str> = entries.iter().map(|entry| entry.suite).collect();
        let mut cells: HashMap<(&str, &str), Counts> = HashMap::new();
        for entry in entries {
            cells.entry((entry.kernel, entry.suite)).or_default().add(entry.verdict);
        }
        let row = |kernel: &'a str| {
            let cells = suites.iter().map(|suite| cells.get(&(kernel, *suite)).cloned().unwrap_or_default());
            (kernel, cells.collect())
        };
        let rows = record.kernels.iter().map(|kernel| row(&kernel.name)).collect();
        Matrix { rows, suites: suites.iter().copied().collect() }
    }
}

/// One case over all kernels.
#[derive(Debug)]
pub(in crate::report) struct CaseRow<'a> {
    pub suite: &'a str,
    pub case: &'a str,
    /// In the order of the run's kernels; None where it was neither run nor planned.
    pub cells: Vec<Option<Entry<'a>>>,
}

impl CaseRow<'_> {
    /// Not the same verdict on every kernel that gave one. A kernel that is down altogether, and what was lost to
    /// infrastructure, say nothing about the case.
    pub fn differs(&self, record: &RunRecord) -> bool {
        let up = |entry: &&Entry| record.kernel(entry.kernel).is_some_and(|kernel| kernel.failure.is_none());
        let telling = |entry: &&Entry| entry.verdict != Verdict::Infra && up(entry);
        let mut verdicts = self.cells.iter().flatten().filter(telling).map(|entry| entry.verdict);
        let first = verdicts.next();
        verdicts.any(|verdict| Some(verdict) != first)
    }

    pub fn worst(&self) -> Option<Verdict> {
        self.cells.iter().flatten().map(|entry| entry.verdict).max()
    }
}

/// All cases, by suite, then by name.
pub(in crate::report) fn case_rows<'a>(record: &RunRecord, entries: &[Entry<'a>]) -> Vec<CaseRow<'a>> {
    let place: HashMap<&str, usize> =
        record.kernels.iter().enumerate().map(|(index, kernel)| (kernel.name.as_str(), index)).collect();
    let mut rows: BTreeMap<(&str, &str), Vec<Option<Entry<'a>>>> = BTreeMap::new();
    for entry in entries {
        let cells = rows.entry((entry.suite, entry.case)).or_insert_with(|| vec![None; record.kernels.len()]);
        if let Some(index) = place.get(entry.kernel) {
            cells[*index] = Some(*entry);
        }
    }
    rows.into_iter().map(|((suite, case), cells)| CaseRow { suite, case, cells }).collect()
}
