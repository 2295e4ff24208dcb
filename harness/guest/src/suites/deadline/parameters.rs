//! Which runtimes, deadlines and periods are taken.

use super::support::{
    Attributes, MICROSECOND, MILLISECOND, OVERRUN, RECLAIM, RESET_ON_FORK, SCHED_DEADLINE, Sleeper,
};
use crate::case::{exists, fails_with, setup, succeeds};
use crate::child::isolated;
use crate::sys::check as result_of;
use crate::{CaseResult, Context, check_eq, skip, syscall};
use libc::EINVAL;

/// The attributes must be refused, and the process must stay what it was.
fn refuses(sleeper: &Sleeper, what: &str, attributes: &Attributes) -> CaseResult {
    let before = setup("sched_getattr", Attributes::get(sleeper.process))?;
    fails_with(what, exists("sched_setattr", attributes.set(sleeper.process))?, EINVAL)?;
    let after = setup("sched_getattr", Attributes::get(sleeper.process))?;
    check_eq!(after, before, "attributes after {what} was refused");
    Ok(())
}

fn takes(sleeper: &Sleeper, what: &str, attributes: &Attributes) -> CaseResult {
    succeeds(what, exists("sched_setattr", attributes.set(sleeper.process))?)?;
    let after = succeeds("sched_getattr", Attributes::get(sleeper.process))?;
    check_eq!(after, *attributes, "attributes read back after {what}");
    Ok(())
}

pub fn what_was_set_is_read_back(_: &Context) -> CaseResult {
    let sleeper = Sleeper::new()?;
    let plain = Attributes::deadline(3 * MILLISECOND + 1, 30 * MILLISECOND + 7, 100 * MILLISECOND + 13);
    for flags in [0, RESET_ON_FORK, RECLAIM, OVERRUN, RESET_ON_FORK | RECLAIM | OVERRUN] {
        takes(&sleeper, &format!("flags {flags:#x}"), &plain.flags(flags))?;
    }
    let short = Attributes { period: 0, ..plain };
    succeeds("a period of 0", short.set(sleeper.process))?;
    let after = succeeds("sched_getattr", Attributes::get(sleeper.process))?;
    check_eq!(after.period, plain.deadline, "the period that 0 stands for: the deadline");
    // For this the task must be awake: one that sleeps when others take its policy away keeps its bandwidth.
    isolated(|| {
        let half = Attributes::deadline(50 * MILLISECOND, 100 * MILLISECOND, 100 * MILLISECOND);
        succeeds("SCHED_DEADLINE", half.flags(RECLAIM).set(0))?;
        let normal = Attributes { size: half.size, ..Attributes::default() };
        succeeds("return to SCHED_OTHER", normal.set(0))?;
        let after = succeeds("sched_getattr", Attributes::get(0))?;
        check_eq!((after.policy, after.flags), (0, 0), "policy and flags after the return to SCHED_OTHER");
        Ok(())
    })
}

pub fn order(_: &Context) -> CaseResult {
    let sleeper = Sleeper::new()?;
    let (one, ten, hundred) = (MILLISECOND, 10 * MILLISECOND, 100 * MILLISECOND);
    for (what, runtime, deadline, period) in [
        ("no runtime", 0, ten, hundred),
        ("no deadline", one, 0, hundred),
        ("a deadline one below the runtime", one, one - 1, hundred),
        ("a period one below the deadline", one, ten, ten - 1),
        ("a period below the runtime", ten, ten, one),
        ("a deadline of 2^63", one, 1 << 63, 1 << 63),
        ("a period of 2^63", one, ten, 1 << 63),
    ] {
        refuses(&sleeper, what, &Attributes::deadline(runtime, deadline, period))?;
    }
    takes(&sleeper, "a deadline equal to the runtime", &Attributes::deadline(one, one, hundred))?;
    takes(&sleeper, "a period equal to the deadline", &Attributes::deadline(one, ten, ten))?;
    // And again from the other side, now that there is something to lose.
    refuses(&sleeper, "a deadline one below the runtime", &Attributes::deadline(one, one - 1, hundred))
}

pub fn smallest_runtime(_: &Context) -> CaseResult {
    let sleeper = Sleeper::new()?;
    for runtime in [1, 1023] {
        let attributes = Attributes::deadline(runtime, MILLISECOND, 10 * MILLISECOND);
        refuses(&sleeper, &format!("a runtime of {runtime} ns"), &attributes)?;
    }
    takes(&sleeper, "a runtime of 1024 ns", &Attributes::deadline(1024, MILLISECOND, 10 * MILLISECOND))
}

fn sysctl(name: &str) -> Option<u64> {
    std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?.trim().parse().ok()
}

pub fn period_limits(_: &Context) -> CaseResult {
    let (Some(min), Some(max)) =
        (sysctl("sched_deadline_period_min_us"), sysctl("sched_deadline_period_max_us"))
    else {
        skip!("no sysctl kernel.sched_deadline_period_*_us in this kernel");
    };
    let (min, max) = (min * MICROSECOND, max * MICROSECOND);
    let sleeper = Sleeper::new()?;
    let with_period = |period| Attributes::deadline(1024, min / 2, period);
    takes(&sleeper, "the shortest period", &with_period(min))?;
    takes(&sleeper, "the longest period", &with_period(max))?;
    refuses(&sleeper, "a period 1 ns too short", &with_period(min - 1))?;
    refuses(&sleeper, "a period 1 ns too long", &with_period(max + 1))
}

pub fn old_interface(_: &Context) -> CaseResult {
    let sleeper = Sleeper::new()?;
    let parameter = libc::sched_param { sched_priority: 0 };
    // SAFETY: the structure is ours.
    let set = unsafe {
        syscall!(libc::SYS_sched_setscheduler, sleeper.process, SCHED_DEADLINE, &raw const parameter)
    };
    fails_with("sched_setscheduler(SCHED_DEADLINE)", set, EINVAL)?;
    // SAFETY: no pointers.
    let policy = |process: i32| result_of(unsafe { libc::syscall(libc::SYS_sched_getscheduler, process) });
    check_eq!(succeeds("sched_getscheduler", policy(sleeper.process))?, 0, "policy after that");
    let attributes =
        Attributes::deadline(MILLISECOND, 10 * MILLISECOND, 100 * MILLISECOND).flags(RESET_ON_FORK);
    takes(&sleeper, "sched_setattr", &attributes)?;
    let both = i64::from(SCHED_DEADLINE) | i64::from(libc::SCHED_RESET_ON_FORK);
    check_eq!(succeeds("sched_getscheduler", policy(sleeper.process))?, both, "policy of a deadline task");
    for call in [libc::SYS_sched_get_priority_min, libc::SYS_sched_get_priority_max] {
        // SAFETY: no pointers.
        let limit = result_of(unsafe { libc::syscall(call, SCHED_DEADLINE) });
        check_eq!(succeeds("sched_get_priority_min or _max", limit)?, 0, "priority limit of SCHED_DEADLINE");
    }
    Ok(())
}
