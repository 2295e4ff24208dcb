//! The orchestrator: from a configuration and a list of kernels to verdicts, figures, findings and culprits.
//!
//! ARCHITECTURE.md has the map. Every arrow in it is a type of this crate or of the ones it uses.

pub mod bisect;
pub mod cli;
pub mod config;
pub mod crash;
pub mod error;
pub mod fuzz;
pub mod hostfs;
pub mod image;
pub mod impact;
pub mod import;
pub mod interrupt;
pub mod kernel;
pub mod kselftest;
pub mod perf;
pub mod plan;
pub mod run;
pub mod session;
pub mod ui;

pub use error::{Error, Kind, Result};
