//! Over whose processes one may decide.

use super::rules::sleeper;
use crate::case::{CaseResult, Stop, fails_with, setup, succeeds};
use crate::child::{
    self, become_nobody_with, become_user, isolated, keep_capabilities, permitted_capabilities,
};
use crate::scheduling::{Task, policy, priority, set_affinity, set_policy, set_priority};
use crate::sys::Errno;
use crate::{Context, check_eq, syscall};
use libc::{EPERM, SCHED_BATCH, SCHED_FIFO, SCHED_OTHER};

const SOMEBODY: u32 = 1001;
const OTHER: u32 = 1002;

/// Real and effective user.
type User = (u32, u32);

const ANY_CPU: [u64; 16] = [u64::MAX; 16];

type Call = fn(i32) -> Result<i64, Errno>;

/// A process of this user. That it has no capability matters: those of a process protect it, too.
fn process_of(user: User) -> Result<Task, Stop> {
    let task = Task::start(|| {
        become_user(user.0, user.1)?;
        child::pause()
    })?;
    task.until_asleep()?;
    Ok(task)
}

fn set_nice(process: i32, nice: i32) -> Result<i64, Errno> {
    // SAFETY: no pointers.
    unsafe { syscall!(libc::SYS_setpriority, libc::PRIO_PROCESS, process, nice) }
}

fn nice(process: i32) -> Result<i64, Errno> {
    // SAFETY: no pointers. The raw call tells 20 less the nice value.
    unsafe { syscall!(libc::SYS_getpriority, libc::PRIO_PROCESS, process) }.map(|value| 20 - value)
}

/// The caller's effective user must be the real or the effective one of the process. Nothing that is asked for here
/// needs privilege of its own.
fn owner_is_asked_for(name: &str, call: Call) -> CaseResult {
    const OWN: User = (SOMEBODY, SOMEBODY);
    child::needs_root()?;
    let combinations: [(User, User, bool); 6] = [
        (OWN, OWN, true),
        (OWN, (SOMEBODY, OTHER), true),
        (OWN, (OTHER, SOMEBODY), true),
        (OWN, (OTHER, OTHER), false),
        ((OTHER, SOMEBODY), OWN, true),
        ((OTHER, SOMEBODY), (OTHER, OTHER), false),
    ];
    for (caller, owner, is_allowed) in combinations {
        let task = process_of(owner)?;
        let what = format!("{name} by {caller:?} for a process of {owner:?} (real, effective user)");
        isolated(|| {
            become_user(caller.0, caller.1)?;
            match is_allowed {
                true => succeeds(&what, call(task.process)).map(drop),
                false => fails_with(&what, call(task.process), EPERM),
            }
        })?;
        if !is_allowed {
            let kept = (policy(task.process), nice(task.process));
            check_eq!(kept, (Ok(SCHED_OTHER.into()), Ok(0)), "policy and nice value after {what}");
        }
    }
    Ok(())
}

pub fn policy_is_changed_by_its_owner_only(_: &Context) -> CaseResult {
    owner_is_asked_for("sched_setscheduler", |process| set_policy(process, SCHED_BATCH, 0))?;
    owner_is_asked_for("sched_setparam", |process| set_priority(process, 0))
}

pub fn affinity_is_changed_by_its_owner_only(_: &Context) -> CaseResult {
    owner_is_asked_for("sched_setaffinity", |process| set_affinity(process, &ANY_CPU))
}

pub fn nice_value_is_changed_by_its_owner_only(_: &Context) -> CaseResult {
    owner_is_asked_for("setpriority", |process| set_nice(process, 5))
}

/// It is the capability that counts, not the user.
pub fn capability_decides_over_everybody(_: &Context) -> CaseResult {
    const SYS_NICE: u64 = 1 << 23;
    let calls: [(&str, Call); 4] = [
        ("sched_setscheduler", |process| set_policy(process, SCHED_FIFO, 3)),
        ("sched_setparam", |process| set_priority(process, 4)),
        ("sched_setaffinity", |process| set_affinity(process, &ANY_CPU)),
        ("setpriority", |process| set_nice(process, -5)),
    ];
    child::needs_root()?;
    let (of_root, of_other) = (sleeper()?, process_of((OTHER, OTHER))?);
    for task in [&of_root, &of_other] {
        setup("sched_setscheduler", set_policy(task.process, SCHED_FIFO, 2))?;
    }
    isolated(|| {
        keep_capabilities(permitted_capabilities()? & !SYS_NICE)?;
        for (name, call) in calls {
            fails_with(&format!("{name} by root without CAP_SYS_NICE"), call(of_other.process), EPERM)?;
        }
        Ok(())
    })?;
    isolated(|| {
        become_nobody_with(SYS_NICE)?;
        for (task, owner) in [(&of_root, "root"), (&of_other, "another user")] {
            for (name, call) in calls {
                let what = format!("{name} by nobody with CAP_SYS_NICE for a process of {owner}");
                succeeds(&what, call(task.process))?;
            }
            let got = (policy(task.process), priority(task.process), nice(task.process));
            let expected = (Ok(SCHED_FIFO.into()), Ok(4), Ok(-5));
            check_eq!(got, expected, "policy, priority and nice value of a process of {owner}");
        }
        Ok(())
    })
}
