//! What a deadline task gets and no more. All times are the guest's own, in exact mode.
//!
//! A budget is looked at in ticks, so one period may overrun by a tick; the overrun is taken from the next one,
//! so a sum over periods is off by one tick at most (sched-deadline.rst, section 2.1). A tick is 10 ms at worst.

use super::support::{Attributes, MILLISECOND, OVERRUN};
use crate::case::{exists, setup, succeeds};
use crate::child::isolated;
use crate::sys::{Errno, check as result_of};
use crate::{CaseResult, Context, Stop, check, skip};
use std::sync::atomic::{AtomicU32, Ordering};

const TICK: u64 = 10 * MILLISECOND;
/// A quarter of a processor.
const QUARTER: Attributes = Attributes::deadline(20 * MILLISECOND, 80 * MILLISECOND, 80 * MILLISECOND);
const PERIODS: u64 = 5;

fn clock(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

fn in_virtual_time(context: &Context) -> CaseResult {
    if !context.exact {
        skip!("wrong mode: budgets are judged in exact mode only");
    }
    Ok(())
}

/// Some microseconds of work. No `pause` instruction: an emulator takes it for a reason to look around, which is slow.
fn compute() {
    for step in 0..1000 {
        std::hint::black_box(step);
    }
}

/// Computes for [`PERIODS`] periods; processor time used meanwhile.
fn hog() -> u64 {
    let (start, used) = (clock(libc::CLOCK_MONOTONIC), clock(libc::CLOCK_THREAD_CPUTIME_ID));
    while clock(libc::CLOCK_MONOTONIC) - start < PERIODS * QUARTER.period {
        compute();
    }
    clock(libc::CLOCK_THREAD_CPUTIME_ID) - used
}

pub fn hog_is_throttled(context: &Context) -> CaseResult {
    in_virtual_time(context)?;
    isolated(|| {
        succeeds("SCHED_DEADLINE", exists("sched_setattr", QUARTER.set(0))?)?;
        let used = hog();
        // The last period may have begun anew before the clock was looked at.
        let budget = (PERIODS + 1) * QUARTER.runtime + TICK;
        check!(used <= budget, "a hog used {used} ns of its {budget} ns in {PERIODS} periods");
        let least = (PERIODS - 1) * QUARTER.runtime - TICK;
        check!(used >= least, "a hog alone used {used} ns only, {least} ns were its due");
        Ok(())
    })
}

pub fn budget_is_kept(context: &Context) -> CaseResult {
    in_virtual_time(context)?;
    // SAFETY: the child computes until it is killed.
    let rival = unsafe { libc::fork() };
    if rival == 0 {
        loop {
            compute();
        }
    }
    setup("fork", result_of(rival.into()))?;
    let verdict = isolated(|| {
        succeeds("SCHED_DEADLINE", exists("sched_setattr", QUARTER.set(0))?)?;
        let used = hog();
        let least = (PERIODS - 1) * QUARTER.runtime - TICK;
        check!(used >= least, "beside a normal hog, {used} ns of the due {least} ns were given");
        let budget = (PERIODS + 1) * QUARTER.runtime + TICK;
        check!(used <= budget, "beside a normal hog, {used} ns were used of {budget} ns");
        Ok(())
    });
    // SAFETY: our own child.
    unsafe {
        libc::kill(rival, libc::SIGKILL);
        libc::waitpid(rival, std::ptr::null_mut(), 0);
    }
    verdict
}

pub fn yield_waits(context: &Context) -> CaseResult {
    in_virtual_time(context)?;
    isolated(|| {
        succeeds("SCHED_DEADLINE", exists("sched_setattr", QUARTER.set(0))?)?;
        let mut last = None;
        for _ in 0..4 {
            // SAFETY: no arguments.
            setup("sched_yield", result_of(unsafe { libc::sched_yield() }.into()))?;
            let now = clock(libc::CLOCK_MONOTONIC);
            if let Some(before) = last.replace(now) {
                let slept = now - before;
                check!(
                    slept.abs_diff(QUARTER.period) <= MILLISECOND,
                    "sched_yield came back after {slept} ns, the period is {} ns",
                    QUARTER.period
                );
            }
        }
        Ok(())
    })
}

static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

fn count_overruns() -> Result<(), Errno> {
    let handler: extern "C" fn(libc::c_int) = count;
    // SAFETY: the handler touches an atomic only.
    let old = unsafe { libc::signal(libc::SIGXCPU, handler as libc::sighandler_t) };
    if old == libc::SIG_ERR { Err(Errno::last()) } else { Ok(()) }
}

pub fn overrun_signal(context: &Context) -> CaseResult {
    in_virtual_time(context)?;
    let signals = |flags: u64, check: fn(u32) -> CaseResult| {
        isolated(|| {
            setup("signal", count_overruns())?;
            succeeds("SCHED_DEADLINE", exists("sched_setattr", QUARTER.flags(flags).set(0))?)?;
            hog();
            check(SIGNALS.load(Ordering::Relaxed))
        })
    };
    signals(OVERRUN, |count| match count {
        0 => Err(Stop::Fail("a hog with SCHED_FLAG_DL_OVERRUN got no SIGXCPU".into())),
        _ => Ok(()),
    })?;
    signals(0, |count| match count {
        0 => Ok(()),
        _ => Err(Stop::Fail(format!("a hog without SCHED_FLAG_DL_OVERRUN got {count} SIGXCPU"))),
    })
}
