//! Figures of workloads: medians, ratios, and which kernel functions account for a difference.

use crate::{Verdict, WorkloadResult};
use serde::Serialize;
use std::collections::BTreeMap;

/// A change smaller than this says nothing: the placement of code alone moves medians by up to 0.07 %.
pub(crate) const NOTABLE: f64 = 0.002;

/// How many functions are named for a difference.
const NAMED: usize = 3;

/// What one kernel function adds to, or takes from, an operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunctionChange {
    pub function: String,
    /// Instructions per operation, new minus old.
    pub instructions: f64,
}

/// The median; of an even number of samples the lower of the two in the middle, which is a figure that occurred.
pub fn median(samples: &[u64]) -> Option<u64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// The median of a workload that passed.
pub(crate) fn figure(result: &WorkloadResult) -> Option<u64> {
    (result.verdict == Verdict::Pass).then(|| median(&result.samples)).flatten()
}

/// New over old; None where that has no meaning.
pub(crate) fn ratio(old: u64, new: u64) -> Option<f64> {
    match (old, new) {
        (0, 0) => Some(1.0),
        (0, _) => None,
        _ => Some(new as f64 / old as f64),
    }
}

pub(crate) fn is_notable(ratio: f64) -> bool {
    (ratio - 1.0).abs() > NOTABLE
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
    use proptest::prelude::*;

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

    proptest! {
        /// Half of the samples are on either side of it, and it is one of them.
        #[test]
        fn the_median_splits(samples in prop::collection::vec(0u64..20, 1..30)) {
            let middle = median(&samples).unwrap();
            let below = samples.iter().filter(|sample| **sample < middle).count();
            let above = samples.iter().filter(|sample| **sample > middle).count();
            prop_assert!(samples.contains(&middle));
            prop_assert!(below * 2 < samples.len() && above * 2 <= samples.len());
        }
    }
}
