//! The entry points that 32-bit programs use since 5.1, whose names end in `64` or `time64`.

use super::entry::{Entry, Low, int80, needs_int80};
use super::support::*;
use super::{timer, wait};
use crate::case::{CaseResult, fails_with, setup, succeeds};
use crate::{Context, check, check_eq};
use libc::EINVAL;

/// Numbers in arch/x86/entry/syscalls/syscall_32.tbl.
const CLOCK_GETTIME64: u32 = 403;
const CLOCK_SETTIME64: u32 = 404;
const CLOCK_ADJTIME64: u32 = 405;
const CLOCK_GETRES_TIME64: u32 = 406;
const UTIMENSAT_TIME64: u32 = 412;
const RR_INTERVAL_TIME64: u32 = 423;
const STATX: u32 = 383;

const REALTIME: u32 = libc::CLOCK_REALTIME as u32;

/// A low address as a 32-bit program has it.
fn pointer(address: u64) -> u32 {
    u32::try_from(address).expect("the memory is below 4 GiB")
}

pub fn clock_gettime64_and_settime64_are_whole(_: &Context) -> CaseResult {
    needs_int80()?;
    crate::child::needs_root()?;
    let low = Low::new()?;
    for seconds in [LAST, LAST + 1, LAST_UNSIGNED, LAST_UNSIGNED + 1, FAR] {
        let time = Time::new(seconds, 123_456_789);
        let at = pointer(low.put(0, time));
        // SAFETY: the structure is in the low memory.
        let set = unsafe { int80(CLOCK_SETTIME64, [REALTIME, at, 0, 0, 0, 0]) };
        succeeds(&format!("clock_settime64 to {seconds}"), set)?;
        let now = now()?;
        check!(now.is_soon_after(time), "the clock is {now:?} after clock_settime64 to {time:?}");
        low.put(0, Time::default());
        // SAFETY: as above.
        succeeds("clock_gettime64", unsafe { int80(CLOCK_GETTIME64, [REALTIME, at, 0, 0, 0, 0]) })?;
        let told: Time = low.get(0);
        check!(told.is_soon_after(now), "clock_gettime64 tells {told:?} after {now:?}");
    }
    // SAFETY: as above.
    succeeds("clock_getres_time64", unsafe {
        int80(CLOCK_GETRES_TIME64, [REALTIME, pointer(low.at(0)), 0, 0, 0, 0])
    })?;
    let resolution: Time = low.get(0);
    check!(
        resolution > Time::default() && resolution.seconds == 0,
        "clock_getres_time64 tells {resolution:?}"
    );
    Ok(())
}

/// A 32-bit program's nanoseconds are a `long`: what is in the other half of the field is not its own.
pub fn padding_of_32_bit_nanoseconds_is_ignored(_: &Context) -> CaseResult {
    needs_int80()?;
    let low = Low::new()?;
    set(Time::new(LAST - 10, 0))?;
    let time = Time::new(LAST + 10, (0xdead_beef << 32) | 5);
    let at = pointer(low.put(0, time));
    // SAFETY: the structure is in the low memory.
    let set = unsafe { int80(CLOCK_SETTIME64, [REALTIME, at, 0, 0, 0, 0]) };
    succeeds("clock_settime64 with rubbish in the padding", set)?;
    let now = now()?;
    check!(now.is_soon_after(Time::new(LAST + 10, 5)), "the clock is {now:?} after that");
    fails_with("clock_settime of a 64-bit program with the same", try_set(time), EINVAL)
}

pub fn clock_adjtime64_steps_and_tells(_: &Context) -> CaseResult {
    needs_int80()?;
    let low = Low::new()?;
    let adjust = |request: libc::timex| {
        let at = pointer(low.put(0, request));
        // SAFETY: the structure is in the low memory; it is the same for all programs.
        unsafe { int80(CLOCK_ADJTIME64, [REALTIME, at, 0, 0, 0, 0]) }
    };
    // SAFETY: plain words, for which zero is valid.
    let empty: libc::timex = unsafe { std::mem::zeroed() };
    let start = Time::new(LAST - 100, 0);
    set(start)?;
    for seconds in [200, 1 << 32, -(1 << 32)] {
        let time = libc::timeval { tv_sec: seconds, tv_usec: 0 };
        let step = libc::timex { modes: libc::ADJ_SETOFFSET, time, ..empty };
        let before = now()?;
        succeeds(&format!("a step of {seconds} s"), adjust(step))?;
        let after = now()?;
        let expected = before.after(seconds * SECOND);
        check!(after.is_soon_after(expected), "a step of {seconds} s went from {before:?} to {after:?}");
        succeeds("clock_adjtime64 that asks only", adjust(empty))?;
        let told: libc::timex = low.get(0);
        let told = told.time.tv_sec;
        check!((after.seconds..after.seconds + SOON).contains(&told), "clock_adjtime64 tells {told}");
    }
    Ok(())
}

pub fn utimensat_time64_and_statx_are_whole(context: &Context) -> CaseResult {
    needs_int80()?;
    let low = Low::new()?;
    let path = context.scratch.join("file");
    setup("create", std::fs::write(&path, b"x").map_err(|_| crate::sys::Errno::last()))?;
    let mut name = [0u8; 64];
    let bytes = path.as_os_str().as_encoded_bytes();
    name[..bytes.len()].copy_from_slice(bytes);
    let name = pointer(low.put(0, name));
    let here = libc::AT_FDCWD as u32;
    for seconds in [LAST + 1, LAST_UNSIGNED, FAR, -LAST - 2] {
        let rubbish = 0xdead_beef << 32;
        let times = [Time::new(seconds, rubbish | 1), Time::new(seconds + 1, rubbish | 999_999_999)];
        let times = pointer(low.put(128, times));
        // SAFETY: path and times are in the low memory.
        let changed = unsafe { int80(UTIMENSAT_TIME64, [here, name, times, 0, 0, 0]) };
        succeeds(&format!("utimensat_time64 to {seconds}"), changed)?;
        let statx = pointer(low.at(512));
        // SAFETY: path and structure are in the low memory.
        let asked = unsafe { int80(STATX, [here, name, 0, libc::STATX_BASIC_STATS, statx, 0]) };
        succeeds("statx", asked)?;
        let told: libc::statx = low.get(512);
        let told = [told.stx_atime, told.stx_mtime].map(|time| (time.tv_sec, time.tv_nsec));
        check_eq!(
            told,
            [(seconds, 1), (seconds + 1, 999_999_999)],
            "times told by statx to a 32-bit program"
        );
    }
    Ok(())
}

pub fn round_robin_interval_is_told_to_32_bit_programs(_: &Context) -> CaseResult {
    needs_int80()?;
    let low = Low::new()?;
    let parameter = libc::sched_param { sched_priority: 1 };
    // SAFETY: the structures are ours or in the low memory.
    unsafe {
        let set = crate::syscall!(libc::SYS_sched_setscheduler, 0, libc::SCHED_RR, &raw const parameter);
        setup("sched_setscheduler(SCHED_RR)", set)?;
        low.put(0, Time::new(-1, -1));
        let told = int80(RR_INTERVAL_TIME64, [0, pointer(low.at(0)), 0, 0, 0, 0]);
        succeeds("sched_rr_get_interval_time64", told)?;
        let mut native = Time::default();
        setup("sched_rr_get_interval", crate::syscall!(libc::SYS_sched_rr_get_interval, 0, &raw mut native))?;
        check_eq!(low.get::<Time>(0), native, "the interval told to a 32-bit program");
    }
    Ok(())
}

pub fn timers_of_32_bit_programs_are_whole(_: &Context) -> CaseResult {
    needs_int80()?;
    timer::values_are_kept(Entry::Int80)
}

pub fn timeouts_of_32_bit_programs_are_whole(_: &Context) -> CaseResult {
    needs_int80()?;
    wait::long_waits_wait(Entry::Int80)
}

pub fn absolute_waits_of_32_bit_programs_end_in_time(_: &Context) -> CaseResult {
    needs_int80()?;
    wait::absolute_waits_end_in_time(Entry::Int80)
}

pub fn clock_set_past_the_end_ends_waits_of_32_bit_programs(_: &Context) -> CaseResult {
    needs_int80()?;
    wait::setting_the_clock_ends_absolute_waits(Entry::Int80)
}
