//! Raw YAML in, checked configuration out.
//!
//! `configs/gauntlet.yaml` is embedded and is the one source of defaults. Layers, lowest first: the defaults,
//! the file of `--config`, the flags. Raw structs deny unknown keys and never leave this module; in [`Config`]
//! nothing is optional by accident.

mod expectation;
mod glob;
mod layer;
mod load;
mod raw;
mod resolve;
mod scalar;
pub mod yaml;

pub use expectation::Expectation;
pub use glob::Glob;
pub use load::{Overrides, load};
pub use scalar::{Auto, Percent, Size, Span};

use gauntlet_results::Format;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Every knob, checked. `configs/gauntlet.yaml` documents them one by one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// Kernel specs, as typed.
    pub kernels: Vec<String>,
    /// Suites to run; all when empty.
    pub suites: Vec<String>,
    /// Cases to run, by full name; all when empty.
    pub cases: Vec<Glob>,
    pub jobs: usize,
    /// Further attempts after infrastructure trouble.
    pub retries: u32,
    pub seed: u64,
    pub exact: Exact,
    pub machine: Machine,
    pub deadlines: Deadlines,
    pub cache: CacheLimits,
    pub perf: Perf,
    pub fuzz: Fuzz,
    pub bisect: Bisect,
    /// Reports written after each run. No part of what was asked for, so not of the digest.
    #[serde(skip)]
    pub reports: Vec<Format>,
    pub expectations: Vec<Expectation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exact {
    pub enabled: bool,
    /// An instruction takes 2^shift ns of virtual time.
    pub shift: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    pub memory: Size,
    pub cpus: u32,
    pub accelerator: Accelerator,
    /// Words added to the kernel's command line.
    pub append: String,
}

/// QEMU's `-accel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// KVM where it boots something, TCG elsewhere.
    Auto,
    Kvm,
    Tcg,
}

/// For an idle machine of ordinary speed; scaled up by the measured speed factor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deadlines {
    pub boot: Duration,
    pub case: Duration,
    /// How long a machine goes on after its case has passed; not scaled.
    pub linger: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CacheLimits {
    pub size: Size,
    pub age: Duration,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Perf {
    /// Workloads to run, by name; all when empty.
    pub workloads: Vec<Glob>,
    /// Timed operations per workload; `auto` is the workload's own number.
    pub operations: Auto<u32>,
    /// How many seeds, counted up from the seed.
    pub seeds: u32,
    /// Differences up to this are no change.
    pub threshold: Percent,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fuzz {
    pub duration: Duration,
    /// Guest work between two looks of the engine.
    pub batch: Duration,
    /// Calls that end or endanger the machine are allowed.
    pub dangerous: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bisect {
    /// Stop when the culprit is this likely.
    pub confidence: Percent,
    /// Stop after this with what is known by then.
    pub budget: Duration,
}

#[cfg(test)]
mod tests;
