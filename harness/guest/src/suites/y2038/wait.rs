//! Calls that wait, relative and absolute, by either entry: no timeout may be cut to 32 bits, and none may end early.

use super::calls::{ABSOLUTE, Nothing, RELATIVE, Waiting, place};
use super::entry::Entry;
use super::support::*;
use crate::case::{CaseResult, Stop, exists, setup};
use crate::child::{self, isolated};
use crate::sys::{Errno, check as result_of};
use crate::{Context, check, check_eq, syscall};
use libc::{EINTR, ENOSYS};
use std::sync::atomic::{AtomicBool, Ordering};

static WOKEN: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_: libc::c_int) {
    WOKEN.store(true, Ordering::Relaxed);
}

/// A SIGALRM so many nanoseconds from now, and every millisecond then: one that comes before the wait is not the
/// last. 0 ends it.
fn alarm(nanoseconds: i64) -> CaseResult {
    let microseconds = nanoseconds / 1000;
    let value = libc::timeval { tv_sec: microseconds / 1_000_000, tv_usec: microseconds % 1_000_000 };
    let interval = libc::timeval { tv_sec: 0, tv_usec: if nanoseconds == 0 { 0 } else { 10_000 } };
    let timer = libc::itimerval { it_interval: interval, it_value: value };
    // SAFETY: an all-zero action is valid; the handler touches an atomic only; the timer is ours.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = note as extern "C" fn(libc::c_int) as libc::sighandler_t;
        setup("sigaction", result_of(libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut()).into()))?;
        setup("setitimer", syscall!(libc::SYS_setitimer, libc::ITIMER_REAL, &raw const timer, 0)).map(drop)
    }
}

/// Waits at least so long that a wait cut to a few seconds, none or a negative number would have ended: it must go
/// on until a signal ends it.
fn waits_on(entry: Entry, waiting: &Waiting, nothing: &Nothing, time: Time) -> CaseResult {
    let Some(arguments) = (waiting.arguments)(nothing) else { return Ok(()) };
    nothing.low.put(place::TIME, time);
    WOKEN.store(false, Ordering::Relaxed);
    alarm(30 * MILLISECOND)?;
    // SAFETY: everything pointed to is in the low memory and as long as the calls expect.
    let ended = unsafe { entry.call(waiting.number, &arguments) };
    alarm(0)?;
    let name = waiting.name;
    match ended {
        // epoll_pwait2 is as young as 5.11, io_pgetevents as 4.18.
        Err(Errno(ENOSYS)) if matches!(name, "epoll_pwait2" | "io_pgetevents") => Ok(()),
        Err(Errno(EINTR)) if WOKEN.load(Ordering::Relaxed) => Ok(()),
        other => Err(Stop::Fail(format!(
            "{name} ({entry:?}) with a time of {time:?} ended with {other:?}, must wait for a signal"
        ))),
    }
}

/// Seconds of which the low half, or the low half taken for a signed number, says something else.
const LONG: [i64; 5] = [LAST + 1, LAST_UNSIGNED, LAST_UNSIGNED + 1, FAR, i64::MAX];

pub fn long_waits_wait(entry: Entry) -> CaseResult {
    isolated(|| {
        let nothing = Nothing::new(entry)?;
        for waiting in RELATIVE {
            for seconds in LONG {
                waits_on(entry, waiting, &nothing, Time::new(seconds, 0))?;
            }
        }
        set(Time::new(LAST - 10, 0))?;
        for waiting in ABSOLUTE {
            for seconds in LONG {
                waits_on(entry, waiting, &nothing, Time::new(seconds, 0))?;
            }
        }
        Ok(())
    })
}

/// Waits until a time beyond the end of 32 bits; it must come back soon after the earliest time it may.
fn waits_until(entry: Entry, waiting: &Waiting, nothing: &Nothing, end: Time, earliest: Time) -> CaseResult {
    let Some(arguments) = (waiting.arguments)(nothing) else { return Ok(()) };
    nothing.low.put(place::TIME, end);
    // SAFETY: everything pointed to is in the low memory and as long as the calls expect.
    let ended = unsafe { entry.call(waiting.number, &arguments) };
    let over = ended.map_or_else(|errno| Some(errno.0), |_| None);
    check_eq!(over.map(Errno), waiting.over.map(Errno), "how {} ({entry:?}) ends in time", waiting.name);
    let now = now()?;
    check!(now.is_soon_after(earliest), "{} ({entry:?}) until {end:?} came back at {now:?}", waiting.name);
    Ok(())
}

pub fn absolute_waits_end_in_time(entry: Entry) -> CaseResult {
    let nothing = Nothing::new(entry)?;
    for waiting in ABSOLUTE {
        for last in [LAST, LAST_UNSIGNED] {
            set(Time::new(last, 980 * MILLISECOND))?;
            let end = Time::new(last + 1, 20 * MILLISECOND);
            waits_until(entry, waiting, &nothing, end, end)?;
        }
        // Already over: the wait must not take the past for the future.
        let today = Time::new(FAR, 0);
        set(today)?;
        waits_until(entry, waiting, &nothing, Time::new(LAST + 1, 0), today)?;
    }
    Ok(())
}

/// A child waits until a time beyond the end of 32 bits that the clock is then set past.
pub fn setting_the_clock_ends_absolute_waits(entry: Entry) -> CaseResult {
    for waiting in ABSOLUTE {
        let end = Time::new(LAST + 1000, 0);
        set(Time::new(LAST - 1000, 0))?;
        let nothing = Nothing::new(entry)?;
        let pid = child::fork()?;
        if pid == 0 {
            child::exit(i32::from(waits_until(entry, waiting, &nothing, end, end).is_err()));
        }
        pause(20 * MILLISECOND)?;
        let mut status = 0;
        // SAFETY: our own child and our own status.
        let early = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) };
        check_eq!(early, 0, "{} ({entry:?}) before its time: process that ended", waiting.name);
        set(end.after(SECOND))?;
        check_eq!(child::wait(pid)?, child::Ending::Exited(0), "{} ({entry:?}): its child", waiting.name);
    }
    Ok(())
}

pub fn timeout_beyond_32_bits_is_not_cut(_: &Context) -> CaseResult {
    long_waits_wait(Entry::Native)
}

pub fn absolute_wait_ends_after_the_end_of_32_bits(_: &Context) -> CaseResult {
    absolute_waits_end_in_time(Entry::Native)
}

pub fn clock_set_past_the_end_ends_absolute_waits(_: &Context) -> CaseResult {
    setting_the_clock_ends_absolute_waits(Entry::Native)
}

/// What is left of a sleep is told when a signal ends it.
pub fn rest_of_a_long_sleep_is_told(_: &Context) -> CaseResult {
    let exactly = Time::new(FAR, 0);
    let mut rest = Time::default();
    alarm(30 * MILLISECOND)?;
    // SAFETY: both structures are ours.
    let slept = unsafe { syscall!(libc::SYS_nanosleep, &raw const exactly, &raw mut rest) };
    alarm(0)?;
    crate::case::fails_with("nanosleep ended by a signal", exists("nanosleep", slept)?, EINTR)?;
    check!(exactly.is_soon_after(rest) && rest != exactly, "of {exactly:?}, {rest:?} are told as left");
    Ok(())
}
