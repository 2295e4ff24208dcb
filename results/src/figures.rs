//! Figures of workloads: medians, ratios, and which kernel functions account for a difference.

use crate::{Verdict, WorkloadResult};
use gauntlet_perf::{Change, Rule, median};
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// How many functions are named for a difference.
const NAMED: usize = 3;

/// What one kernel function adds to, or takes from, an operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunctionChange {
    pub function: String,
    /// Instructions per operation, new minus old.
    pub instructions: f64,
}

/// Where a figure went. Lower is better: all our units are costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trend {
    Slower,
    Faster,
    Same,
    /// A side has no figure, or another unit.
    Incomparable,
}

/// The figure of a workload that passed: the median per operation, over the seeds when there are several.
pub fn figure(result: &WorkloadResult) -> Option<u64> {
    (result.verdict == Verdict::Pass).then(|| median(&seeds(result))).flatten()
}

/// One median per seed; results of a single seed may leave them out.
fn seeds(result: &WorkloadResult) -> Vec<u64> {
    match result.medians.as_slice() {
        [] => median(&result.samples).into_iter().collect(),
        medians => medians.to_vec(),
    }
}

/// New over old; None where that has no meaning.
pub(crate) fn ratio(old: u64, new: u64) -> Option<f64> {
    match (old, new) {
        (0, 0) => Some(1.0),
        (0, _) => None,
        _ => Some(new as f64 / old as f64),
    }
}

/// What the change from old to new is worth. Exact figures are judged by the rule of `perf` ([`Rule`]); others,
/// which have noise, must part clearly: the middle halves of their samples do not meet.
pub(crate) fn trend(old: &WorkloadResult, new: &WorkloadResult) -> Trend {
    let (Some(before), Some(after)) = (figure(old), figure(new)) else { return Trend::Incomparable };
    if old.unit != new.unit || old.exact != new.exact {
        return Trend::Incomparable;
    }
    let counts = match old.exact {
        true => {
            Rule::default().compare(&seeds(old), &seeds(new)).is_some_and(|one| one.change != Change::Same)
        }
        false => apart(&old.samples, &new.samples),
    };
    match before.cmp(&after) {
        Ordering::Less if counts => Trend::Slower,
        Ordering::Greater if counts => Trend::Faster,
        _ => Trend::Same,
    }
}

fn apart(old: &[u64], new: &[u64]) -> bool {
    let quartiles = |samples: &[u64]| {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable();
        (sorted[(sorted.len() - 1) / 4], sorted[(sorted.len() - 1) * 3 / 4])
    };
    // Fewer than four samples have no quartiles to speak of.
    old.len() >= 4 && new.len() >= 4 && {
        let (old, new) = (quartiles(old), quartiles(new));
        old.1 < new.0 || new.1 < old.0
    }
}

/// The functions whose instructions per operation changed most, gravest first; empty when they were not counted.
pub fn function_changes(old: &WorkloadResult, new: &WorkloadResult) -> Vec<FunctionChange> {
    if old.functions.is_empty() || new.functions.is_empty() {
        return Vec::new();
    }
    let mut changes: BTreeMap<&str, f64> = BTreeMap::new();
    for (result, sign) in [(old, -1.0), (new, 1.0)] {
        let operations = result.samples.len().max(1) as f64;
        for (function, instructions) in &result.functions {
            *changes.entry(function).or_default() += sign * *instructions as f64 / operations;
        }
    }
    let mut changes: Vec<FunctionChange> = (changes.into_iter())
        .filter(|(_, instructions)| instructions.abs() >= 0.5)
        .map(|(function, instructions)| FunctionChange { function: function.to_owned(), instructions })
        .collect();
    changes.sort_by(|a, b| b.instructions.abs().total_cmp(&a.instructions.abs()));
    changes.truncate(NAMED);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(samples: &[u64], functions: &[(&str, u64)]) -> WorkloadResult {
        WorkloadResult {
            kernel: "k".into(),
            workload: "w".into(),
            verdict: Verdict::Pass,
            reason: String::new(),
            exact: true,
            seed: 1,
            unit: "instructions".into(),
            samples: samples.to_vec(),
            medians: samples.to_vec(),
            functions: functions.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            duration_ms: 0,
        }
    }

    #[test]
    fn functions_are_counted_per_operation() {
        let old = counted(&[10, 10], &[("same", 200), ("gone", 80), ("less", 100)]);
        let new = counted(&[10, 10, 10, 10], &[("same", 400), ("new", 400), ("less", 120)]);
        let changes = function_changes(&old, &new);
        let expected = [("new", 100.0), ("gone", -40.0), ("less", -20.0)];
        let found: Vec<_> = changes.iter().map(|one| (one.function.as_str(), one.instructions)).collect();
        assert_eq!(found, expected);
        assert_eq!(function_changes(&old, &counted(&[1], &[])), []);
    }

    #[test]
    fn a_ratio_to_nothing_has_no_meaning() {
        assert_eq!((ratio(0, 0), ratio(0, 5), ratio(4, 5)), (Some(1.0), None, Some(1.25)));
    }

    fn figures(exact: bool, samples: &[u64]) -> WorkloadResult {
        WorkloadResult { exact, medians: Vec::new(), ..counted(samples, &[]) }
    }

    #[test]
    fn exact_figures_move_by_more_than_alignment() {
        let to = |new| trend(&figures(true, &[10_000]), &figures(true, &[new]));
        assert_eq!(
            [to(10_000), to(10_019), to(10_021), to(9_970)],
            [Trend::Same, Trend::Same, Trend::Slower, Trend::Faster]
        );
        let small = |new| trend(&figures(true, &[300]), &figures(true, &[new]));
        assert_eq!([small(303), small(304)], [Trend::Same, Trend::Slower]);
    }

    #[test]
    fn a_change_within_what_seeds_do_is_none() {
        let over = |medians: &[u64]| WorkloadResult { medians: medians.to_vec(), ..figures(true, &[10_000]) };
        assert_eq!(trend(&over(&[10_000, 10_200]), &over(&[10_500, 10_500])), Trend::Same);
        assert_eq!(trend(&over(&[10_000, 10_000]), &over(&[10_500, 10_500])), Trend::Slower);
    }

    #[test]
    fn noisy_figures_must_part() {
        let old = figures(false, &[100, 110, 120, 130, 200]);
        assert_eq!(trend(&old, &figures(false, &[125, 128, 140, 150, 160])), Trend::Same);
        assert_eq!(trend(&old, &figures(false, &[131, 135, 140, 150, 160])), Trend::Slower);
        assert_eq!(trend(&old, &figures(true, &[131])), Trend::Incomparable);
        let failed = WorkloadResult { verdict: Verdict::Fail, ..old.clone() };
        assert_eq!(trend(&old, &failed), Trend::Incomparable);
    }
}
