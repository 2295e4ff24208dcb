//! Workload requests. The measuring itself is the workloads crate's.

use super::link::Link;
use gauntlet_protocol::{Response, WorkloadRequest};

pub fn run(request: &WorkloadRequest, _link: &mut Link) -> Result<Response, String> {
    Err(format!("no workload {} in this agent", request.name))
}
