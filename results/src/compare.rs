//! What changed between two runs, or between two kernels of one run. Pure.

mod cases;
mod json;
mod terminal;
mod workloads;

pub use crate::figures::Trend;
pub use workloads::WorkloadChange;

use crate::report::Options;
use crate::{RunRecord, Verdict};
use serde::Serialize;

/// What became of a case. Exhaustive: every pair of verdicts, absence included, has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It was good and fails.
    Regressed,
    /// It fails, and was skipped or not there before: nobody knows since when.
    NewFailure,
    /// It failed and is good.
    Fixed,
    /// Another verdict or another splat, neither better nor worse for certain.
    Changed,
    /// It was there before, and is neither there nor planned.
    Missing,
    /// It was not there before, and does not fail.
    New,
    /// One side was lost to infrastructure: nothing can be said.
    NoAnswer,
    Same,
}

/// One side's verdict on a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    pub verdict: Verdict,
    pub reason: String,
    pub splat: Option<String>,
}

/// A case (or `boot`, or `found/TITLE`) and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseChange {
    /// The kernel's name; both, as `OLD → NEW`, when two kernels are compared.
    pub kernel: String,
    pub case: String,
    pub change: Change,
    pub old: Option<Outcome>,
    pub new: Option<Outcome>,
}

/// Two sides and every difference, gravest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// How to name the sides: a run's identifier, or a kernel's name.
    pub old: String,
    pub new: String,
    /// Everything that was on either side, unchanged cases too.
    pub cases: Vec<CaseChange>,
    pub workloads: Vec<WorkloadChange>,
}

impl Change {
    pub const ALL: [Change; 8] = [
        Change::Regressed,
        Change::NewFailure,
        Change::Fixed,
        Change::Changed,
        Change::Missing,
        Change::New,
        Change::NoAnswer,
        Change::Same,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Change::Regressed => "regressed",
            Change::NewFailure => "new failure",
            Change::Fixed => "fixed",
            Change::Changed => "changed",
            Change::Missing => "missing",
            Change::New => "new",
            Change::NoAnswer => "no answer",
            Change::Same => "same",
        }
    }
}

impl Comparison {
    /// Of two runs, kernel by kernel. Two runs of one kernel each are compared whatever the kernels are called.
    pub fn of_runs(old: &RunRecord, new: &RunRecord) -> Comparison {
        let pairs = cases::kernel_pairs(old, new);
        build(&old.info.id, &new.info.id, pairs, old, new)
    }

    /// Of two kernels of one run.
    pub fn of_kernels(record: &RunRecord, old: &str, new: &str) -> Comparison {
        build(old, new, vec![(old.to_owned(), new.to_owned())], record, record)
    }

    pub fn count(&self, change: Change) -> usize {
        self.cases.iter().filter(|one| one.change == change).count()
    }

    /// 1 when something got worse; 3 when something cannot be said; else 0.
    pub fn exit_code(&self) -> u8 {
        let slower = self.workloads.iter().any(|one| one.trend == Trend::Slower);
        let worse = self.count(Change::Regressed) + self.count(Change::NewFailure) > 0;
        match (worse || slower, self.count(Change::NoAnswer) > 0) {
            (true, _) => 1,
            (false, true) => 3,
            (false, false) => 0,
        }
    }

    pub fn terminal(&self, options: &Options) -> String {
        terminal::render(self, options)
    }

    /// The shape is stable, as that of `report --format json`: `format` is `gauntlet-comparison/1`.
    pub fn json(&self) -> String {
        json::render(self)
    }
}

fn build(
    old_name: &str,
    new_name: &str,
    pairs: Vec<(String, String)>,
    old: &RunRecord,
    new: &RunRecord,
) -> Comparison {
    let mut cases: Vec<CaseChange> = pairs
        .iter()
        .flat_map(|(from, to)| {
            cases::changes(&cases::side(old, from), &cases::side(new, to), &name(from, to))
        })
        .collect();
    cases.sort_by(|a, b| (a.change, &a.case, &a.kernel).cmp(&(b.change, &b.case, &b.kernel)));
    let workloads =
        pairs.iter().flat_map(|(from, to)| workloads::changes((old, from), (new, to), &name(from, to)));
    Comparison { old: old_name.to_owned(), new: new_name.to_owned(), cases, workloads: workloads.collect() }
}

fn name(old: &str, new: &str) -> String {
    if old == new { old.to_owned() } else { format!("{old} → {new}") }
}
