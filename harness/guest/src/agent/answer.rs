//! Requests to responses.

use super::boot::{Parameters, log, monotonic_ns, taint};
use super::link::Link;
use super::standby::{SCRATCH, Standby, output};
use super::supervise::{block_child_signal, end_everything, wait};
use super::{boot, exec, modules, symbols};
use gauntlet_guest::Context;
use gauntlet_guest::order::Order;
use gauntlet_protocol::region::BULK_OFFSET;
use gauntlet_protocol::{CaseReport, CaseRequest, ChildExit, Outcome, Phase, Request, Response};
use std::fs;
use std::path::{Path, PathBuf};

const FILES: &str = "/run/files";

/// Does what was asked.
pub fn answer(
    request: Result<Request, String>,
    parameters: &Parameters,
    link: &mut Link,
    standby: &mut Option<Standby>,
) -> Response {
    let request = match request {
        Ok(request) => request,
        Err(reason) => return Response::Refused { reason },
    };
    block_child_signal();
    if !matches!(request, Request::Ping | Request::Case(_)) && standby.take().is_some() {
        // What is asked for is no case, and must be alone.
        end_everything();
    }
    let answered = match request {
        Request::Ping => {
            let said = link.said().cloned();
            Ok(Response::Hello(said.unwrap_or_else(|| boot::hello(link.is_region()))))
        }
        Request::Case(request) => run_case(&request, parameters, link, standby.take()),
        Request::Exec(request) => exec::run(&request, parameters, link),
        Request::Symbols => symbols::publish(link),
        Request::Workload(request) => super::measure::run(&request, link),
        Request::Fuzz(request) => super::fuzz::run(&request, link),
    };
    link.note(Phase::Answering, "");
    answered.unwrap_or_else(|reason| Response::Refused { reason })
}

/// The kernel that a case started is up: the case has passed if the number on its command line is the one the
/// case was given.
pub fn second_kernel(link: &mut Link, nonce: u64) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let line = format!("second kernel {} is up, nonce {nonce}", release.trim());
    log(&line);
    let outcome = match link.adopt_request() {
        Ok(Request::Case(request)) if request.seed == nonce => Outcome::Pass,
        Ok(_) => Outcome::Fail { message: format!("the second kernel carries the wrong nonce {nonce}") },
        Err(reason) => Outcome::Broken { reason },
    };
    link.respond(&Response::Case(CaseReport {
        outcome,
        exit: ChildExit::Exited(0),
        taint_before: 0,
        taint_after: taint(),
        duration_ns: monotonic_ns(),
        output: line,
    }));
}

fn run_case(
    request: &CaseRequest,
    parameters: &Parameters,
    link: &mut Link,
    standby: Option<Standby>,
) -> Result<Response, String> {
    link.note(Phase::Setup, &request.name);
    store_files(request, link)?;
    let standby = standby.map_or_else(Standby::start, Ok)?;
    let context = Context {
        seed: request.seed,
        exact: request.exact,
        scratch: PathBuf::from(SCRATCH),
        files: PathBuf::from(FILES),
        region: parameters.region,
    };
    let order = Order { name: request.name.clone(), context };
    // Before the modules: what the kernel complains of while it loads them counts.
    let taint_before = taint();
    if let Some(outcome) = modules::load(&request.modules, link)? {
        return Ok(unstarted(outcome, taint_before));
    }
    let started = monotonic_ns();
    link.note(Phase::Running, "");
    let (child, word) = standby.go(&order);
    let exit = wait(child, started + request.deadline_ms * 1_000_000, || {});
    let duration_ns = monotonic_ns() - started;
    link.note(Phase::Collecting, "");
    end_everything();
    let outcome = match word.read() {
        Some(Some(outcome)) => outcome,
        Some(None) => return Err(format!("no case {} in this image", request.name)),
        None => unsaid(exit),
    };
    let taint_after = taint();
    Ok(Response::Case(CaseReport { outcome, exit, taint_before, taint_after, duration_ns, output: output() }))
}

/// The report of a case whose modules could not be loaded.
fn unstarted(outcome: Outcome, taint_before: u64) -> Response {
    let (exit, taint_after) = (ChildExit::Exited(0), taint());
    Response::Case(CaseReport {
        outcome,
        exit,
        taint_before,
        taint_after,
        duration_ns: 0,
        output: String::new(),
    })
}

fn unsaid(exit: ChildExit) -> Outcome {
    let reason = match exit {
        ChildExit::Exited(code) => format!("the case ended with status {code} and said nothing"),
        ChildExit::Signaled(signal) => format!("the case was killed by signal {signal}"),
        ChildExit::Deadline => "the case did not end before its deadline".to_owned(),
    };
    Outcome::Broken { reason }
}

fn store_files(request: &CaseRequest, link: &Link) -> Result<(), String> {
    let _ = fs::create_dir_all(FILES);
    for file in &request.files {
        let region = link.region().ok_or("files need the shared region, which this kernel does not allow")?;
        let bytes = region
            .read(BULK_OFFSET + file.offset as usize, file.length as usize)
            .ok_or_else(|| format!("file {} lies outside the region", file.name))?;
        let path = Path::new(FILES).join(&file.name);
        fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
