//! Events, verdicts, the store, comparison and reports.
//!
//! Architecture invariant: this crate never depends on the harness. It takes events and gives back text;
//! whatever boots, runs or builds is somebody else's business.

// The tests' samples are shared with unit tests, and name the crate from outside.
#[cfg(test)]
extern crate self as gauntlet_results;

pub mod compare;
pub mod event;
mod figures;
pub mod record;
pub mod report;
pub mod store;
pub mod verdict;

pub use event::{Event, Finding, KernelInfo, RunInfo, TestResult, WorkloadResult};
pub use figures::{FunctionChange, Trend, figure, function_changes};
pub use record::{KernelFailure, KernelRecord, Missing, RunEnd, RunRecord, run_id, suite_of};
pub use report::{Format, exit_code};
pub use store::{Store, StoreError};
pub use verdict::{Evidence, Verdict};
