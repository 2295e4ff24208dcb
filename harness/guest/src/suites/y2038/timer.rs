//! POSIX timers, timer descriptors and interval timers.

use super::entry::{Entry, Low, Number};
use super::support::*;
use crate::case::{CaseResult, Stop, fails_with, setup, succeeds};
use crate::sys::{Errno, owned};
use crate::{Context, check, check_eq, file, syscall};
use libc::{EAGAIN, ECANCELED, EINVAL};
use std::os::fd::{AsRawFd, OwnedFd};

/// `struct __kernel_itimerspec`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Setting {
    pub interval: Time,
    pub value: Time,
}

const ABSOLUTE: u64 = 1;
const CANCEL_ON_SET: u64 = 2;

const NEW: usize = 0;
const OLD: usize = 64;

/// A timer of either kind.
enum Timer {
    Posix(i32),
    Descriptor(OwnedFd),
}

impl Timer {
    /// A POSIX timer that tells nobody when it expires.
    fn posix(clock: i32) -> Result<Timer, Stop> {
        // SAFETY: an all-zero event is valid, and ours.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_NONE;
        let mut id = 0i32;
        // SAFETY: both are ours.
        let made = unsafe { syscall!(libc::SYS_timer_create, clock, &raw const event, &raw mut id) };
        setup("timer_create", made)?;
        Ok(Timer::Posix(id))
    }

    fn descriptor(clock: i32) -> Result<Timer, Stop> {
        let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
        // SAFETY: no pointers.
        let made = unsafe { syscall!(libc::SYS_timerfd_create, clock, flags) };
        Ok(Timer::Descriptor(owned(setup("timerfd_create", made)?)))
    }

    fn both(clock: i32) -> Result<[(&'static str, Timer); 2], Stop> {
        Ok([("a POSIX timer", Timer::posix(clock)?), ("a timer descriptor", Timer::descriptor(clock)?)])
    }

    fn set(&self, entry: Entry, low: &Low, flags: u64, setting: Setting) -> Result<i64, Errno> {
        low.put(NEW, setting);
        let (number, timer) = match self {
            Timer::Posix(id) => (Number { native: libc::SYS_timer_settime, int80: 409 }, *id),
            Timer::Descriptor(fd) => {
                (Number { native: libc::SYS_timerfd_settime, int80: 411 }, fd.as_raw_fd())
            }
        };
        // SAFETY: both structures are in the low memory.
        unsafe { entry.call(number, &[timer as u64, flags, low.at(NEW), low.at(OLD)]) }
    }

    fn get(&self, entry: Entry, low: &Low) -> Result<Setting, Errno> {
        let (number, timer) = match self {
            Timer::Posix(id) => (Number { native: libc::SYS_timer_gettime, int80: 408 }, *id),
            Timer::Descriptor(fd) => {
                (Number { native: libc::SYS_timerfd_gettime, int80: 410 }, fd.as_raw_fd())
            }
        };
        // SAFETY: the structure is in the low memory.
        unsafe { entry.call(number, &[timer as u64, low.at(OLD)]) }?;
        Ok(low.get(OLD))
    }
}

fn once(value: Time) -> Setting {
    Setting { interval: Time::default(), value }
}

/// Expirations that a timer descriptor counts, without waiting.
fn expirations(timer: &OwnedFd) -> Result<u64, Errno> {
    let mut count = 0u64;
    // SAFETY: the word is ours.
    unsafe { syscall!(libc::SYS_read, timer.as_raw_fd(), &raw mut count, 8) }?;
    Ok(count)
}

/// Whether poll(2) calls a descriptor readable within so many milliseconds.
fn is_readable(fd: &OwnedFd, milliseconds: u64) -> Result<bool, Stop> {
    let time = std::time::Duration::from_millis(milliseconds);
    setup("poll", file::poll(fd, libc::POLLIN, time)).map(|events| events != 0)
}

/// Times that a timer is set to must come back whole.
pub fn values_are_kept(entry: Entry) -> CaseResult {
    let low = Low::new()?;
    set(Time::new(LAST - 1000, 0))?;
    for (name, timer) in Timer::both(libc::CLOCK_REALTIME)? {
        for seconds in [LAST + 1, LAST_UNSIGNED, LAST_UNSIGNED + 1, FAR] {
            let interval = Time::new(seconds, 999_999_999);
            let asked = Setting { interval, value: Time::new(seconds, 0) };
            succeeds(name, timer.set(entry, &low, 0, asked))?;
            let told = succeeds(name, timer.get(entry, &low))?;
            check_eq!(told.interval, interval, "{name}: interval of a relative setting");
            check!(
                asked.value.is_soon_after(told.value),
                "{name} in {seconds} s: {:?} are told as left",
                told.value
            );
            succeeds(name, timer.set(entry, &low, ABSOLUTE, asked))?;
            let now = now()?;
            let told = succeeds(name, timer.get(entry, &low))?;
            let left = Time::new(seconds - now.seconds, 0);
            check!(left.is_soon_after(told.value), "{name} at {seconds}: {:?} are told as left", told.value);
            // What was set before is told, too.
            succeeds(name, timer.set(entry, &low, 0, Setting::default()))?;
            let old: Setting = low.get(OLD);
            check_eq!(old.interval, interval, "{name}: interval told when it is disarmed");
            check!(left.is_soon_after(old.value), "{name} at {seconds}: old value {:?}", old.value);
        }
    }
    Ok(())
}

pub fn timer_value_beyond_32_bits_is_kept(_: &Context) -> CaseResult {
    values_are_kept(Entry::Native)
}

/// An absolute timer must expire when its time comes, and not before.
pub fn timer_expires_after_the_end_of_32_bits(_: &Context) -> CaseResult {
    let low = Low::new()?;
    for last in [LAST, LAST_UNSIGNED] {
        set(Time::new(last, 900 * MILLISECOND))?;
        for (name, timer) in Timer::both(libc::CLOCK_REALTIME)? {
            let end = now()?.after(150 * MILLISECOND);
            succeeds(name, timer.set(Entry::Native, &low, ABSOLUTE, once(end)))?;
            let mut looks = 0;
            while succeeds(name, timer.get(Entry::Native, &low))?.value != Time::default() {
                looks += 1;
                check!(looks < 3000, "{name} for {end:?} has not expired at {:?}", now()?);
                pause(10 * MILLISECOND)?;
            }
            // A timer without an event is looked at when it is asked for, which is the right time as well.
            check!(now()? >= end, "{name} for {end:?} was over at {:?}", now()?);
            if let Timer::Descriptor(fd) = &timer {
                check_eq!(is_readable(fd, 10_000)?, true, "{name} is readable");
                check_eq!(succeeds("read of the descriptor", expirations(fd))?, 1, "expirations");
            }
        }
    }
    Ok(())
}

/// An armed descriptor for a far time, on the real-time clock unless another is asked for.
fn armed(low: &Low, clock: i32, flags: u64, value: Time) -> Result<OwnedFd, Stop> {
    let timer = Timer::descriptor(clock)?;
    succeeds("timerfd_settime", timer.set(Entry::Native, low, flags, once(value)))?;
    match timer {
        Timer::Descriptor(fd) => Ok(fd),
        Timer::Posix(_) => unreachable!("a descriptor was asked for"),
    }
}

pub fn clock_set_past_a_timer_expires_it(_: &Context) -> CaseResult {
    let low = Low::new()?;
    set(Time::new(LAST - 1000, 0))?;
    let absolute = armed(&low, libc::CLOCK_REALTIME, ABSOLUTE, Time::new(LAST + 1000, 0))?;
    let relative = armed(&low, libc::CLOCK_REALTIME, 0, Time::new(2000, 0))?;
    check_eq!(is_readable(&absolute, 20)?, false, "readable before its time");
    set(Time::new(LAST + 1001, 0))?;
    check_eq!(
        is_readable(&absolute, 10_000)?,
        true,
        "absolute timer readable after the clock was set past it"
    );
    check_eq!(succeeds("read", expirations(&absolute))?, 1, "its expirations");
    check_eq!(is_readable(&relative, 20)?, false, "relative timer readable after the clock was set");
    set(Time::new(LAST - 1000, 0))?;
    let left = succeeds("timerfd_gettime", Timer::Descriptor(relative).get(Entry::Native, &low))?.value;
    let range = 2000 - SOON..=2000;
    check!(range.contains(&left.seconds), "{left:?} of 2000 s are left to the relative timer");
    Ok(())
}

pub fn timer_is_cancelled_when_the_clock_is_set(_: &Context) -> CaseResult {
    let low = Low::new()?;
    let both = ABSOLUTE | CANCEL_ON_SET;
    let real = libc::CLOCK_REALTIME;
    for (from, to) in [(LAST - 1000, LAST + 1000), (FAR, LAST - 1000), (LAST, LAST_UNSIGNED)] {
        set(Time::new(from, 0))?;
        let far = Time::new(FAR + 1_000_000, 0);
        let cancelled = armed(&low, real, both, far)?;
        let kept = armed(&low, real, ABSOLUTE, far)?;
        let relative = armed(&low, real, CANCEL_ON_SET, Time::new(1_000_000, 0))?;
        let steady = armed(&low, libc::CLOCK_MONOTONIC, both, Time::new(1_000_000, 0))?;
        check_eq!(expirations(&cancelled), Err(Errno(EAGAIN)), "read before the clock is set");
        set(Time::new(to, 0))?;
        check_eq!(is_readable(&cancelled, 10_000)?, true, "the cancelled timer is readable");
        check_eq!(
            expirations(&cancelled),
            Err(Errno(ECANCELED)),
            "read after the clock was set from {from} to {to}"
        );
        check_eq!(expirations(&cancelled), Err(Errno(EAGAIN)), "second read");
        for (name, timer) in [
            ("TFD_TIMER_ABSTIME alone", &kept),
            ("TFD_TIMER_CANCEL_ON_SET alone", &relative),
            ("CLOCK_MONOTONIC", &steady),
        ] {
            check_eq!(expirations(timer), Err(Errno(EAGAIN)), "read of a timer with {name}");
        }
        // One that waits in read(2) meanwhile is woken; every later change is told again.
        set(Time::new(from, 0))?;
        check_eq!(expirations(&cancelled), Err(Errno(ECANCELED)), "read after the clock was set back");
    }
    Ok(())
}

pub fn waiting_reader_learns_that_the_clock_was_set(_: &Context) -> CaseResult {
    let low = Low::new()?;
    set(Time::new(LAST - 1000, 0))?;
    let timer = armed(&low, libc::CLOCK_REALTIME, ABSOLUTE | CANCEL_ON_SET, Time::new(FAR, 0))?;
    // SAFETY: no pointers; the descriptor is ours, and blocks from now on.
    setup("fcntl", unsafe { syscall!(libc::SYS_fcntl, timer.as_raw_fd(), libc::F_SETFL, 0) })?;
    let pid = crate::child::fork()?;
    if pid == 0 {
        crate::child::exit(expirations(&timer).map_or_else(|errno| errno.0, |_| 0));
    }
    pause(20 * MILLISECOND)?;
    set(Time::new(LAST + 1, 0))?;
    let ended = crate::child::wait(pid)?;
    check_eq!(ended, crate::child::Ending::Exited(ECANCELED), "a waiting read(2), its errno as exit status");
    Ok(())
}

pub fn bad_timer_value_is_refused(_: &Context) -> CaseResult {
    let low = Low::new()?;
    for (name, timer) in Timer::both(libc::CLOCK_REALTIME)? {
        for (what, value) in [
            ("nanoseconds beyond 32 bits", Time::new(LAST + 1, 1 << 32)),
            ("a second of nanoseconds", Time::new(LAST + 1, SECOND)),
            ("negative nanoseconds", Time::new(LAST + 1, -1)),
            ("negative seconds", Time::new(-LAST - 2, 0)),
        ] {
            for flags in [0, ABSOLUTE] {
                let set = timer.set(Entry::Native, &low, flags, once(value));
                fails_with(&format!("{name} with {what}"), set, EINVAL)?;
            }
        }
        let told = succeeds(name, timer.get(Entry::Native, &low))?;
        check_eq!(told, Setting::default(), "{name} after refused calls");
    }
    Ok(())
}

/// `struct itimerval` in words: interval, then value.
type Interval = [i64; 4];

fn interval_timer(which: i32, value: Interval) -> Result<Interval, Errno> {
    let mut old = [0; 4];
    // SAFETY: four words each, as the call expects.
    unsafe { syscall!(libc::SYS_setitimer, which, value.as_ptr(), old.as_mut_ptr()) }?;
    Ok(old)
}

pub fn interval_timers_do_not_see_the_clock_jump(_: &Context) -> CaseResult {
    for which in [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF] {
        // Longer than signed and unsigned 32-bit seconds: one that fired would kill this process.
        for seconds in [LAST + 1, LAST_UNSIGNED + 1, FAR] {
            set(Time::new(LAST - 1000, 0))?;
            succeeds("setitimer", interval_timer(which, [seconds, 999_999, seconds, 0]))?;
            set(Time::new(FAR + seconds / 2, 0))?;
            pause(5 * MILLISECOND)?;
            let mut told: Interval = [0; 4];
            // SAFETY: four words, as the call expects.
            let asked = unsafe { syscall!(libc::SYS_getitimer, which, told.as_mut_ptr()) };
            succeeds("getitimer", asked)?;
            let whole = |value: Interval| {
                value[..2] == [seconds, 999_999] && (seconds - SOON..=seconds).contains(&value[2])
            };
            check!(whole(told), "timer {which} of {seconds} s is told as {told:?}");
            let old = succeeds("setitimer", interval_timer(which, [0; 4]))?;
            check!(whole(old), "timer {which} of {seconds} s was {old:?}");
        }
    }
    Ok(())
}
