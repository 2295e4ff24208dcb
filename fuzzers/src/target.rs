//! What programs run on.

use std::time::Duration;

use crate::Program;

/// A machine that runs programs. The harness implements it over virtual machines, tests over a model.
pub trait Target: Send {
    /// Runs programs one behind the other; what one does to the kernel the next may see.
    ///
    /// # Errors
    /// When the machine could not be made or asked, which is no fault of the kernel under test.
    fn run_batch(&mut self, programs: &[Program]) -> Result<BatchResult, TargetError>;

    /// Makes the next batch start on a pristine kernel.
    ///
    /// # Errors
    /// When no pristine machine can be made.
    fn renew(&mut self) -> Result<(), TargetError>;
}

/// Trouble of ours, not of the kernel under test.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct TargetError(pub String);

/// What came of a batch.
#[derive(Debug, Clone, Default)]
pub struct BatchResult {
    /// One per program; `None` where the machine gave no account of it.
    pub executions: Vec<Option<Execution>>,
    /// Set when the machine died or the kernel complained. The target has renewed itself.
    pub crash: Option<Crash>,
    /// How long the machine worked.
    pub elapsed: Duration,
}

/// What came of one program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Execution {
    /// `errno` per call, 0 for success; see `gauntlet_protocol::program::NOT_RUN`.
    pub results: Vec<u32>,
    /// The kernel blocks it ran: any numbers that name them, in any order.
    pub coverage: Vec<u64>,
    /// Guest time it took.
    pub time: Duration,
}

/// The kernel's end, or complaint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// One line that the same bug gives again: splats with equal titles are one bug.
    pub title: String,
    /// Index in the batch of the program that ran, as the flight record tells.
    pub program: Option<usize>,
    /// Index of its call.
    pub call: Option<usize>,
    /// The console from the splat on.
    pub report: String,
}
