//! Who may become a deadline task, and what its children are.

use super::support::{Attributes, MILLISECOND, RESET_ON_FORK, SCHED_DEADLINE, Sleeper};
use crate::case::{exists, fails_with, setup, succeeds};
use crate::child::{isolated, unprivileged};
use crate::scheduling::set_affinity;
use crate::sys::{Errno, check as result_of};
use crate::{CaseResult, Context, Stop, check, check_eq, syscall};

/// Half of a processor: room enough to work in without being throttled much.
const HALF: Attributes = Attributes::deadline(50 * MILLISECOND, 100 * MILLISECOND, 100 * MILLISECOND);

pub fn unprivileged_user(_: &Context) -> CaseResult {
    exists("sched_getattr", Attributes::get(0))?.ok();
    let of_root = Sleeper::new()?;
    unprivileged(|| {
        fails_with("SCHED_DEADLINE for oneself by nobody", HALF.set(0), libc::EPERM)?;
        fails_with("SCHED_DEADLINE for another's process", HALF.set(of_root.process), libc::EPERM)?;
        let own = succeeds("sched_getattr by nobody", Attributes::get(0))?;
        check_eq!(own.policy, 0, "policy after the refusal");
        Ok(())
    })?;
    let other = succeeds("sched_getattr", Attributes::get(of_root.process))?;
    check_eq!(other.policy, 0, "the other's policy after the refusal");
    Ok(())
}

/// Forks; the child ends at once with its policy as exit status.
fn policy_of_a_child() -> Result<u32, Errno> {
    // SAFETY: the child asks for its policy and leaves.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let policy = Attributes::get(0).map_or(255, |own| if own.flags == 0 { own.policy } else { 254 });
        // SAFETY: ends the child only.
        unsafe { libc::_exit(policy.cast_signed()) }
    }
    result_of(child.into())?;
    let mut status = 0;
    // SAFETY: our own child and our own status.
    result_of(unsafe { libc::waitpid(child, &raw mut status, 0) }.into())?;
    Ok(libc::WEXITSTATUS(status).cast_unsigned())
}

pub fn fork_is_refused(_: &Context) -> CaseResult {
    isolated(|| {
        succeeds("SCHED_DEADLINE", exists("sched_setattr", HALF.set(0))?)?;
        fails_with("fork of a deadline task", policy_of_a_child(), libc::EAGAIN)?;
        let own = succeeds("sched_getattr", Attributes::get(0))?;
        check_eq!(own, HALF, "attributes after the refused fork");
        // SAFETY: no children are left to wait for, so nothing is written.
        let none = result_of(unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) }.into());
        fails_with("waitpid after the refused fork", none, libc::ECHILD)
    })
}

pub fn reset_on_fork(_: &Context) -> CaseResult {
    isolated(|| {
        succeeds("SCHED_DEADLINE", exists("sched_setattr", HALF.flags(RESET_ON_FORK).set(0))?)?;
        let policy = succeeds("fork with SCHED_FLAG_RESET_ON_FORK", policy_of_a_child())?;
        check_eq!(policy, 0, "policy of the child (254: flags are left)");
        let own = succeeds("sched_getattr", Attributes::get(0))?;
        check_eq!(own.policy, SCHED_DEADLINE, "policy of the parent");
        Ok(())
    })
}

pub fn restricted_affinity(_: &Context) -> CaseResult {
    let sleeper = Sleeper::new()?;
    let mut all = [0u64; 16];
    // SAFETY: the mask is ours and as long as said.
    let length = unsafe {
        syscall!(libc::SYS_sched_getaffinity, sleeper.process, size_of_val(&all), all.as_mut_ptr())
    };
    setup("sched_getaffinity", length)?;
    if all.iter().map(|word| word.count_ones()).sum::<u32>() < 2 {
        return Err(Stop::Skip("missing hardware: a second CPU".into()));
    }
    let one = [all[0] & all[0].wrapping_neg()];
    setup("sched_setaffinity", set_affinity(sleeper.process, &one))?;
    let set = exists("sched_setattr", HALF.set(sleeper.process))?;
    fails_with("SCHED_DEADLINE on some of the CPUs", set, libc::EPERM)?;
    setup("sched_setaffinity", set_affinity(sleeper.process, &all))?;
    succeeds("SCHED_DEADLINE on all CPUs", HALF.set(sleeper.process))?;
    let narrowed = set_affinity(sleeper.process, &one);
    check!(
        narrowed == Err(Errno(libc::EBUSY)),
        "narrowing a deadline task's CPUs: {narrowed:?}, must be EBUSY"
    );
    Ok(())
}

pub fn thread_creation_is_refused(_: &Context) -> CaseResult {
    isolated(|| {
        succeeds("SCHED_DEADLINE", exists("sched_setattr", HALF.set(0))?)?;
        let started = std::thread::Builder::new().spawn(|| {});
        let errno = started.as_ref().err().and_then(std::io::Error::raw_os_error);
        check_eq!(errno, Some(libc::EAGAIN), "a thread of a deadline task");
        let reset = HALF.flags(RESET_ON_FORK);
        succeeds("SCHED_FLAG_RESET_ON_FORK", reset.set(0))?;
        let Ok(thread) = std::thread::Builder::new().spawn(|| Attributes::get(0).map(|own| own.policy))
        else {
            return Err(Stop::Fail("a thread of a deadline task with the flag: refused, must start".into()));
        };
        check_eq!(thread.join().ok(), Some(Ok(0)), "policy of the thread");
        Ok(())
    })
}

pub fn exec_keeps_the_policy(_: &Context) -> CaseResult {
    let ending = crate::child::run(|| {
        succeeds("SCHED_DEADLINE", exists("sched_setattr", HALF.set(0))?)?;
        let mode = format!("{}priority\0", crate::helper::PREFIX);
        let arguments = [mode.as_ptr(), std::ptr::null()];
        let path = c"/proc/self/exe".as_ptr();
        // SAFETY: path, arguments and their end live until the new program replaces them.
        setup("execve", unsafe { syscall!(libc::SYS_execve, path, arguments.as_ptr(), 0) }).map(drop)
    })?;
    if let crate::child::Ending::Returned(result) = ending {
        return result;
    }
    let expected = crate::child::Ending::Exited(10 * SCHED_DEADLINE.cast_signed());
    check_eq!(ending, expected, "exit status after execve: ten times the policy");
    Ok(())
}

/// A deadline task without privilege may become a normal one, and no other deadline task.
pub fn unprivileged_task_may_only_leave(_: &Context) -> CaseResult {
    crate::child::needs_root()?;
    isolated(|| {
        succeeds("SCHED_DEADLINE", exists("sched_setattr", HALF.set(0))?)?;
        crate::child::drop_privileges()?;
        let less = Attributes::deadline(MILLISECOND, 100 * MILLISECOND, 100 * MILLISECOND);
        fails_with("other parameters without privilege", less.set(0), libc::EPERM)?;
        check_eq!(succeeds("sched_getattr", Attributes::get(0))?, HALF, "attributes after the refusal");
        let normal = Attributes { size: HALF.size, ..Attributes::default() };
        succeeds("return to SCHED_OTHER without privilege", normal.set(0))?;
        fails_with("SCHED_DEADLINE again", HALF.set(0), libc::EPERM)
    })
}
