//! What the call writes. Every statistical bound below fails a sound kernel less often than once in 10^12 runs.

use super::calls::{draw, getrandom};
use crate::case::{exists, setup, succeeds};
use crate::mapping::Mapping;
use crate::scheduling::set_affinity;
use crate::sys::{Errno, read_all};
use crate::{CaseResult, Context, Stop, check, check_eq, child};
use std::collections::BTreeSet;

pub fn fills_the_whole_buffer(_: &Context) -> CaseResult {
    for length in [1, 2, 255, 256] {
        let mut buffer = vec![0; length];
        let n = succeeds("getrandom", exists("getrandom", getrandom(&mut buffer, 0))?)?;
        check_eq!(n, length, "bytes returned for a request of {length}");
    }
    check!(draw::<256>(0)?.iter().any(|&byte| byte != 0), "256 random bytes are all zero");
    Ok(())
}

/// Every length up to a block of the cipher and its neighbours; around the promise of 256 bytes, and around one page
/// and two; aligned and not.
pub fn writes_exactly_the_bytes_it_reports(_: &Context) -> CaseResult {
    const GUARD: usize = 64;
    let lengths = (1..=66).chain(127..=129).chain(250..=262).chain(4093..=4099).chain(8191..=8193);
    for length in lengths {
        for shift in [0, 1] {
            let start = GUARD + shift;
            let mut changed = vec![false; start + length + GUARD];
            // A byte equals its canary in all rounds with probability 2^-64.
            for canary in 0..8 {
                let mut buffer = vec![canary; changed.len()];
                let part = &mut buffer[start..start + length];
                let n = succeeds("getrandom", exists("getrandom", getrandom(part, 0))?)?;
                check_eq!(n, length, "bytes returned for a request of {length}");
                changed.iter_mut().zip(&buffer).for_each(|(changed, &byte)| *changed |= byte != canary);
            }
            let inside = start..start + length;
            let wrong = (0..changed.len()).find(|&at| changed[at] != inside.contains(&at));
            let wrong = wrong.map(|at| at as isize - start as isize);
            check_eq!(wrong, None, "first byte wrongly written or left, by offset, for {length} bytes");
        }
    }
    Ok(())
}

/// Nothing sends this process signals, so no request may be cut short.
pub fn large_request_is_filled_to_its_end(_: &Context) -> CaseResult {
    let mut buffer = vec![0; (1 << 20) + 1];
    let n = succeeds("getrandom", exists("getrandom", getrandom(&mut buffer, 0))?)?;
    check_eq!(n, buffer.len(), "bytes returned without a signal");
    // 16 zero bytes at one place have probability 2^-128.
    let empty = buffer.chunks_exact(16).position(|chunk| chunk == [0; 16]);
    check_eq!(empty.map(|at| 16 * at), None, "offset of 16 bytes that were left zero");
    Ok(())
}

/// getrandom(2) NOTES: from the urandom source, a request returns at most 33554431 bytes. Since 5.18 none is cut.
pub fn request_of_32_mib_is_cut_by_a_byte_at_most(_: &Context) -> CaseResult {
    const LIMIT: usize = 33_554_431;
    let mut mapping = Mapping::anonymous(LIMIT + 1, libc::PROT_READ | libc::PROT_WRITE)?;
    let n = succeeds("getrandom of 32 MiB", exists("getrandom", getrandom(mapping.bytes(), 0))?)?;
    check!(n == LIMIT || n == LIMIT + 1, "getrandom of 32 MiB returned {n} bytes without a signal");
    let empty = mapping.bytes()[..n].chunks_exact(16).position(|chunk| chunk == [0; 16]);
    check_eq!(empty.map(|at| 16 * at), None, "offset of 16 bytes that were left zero");
    Ok(())
}

/// A cipher whose counter stands still, or wraps, shows as a block that returns.
pub fn blocks_of_the_stream_do_not_repeat(_: &Context) -> CaseResult {
    // Half a block of the cipher at the end.
    let mut buffer = vec![0; (1 << 18) + 32];
    let n = succeeds("getrandom", exists("getrandom", getrandom(&mut buffer, 0))?)?;
    check_eq!(n, buffer.len(), "bytes returned without a signal");
    let mut seen = BTreeSet::new();
    for (number, block) in buffer.chunks_exact(32).enumerate() {
        check!(seen.insert(block), "32 bytes at offset {} have been in the stream before", 32 * number);
    }
    Ok(())
}

pub fn bits_are_balanced(_: &Context) -> CaseResult {
    let bytes = draw::<{ 1 << 15 }>(0)?;
    // 32768 draws of each bit: mean 16384, standard deviation 90.5; nine of these are 815.
    for bit in 0..8 {
        let ones = bytes.iter().filter(|&&byte| byte >> bit & 1 == 1).count();
        check!(ones.abs_diff(16384) < 815, "bit {bit} is set in {ones} of 32768 bytes");
    }
    // A value missing from 32768 bytes has probability (255/256)^32768 = 2^-185.
    let values: BTreeSet<u8> = bytes.iter().copied().collect();
    check_eq!(values.len(), 256, "different values among 32768 bytes");
    Ok(())
}

pub fn successive_calls_differ(_: &Context) -> CaseResult {
    let mut seen = BTreeSet::new();
    for number in 0..256 {
        check!(seen.insert(draw::<16>(0)?), "draw {number} of 16 bytes repeats an earlier one");
    }
    Ok(())
}

pub fn parent_and_child_draw_different_bytes(_: &Context) -> CaseResult {
    draw::<1>(0)?;
    let mut seen = BTreeSet::new();
    for _ in 0..4 {
        let (reader, writer) = child::pipe()?;
        child::isolated(|| {
            child::write_all(&writer, &draw::<32>(0)?);
            Ok(())
        })?;
        drop(writer);
        let from_child = setup("read of the child's bytes", read_all(&reader))?;
        check_eq!(from_child.len(), 32, "bytes from the child");
        check!(seen.insert(from_child), "a child drew bytes that were drawn before");
        check!(seen.insert(draw::<32>(0)?.to_vec()), "the parent drew bytes that were drawn before");
    }
    Ok(())
}

/// Since 5.18 every CPU has a key of its own, taken from one base key.
pub fn cpus_draw_different_bytes(_: &Context) -> CaseResult {
    let mut seen = BTreeSet::new();
    for _ in 0..16 {
        for cpu in 0..2u64 {
            let mask: u64 = 1 << cpu;
            match set_affinity(0, &[mask]) {
                Err(Errno(libc::EINVAL)) => {
                    return Err(Stop::Skip(format!("missing hardware: CPU {cpu}, or it may not be used")));
                }
                other => setup("sched_setaffinity", other)?,
            };
            check!(seen.insert(draw::<32>(0)?), "CPU {cpu} drew bytes that were drawn before");
        }
    }
    Ok(())
}
