//! Skips by cause: forty cases that lack one config option are one thing to know.

use super::Entry;
use crate::Verdict;
use std::collections::BTreeMap;

/// All that was skipped for one reason.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::report) struct SkipGroup<'a> {
    pub reason: &'a str,
    /// How many results.
    pub count: usize,
    /// Suites with the number of different cases in each.
    pub suites: Vec<(&'a str, usize)>,
    pub kernels: Vec<&'a str>,
}

/// The largest group first.
pub(in crate::report) fn skip_groups<'a>(entries: &[Entry<'a>]) -> Vec<SkipGroup<'a>> {
    let mut by_reason: BTreeMap<&str, Vec<&Entry<'a>>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.verdict == Verdict::Skip) {
        by_reason.entry(entry.reason).or_default().push(entry);
    }
    let mut groups: Vec<SkipGroup> = by_reason.into_values().map(|entries| group(&entries)).collect();
    groups.sort_by(|a, b| b.count.cmp(&a.count).then(a.reason.cmp(b.reason)));
    groups
}

fn group<'a>(entries: &[&Entry<'a>]) -> SkipGroup<'a> {
    let mut suites: BTreeMap<&str, std::collections::BTreeSet<&str>> = BTreeMap::new();
    let mut kernels: Vec<&str> = Vec::new();
    for entry in entries {
        suites.entry(entry.suite).or_default().insert(entry.case);
        if !kernels.contains(&entry.kernel) {
            kernels.push(entry.kernel);
        }
    }
    let suites = suites.into_iter().map(|(suite, cases)| (suite, cases.len())).collect();
    SkipGroup { reason: entries[0].reason, count: entries.len(), suites, kernels }
}
