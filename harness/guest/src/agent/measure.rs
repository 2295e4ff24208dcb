//! Workload requests. The measuring itself is the workloads crate's; it changes its process for good, so it
//! gets one of its own.

use super::boot::{monotonic_ns, taint};
use super::link::Link;
use super::supervise::{become_session_leader, end_everything, wait};
use gauntlet_protocol::message::{decode, encode};
use gauntlet_protocol::{ChildExit, Outcome, Phase, Response, WorkloadReport, WorkloadRequest};
use gauntlet_workloads::{Measurement, Problem, Workload, find, measure};
use std::fs;

/// Where the child leaves what it measured.
const MEASURED: &str = "/run/measured";

/// What the child leaves: samples and overhead, or how it came to nothing.
type Left = Result<(Vec<u64>, u64), Outcome>;

pub fn run(request: &WorkloadRequest, link: &mut Link) -> Result<Response, String> {
    let workload =
        find(&request.name).ok_or_else(|| format!("no workload {} in this agent", request.name))?;
    link.note(Phase::Running, &request.name);
    let (taint_before, started) = (taint(), monotonic_ns());
    let child = fork_measurement(workload, request.operations)?;
    let exit = wait(child, started + request.deadline_ms * 1_000_000, || {});
    link.note(Phase::Collecting, "");
    end_everything();
    let left = fs::read(MEASURED).ok().and_then(|bytes| decode::<Left>(&bytes).ok());
    let (outcome, samples, overhead) = match left.unwrap_or_else(|| Err(unsaid(exit))) {
        Ok((samples, overhead)) => (Outcome::Pass, samples, overhead),
        Err(outcome) => (outcome, Vec::new(), 0),
    };
    Ok(Response::Workload(WorkloadReport { outcome, samples, overhead, taint_before, taint_after: taint() }))
}

fn fork_measurement(workload: &Workload, operations: Option<u32>) -> Result<libc::pid_t, String> {
    // SAFETY: this process has one thread, so the child may do anything.
    match unsafe { libc::fork() } {
        -1 => Err(format!("fork: {}", std::io::Error::last_os_error())),
        0 => {
            become_session_leader();
            let left = outcome(measure(workload, operations));
            // A file that is missing or cut short is what the parent reports.
            let _ = fs::write(MEASURED, encode(&left).unwrap_or_default());
            // SAFETY: ends this child without running anything of the parent's.
            unsafe { libc::_exit(0) }
        }
        child => Ok(child),
    }
}

fn outcome(measured: Result<Measurement, Problem>) -> Left {
    match measured {
        Ok(Measurement { samples, overhead }) => Ok((samples, overhead)),
        Err(Problem::Skip(cause)) => Err(Outcome::Skip { cause }),
        Err(Problem::Broken(reason)) => Err(Outcome::Broken { reason }),
    }
}

fn unsaid(exit: ChildExit) -> Outcome {
    let reason = match exit {
        ChildExit::Exited(code) => format!("the workload ended with status {code} and left no figures"),
        ChildExit::Signaled(signal) => format!("the workload was killed by signal {signal}"),
        ChildExit::Deadline => "the workload did not end before its deadline".to_owned(),
    };
    Outcome::Broken { reason }
}
