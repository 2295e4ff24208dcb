//! Figures against figures.

use crate::figures::{self, FunctionChange, Trend, function_changes, trend};
use crate::{RunRecord, WorkloadResult};
use serde::Serialize;

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
