//! Which action wins where filters disagree. Every action is made to look different: a supervisor answers with 43,
//! nobody traces, and the call is made by a thread, so that its end and the process's are two things.

use super::actions::{TRAPS, handle_traps};
use super::filter::*;
use super::supervisor::{Answer, answer, poll, receive};
use crate::case::{CaseResult, Stop, setup, succeeds};
use crate::child::{Ending, exit, fork, pipe, run, wait};
use crate::sys::Errno;
use crate::{Context, check_eq};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

/// What is seen of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    ProcessKilled,
    ThreadKilled,
    Trapped,
    Failed(i32),
    Made,
}

const SUPERVISED: i32 = 43;

/// From the most to the least restrictive (seccomp(2), "in decreasing order of precedence"). Whether LOG precedes
/// ALLOW shows in the kernel's log only, and has a case of its own.
const PRECEDENCE: [(u32, Seen); 8] = [
    (KILL_PROCESS, Seen::ProcessKilled),
    (KILL_THREAD, Seen::ThreadKilled),
    (TRAP, Seen::Trapped),
    (ERRNO | 42, Seen::Failed(42)),
    (USER_NOTIF, Seen::Failed(SUPERVISED)),
    (TRACE, Seen::Failed(libc::ENOSYS)),
    (LOG, Seen::Made),
    (ALLOW, Seen::Made),
];

// Statuses of the calling process; below them are error numbers.
const MADE: i32 = 200;
const TRAPPED: i32 = 201;
const THREAD_KILLED: i32 = 202;
const PROCESS_KILLED: i32 = 203;

/// The errno of the call, [`MADE`], or [`THREAD_KILLED`] as long as it has not returned.
static RESULT: AtomicI32 = AtomicI32::new(THREAD_KILLED);

extern "C" fn call(_: *mut libc::c_void) -> *mut libc::c_void {
    RESULT.store(parent().err().map_or(MADE, |Errno(errno)| errno), SeqCst);
    std::ptr::null_mut()
}

/// Makes the call in a thread and exits with what became of it.
fn call_in_a_thread() -> ! {
    // SAFETY: an all-zero pthread_t is overwritten; the thread uses no memory of ours but a static.
    let joined = unsafe {
        let mut thread: libc::pthread_t = std::mem::zeroed();
        libc::pthread_create(&mut thread, std::ptr::null(), call, std::ptr::null_mut()) == 0
            && libc::pthread_join(thread, std::ptr::null_mut()) == 0
    };
    match (joined, TRAPS.load(SeqCst)) {
        (false, _) => exit(99),
        (true, 0) => exit(RESULT.load(SeqCst)),
        (true, _) => exit(TRAPPED),
    }
}

/// Answers until the caller's end closes the pipe.
fn supervise(listener: &OwnedFd, caller: &OwnedFd) -> CaseResult {
    loop {
        let [notified, _] = poll([(listener, libc::POLLIN), (caller, 0)], -1)?;
        if notified & libc::POLLIN == 0 {
            return Ok(());
        }
        let id = receive(listener)?.id;
        succeeds("answer", answer(listener, Answer { id, error: -SUPERVISED, ..Answer::default() }))?;
    }
}

/// Filters this process with each action in order, and tells what a child's thread meets.
fn observe_here(actions: [u32; 2]) -> Result<i32, Stop> {
    handle_traps()?;
    let mut supervisor = None;
    for action in actions {
        let program = on_call(libc::SYS_getppid, action, ALLOW);
        match action {
            USER_NOTIF => supervisor = Some(listener(&program)?),
            _ => filtered(&program)?,
        }
    }
    let (caller, alive) = pipe()?;
    let pid = fork()?;
    if pid == 0 {
        drop(supervisor);
        call_in_a_thread();
    }
    drop(alive);
    if let Some(listener) = &supervisor {
        supervise(listener, &caller)?;
    }
    match wait(pid)? {
        Ending::Killed(libc::SIGSYS) => Ok(PROCESS_KILLED),
        Ending::Exited(status) => Ok(status),
        other => Err(Stop::Fail(format!("getppid under {actions:x?}: {other:?}"))),
    }
}

fn observe(actions: [u32; 2]) -> Result<Seen, Stop> {
    match run(|| observe_here(actions).map(|status| exit(status)))? {
        Ending::Exited(PROCESS_KILLED) => Ok(Seen::ProcessKilled),
        Ending::Exited(THREAD_KILLED) => Ok(Seen::ThreadKilled),
        Ending::Exited(TRAPPED) => Ok(Seen::Trapped),
        Ending::Exited(MADE) => Ok(Seen::Made),
        Ending::Exited(99) => setup("pthread_create", Err(Errno(libc::EAGAIN))),
        Ending::Exited(errno) => Ok(Seen::Failed(errno)),
        Ending::Killed(signal) => {
            Err(Stop::Fail(format!("getppid under {actions:x?}: killed by signal {signal}")))
        }
        Ending::Returned(result) => Err(result.err().unwrap_or(Stop::Broken("no observation".into()))),
    }
}

pub fn most_restrictive_filter_wins(_: &Context) -> CaseResult {
    for (rank, (strict, expected)) in PRECEDENCE.into_iter().enumerate() {
        for (mild, _) in PRECEDENCE.into_iter().skip(rank + 1) {
            for actions in [[strict, mild], [mild, strict]] {
                check_eq!(observe(actions)?, expected, "getppid under filters {actions:x?}");
            }
        }
    }
    Ok(())
}

pub fn newest_of_equal_filters_wins(_: &Context) -> CaseResult {
    for (first, second) in [(1, 2), (2, 1), (0, 5), (5, 0)] {
        let expected = if second == 0 { Seen::Made } else { Seen::Failed(second as i32) };
        let seen = observe([ERRNO | first, ERRNO | second])?;
        check_eq!(seen, expected, "getppid under errno {first}, then errno {second}");
    }
    Ok(())
}
