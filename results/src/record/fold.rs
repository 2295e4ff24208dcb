//! Events folded into a record. The store must agree with this, event for event (tests/replay.rs).

use super::{KernelFailure, KernelRecord, RunEnd, RunRecord};
use crate::{Event, RunInfo};
use std::cmp::Ordering;
use std::collections::HashMap;

impl RunRecord {
    /// A run of which nothing but the start is known.
    pub fn new(info: RunInfo) -> RunRecord {
        RunRecord {
            info,
            kernels: Vec::new(),
            results: Vec::new(),
            workloads: Vec::new(),
            findings: Vec::new(),
            notes: Vec::new(),
            end: None,
            origins: HashMap::new(),
        }
    }

    /// Takes one event into account. The last word on a result counts, so a resumed run may repeat itself.
    pub fn apply(&mut self, event: &Event) {
        match event {
            // A resumed run keeps its first description and is open again.
            Event::RunStarted(_) => self.end = None,
            Event::Planned { kernel, cases, times: _ } => self.kernel_mut(kernel).planned.clone_from(cases),
            Event::KernelReady(info) => {
                let kernel = self.kernel_mut(&info.name);
                kernel.info = Some(info.clone());
                kernel.failure = None;
            }
            Event::KernelFailed { kernel, verdict, reason, console } => {
                self.kernel_mut(kernel).failure = Some(KernelFailure {
                    verdict: *verdict,
                    reason: reason.clone(),
                    console: console.clone(),
                });
            }
            Event::CaseStarted { kernel, case } => self.begin(kernel, case),
            Event::CaseFinished(result) => {
                self.kernel_mut(&result.kernel).begun.retain(|case| *case != result.case);
                let earlier = self.result(&result.kernel, &result.case);
                let joined = earlier.map(|earlier| result.clone().after(earlier));
                let rank = rank_in(&self.kernels);
                insert(&mut self.results, joined.as_ref().unwrap_or(result), |a, b| {
                    (rank(&a.kernel), &a.case).cmp(&(rank(&b.kernel), &b.case))
                });
            }
            Event::WorkloadFinished(result) => {
                self.kernel_mut(&result.kernel).begun.retain(|case| *case != result.workload);
                let rank = rank_in(&self.kernels);
                insert(&mut self.workloads, result, |a, b| {
                    (rank(&a.kernel), &a.workload).cmp(&(rank(&b.kernel), &b.workload))
                });
            }
            Event::Found(finding) => {
                self.kernel_mut(&finding.kernel);
                let rank = rank_in(&self.kernels);
                insert(&mut self.findings, finding, |a, b| {
                    (rank(&a.kernel), &a.title).cmp(&(rank(&b.kernel), &b.title))
                });
            }
            Event::Progress { .. } => {}
            Event::Note { text } => self.notes.push(text.clone()),
            Event::RunFinished { at, interrupted } => {
                self.end = Some(RunEnd { at: at.clone(), interrupted: *interrupted });
            }
        }
    }

    fn begin(&mut self, kernel: &str, case: &str) {
        let finished = self.result(kernel, case).is_some()
            || self.workloads.iter().any(|one| one.kernel == kernel && one.workload == case);
        let begun = &mut self.kernel_mut(kernel).begun;
        if !finished && !begun.iter().any(|one| one == case) {
            begun.push(case.to_owned());
            begun.sort();
        }
    }

    fn kernel_mut(&mut self, name: &str) -> &mut KernelRecord {
        let index = self.kernels.iter().position(|kernel| kernel.name == name).unwrap_or_else(|| {
            self.kernels.push(KernelRecord::new(name));
            self.kernels.len() - 1
        });
        &mut self.kernels[index]
    }
}

/// The place of a kernel. Kernels only ever get added at the end, so a sorted list stays sorted.
fn rank_in(kernels: &[KernelRecord]) -> impl Fn(&str) -> Option<usize> + '_ {
    |name| kernels.iter().position(|kernel| kernel.name == name)
}

/// Puts `new` in its place in a sorted list: virtual machines end in any order.
fn insert<T: Clone>(list: &mut Vec<T>, new: &T, compare: impl Fn(&T, &T) -> Ordering) {
    match list.binary_search_by(|old| compare(old, new)) {
        Ok(index) => list[index] = new.clone(),
        Err(index) => list.insert(index, new.clone()),
    }
}
