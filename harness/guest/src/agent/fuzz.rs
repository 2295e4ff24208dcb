//! Fuzz requests. Running programs is the executor crate's.

use super::link::Link;
use super::region::Region;
use gauntlet_executor::{Flight, Options, serve};
use gauntlet_protocol::flight::word;
use gauntlet_protocol::{FuzzRequest, Phase, Response};

pub fn run(request: &FuzzRequest, link: &mut Link) -> Result<Response, String> {
    let region = link.region().ok_or("fuzzing needs the shared region, which this kernel does not allow")?;
    link.note(Phase::Running, "fuzz");
    let (bulk, capacity) = region.bulk();
    let (length, results) = (request.length as usize, request.results_offset as usize);
    if length > results || results > capacity {
        return Err(format!("programs of {length} bytes, results from {results} on, do not fit {capacity}"));
    }
    // SAFETY: two parts of bulk that do not overlap; the host leaves both alone until it is answered.
    let (programs, results) = unsafe {
        (
            std::slice::from_raw_parts(bulk, length),
            std::slice::from_raw_parts_mut(bulk.add(results), capacity - results),
        )
    };
    let options = Options { kcov: request.kcov, dangerous: request.dangerous };
    let served = serve(programs, results, options, &Recorder(region));
    let length = u32::try_from(served?).map_err(|error| error.to_string())?;
    Ok(Response::Fuzz { length })
}

/// Plain stores into host memory: they outlive whatever the next call does to this kernel.
struct Recorder(Region);

impl Flight for Recorder {
    fn program(&self, index: u32) {
        self.0.store32(word::ITEM, index);
        self.0.store32(word::CALL, 0);
        self.0.store32(word::STEPS, self.0.load32(word::STEPS).wrapping_add(1));
    }

    fn call(&self, index: u32) {
        self.0.store32(word::CALL, index);
    }
}
