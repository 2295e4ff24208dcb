//! Whom a filter reaches: children, programs they execute, and other threads.

use super::filter::*;
use crate::case::{CaseResult, Stop, exists, fails_with, setup, succeeds};
use crate::child::{Ending, isolated, killed_by, run};
use crate::sys::Errno;
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

/// Executes the helper in this process; returns only if that fails.
pub fn become_helper(mode: &str) -> CaseResult {
    let mode = CString::new(format!("{}{mode}", helper::PREFIX)).expect("no NUL");
    let (path, list) = (c"/proc/self/exe", [mode.as_ptr(), std::ptr::null()]);
    // SAFETY: path and lists live through the call.
    let failed = unsafe { syscall!(libc::SYS_execve, path.as_ptr(), list.as_ptr(), &raw const list[1]) };
    setup("execve of the helper", failed).map(drop)
}

pub fn filter_survives_exec(_: &Context) -> CaseResult {
    for errno in [42, 43] {
        let ending = run(|| {
            filtered(&on_call(libc::SYS_getppid, ERRNO | errno, ALLOW))?;
            become_helper(&format!("errno:{}", libc::SYS_getppid))
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

/// Threads whose filters are all among the caller's are brought in line, with those they lacked as well.
pub fn tsync_brings_older_threads_up_to_date(_: &Context) -> CaseResult {
    isolated(|| {
        filtered(&on_call(libc::SYS_getuid, ERRNO | 1, ALLOW))?;
        thread::scope(|scope| {
            let (go, wait) = mpsc::channel::<()>();
            let handle = scope.spawn(move || {
                let _ = wait.recv();
                // SAFETY: take no pointers.
                unsafe { [syscall!(libc::SYS_getuid), syscall!(libc::SYS_getgid), parent()] }
            });
            filtered(&on_call(libc::SYS_getgid, ERRNO | 2, ALLOW))?;
            check_eq!(install(&on_call(libc::SYS_getppid, ERRNO | 3, ALLOW), TSYNC), Ok(0), "TSYNC");
            drop(go);
            check_eq!(
                joined(handle)?,
                [1, 2, 3].map(|errno| Err(Errno(errno))),
                "calls refused by the filter from before the thread, the caller's own, and the synchronised one"
            );
            Ok(())
        })
    })
}

/// With TSYNC_ESRCH the return value is free for a descriptor (since 5.7); the other thread's calls go there, too.
pub fn tsync_and_listener_go_together(_: &Context) -> CaseResult {
    use super::supervisor::{Answer, answer, receive};
    isolated(|| {
        let seen = thread::scope(|scope| {
            let (go, wait) = mpsc::channel::<()>();
            let handle = scope.spawn(move || {
                let _ = wait.recv();
                nowhere([0; 6])
            });
            let flags = TSYNC | TSYNC_ESRCH | NEW_LISTENER;
            let installed = install(&on_call(NOWHERE, USER_NOTIF, ALLOW), flags);
            let listener = succeeds("filter with TSYNC, TSYNC_ESRCH and NEW_LISTENER", installed)?;
            let listener = crate::sys::owned(listener);
            drop(go);
            let id = receive(&listener)?.id;
            succeeds("answer", answer(&listener, Answer { id, value: 6, ..Answer::default() }))?;
            joined(handle)
        })?;
        check_eq!(seen, Ok(6), "the supervisor's value in the other thread");
        Ok(())
    })
}
