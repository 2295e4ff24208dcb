//! PID 1 in the virtual machine, and the selftests it runs.
//!
//! The library half holds what the host needs as well: the catalogue of suites. There are two programs: the agent
//! (`main.rs`), and the cases (`bin/gauntlet-cases`), which the agent executes one at a time.
//!
//! Architecture invariant: nothing here depends on the harness or on the results crate, and nothing on the
//! base path needs a kernel module.

pub mod bpf;
pub mod case;
pub mod child;
pub mod disk;
pub mod elf;
pub mod faults;
pub mod file;
pub mod helper;
pub mod interface;
pub mod mapping;
pub mod module;
pub mod mounts;
pub mod order;
pub mod perf_event;
pub mod scheduling;
pub mod socket;
pub mod suites;
pub mod sys;
pub mod word;

pub use case::{Case, CaseResult, Complaint, Context, FileNeed, Need, Stop, Suite};
