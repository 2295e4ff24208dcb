//! One run as data: what all its events came to. Everything that reports or compares starts from here.

mod fold;
mod id;
mod merge;
mod missing;

pub use id::run_id;
pub use merge::Unlike;
pub use missing::Missing;

use crate::{Finding, KernelInfo, RunInfo, TestResult, Verdict, WorkloadResult};
use serde::{Deserialize, Serialize};

/// One run, complete or not. [`RunRecord::apply`] builds it from events, [`crate::Store::load`] reads it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    pub info: RunInfo,
    /// In the order in which the run first named them.
    pub kernels: Vec<KernelRecord>,
    /// By kernel (in the order of `kernels`), then by case name.
    pub results: Vec<TestResult>,
    /// By kernel, then by workload name.
    pub workloads: Vec<WorkloadResult>,
    /// By kernel, then by title.
    pub findings: Vec<Finding>,
    pub notes: Vec<String>,
    /// None: still running, or `gauntlet` was killed.
    pub end: Option<RunEnd>,
    /// Where several runs were merged: the runs that results come from, when it is not the first.
    #[serde(skip)]
    pub(crate) origins: merge::Origins,
}

/// One kernel of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KernelRecord {
    pub name: String,
    /// None: it never became ready.
    pub info: Option<KernelInfo>,
    pub failure: Option<KernelFailure>,
    /// Names of the cases and workloads it was to give results for, as planned.
    pub planned: Vec<String>,
    /// Cases that were begun and have no result, by name.
    pub begun: Vec<String>,
}

/// Why a kernel did not reach its ready point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelFailure {
    pub verdict: Verdict,
    pub reason: String,
    pub console: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnd {
    /// RFC 3339.
    pub at: String,
    pub interrupted: bool,
}

impl KernelRecord {
    pub fn new(name: impl Into<String>) -> KernelRecord {
        KernelRecord { name: name.into(), ..KernelRecord::default() }
    }
}

impl RunRecord {
    pub fn kernel(&self, name: &str) -> Option<&KernelRecord> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }

    pub fn result(&self, kernel: &str, case: &str) -> Option<&TestResult> {
        self.results.iter().find(|result| result.kernel == kernel && result.case == case)
    }

    /// What `gauntlet replay` takes to run a result again; `None` when it is another runner's.
    pub fn replay_id(&self, kernel: &str, case: &str) -> Option<String> {
        (self.info.verb != "import").then(|| self.result_id(kernel, case))
    }

    /// What a person types to name a result: `RUN:KERNEL:SUITE/CASE`.
    pub fn result_id(&self, kernel: &str, case: &str) -> String {
        let origin = self.origins.get(&(kernel.to_owned(), case.to_owned()));
        // A merged run has the names of all; the first is the one that results without an origin have.
        let own = self.info.id.split(", ").next().unwrap_or_default();
        format!("{}:{kernel}:{case}", origin.map_or(own, String::as_str))
    }
}

/// The suite a case or workload belongs to: the part before the first slash.
pub fn suite_of(case: &str) -> &str {
    case.split_once('/').map_or(case, |(suite, _)| suite)
}
