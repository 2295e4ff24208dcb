//! Whom a filter reaches: children, programs they execute, and other threads.

use super::filter::*;
use crate::case::{CaseResult, Stop, exists, fails_with, setup, succeeds};
use crate::child::{Ending, exit, isolated, killed_by, run};
use crate::sys::{Errno, check as result_of};
use crate::{Context, check_eq, helper, syscall};
use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;

pub fn child_inherits_the_filter(_: &Context) -> CaseResult {
    isolated(|| {
        filtered(&on_call(libc::SYS_getppid, ERRNO | 42, ALLOW))?;
        isolated(|| {
            check_eq!(parent(), Err(Errno(42)), "getppid in a child of a filtered process");
            filtered(&on_call(libc::SYS_getuid, ERRNO | 43, ALLOW))
        })?;
        // SAFETY: takes no pointers.
        succeeds("getuid in the parent of a process that filtered it", unsafe {
            syscall!(libc::SYS_getuid)
        })?;
        check_eq!(parent(), Err(Errno(42)), "getppid after the child's end");
        Ok(())
    })
}

pub fn filter_survives_exec(_: &Context) -> CaseResult {
    let mode = CString::new(format!("{}errno:{}", helper::PREFIX, libc::SYS_getppid)).expect("no NUL");
    for errno in [42, 43] {
        let ending = run(|| {
            filtered(&on_call(libc::SYS_getppid, ERRNO | errno, ALLOW))?;
            let arguments = [mode.as_ptr(), std::ptr::null()];
            // SAFETY: path and lists live through the call, which does not return.
            let failed = unsafe {
                syscall!(
                    libc::SYS_execve,
                    c"/proc/self/exe".as_ptr(),
                    arguments.as_ptr(),
                    &raw const arguments[1]
                )
            };
            setup("execve of the helper", failed).map(drop)
        })?;
        check_eq!(
            ending,
            Ending::Exited(errno as i32),
            "errno of getppid in a program executed under a filter"
        );
    }
    Ok(())
}

/// A thread that waits for a word, then tells what getppid gives it.
fn asks_later<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
) -> (mpsc::Sender<()>, thread::ScopedJoinHandle<'scope, Result<i64, Errno>>) {
    let (go, wait) = mpsc::channel();
    let handle = scope.spawn(move || {
        let _ = wait.recv();
        parent()
    });
    (go, handle)
}

fn joined<T>(handle: thread::ScopedJoinHandle<'_, T>) -> Result<T, Stop> {
    handle.join().map_err(|_| Stop::Broken("a thread panicked".into()))
}

/// Installs with these flags while another thread waits; gives what that thread then sees.
fn other_thread_sees(flags: u32) -> Result<Result<i64, Errno>, Stop> {
    thread::scope(|scope| {
        let (go, handle) = asks_later(scope);
        let installed = exists("seccomp", install(&on_call(libc::SYS_getppid, ERRNO | 42, ALLOW), flags))?;
        check_eq!(installed, Ok(0), "filter with flags {flags:#x} and two threads");
        check_eq!(parent(), Err(Errno(42)), "getppid in the thread that filtered");
        drop(go);
        joined(handle)
    })
}

pub fn filter_is_the_threads_own_without_tsync(_: &Context) -> CaseResult {
    isolated(|| succeeds("getppid in a thread that existed before", other_thread_sees(0)?).map(drop))?;
    isolated(|| {
        filtered(&on_call(libc::SYS_getppid, ERRNO | 42, ALLOW))?;
        let seen = thread::scope(|scope| joined(scope.spawn(parent)))?;
        check_eq!(seen, Err(Errno(42)), "getppid in a thread made by a filtered one");
        Ok(())
    })
}

pub fn tsync_reaches_every_thread(_: &Context) -> CaseResult {
    for flags in [TSYNC, TSYNC | TSYNC_ESRCH] {
        isolated(|| {
            check_eq!(
                other_thread_sees(flags)?,
                Err(Errno(42)),
                "getppid in another thread after {flags:#x}"
            );
            Ok(())
        })?;
    }
    Ok(())
}

/// A thread with a filter of its own cannot be brought in line. Then nobody gets the new one.
pub fn tsync_names_the_thread_that_differs(_: &Context) -> CaseResult {
    isolated(|| {
        thread::scope(|scope| {
            let (tell, told) = mpsc::channel();
            let (go, wait) = mpsc::channel::<()>();
            let handle = scope.spawn(move || {
                let installed = filtered(&on_call(libc::SYS_getuid, ERRNO | 1, ALLOW));
                // SAFETY: takes no pointers.
                let _ = tell.send((installed, unsafe { syscall!(libc::SYS_gettid) }));
                let _ = wait.recv();
                parent()
            });
            let (installed, thread) = told.recv().map_err(|_| Stop::Broken("a thread vanished".into()))?;
            installed?;
            let program = on_call(libc::SYS_getppid, ERRNO | 42, ALLOW);
            check_eq!(install(&program, TSYNC), thread, "TSYNC, which must return the differing thread");
            let refused = install(&program, TSYNC | TSYNC_ESRCH);
            fails_with("TSYNC_ESRCH with a differing thread", refused, libc::ESRCH)?;
            succeeds("getppid in the thread that wanted to filter", parent())?;
            check_eq!(mode(), Ok(0), "mode of the thread that wanted to filter");
            drop(go);
            succeeds("getppid in the differing thread", joined(handle)?).map(drop)
        })
    })
}

static RETURNED: AtomicBool = AtomicBool::new(false);

/// A thread that makes the filtered call and, if it comes back, says so.
extern "C" fn calls(_: *mut libc::c_void) -> *mut libc::c_void {
    let _ = parent();
    RETURNED.store(true, SeqCst);
    std::ptr::null_mut()
}

/// The C library's threads: the standard library's cannot be joined when they vanish.
fn run_doomed_thread() -> CaseResult {
    // SAFETY: an all-zero pthread_t is overwritten; the thread uses no memory of ours but a static.
    unsafe {
        let mut thread: libc::pthread_t = std::mem::zeroed();
        let made = libc::pthread_create(&mut thread, std::ptr::null(), calls, std::ptr::null_mut());
        setup("pthread_create", if made == 0 { Ok(()) } else { Err(Errno(made)) })?;
        let joined = libc::pthread_join(thread, std::ptr::null_mut());
        setup("pthread_join", if joined == 0 { Ok(()) } else { Err(Errno(joined)) })
    }
}

pub fn kill_thread_spares_the_others(_: &Context) -> CaseResult {
    isolated(|| {
        filtered(&on_call(libc::SYS_getppid, KILL_THREAD, ALLOW))?;
        run_doomed_thread()?;
        check_eq!(RETURNED.load(SeqCst), false, "the killed thread went on after its call");
        Ok(())
    })
}

pub fn kill_process_spares_nobody(_: &Context) -> CaseResult {
    for action in [KILL_PROCESS, 0x0006_0000] {
        killed_by(&format!("process with a thread under action {action:#x}"), libc::SIGSYS, || {
            filtered(&on_call(libc::SYS_getppid, action, ALLOW))?;
            run_doomed_thread()
        })?;
    }
    Ok(())
}

/// SECCOMP_RET_TRACE with a tracer: an event with the filter's data, before the call. Number −1 skips it; another
/// number is filtered like a call of its own (seccomp_filter.rst, since 4.8).
#[cfg(target_arch = "x86_64")]
pub fn tracer_gets_the_data_and_cannot_evade_the_filter(_: &Context) -> CaseResult {
    let choices = [
        (None, 0, "left as it was"),
        (Some(-1), libc::ENOSYS, "skipped"),
        (Some(libc::SYS_getuid), 77, "changed to a call that the filter refuses"),
        (Some(libc::SYS_getgid), 0, "changed to a call that the filter allows"),
    ];
    for (number, expected, what) in choices {
        let pid = crate::child::fork()?;
        if pid == 0 {
            traced(0x1234);
        }
        let judged = trace(pid, number, 0x1234);
        if judged.is_err() {
            // SAFETY: our own child.
            let _ = unsafe { syscall!(libc::SYS_kill, pid, libc::SIGKILL) };
        }
        let ending = crate::child::wait(pid)?;
        judged?;
        check_eq!(ending, Ending::Exited(expected), "errno of a traced call, {what}");
    }
    Ok(())
}

/// Offers itself to its parent, filters itself, and exits with the errno of getppid.
#[cfg(target_arch = "x86_64")]
fn traced(data: u32) -> ! {
    // SAFETY: no pointers; the stop waits for the tracer.
    unsafe {
        let _ = syscall!(libc::SYS_ptrace, libc::PTRACE_TRACEME);
        let _ = syscall!(libc::SYS_kill, libc::getpid(), libc::SIGSTOP);
    }
    let refuses = filtered(&on_call(libc::SYS_getuid, ERRNO | 77, ALLOW));
    if refuses.and_then(|()| filtered(&on_call(libc::SYS_getppid, TRACE | data, ALLOW))).is_err() {
        exit(99);
    }
    exit(parent().err().map_or(0, |Errno(errno)| errno))
}

#[cfg(target_arch = "x86_64")]
fn trace(pid: i32, number: Option<i64>, data: u64) -> CaseResult {
    const ORIG_RAX: u64 = 8 * libc::ORIG_RAX as u64;
    let ptrace = |request: u32, address: u64, data: u64| {
        // SAFETY: the one pointer, for the event message, is a local that lives through the call.
        unsafe { syscall!(libc::SYS_ptrace, request, pid, address, data) }
    };
    check_eq!(stop_of(pid)?, libc::SIGSTOP, "first stop of the traced child");
    setup("ptrace", ptrace(libc::PTRACE_SETOPTIONS, 0, libc::PTRACE_O_TRACESECCOMP as u64))?;
    setup("ptrace", ptrace(libc::PTRACE_CONT, 0, 0))?;
    let event = libc::SIGTRAP | libc::PTRACE_EVENT_SECCOMP << 8;
    check_eq!(stop_of(pid)?, event, "stop of the traced child at the filtered call");
    let mut message = 0u64;
    succeeds("PTRACE_GETEVENTMSG", ptrace(libc::PTRACE_GETEVENTMSG, 0, &raw mut message as u64))?;
    check_eq!(message, data, "event message, which must be the filter's data");
    if let Some(number) = number {
        succeeds("PTRACE_POKEUSER of the number", ptrace(libc::PTRACE_POKEUSER, ORIG_RAX, number as u64))?;
    }
    setup("ptrace", ptrace(libc::PTRACE_CONT, 0, 0)).map(drop)
}

/// Signal and event of the child's next stop.
#[cfg(target_arch = "x86_64")]
fn stop_of(pid: i32) -> Result<i32, Stop> {
    let mut status = 0;
    // SAFETY: the status is ours.
    setup("waitpid", result_of(unsafe { libc::waitpid(pid, &mut status, libc::__WALL) }.into()))?;
    match libc::WIFSTOPPED(status) {
        true => Ok(status >> 8),
        false => Err(Stop::Fail(format!(
            "the traced child ended with wait status {status:#x} instead of stopping"
        ))),
    }
}
