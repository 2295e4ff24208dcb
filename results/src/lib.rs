//! Events, verdicts, the store, comparison and reports.
//!
//! Architecture invariant: this crate never depends on the harness. It takes events and gives back text;
//! whatever boots, runs or builds is somebody else's business.

pub mod event;
pub mod verdict;

pub use event::{Event, Finding, KernelInfo, RunInfo, TestResult, WorkloadResult};
pub use verdict::{Evidence, Verdict};
