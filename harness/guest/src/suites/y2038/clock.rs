//! The clocks themselves.

use super::support::*;
use crate::case::{CaseResult, Stop, fails_with, setup, succeeds};
use crate::sys::{Errno, check as result_of};
use crate::{Context, check, check_eq, syscall};
use libc::EINVAL;

/// Seconds from which on the real-time clock cannot be set: what 64-bit nanoseconds hold, less thirty years of
/// uptime (`TIME_SETTOD_SEC_MAX` in include/linux/time64.h).
const SET_LIMIT: i64 = i64::MAX / SECOND - 30 * 365 * 24 * 3600;

/// Every way to ask for the real time must give a time soon after this one.
fn every_clock_says(earliest: Time) -> CaseResult {
    for (name, clock) in
        [("CLOCK_REALTIME", libc::CLOCK_REALTIME), ("CLOCK_REALTIME_COARSE", libc::CLOCK_REALTIME_COARSE)]
    {
        // The coarse clock is the time of the last tick, which may be before the clock was set.
        let floor = earliest.after(if clock == libc::CLOCK_REALTIME { 0 } else { -20 * MILLISECOND });
        let told = read(clock)?;
        check!(told.is_soon_after(floor), "{name} says {told:?}, it is after {earliest:?}");
        let mut library = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the structure is ours.
        setup("clock_gettime", result_of(unsafe { libc::clock_gettime(clock, &raw mut library) }.into()))?;
        let told = Time::new(library.tv_sec, library.tv_nsec);
        check!(told.is_soon_after(floor), "{name} in the vDSO says {told:?}, it is after {earliest:?}");
    }
    let mut of_day = [0i64; 2];
    // SAFETY: two words are a timeval; no time zone is asked for.
    setup("gettimeofday", unsafe { syscall!(libc::SYS_gettimeofday, of_day.as_mut_ptr(), 0) })?;
    let told = Time::new(of_day[0], of_day[1] * 1000);
    check!(told.is_soon_after(earliest.after(-1000)), "gettimeofday says {told:?}, it is after {earliest:?}");
    // SAFETY: no pointer is given.
    let seconds = setup("time", unsafe { syscall!(libc::SYS_time, 0) })?;
    check!(
        (earliest.seconds - 1..earliest.seconds + SOON).contains(&seconds),
        "time says {seconds}, it is after {earliest:?}"
    );
    Ok(())
}

pub fn clock_runs_through_the_end_of_32_bits(_: &Context) -> CaseResult {
    let steady = || read(libc::CLOCK_MONOTONIC);
    for last in [LAST, LAST_UNSIGNED] {
        let start = Time::new(last, 900 * MILLISECOND);
        // Between two looks at another clock, however long this process is held up there.
        let before = steady()?;
        set(start)?;
        let after = steady()?;
        pause(200 * MILLISECOND)?;
        every_clock_says(Time::new(last + 1, 0))?;
        let least = steady()?.since(after);
        let real = now()?.since(start);
        let most = steady()?.since(before);
        let slack = i128::from(MILLISECOND) + most / 100;
        check!(
            (least - slack..=most + slack).contains(&real),
            "the clock went {real} ns through {last}, CLOCK_MONOTONIC {least} to {most} ns"
        );
    }
    Ok(())
}

pub fn clock_can_be_set_to_any_time(_: &Context) -> CaseResult {
    crate::child::needs_root()?;
    for seconds in [LAST - 1, LAST, LAST + 1, LAST_UNSIGNED, LAST_UNSIGNED + 1, FAR, SET_LIMIT - 1, LAST] {
        let time = Time::new(seconds, 999_999_999);
        succeeds(&format!("clock_settime to {seconds}"), try_set(time))?;
        every_clock_says(time)?;
        let of_day = [seconds, 999_999];
        // SAFETY: two words are a timeval; no time zone is given.
        let set = unsafe { syscall!(libc::SYS_settimeofday, of_day.as_ptr(), 0) };
        succeeds(&format!("settimeofday to {seconds}"), set)?;
        every_clock_says(Time::new(seconds, 999_999_000))?;
    }
    Ok(())
}

pub fn impossible_time_is_refused(_: &Context) -> CaseResult {
    set(Time::new(FAR, 0))?;
    for (what, time) in [
        ("a second of nanoseconds", Time::new(LAST + 1, SECOND)),
        ("negative nanoseconds", Time::new(LAST + 1, -1)),
        ("nanoseconds beyond 32 bits", Time::new(LAST + 1, 1 << 32)),
        ("negative seconds", Time::new(-1, 0)),
        ("seconds of -2^31", Time::new(-LAST - 1, 0)),
        ("the first second beyond the limit", Time::new(SET_LIMIT, 0)),
        ("the last second of 64 bits", Time::new(i64::MAX, 0)),
        ("a time before the boot", Time::new(0, 0)),
    ] {
        fails_with(&format!("clock_settime to {what}"), try_set(time), EINVAL)?;
    }
    for (what, of_day) in [("a second of microseconds", [LAST + 1, 1_000_000]), ("negative seconds", [-1, 0])]
    {
        // SAFETY: two words are a timeval.
        let set = unsafe { syscall!(libc::SYS_settimeofday, of_day.as_ptr(), 0) };
        fails_with(&format!("settimeofday to {what}"), set, EINVAL)?;
    }
    every_clock_says(Time::new(FAR, 0))
}

pub fn other_clocks_do_not_jump(_: &Context) -> CaseResult {
    const STEADY: [(&str, i32); 7] = [
        ("CLOCK_MONOTONIC", libc::CLOCK_MONOTONIC),
        ("CLOCK_MONOTONIC_RAW", libc::CLOCK_MONOTONIC_RAW),
        ("CLOCK_MONOTONIC_COARSE", libc::CLOCK_MONOTONIC_COARSE),
        ("CLOCK_BOOTTIME", libc::CLOCK_BOOTTIME),
        ("CLOCK_BOOTTIME_ALARM", libc::CLOCK_BOOTTIME_ALARM),
        ("CLOCK_PROCESS_CPUTIME_ID", libc::CLOCK_PROCESS_CPUTIME_ID),
        ("CLOCK_THREAD_CPUTIME_ID", libc::CLOCK_THREAD_CPUTIME_ID),
    ];
    let mut time = Time::default();
    // SAFETY: the structure is ours.
    let mut read =
        |clock: i32| unsafe { syscall!(libc::SYS_clock_gettime, clock, &raw mut time) }.map(|_| time);
    for seconds in [LAST + 1, FAR, LAST - 1_000_000_000] {
        let before = STEADY.map(|(_, clock)| read(clock));
        set(Time::new(seconds, 0))?;
        for ((name, clock), before) in STEADY.into_iter().zip(before) {
            // Without a real-time clock device the kernel has no alarm clocks.
            let Ok(before) = before else { continue };
            let after = succeeds(name, read(clock))?;
            check!(
                after.is_soon_after(before),
                "{name} went from {before:?} to {after:?} when the time was set to {seconds}"
            );
        }
    }
    Ok(())
}

pub fn vdso_agrees_with_the_kernel(_: &Context) -> CaseResult {
    for seconds in [LAST, LAST_UNSIGNED, FAR] {
        set(Time::new(seconds, 999 * MILLISECOND))?;
        for (name, clock) in [
            ("CLOCK_REALTIME", libc::CLOCK_REALTIME),
            ("CLOCK_TAI", libc::CLOCK_TAI),
            ("CLOCK_MONOTONIC", libc::CLOCK_MONOTONIC),
            ("CLOCK_BOOTTIME", libc::CLOCK_BOOTTIME),
        ] {
            for _ in 0..100 {
                let before = read(clock)?;
                let mut library = libc::timespec { tv_sec: 0, tv_nsec: 0 };
                // SAFETY: the structure is ours.
                let told = result_of(unsafe { libc::clock_gettime(clock, &raw mut library) }.into());
                setup("clock_gettime", told)?;
                let (between, after) = (Time::new(library.tv_sec, library.tv_nsec), read(clock)?);
                check!(
                    before <= between && between <= after,
                    "{name} near {seconds}: {before:?} by the kernel, {between:?} by the vDSO, then {after:?}"
                );
            }
        }
    }
    Ok(())
}

/// An empty request to adjtimex(2).
fn timex() -> libc::timex {
    // SAFETY: plain words, for which zero is valid.
    unsafe { std::mem::zeroed() }
}

/// clock_adjtime(2) of the real-time clock; gives the structure as written back.
fn adjust(request: libc::timex) -> Result<libc::timex, Errno> {
    let mut timex = request;
    // SAFETY: the structure is ours.
    unsafe { syscall!(libc::SYS_clock_adjtime, libc::CLOCK_REALTIME, &raw mut timex) }?;
    Ok(timex)
}

/// A request to step the clock; the fraction must not be negative.
fn step(seconds: i64, fraction: i64, unit: u32) -> libc::timex {
    let time = libc::timeval { tv_sec: seconds, tv_usec: fraction };
    libc::timex { modes: libc::ADJ_SETOFFSET | unit, time, ..timex() }
}

pub fn adjtimex_steps_over_the_end(_: &Context) -> CaseResult {
    let start = Time::new(LAST - 100, 0);
    set(start)?;
    succeeds("a step of 100.5 s", adjust(step(100, 500 * MILLISECOND, libc::ADJ_NANO)))?;
    every_clock_says(start.after(100_500 * MILLISECOND))?;
    succeeds("a step back of 99.5 s", adjust(step(-100, 500_000, 0)))?;
    every_clock_says(start.after(SECOND))?;
    succeeds("a step of 2^32 s", adjust(step(1 << 32, 0, libc::ADJ_NANO)))?;
    let far = start.after(SECOND + (1 << 32) * SECOND);
    every_clock_says(far)?;
    for (what, request) in [
        ("a second of nanoseconds", step(1, SECOND, libc::ADJ_NANO)),
        ("a second of microseconds", step(1, 1_000_000, 0)),
        ("negative microseconds", step(1, -1, 0)),
        ("a step beyond the limit", step(SET_LIMIT, 0, 0)),
        ("a step to before the boot", step(-(LAST_UNSIGNED + LAST), 0, 0)),
    ] {
        fails_with(&format!("ADJ_SETOFFSET with {what}"), adjust(request), EINVAL)?;
    }
    let told = succeeds("clock_adjtime that asks only", adjust(timex()))?;
    check!(told.time.tv_sec - far.seconds < SOON, "clock_adjtime tells {}, it is {far:?}", told.time.tv_sec);
    every_clock_says(far)
}

pub fn tai_keeps_its_distance(_: &Context) -> CaseResult {
    set(Time::new(LAST - 10, 0))?;
    let request = libc::timex { modes: libc::ADJ_TAI, constant: 37, ..timex() };
    succeeds("ADJ_TAI", adjust(request))?;
    for seconds in [LAST - 10, LAST, LAST_UNSIGNED, FAR] {
        set(Time::new(seconds, 0))?;
        let (before, tai, after) = (now()?, read(libc::CLOCK_TAI)?, now()?);
        check!(
            before.after(37 * SECOND) <= tai && tai <= after.after(37 * SECOND),
            "CLOCK_TAI is {tai:?} when CLOCK_REALTIME is {before:?}, and 37 s of distance were set"
        );
    }
    check_eq!(setup("clock_adjtime", adjust(timex()))?.tai, 37, "the distance told");
    Ok(())
}

/// The time of the boot is told as a real time, so it moves with the clock.
pub fn boot_time_follows_the_clock(_: &Context) -> CaseResult {
    for seconds in [LAST + 1000, FAR] {
        set(Time::new(seconds, 0))?;
        let text = std::fs::read_to_string("/proc/stat")
            .map_err(|error| Stop::Broken(format!("/proc/stat: {error}")))?;
        let told: Option<i64> =
            text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok());
        let expected = now()?.seconds - read(libc::CLOCK_BOOTTIME)?.seconds;
        check!(
            told.is_some_and(|told| (told - expected).abs() <= 2),
            "btime in /proc/stat is {told:?}, must be {expected}"
        );
    }
    Ok(())
}
