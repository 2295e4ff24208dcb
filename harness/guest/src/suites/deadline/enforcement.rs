//! What a deadline task gets and no more. All times are the guest's own, in exact mode.
//!
//! A budget is looked at in ticks, so one period may overrun by a tick; the overrun is taken from the next one,
//! so a sum over periods is off by one tick at most (sched-deadline.rst, section 2.1). A tick is 10 ms at worst.

use super::in_virtual_time;
use super::support::{Attributes, MILLISECOND, OVERRUN};
use crate::case::{exists, setup, succeeds};
use crate::child::isolated;
use crate::scheduling::{compute, compute_for, compute_until, now, used};
use crate::sys::{Errno, check as result_of};
use crate::{CaseResult, Context, check};
use std::sync::atomic::{AtomicU32, Ordering};

pub const TICK: u64 = 10 * MILLISECOND;
/// A quarter of a processor.
pub const QUARTER: Attributes = Attributes::deadline(20 * MILLISECOND, 80 * MILLISECOND, 80 * MILLISECOND);
pub const PERIODS: u64 = 5;

/// Computes for [`PERIODS`] periods; processor time used meanwhile.
pub fn hog() -> u64 {
    let before = used();
    compute_until(now() + PERIODS * QUARTER.period);
    used() - before
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
            let now = now();
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

/// The signals that a child gets while it does something with these flags.
fn signals_of(flags: u64, work: fn() -> CaseResult, judge: fn(u32) -> CaseResult) -> CaseResult {
    isolated(|| {
        setup("signal", count_overruns())?;
        succeeds("SCHED_DEADLINE", exists("sched_setattr", QUARTER.flags(flags).set(0))?)?;
        work()?;
        judge(SIGNALS.load(Ordering::Relaxed))
    })
}

fn overrun_always() -> CaseResult {
    hog();
    Ok(())
}

/// A quarter of the budget in every period.
fn overrun_never() -> CaseResult {
    for _ in 0..PERIODS {
        compute_for(QUARTER.runtime / 4);
        // SAFETY: no arguments.
        setup("sched_yield", result_of(unsafe { libc::sched_yield() }.into()))?;
    }
    Ok(())
}

pub fn overrun_signal(context: &Context) -> CaseResult {
    in_virtual_time(context)?;
    signals_of(OVERRUN, overrun_always, |count| {
        let expected = PERIODS as u32 - 1..=PERIODS as u32 + 2;
        check!(
            expected.contains(&count),
            "a hog got {count} SIGXCPU in {PERIODS} periods, due are {expected:?}"
        );
        Ok(())
    })?;
    signals_of(0, overrun_always, |count| {
        check!(count == 0, "a hog without SCHED_FLAG_DL_OVERRUN got {count} SIGXCPU");
        Ok(())
    })?;
    signals_of(OVERRUN, overrun_never, |count| {
        check!(count == 0, "a task within its budget got {count} SIGXCPU");
        Ok(())
    })
}
