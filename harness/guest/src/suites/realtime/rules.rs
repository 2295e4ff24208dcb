//! Which policies and priorities are taken, from whom, and what children get.

use crate::case::{CaseResult, Stop, exists, fails_with, setup, succeeds};
use crate::child::{self, isolated, unprivileged};
use crate::scheduling::{MILLISECOND, Task, policy, priority, set_policy, set_priority, sleep};
use crate::sys::Errno;
use crate::{Context, check, check_eq, skip, syscall};
use libc::{
    EFAULT, EINVAL, EPERM, ESRCH, SCHED_BATCH, SCHED_FIFO, SCHED_IDLE, SCHED_OTHER, SCHED_RESET_ON_FORK,
    SCHED_RR,
};

/// A process that does nothing, as the object of a change.
pub fn sleeper() -> Result<Task, Stop> {
    Task::start(|| child::pause())
}

pub fn priority_limits_are_obeyed(_: &Context) -> CaseResult {
    child::needs_root()?;
    let limits: [(i32, i64, i64); 5] = [
        (SCHED_FIFO, 1, 99),
        (SCHED_RR, 1, 99),
        (SCHED_OTHER, 0, 0),
        (SCHED_BATCH, 0, 0),
        (SCHED_IDLE, 0, 0),
    ];
    let task = sleeper()?;
    for (number, least, most) in limits {
        // SAFETY: no pointers.
        let (min, max) = unsafe {
            (
                syscall!(libc::SYS_sched_get_priority_min, number),
                syscall!(libc::SYS_sched_get_priority_max, number),
            )
        };
        check_eq!((min, max), (Ok(least), Ok(most)), "priority limits of policy {number}");
        for given in [least, most] {
            let set = set_policy(task.process, number, given as i32);
            succeeds(&format!("policy {number} with priority {given}"), set)?;
            check_eq!(policy(task.process), Ok(number.into()), "policy");
            check_eq!(priority(task.process), Ok(given as i32), "priority");
        }
        for given in [least - 1, most + 1, i64::from(i32::MIN), i64::from(i32::MAX)] {
            let what = format!("policy {number} with priority {given}");
            fails_with(&what, set_policy(task.process, number, given as i32), EINVAL)?;
            fails_with(&what, set_priority(task.process, given as i32), EINVAL)?;
            let kept = (policy(task.process), priority(task.process));
            check_eq!(kept, (Ok(number.into()), Ok(most as i32)), "policy and priority after refused calls");
        }
    }
    Ok(())
}

pub fn unknown_policy_is_refused(_: &Context) -> CaseResult {
    let task = sleeper()?;
    // 4 was never merged, 6 needs sched_setattr, 7 is SCHED_EXT since 6.12.
    for number in [4, 6, 8, 100, -1, i32::MIN] {
        for given in [0, 1] {
            let set = set_policy(task.process, number, given);
            fails_with(&format!("policy {number} with priority {given}"), set, EINVAL)?;
        }
    }
    for number in [4, 8, -1] {
        // SAFETY: no pointers.
        let (min, max) = unsafe {
            (
                syscall!(libc::SYS_sched_get_priority_min, number),
                syscall!(libc::SYS_sched_get_priority_max, number),
            )
        };
        fails_with(&format!("sched_get_priority_min of policy {number}"), min, EINVAL)?;
        fails_with(&format!("sched_get_priority_max of policy {number}"), max, EINVAL)?;
    }
    check_eq!(policy(task.process), Ok(SCHED_OTHER.into()), "policy after refused calls");
    Ok(())
}

pub fn bad_process_or_pointer_is_refused(_: &Context) -> CaseResult {
    let ended = sleeper()?.process;
    let mut interval = [0i64; 2];
    for (what, process, errno) in [("process -1", -1, EINVAL), ("an ended process", ended, ESRCH)] {
        fails_with(&format!("sched_setscheduler of {what}"), set_policy(process, SCHED_OTHER, 0), errno)?;
        fails_with(&format!("sched_setparam of {what}"), set_priority(process, 0), errno)?;
        fails_with(&format!("sched_getscheduler of {what}"), policy(process), errno)?;
        fails_with(&format!("sched_getparam of {what}"), priority(process), errno)?;
        // SAFETY: two words are a timespec.
        let asked = unsafe { syscall!(libc::SYS_sched_rr_get_interval, process, interval.as_mut_ptr()) };
        fails_with(&format!("sched_rr_get_interval of {what}"), asked, errno)?;
    }
    for (what, address, errno) in [("no parameter", 0, EINVAL), ("a parameter at no address", 8, EFAULT)] {
        // SAFETY: the kernel refuses these addresses; nothing is read or written.
        let (scheduler, set, get) = unsafe {
            (
                syscall!(libc::SYS_sched_setscheduler, 0, SCHED_OTHER, address),
                syscall!(libc::SYS_sched_setparam, 0, address),
                syscall!(libc::SYS_sched_getparam, 0, address),
            )
        };
        fails_with(&format!("sched_setscheduler with {what}"), scheduler, errno)?;
        fails_with(&format!("sched_setparam with {what}"), set, errno)?;
        fails_with(&format!("sched_getparam with {what}"), get, errno)?;
    }
    Ok(())
}

pub fn parameter_changes_keep_the_policy(_: &Context) -> CaseResult {
    child::needs_root()?;
    let task = sleeper()?;
    for number in [SCHED_FIFO, SCHED_RR] {
        succeeds("sched_setscheduler", set_policy(task.process, number | SCHED_RESET_ON_FORK, 7))?;
        succeeds("sched_setparam", set_priority(task.process, 8))?;
        let expected = i64::from(number | SCHED_RESET_ON_FORK);
        check_eq!(policy(task.process), Ok(expected), "policy after sched_setparam");
        check_eq!(priority(task.process), Ok(8), "priority after sched_setparam");
    }
    Ok(())
}

fn limit_priority(soft: u64, hard: u64) -> CaseResult {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the structure is ours; the old limit is not asked for.
    let set = unsafe { syscall!(libc::SYS_prlimit64, 0, libc::RLIMIT_RTPRIO, &raw const limit, 0) };
    setup("prlimit(RLIMIT_RTPRIO)", set).map(drop)
}

pub fn unprivileged_user_needs_an_rtprio_limit(_: &Context) -> CaseResult {
    isolated(|| {
        limit_priority(0, 0)?;
        unprivileged(|| {
            for number in [SCHED_FIFO, SCHED_RR] {
                fails_with("priority 1 with RLIMIT_RTPRIO 0", set_policy(0, number, 1), EPERM)?;
            }
            check_eq!(policy(0), Ok(0), "policy after the refusal");
            Ok(())
        })
    })?;
    isolated(|| {
        limit_priority(10, 20)?;
        unprivileged(|| {
            fails_with("priority 11 with RLIMIT_RTPRIO 10", set_policy(0, SCHED_FIFO, 11), EPERM)?;
            succeeds("priority 10 with RLIMIT_RTPRIO 10", set_policy(0, SCHED_FIFO, 10))?;
            succeeds("another policy with the same priority", set_policy(0, SCHED_RR, 10))?;
            fails_with("priority 11 from 10", set_priority(0, 11), EPERM)?;
            limit_priority(15, 20)?;
            succeeds("priority 15 with a raised limit", set_priority(0, 15))?;
            limit_priority(5, 20)?;
            succeeds("a lower priority that is above the limit", set_priority(0, 14))?;
            fails_with("a higher priority that is above the limit", set_priority(0, 15), EPERM)?;
            limit_priority(0, 20)?;
            succeeds("a lower priority with RLIMIT_RTPRIO 0", set_priority(0, 3))?;
            succeeds("return to SCHED_OTHER", set_policy(0, SCHED_OTHER, 0))?;
            fails_with("SCHED_FIFO again with RLIMIT_RTPRIO 0", set_policy(0, SCHED_FIFO, 1), EPERM)
        })
    })
}

pub fn unprivileged_user_cannot_change_others(_: &Context) -> CaseResult {
    child::needs_root()?;
    let of_root = sleeper()?;
    setup("sched_setscheduler", set_policy(of_root.process, SCHED_FIFO, 5))?;
    isolated(|| {
        limit_priority(99, 99)?;
        unprivileged(|| {
            for (number, given) in [(SCHED_OTHER, 0), (SCHED_FIFO, 4), (SCHED_FIFO, 6), (SCHED_BATCH, 0)] {
                let set = set_policy(of_root.process, number, given);
                fails_with(&format!("policy {number} for another's process"), set, EPERM)?;
            }
            fails_with("sched_setparam of another's process", set_priority(of_root.process, 4), EPERM)?;
            // Asking is free.
            check_eq!(policy(of_root.process), Ok(SCHED_FIFO.into()), "policy of another's process");
            Ok(())
        })
    })?;
    check_eq!(priority(of_root.process), Ok(5), "priority after the refusals");
    Ok(())
}

/// The policy, priority and nice value of a child made now.
fn born() -> Result<(i64, i32, i32), Stop> {
    let child = Task::start(|| {
        sleep(60_000 * MILLISECOND);
        Ok(())
    })?;
    // SAFETY: no pointers. The raw call tells 20 less the nice value.
    let nice = unsafe { syscall!(libc::SYS_getpriority, libc::PRIO_PROCESS, child.process) };
    Ok((
        setup("sched_getscheduler", policy(child.process))?,
        setup("sched_getparam", priority(child.process))?,
        20 - setup("getpriority", nice)? as i32,
    ))
}

pub fn child_inherits_policy_and_priority(_: &Context) -> CaseResult {
    child::needs_root()?;
    for (number, given) in [(SCHED_FIFO, 7), (SCHED_RR, 9), (SCHED_BATCH, 0), (SCHED_IDLE, 0)] {
        isolated(|| {
            setup("sched_setscheduler", set_policy(0, number, given))?;
            let (policy, priority, _) = born()?;
            check_eq!((policy, priority), (number.into(), given), "policy and priority of a child");
            Ok(())
        })?;
    }
    Ok(())
}

pub fn reset_on_fork_gives_a_normal_child(_: &Context) -> CaseResult {
    child::needs_root()?;
    for (number, given) in [(SCHED_FIFO, 7), (SCHED_RR, 9)] {
        isolated(|| {
            setup("sched_setscheduler", set_policy(0, number | SCHED_RESET_ON_FORK, given))?;
            check_eq!(born()?, (0, 0, 0), "policy with flags, priority and nice value of a child");
            let kept = (policy(0), priority(0));
            let expected = (Ok(i64::from(number | SCHED_RESET_ON_FORK)), Ok(given));
            check_eq!(kept, expected, "policy and priority of the parent");
            Ok(())
        })?;
    }
    isolated(|| {
        // SAFETY: no pointers.
        setup("setpriority", unsafe { syscall!(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, -5i32) })?;
        check_eq!(born()?.2, -5, "nice value of a child without the flag");
        setup("sched_setscheduler", set_policy(0, SCHED_OTHER | SCHED_RESET_ON_FORK, 0))?;
        check_eq!(born()?, (0, 0, 0), "policy, priority and nice value of a child with the flag");
        // SAFETY: no pointers.
        setup("setpriority", unsafe { syscall!(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, 5) })?;
        check_eq!(born()?.2, 5, "nice value of a child of a nice parent: only what privilege gave is reset");
        Ok(())
    })
}

pub fn unprivileged_user_cannot_clear_reset_on_fork(_: &Context) -> CaseResult {
    child::needs_root()?;
    isolated(|| {
        limit_priority(99, 99)?;
        setup("sched_setscheduler", set_policy(0, SCHED_FIFO | SCHED_RESET_ON_FORK, 7))?;
        unprivileged(|| {
            // The child was reset, so the flag is set anew.
            succeeds("SCHED_RESET_ON_FORK", set_policy(0, SCHED_FIFO | SCHED_RESET_ON_FORK, 7))?;
            fails_with("the same without the flag", set_policy(0, SCHED_FIFO, 7), EPERM)?;
            fails_with("a normal policy without the flag", set_policy(0, SCHED_OTHER, 0), EPERM)?;
            succeeds("a normal policy with the flag", set_policy(0, SCHED_OTHER | SCHED_RESET_ON_FORK, 0))
                .map(drop)
        })
    })
}

pub fn policy_is_the_threads_own(_: &Context) -> CaseResult {
    child::needs_root()?;
    setup("sched_setscheduler", set_policy(0, SCHED_FIFO, 7))?;
    let of_thread = std::thread::spawn(|| -> Result<_, Errno> {
        let inherited = (policy(0)?, priority(0)?);
        set_policy(0, SCHED_RR, 9)?;
        Ok((inherited, (policy(0)?, priority(0)?)))
    });
    let Ok(told) = of_thread.join() else { return Err(Stop::Broken("the thread panicked".into())) };
    let (inherited, own) = succeeds("sched_setscheduler in a thread", told)?;
    check_eq!(inherited, (SCHED_FIFO.into(), 7), "policy and priority of a new thread");
    check_eq!(own, (SCHED_RR.into(), 9), "policy and priority that the thread gave itself");
    check_eq!((policy(0), priority(0)), (Ok(SCHED_FIFO.into()), Ok(7)), "those of the first thread");
    Ok(())
}

pub fn exec_keeps_the_policy(_: &Context) -> CaseResult {
    child::needs_root()?;
    for (number, given) in [(SCHED_FIFO, 7), (SCHED_RR, 9), (SCHED_IDLE, 0)] {
        let ending = child::run(|| {
            setup("sched_setscheduler", set_policy(0, number, given))?;
            let mode = format!("{}priority\0", crate::helper::PREFIX);
            let arguments = [mode.as_ptr(), std::ptr::null()];
            let path = c"/proc/self/exe".as_ptr();
            // SAFETY: path, arguments and their end live until the new program replaces them.
            setup("execve", unsafe { syscall!(libc::SYS_execve, path, arguments.as_ptr(), 0) }).map(drop)
        })?;
        let expected = child::Ending::Exited(given + 10 * number);
        check_eq!(ending, expected, "policy {number} and priority {given} after execve, as exit status");
    }
    Ok(())
}

fn knob(name: &str) -> String {
    format!("/proc/sys/kernel/{name}")
}

fn read(name: &str) -> Result<i64, Stop> {
    let path = knob(name);
    let text = std::fs::read_to_string(&path).map_err(|error| Stop::Skip(format!("no {path}: {error}")))?;
    text.trim().parse().map_err(|_| Stop::Broken(format!("{path} says {text}")))
}

fn write(name: &str, value: i64) -> Result<(), Option<i32>> {
    std::fs::write(knob(name), value.to_string()).map_err(|error| error.raw_os_error())
}

pub fn rt_limits_are_checked(_: &Context) -> CaseResult {
    const PERIOD: &str = "sched_rt_period_us";
    const RUNTIME: &str = "sched_rt_runtime_us";
    child::needs_root()?;
    let before = (read(PERIOD)?, read(RUNTIME)?);
    for (name, value) in [(PERIOD, 0), (PERIOD, -1), (RUNTIME, -2), (RUNTIME, before.0 + 1)] {
        check_eq!(write(name, value), Err(Some(EINVAL)), "write of {value} to {name}");
        check_eq!((read(PERIOD)?, read(RUNTIME)?), before, "period and runtime after it was refused");
    }
    // As much as there is, and no limit at all.
    for value in [before.0, -1, before.1] {
        check_eq!(write(RUNTIME, value), Ok(()), "write of {value} to {RUNTIME}");
        check_eq!(read(RUNTIME)?, value, "{RUNTIME}");
    }
    Ok(())
}

fn quantum(process: i32) -> Result<u64, Stop> {
    let mut interval = [-1i64; 2];
    // SAFETY: two words are a timespec.
    let asked = unsafe { syscall!(libc::SYS_sched_rr_get_interval, process, interval.as_mut_ptr()) };
    succeeds("sched_rr_get_interval", exists("sched_rr_get_interval", asked)?)?;
    check!(interval[0] >= 0 && (0..1_000_000_000).contains(&interval[1]), "an interval of {interval:?}");
    Ok(interval[0].cast_unsigned() * 1_000_000_000 + interval[1].cast_unsigned())
}

/// The quantum is counted in ticks, of which one is 10 ms at worst.
fn is_about(quantum: u64, milliseconds: u64, when: &str) -> CaseResult {
    let off = quantum.abs_diff(milliseconds * MILLISECOND);
    check!(off < 10 * MILLISECOND, "the quantum is {quantum} ns {when}, must be {milliseconds} ms");
    Ok(())
}

pub fn quantum_is_told_and_can_be_set(_: &Context) -> CaseResult {
    const KNOB: &str = "sched_rr_timeslice_ms";
    child::needs_root()?;
    let task = sleeper()?;
    setup("sched_setscheduler", set_policy(task.process, SCHED_FIFO, 5))?;
    check_eq!(quantum(task.process)?, 0, "quantum of a SCHED_FIFO task: it has none");
    setup("sched_setscheduler", set_policy(task.process, SCHED_RR, 5))?;
    let usual = read(KNOB)?;
    if usual != 100 {
        skip!("by design: {KNOB} is set to {usual} already");
    }
    is_about(quantum(task.process)?, 100, "by default")?;
    for milliseconds in [200, 20] {
        check_eq!(write(KNOB, milliseconds), Ok(()), "write of {milliseconds} to {KNOB}");
        is_about(quantum(task.process)?, milliseconds.cast_unsigned(), "after it was set")?;
    }
    // Anything that is no time brings the default back.
    for none in [0, -1] {
        check_eq!(write(KNOB, 50), Ok(()), "write of 50 to {KNOB}");
        check_eq!(write(KNOB, none), Ok(()), "write of {none} to {KNOB}");
        is_about(quantum(task.process)?, 100, "after it was set to nothing")?;
    }
    Ok(())
}
