//! Figures against figures.

use crate::figures::{self, FunctionChange, function_changes};
use crate::{RunRecord, WorkloadResult};
use serde::Serialize;

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

/// One workload on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkloadChange {
    pub kernel: String,
    pub workload: String,
    pub unit: String,
    /// Medians per operation.
    pub old: Option<u64>,
    pub new: Option<u64>,
    /// New over old.
    pub ratio: Option<f64>,
    pub trend: Trend,
    /// What accounts for it, where instructions were counted; only for what got slower or faster.
    pub functions: Vec<FunctionChange>,
}

/// A change of an exact figure that is worth a word, in the figure's unit: alignment alone moves a few.
const SMALLEST: u64 = 4;

pub(super) fn changes(old: (&RunRecord, &str), new: (&RunRecord, &str), name: &str) -> Vec<WorkloadChange> {
    let of = |side: (&RunRecord, &str)| -> Vec<WorkloadResult> {
        side.0.workloads.iter().filter(|one| one.kernel == side.1).cloned().collect()
    };
    let (old, new) = (of(old), of(new));
    let mut names: Vec<&String> = old.iter().chain(&new).map(|one| &one.workload).collect();
    names.sort();
    names.dedup();
    let find = |side: &'_ [WorkloadResult], name: &str| side.iter().position(|one| one.workload == name);
    names
        .into_iter()
        .map(|workload| {
            let old = find(&old, workload).map(|index| &old[index]);
            let new = find(&new, workload).map(|index| &new[index]);
            change(old, new, name, workload)
        })
        .collect()
}

fn change(
    old: Option<&WorkloadResult>,
    new: Option<&WorkloadResult>,
    kernel: &str,
    workload: &str,
) -> WorkloadChange {
    let trend = match (old, new) {
        (Some(old), Some(new)) => trend(old, new),
        _ => Trend::Incomparable,
    };
    let medians = (old.and_then(figures::figure), new.and_then(figures::figure));
    let functions = match (old, new, trend) {
        (Some(old), Some(new), Trend::Slower | Trend::Faster) => function_changes(old, new),
        _ => Vec::new(),
    };
    WorkloadChange {
        kernel: kernel.to_owned(),
        workload: workload.to_owned(),
        unit: new.or(old).map_or_else(String::new, |one| one.unit.clone()),
        old: medians.0,
        new: medians.1,
        ratio: match (medians, trend) {
            (_, Trend::Incomparable) | ((None, _) | (_, None), _) => None,
            ((Some(old), Some(new)), _) => figures::ratio(old, new),
        },
        trend,
        functions,
    }
}

/// Exact figures have no noise, so any change beyond the placement of code counts. Others must part clearly: the
/// middle halves of the samples do not meet.
fn trend(old: &WorkloadResult, new: &WorkloadResult) -> Trend {
    let (Some(before), Some(after)) = (figures::figure(old), figures::figure(new)) else {
        return Trend::Incomparable;
    };
    if old.unit != new.unit || old.exact != new.exact {
        return Trend::Incomparable;
    }
    let notable = match old.exact {
        true => {
            before.abs_diff(after) >= SMALLEST
                && figures::ratio(before, after).is_none_or(figures::is_notable)
        }
        false => apart(&old.samples, &new.samples),
    };
    match before.cmp(&after) {
        _ if !notable => Trend::Same,
        std::cmp::Ordering::Less => Trend::Slower,
        std::cmp::Ordering::Greater => Trend::Faster,
        std::cmp::Ordering::Equal => Trend::Same,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    fn workload(exact: bool, samples: &[u64]) -> WorkloadResult {
        WorkloadResult {
            kernel: "k".into(),
            workload: "w".into(),
            verdict: Verdict::Pass,
            reason: String::new(),
            exact,
            seed: 1,
            unit: "instructions".into(),
            samples: samples.to_vec(),
            functions: Vec::new(),
            duration_ms: 0,
        }
    }

    #[test]
    fn exact_figures_move_by_more_than_alignment() {
        let to = |new| trend(&workload(true, &[10_000]), &workload(true, &[new]));
        assert_eq!(
            [to(10_000), to(10_019), to(10_021), to(9_979)],
            [Trend::Same, Trend::Same, Trend::Slower, Trend::Faster]
        );
        let small = |new| trend(&workload(true, &[300]), &workload(true, &[new]));
        assert_eq!([small(303), small(304)], [Trend::Same, Trend::Slower]);
    }

    #[test]
    fn noisy_figures_must_part() {
        let old = workload(false, &[100, 110, 120, 130, 200]);
        assert_eq!(trend(&old, &workload(false, &[125, 128, 140, 150, 160])), Trend::Same);
        assert_eq!(trend(&old, &workload(false, &[131, 135, 140, 150, 160])), Trend::Slower);
        assert_eq!(trend(&old, &workload(true, &[131])), Trend::Incomparable);
        let failed = WorkloadResult { verdict: Verdict::Fail, ..old.clone() };
        assert_eq!(trend(&old, &failed), Trend::Incomparable);
    }
}
