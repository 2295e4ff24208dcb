//! Fuzz requests. Running programs is the executor crate's.

use super::link::Link;
use gauntlet_protocol::{FuzzRequest, Response};

pub fn run(_request: &FuzzRequest, _link: &mut Link) -> Result<Response, String> {
    Err("no fuzz executor in this agent".to_owned())
}
