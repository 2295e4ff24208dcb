//! Clocks and how they are set. A machine is the case's own, so its clock may be moved at will.

use crate::case::{CaseResult, Stop, setup};
use crate::sys::Errno;
use crate::{check, syscall};

/// 2038-01-19T03:14:07Z: the last second that a signed 32-bit time can tell.
pub const LAST: i64 = 0x7fff_ffff;
/// 2106-02-07T06:28:15Z: the last second that an unsigned 32-bit time can tell.
pub const LAST_UNSIGNED: i64 = 0xffff_ffff;
/// A time of which either half would be missed: in September 2106, of which the low half alone is August 1970.
pub const FAR: i64 = LAST_UNSIGNED + 1 + 0x0123_4567;

pub const SECOND: i64 = 1_000_000_000;
pub const MILLISECOND: i64 = 1_000_000;

/// What a case may take at most between two looks at a clock, in seconds.
pub const SOON: i64 = 300;

/// `struct __kernel_timespec`: the same for 64-bit calls and the 32-bit ones whose name ends in `time64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(C)]
pub struct Time {
    pub seconds: i64,
    pub nanoseconds: i64,
}

impl Time {
    pub const fn new(seconds: i64, nanoseconds: i64) -> Time {
        Time { seconds, nanoseconds }
    }

    /// This much later.
    pub const fn after(self, nanoseconds: i64) -> Time {
        let sum = self.nanoseconds + nanoseconds;
        Time { seconds: self.seconds + sum.div_euclid(SECOND), nanoseconds: sum.rem_euclid(SECOND) }
    }

    /// Nanoseconds since an earlier time.
    pub fn since(self, earlier: Time) -> i128 {
        let seconds = i128::from(self.seconds) - i128::from(earlier.seconds);
        seconds * i128::from(SECOND) + i128::from(self.nanoseconds - earlier.nanoseconds)
    }

    /// Not before the other time, and no more than [`SOON`] after it.
    pub fn is_soon_after(self, earlier: Time) -> bool {
        self >= earlier && self.since(earlier) < i128::from(SOON * SECOND)
    }
}

/// What the kernel tells, not the C library's copy of it.
pub fn read(clock: i32) -> Result<Time, Stop> {
    let mut time = Time::default();
    // SAFETY: the structure is ours.
    setup("clock_gettime", unsafe { syscall!(libc::SYS_clock_gettime, clock, &raw mut time) })?;
    Ok(time)
}

pub fn now() -> Result<Time, Stop> {
    read(libc::CLOCK_REALTIME)
}

/// clock_settime(2) of the real-time clock. What this returns may be what the case judges.
pub fn try_set(time: Time) -> Result<i64, Errno> {
    // SAFETY: the structure is ours.
    unsafe { syscall!(libc::SYS_clock_settime, libc::CLOCK_REALTIME, &raw const time) }
}

/// Sets the clock for a case about something else.
pub fn set(time: Time) -> CaseResult {
    crate::child::needs_root()?;
    setup("clock_settime", try_set(time)).map(drop)
}

/// Seconds that the kernel noted must be those of now.
pub fn is_of_now(what: &str, seconds: i64) -> CaseResult {
    let now = now()?.seconds;
    check!((now - SOON..=now).contains(&seconds), "{what} is {seconds}, the clock says {now}");
    Ok(())
}

/// Sleeps as the case's own matter, on a clock that is not moved.
pub fn pause(nanoseconds: i64) -> CaseResult {
    let time = Time::default().after(nanoseconds);
    // SAFETY: the structure is ours; what is left is not asked for.
    let slept = unsafe { syscall!(libc::SYS_clock_nanosleep, libc::CLOCK_MONOTONIC, 0, &raw const time, 0) };
    setup("clock_nanosleep", slept).map(drop)
}
