//! The benchmarks, as they run in the guest.
//!
//! A workload sets something up once and then repeats one *operation*. Each operation is timed by itself, so
//! that the host can take the median: a kernel thread that runs in between spoils one sample, not a total.
//! A new workload is one entry in a file of `workload` and one line in [`WORKLOADS`].
//!
//! Architecture invariant: nothing here depends on the harness, and nothing allocates while it is timed.

mod measure;
mod problem;
mod sys;
mod table;
mod workload;

pub use measure::{Measurement, measure};
pub use problem::Problem;
pub use table::{WORKLOADS, find};
pub use workload::{Operation, Workload};
