//! The calls that 32-bit programs had before 5.1: what does not fit in their 32 bits is refused or cut off, and nothing
//! else may come of it.

use super::entry::{Low, int80, needs_int80};
use super::file_times::set_times;
use super::support::*;
use crate::case::{CaseResult, setup, succeeds};
use crate::sys::Errno;
use crate::{Context, check};
use std::os::unix::ffi::OsStrExt;

/// Numbers in arch/x86/entry/syscalls/syscall_32.tbl.
const TIME: u32 = 13;
const GETTIMEOFDAY: u32 = 78;
const STAT64: u32 = 195;
const CLOCK_GETTIME: u32 = 265;

/// Times of which either half, alone, says something else; the low half of neither looks like an error.
const WHEN: [i64; 2] = [LAST + 1, FAR];

/// The low half of a time that is soon after another.
pub fn is_low_half_of_now(what: &str, told: u32) -> CaseResult {
    let now = now()?.seconds;
    let ago = (now as u32).wrapping_sub(told);
    check!(i64::from(ago) < SOON, "{what} is {told:#x}, the clock says {now:#x}");
    Ok(())
}

pub fn old_clocks_of_32_bit_programs_keep_the_low_half(_: &Context) -> CaseResult {
    needs_int80()?;
    let low = Low::new()?;
    let at = u32::try_from(low.at(0)).expect("the memory is below 4 GiB");
    for seconds in WHEN {
        set(Time::new(seconds, 123_456_789))?;
        for (name, number, arguments) in [
            ("time", TIME, [at, 0]),
            ("gettimeofday", GETTIMEOFDAY, [at, 0]),
            ("clock_gettime", CLOCK_GETTIME, [libc::CLOCK_REALTIME as u32, at]),
        ] {
            low.put(0, [0u32; 4]);
            // SAFETY: the structure is in the low memory.
            let asked = unsafe { int80(number, [arguments[0], arguments[1], 0, 0, 0, 0]) };
            if asked != Err(Errno(libc::EOVERFLOW)) {
                succeeds(name, asked)?;
                let [told, fraction, beyond @ ..]: [u32; 4] = low.get(0);
                is_low_half_of_now(&format!("what {name} tells a 32-bit program"), told)?;
                check!(fraction < 1_000_000_000, "{name} tells a fraction of {fraction}");
                check!(beyond == [0; 2], "{name} writes past its structure: {beyond:x?}");
            }
        }
    }
    Ok(())
}

/// `struct stat64` has room for no more (arch/x86/include/asm/ia32.h).
pub fn old_stat_of_32_bit_programs_keeps_the_low_half(context: &Context) -> CaseResult {
    needs_int80()?;
    let low = Low::new()?;
    let pointer = |address| u32::try_from(address).expect("the memory is below 4 GiB");
    let path = context.scratch.join("file");
    setup("create", std::fs::write(&path, b"x").map_err(|_| Errno::last()))?;
    let mut name = [0u8; 64];
    let bytes = path.as_os_str().as_bytes();
    name[..bytes.len()].copy_from_slice(bytes);
    let (name, status) = (pointer(low.put(0, name)), pointer(low.at(128)));
    for seconds in WHEN {
        setup("utimensat", set_times(&path, [Time::new(seconds, 1), Time::new(seconds + 1, 2)]))?;
        // SAFETY: path and structure are in the low memory.
        let asked = unsafe { int80(STAT64, [name, status, 0, 0, 0, 0]) };
        if asked != Err(Errno(libc::EOVERFLOW)) {
            succeeds("stat64", asked)?;
            let words: [u32; 24] = low.get(128);
            let expected = [seconds as u32, 1, seconds as u32 + 1, 2];
            check!(
                words[16..20] == expected,
                "times told by stat64: {:x?}, not {expected:x?}",
                &words[16..20]
            );
        }
    }
    Ok(())
}
