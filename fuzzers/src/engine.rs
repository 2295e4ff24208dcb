//! The campaign: one LibAFL state, any number of machines.
//!
//! LibAFL runs one input at a time; a machine is fast only in batches. So worker threads own the machines, and every
//! result that comes back goes through `ExecutionProcessor::evaluate_execution`, LibAFL's door for executions that
//! happened elsewhere. One state means one corpus, one set of edges, and one seed that decides everything.

mod budget;
mod campaign;
mod coverage;
mod evaluate;
mod pacer;
mod pool;

use std::path::PathBuf;
use std::time::Duration;

use crate::Program;
use crate::target::{Crash, TargetError};
use crate::triage::Report;

pub use campaign::run;

/// What a campaign is to do.
#[derive(Debug, Clone)]
pub struct Options {
    pub seed: u64,
    /// Programs in text form, one a file: read at the start, written as they are found.
    pub corpus: PathBuf,
    /// Where crashing programs are kept.
    pub crashes: PathBuf,
    /// Also generate calls that end the machine.
    pub dangerous: bool,
    /// Longest program.
    pub most_calls: usize,
    /// Work that one batch should be: long enough to hide the round trip, short enough to adapt.
    pub batch: Duration,
    /// Machines that one crash may cost in triage.
    pub triage: u32,
}

/// What is known so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// Programs executed.
    pub executions: u64,
    pub calls: u64,
    /// Calls that succeeded.
    pub succeeded: u64,
    pub batches: u64,
    /// Distinct kernel blocks, confirmed by a second run.
    pub edges: usize,
    pub corpus: usize,
    /// Distinct titles.
    pub crashes: usize,
    /// Machines lost, to whatever title.
    pub deaths: u64,
    /// Programs that a machine gave no account of.
    pub lost: u64,
    /// Time that the machines worked, added up.
    pub busy: Duration,
    /// Corpus files that were no programs of this version, and left alone.
    pub unreadable: usize,
}

/// A crash with a title not seen before.
#[derive(Debug, Clone)]
pub struct Found {
    pub crash: Crash,
    pub program: Program,
    /// What ran before it on the same machine, in the same batch.
    pub before: Vec<Program>,
}

/// Who looks on, and says when to stop.
pub trait Watch {
    /// Called after every batch. `false` ends the campaign after the triage under way.
    fn proceed(&mut self, progress: &Progress) -> bool;
    /// A new title, before its triage.
    fn found(&mut self, found: &Found);
    /// What triage made of it.
    fn triaged(&mut self, report: &Report);
}

/// Why a campaign ended early.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("fuzzing engine: {0}")]
    Engine(#[from] libafl::Error),
    #[error("every machine is gone")]
    NoWorkers,
}

#[cfg(test)]
mod tests;
