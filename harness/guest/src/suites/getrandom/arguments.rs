//! Flags, lengths and addresses.

use super::calls::{INSECURE, NONBLOCK, RANDOM, at, draw, getrandom};
use crate::case::{exists, fails_with};
use crate::mapping::{Mapping, PAGE};
use crate::{CaseResult, Context, Stop, check, check_eq};

pub fn ready_pool_never_blocks(_: &Context) -> CaseResult {
    // Waits until the pool is initialized, which no kernel ever takes back.
    draw::<1>(0)?;
    for flags in [NONBLOCK, NONBLOCK | RANDOM, NONBLOCK | INSECURE] {
        draw::<256>(flags)?;
    }
    Ok(())
}

/// "Full length always delivered" holds for whatever may be combined.
pub fn every_flag_combination_delivers_every_length(_: &Context) -> CaseResult {
    draw::<1>(0)?;
    for flags in [0, NONBLOCK, RANDOM, RANDOM | NONBLOCK, INSECURE, INSECURE | NONBLOCK] {
        for length in [0, 1, 255, 256, 257, 512, 513, PAGE - 1, PAGE, PAGE + 1] {
            let mut buffer = vec![0; length];
            check_eq!(
                getrandom(&mut buffer, flags),
                Ok(length),
                "getrandom of {length} bytes, flags {flags:#x}"
            );
            let tail = buffer.len().saturating_sub(16);
            check!(
                length < 16 || buffer[tail..].iter().any(|&byte| byte != 0),
                "the last 16 of {length} bytes with flags {flags:#x} are zero"
            );
        }
    }
    Ok(())
}

pub fn random_flag_draws_from_the_same_generator(_: &Context) -> CaseResult {
    draw::<1>(0)?;
    // Before 5.6, a blocking pool gave at most 512 bytes at once, and fewer when it ran low.
    let (first, second) = (draw::<1024>(RANDOM)?, draw::<1024>(RANDOM)?);
    check!(first != second, "two draws of 1024 bytes with GRND_RANDOM are equal");
    check!(first[512..].iter().any(|&byte| byte != 0), "bytes from 512 on are all zero with GRND_RANDOM");
    Ok(())
}

pub fn insecure_flag_is_accepted(_: &Context) -> CaseResult {
    let (first, second) = (draw::<64>(INSECURE)?, draw::<64>(INSECURE)?);
    check!(first != second, "two draws of 64 bytes with GRND_INSECURE are equal");
    Ok(())
}

pub fn insecure_with_random_is_refused(_: &Context) -> CaseResult {
    refuses_flags(INSECURE | RANDOM)?;
    refuses_flags(INSECURE | RANDOM | NONBLOCK)
}

pub fn unknown_flag_is_refused(_: &Context) -> CaseResult {
    for bit in 3..32 {
        refuses_flags(1 << bit)?;
        refuses_flags(1 << bit | NONBLOCK)?;
    }
    Ok(())
}

/// EINVAL, and not a byte written; also when no byte is asked for.
fn refuses_flags(flags: u32) -> CaseResult {
    let mut buffer = [0xa5; 64];
    let what = format!("getrandom with flags {flags:#x}");
    fails_with(&what, exists("getrandom", getrandom(&mut buffer, flags))?, libc::EINVAL)?;
    check_eq!(buffer, [0xa5; 64], "buffer after a refused {what}");
    fails_with(&format!("{what} and length 0"), getrandom(&mut [], flags), libc::EINVAL)
}

pub fn empty_request_returns_zero(_: &Context) -> CaseResult {
    let mut buffer = [0xa5; 64];
    for flags in [0, NONBLOCK, RANDOM, INSECURE] {
        // SAFETY: nothing is asked for, so nothing may be written.
        let n = exists("getrandom", unsafe { at(buffer.as_mut_ptr() as u64, 0, flags) })?;
        check_eq!(n, Ok(0), "getrandom of 0 bytes with flags {flags:#x}");
    }
    check_eq!(buffer, [0xa5; 64], "buffer after requests for 0 bytes");
    Ok(())
}

pub fn buffer_without_memory_is_refused(_: &Context) -> CaseResult {
    let mapping = Mapping::anonymous(PAGE, libc::PROT_NONE)?;
    for (what, address) in [("NULL", 0), ("a page without access", mapping.address())] {
        for length in [1, 64, 256] {
            // SAFETY: nothing of ours is at these addresses.
            let result = exists("getrandom", unsafe { at(address, length, 0) })?;
            fails_with(&format!("getrandom of {length} bytes to {what}"), result, libc::EFAULT)?;
        }
    }
    Ok(())
}

/// x86-64 and arm64 alike keep the upper half of the address space for the kernel; what lies between the halves
/// belongs to nobody. Without the range check such a copy faults in another way, which the console tells.
pub fn kernel_address_is_refused(_: &Context) -> CaseResult {
    for address in [0xffff_8000_0000_0000, 0x8000_0000_0000_0000, u64::MAX - 0xfff, u64::MAX] {
        for length in [1, 64, PAGE as u64] {
            // SAFETY: nothing of ours is at these addresses.
            let result = exists("getrandom", unsafe { at(address, length, 0) })?;
            fails_with(&format!("getrandom of {length} bytes to {address:#x}"), result, libc::EFAULT)?;
        }
    }
    Ok(())
}

pub fn read_only_buffer_is_refused(_: &Context) -> CaseResult {
    let mut mapping = Mapping::anonymous(PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
    mapping.bytes().fill(0xa5);
    mapping.protect(libc::PROT_READ)?;
    // SAFETY: the kernel must not write there; if it does, the check below tells.
    let result = exists("getrandom", unsafe { at(mapping.address(), 256, 0) })?;
    fails_with("getrandom of 256 bytes to read-only memory", result, libc::EFAULT)?;
    mapping.protect(libc::PROT_READ | libc::PROT_WRITE)?;
    check!(mapping.bytes().iter().all(|&byte| byte == 0xa5), "read-only memory was written to");
    Ok(())
}

/// What is accessible may be filled (newer kernels report it as a short count, older ones fail); what lies behind
/// must stay.
pub fn buffer_with_a_hole_is_not_overrun(_: &Context) -> CaseResult {
    let mut mapping = Mapping::anonymous(3 * PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
    for (inside, length) in
        [(64, 128), (1, 256), (PAGE as u64, 2 * PAGE as u64), (100, u64::MAX >> 1), (100, u64::MAX)]
    {
        mapping.bytes().fill(0xa5);
        mapping.protect_part(PAGE, PAGE, libc::PROT_NONE)?;
        let start = mapping.address() + PAGE as u64 - inside;
        // SAFETY: all of it is the mapping, until the page without access.
        let result = exists("getrandom", unsafe { at(start, length, 0) })?;
        mapping.protect_part(PAGE, PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
        let what = format!("getrandom of {length} bytes where {inside} are accessible");
        match result {
            // Nothing copied is no success of a call that was asked for something.
            Ok(n) => check!((1..=inside).contains(&(n as u64)), "{what}: returned {n}"),
            refused => fails_with(&what, refused, libc::EFAULT)?,
        }
        let (before, after) = (PAGE - inside as usize, PAGE);
        let reported = &mapping.bytes()[before..before + result.unwrap_or(0)];
        // 16 bytes equal the canary with probability 2^-128.
        let unwritten = reported.chunks_exact(16).position(|chunk| chunk == [0xa5; 16]);
        check_eq!(unwritten.map(|at| 16 * at), None, "{what}: offset of 16 bytes reported and not written");
        let touched = |bytes: &[u8]| bytes.iter().any(|&byte| byte != 0xa5);
        if touched(&mapping.bytes()[..before]) || touched(&mapping.bytes()[after..]) {
            return Err(Stop::Fail(format!("{what}: memory outside the accessible part was written to")));
        }
    }
    Ok(())
}
