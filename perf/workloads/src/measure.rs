//! The measuring loop.

use crate::problem::{Problem, error, needs};
use crate::sys::ticks;
use crate::{Operation, Workload};
use gauntlet_protocol::mark;

/// Untimed operations before the first timed one: they fault pages in and fill the kernel's caches.
const WARM_UP: u32 = 32;

/// Empty operations whose median is the overhead. They cost what the loop itself costs around each operation.
const EMPTY: usize = 64;

/// Most operations of one measurement: as many samples as fit a response.
const MOST: u32 = 50_000;

/// What was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurement {
    /// TSC ticks per operation, overhead subtracted, in the order measured.
    pub samples: Vec<u64>,
    /// TSC ticks of an empty operation.
    pub overhead: u64,
}

/// Sets the workload up and times its operations one by one.
///
/// It changes the calling process for good (filters, limits, scheduling class): call it in a process of its own.
///
/// # Errors
/// [`Problem::Skip`] when the kernel lacks what the workload is about, [`Problem::Broken`] when an operation fails.
pub fn measure(workload: &Workload, operations: Option<u32>) -> Result<Measurement, Problem> {
    let count = operations.unwrap_or(workload.operations).clamp(1, MOST);
    let overhead = overhead()?;
    let mut operation = (workload.setup)()?;
    for _ in 0..WARM_UP {
        check(workload, operation.run())?;
        check(workload, operation.reset())?;
    }
    let mut samples = timed(workload, operation.as_mut(), count as usize)?;
    for sample in &mut samples {
        *sample = sample.saturating_sub(overhead);
    }
    Ok(Measurement { samples, overhead })
}

fn overhead() -> Result<u64, Problem> {
    const NOTHING: Workload =
        Workload { name: "empty", about: "", cites: "", operations: 0, setup: || Ok(Box::new(|| 0)) };
    let mut operation = (NOTHING.setup)()?;
    let mut samples = timed(&NOTHING, operation.as_mut(), EMPTY)?;
    samples.sort_unstable();
    Ok(samples[EMPTY / 2])
}

fn timed(workload: &Workload, operation: &mut dyn Operation, count: usize) -> Result<Vec<u64>, Problem> {
    // Filled and not merely reserved: the first store to a fresh page is a page fault.
    let mut samples = vec![1; count];
    for sample in &mut samples {
        let (ticks, result) = once(operation);
        check(workload, result)?;
        check(workload, operation.reset())?;
        *sample = ticks;
    }
    Ok(samples)
}

/// Not inlined, so that the code around an operation is the same for the empty one and all others.
#[inline(never)]
fn once(operation: &mut dyn Operation) -> (u64, i64) {
    mark::begin();
    let start = ticks();
    let result = operation.run();
    let end = ticks();
    mark::end();
    (end - start, result)
}

fn check(workload: &Workload, result: i64) -> Result<(), Problem> {
    match needs(workload.name, result) {
        Ok(_) => Ok(()),
        Err(_) => Err(Problem::Broken(format!("{}: an operation failed: {}", workload.name, error(result)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WORKLOADS;

    #[test]
    fn every_workload_measures_or_says_why_not() {
        for workload in WORKLOADS.iter().filter(|workload| !CHANGES_US_FOR_GOOD.contains(&workload.name)) {
            match measure(workload, Some(3)) {
                Ok(measurement) => assert_eq!(measurement.samples.len(), 3, "{}", workload.name),
                Err(Problem::Skip(why)) => assert!(!why.is_empty(), "{}", workload.name),
                // The machine that runs the tests may forbid what a guest's root may do.
                Err(Problem::Broken(why)) => assert!(why.contains("permitted"), "{}: {why}", workload.name),
            }
        }
    }

    /// They would change the process that runs the other tests.
    const CHANGES_US_FOR_GOOD: &[&str] = &["seccomp_filtered", "sched_deadline", "kexec_file_refused"];

    #[test]
    fn a_failing_operation_breaks_the_workload_and_names_it() {
        let refuses = Workload {
            name: "refuses",
            about: "",
            cites: "",
            operations: 1,
            setup: || Ok(Box::new(|| -i64::from(libc::EBADF))),
        };
        let problem = measure(&refuses, None).err();
        assert!(
            matches!(problem, Some(Problem::Broken(why)) if why.contains("refuses: an operation failed"))
        );
    }
}
