//! One workload on one kernel: a clone, a request, samples, and where the instructions went.

use super::profile;
use crate::run::judge::{Judged, judge_case};
use crate::session::{Answer, Failure, GuestOptions, Session};
use gauntlet_protocol::coverage::{PERFORMANCE_SIZE, Reader};
use gauntlet_protocol::{CaseReport, ChildExit, Request, Response, WorkloadReport, WorkloadRequest};
use gauntlet_qemu::descriptor::anonymous_file;
use gauntlet_results::{Evidence, Verdict};
use gauntlet_workloads::Workload;
use std::fs::File;
use std::time::Duration;

/// What all measurements of a run share.
#[derive(Debug, Clone)]
pub struct MeasurePolicy {
    /// Timed operations; the workload's own number when `None`.
    pub operations: Option<u32>,
    /// Host time a measurement may take on a host of ordinary speed.
    pub deadline: Duration,
    /// Further attempts after infrastructure trouble.
    pub retries: u32,
}

/// What one measurement came to.
#[derive(Debug, Clone)]
pub struct Measured {
    pub evidence: Evidence,
    /// Instructions per operation in exact mode, TSC ticks otherwise.
    pub samples: Vec<u64>,
    /// Instructions per kernel function over all operations; empty when they were not counted.
    pub functions: Vec<(String, u64)>,
}

/// Measures until there is an answer that is not our own trouble, or the attempts are used up. With `counting`,
/// the plugin counts instructions per function; figures are the same with and without it.
pub async fn measure(
    session: &Session,
    workload: &Workload,
    policy: &MeasurePolicy,
    counting: bool,
) -> Measured {
    let mut attempt = 0;
    loop {
        let measured = attempt_measurement(session, workload, policy, counting).await.unwrap_or_else(nothing);
        if measured.evidence.verdict != Verdict::Infra || attempt == policy.retries {
            return measured;
        }
        attempt += 1;
        tracing::info!(workload = workload.name, attempt, reason = measured.evidence.reason, "trying again");
    }
}

fn nothing(failure: Failure) -> Measured {
    Measured {
        evidence: Evidence::new(failure.verdict, failure.reason),
        samples: Vec::new(),
        functions: Vec::new(),
    }
}

async fn attempt_measurement(
    session: &Session,
    workload: &Workload,
    policy: &MeasurePolicy,
    counting: bool,
) -> Result<Measured, Failure> {
    let coverage = if counting { Some(coverage_file()?) } else { None };
    let mut guest = session.guest(guest_options(coverage.as_ref())?).await?;
    let deadline = policy.deadline.mul_f64(session.slowness());
    let request = Request::Workload(WorkloadRequest {
        name: workload.name.to_owned(),
        operations: policy.operations,
        deadline_ms: deadline.as_millis() as u64,
    });
    let answer = guest.request(&request, deadline).await;
    // Its memory is better free; every window was written before the guest answered.
    drop(guest);
    let (judged, report) = judged(answer);
    let Some(report) = report.filter(|_| judged.evidence.verdict == Verdict::Pass) else {
        return Ok(Measured { evidence: judged.evidence, samples: Vec::new(), functions: Vec::new() });
    };
    let functions = match coverage {
        Some(file) => functions(session, file, &report.samples).await?,
        None => Vec::new(),
    };
    let shift = session.options.machine.exact.map_or(0, |exact| exact.shift);
    let samples = report.samples.iter().map(|ticks| ticks >> shift).collect();
    Ok(Measured { evidence: judged.evidence, samples, functions })
}

fn coverage_file() -> Result<File, Failure> {
    Ok(anonymous_file("gauntlet-coverage", PERFORMANCE_SIZE as u64)?)
}

fn guest_options(coverage: Option<&File>) -> Result<GuestOptions, Failure> {
    let Some(file) = coverage else { return Ok(GuestOptions::default()) };
    let file = file.try_clone().map_err(|error| Failure::infra(error.to_string()))?;
    Ok(GuestOptions { plugin: vec!["coverage={0}".to_owned()], files: vec![file] })
}

/// A workload is judged like a case: by what it said, the console, and the taint.
fn judged(answer: Answer) -> (Judged, Option<WorkloadReport>) {
    match answer.response {
        Ok(Response::Workload(report)) => {
            let as_case = CaseReport {
                outcome: report.outcome.clone(),
                exit: ChildExit::Exited(0),
                taint_before: report.taint_before,
                taint_after: report.taint_after,
                duration_ns: 0,
                output: String::new(),
            };
            let response = Ok(Response::Case(as_case));
            let mut judged = judge_case(&Answer { response, ..answer });
            if judged.evidence.verdict == Verdict::Pass && report.samples.is_empty() {
                judged.evidence =
                    Evidence::new(Verdict::Error, "the workload passed without a single sample");
            }
            (judged, Some(report))
        }
        _ => (judge_case(&answer), None),
    }
}

async fn functions(session: &Session, file: File, samples: &[u64]) -> Result<Vec<(String, u64)>, Failure> {
    let symbols = session.symbols().await?;
    let malformed = |error: gauntlet_protocol::coverage::Malformed| Failure::infra(error.to_string());
    let mut reader = Reader::open(file).map_err(malformed)?;
    let windows = reader.windows().map_err(malformed)?;
    let (lost_windows, lost_blocks) = reader.dropped().map_err(malformed)?;
    if lost_windows + lost_blocks > 0 {
        tracing::warn!(lost_windows, lost_blocks, "instructions per function are incomplete and left out");
        return Ok(Vec::new());
    }
    Ok(profile::functions(samples, &windows, reader.blocks(), &symbols))
}
