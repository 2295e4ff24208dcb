//! Events, verdicts, the store, comparison and reports.
//!
//! Architecture invariant: this crate never depends on the harness. It takes events and gives back text;
//! whatever boots, runs or builds is somebody else's business.
//!
//! ```
//! use gauntlet_results::report::{Format, Options};
//! use gauntlet_results::{Event, RunInfo, Store, exit_code};
//!
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//! let store = Store::open(directory)?;
//! let info = RunInfo { id: "20261123-124501-3f2a9c".into(), verb: "test".into(), ..RunInfo::default() };
//! let planned = Event::Planned { kernel: "6.1-cloud".into(), cases: vec!["memfd/seal".into()], times: 1 };
//! for event in [Event::RunStarted(info.clone()), planned] {
//!     store.record(&info.id, &event)?;
//! }
//! // Killed here: the run is found again, and says what it lacks.
//! assert_eq!(store.unfinished_run(&info)?.as_deref(), Some("20261123-124501-3f2a9c"));
//! let record = store.load(&store.find_run("last")?)?;
//! assert_eq!(exit_code(&record), 3);
//! let text = Format::Terminal.render(&record, &Options::default());
//! assert!(text.contains("1 result on 1 kernel: 1 lost to infrastructure (1 of them missing)"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// The tests' samples are shared with unit tests, and name the crate from outside.
#[cfg(test)]
extern crate self as gauntlet_results;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;

pub mod compare;
pub mod event;
mod figures;
pub mod record;
mod repetition;
pub mod report;
pub mod store;
pub mod verdict;

pub use event::{Event, Finding, KernelInfo, RunInfo, TestResult, WorkloadResult};
pub use figures::{FunctionChange, Trend, figure, function_changes};
pub use record::{KernelFailure, KernelRecord, Missing, RunEnd, RunRecord, Unlike, run_id, suite_of};
pub use repetition::{Rate, Repetition, Seeds};
pub use report::{Format, exit_code};
pub use store::{Store, StoreError};
pub use verdict::{Evidence, Verdict};
