//! Performance: workloads × seeds × kernels in exact mode, compared to the digit, with the kernel functions that
//! account for a difference.
//!
//! What figures mean is decided in `gauntlet_perf`; this module gets them and shows them.

pub mod measure;
pub mod plan;
pub mod profile;
pub mod report;
pub mod run;

pub use plan::select;
pub use report::Report;
pub use run::PerfRun;
