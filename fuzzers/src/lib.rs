//! Coverage-guided fuzzing of the kernel's system calls.
//!
//! Programs are typed trees over a table of call [`descriptions`]; they are [`generate`]d through `arbitrary`,
//! [`mutate`]d, run in batches on a [`Target`], and kept when they reach code nothing reached before
//! ([`engine`]). A crash becomes a minimal program in [`triage`].
//!
//! Architecture invariant: this crate knows nothing of virtual machines. The harness implements [`Target`].

pub mod description;
pub mod descriptions;
pub mod engine;
pub mod generate;
pub mod mutate;
pub mod program;
pub mod target;
pub mod triage;

pub use program::Program;
pub use target::{BatchResult, Crash, Execution, Target, TargetError};
