//! SECCOMP_MODE_STRICT: read, write, _exit and sigreturn, and nothing else.

use super::filter::*;
use crate::case::{CaseResult, exists, setup, succeeds};
use crate::child::{Ending, fork, killed_by, pipe, run};
use crate::{Context, check_eq, file, syscall};

fn enter() -> CaseResult {
    succeeds("seccomp(SECCOMP_SET_MODE_STRICT)", exists("seccomp", seccomp(SET_MODE_STRICT, 0, 0))?).map(drop)
}

/// Leaves by the one way strict mode has: exit(2) of the only thread.
fn leave(status: i32) {
    // SAFETY: takes no pointers.
    let _ = unsafe { syscall!(libc::SYS_exit, status) };
}

pub fn strict_mode_allows_read_write_and_exit(_: &Context) -> CaseResult {
    let (reader, writer) = pipe()?;
    let ending = run(|| {
        enter()?;
        // A transfer of its own each way, so that both calls are seen to work.
        let written = file::write(&writer, b"ping");
        let mut bytes = [0u8; 4];
        // SAFETY: the buffer is ours and as long as said.
        let read = unsafe { syscall!(libc::SYS_read, raw_fd(&reader), bytes.as_mut_ptr(), 4) };
        leave(if (written, read, &bytes) == (Ok(4), Ok(4), b"ping") { 5 } else { 6 });
        Ok(())
    })?;
    check_eq!(ending, Ending::Exited(5), "end of a child that wrote, read and exited in strict mode");
    Ok(())
}

fn raw_fd(fd: &impl std::os::fd::AsRawFd) -> i32 {
    fd.as_raw_fd()
}

pub fn strict_mode_kills_on_everything_else(_: &Context) -> CaseResult {
    // exit_group is the one people expect to be allowed (seccomp(2) says it is not).
    let calls = [
        ("getpid", libc::SYS_getpid),
        ("exit_group", libc::SYS_exit_group),
        ("openat", libc::SYS_openat),
        ("close", libc::SYS_close),
        ("pread64", libc::SYS_pread64),
        ("writev", libc::SYS_writev),
        ("seccomp", libc::SYS_seccomp),
        ("sched_yield", libc::SYS_sched_yield),
        ("a call that does not exist", NOWHERE),
    ];
    for (name, number) in calls {
        killed_by(&format!("{name} in strict mode"), libc::SIGKILL, || {
            enter()?;
            // SAFETY: null pointers and zeros only.
            let _ = unsafe { syscall!(number) };
            leave(0);
            Ok(())
        })?;
    }
    Ok(())
}

pub fn strict_mode_by_prctl_is_the_same(_: &Context) -> CaseResult {
    let strict = || {
        // SAFETY: takes no pointers.
        setup("prctl(PR_SET_SECCOMP)", unsafe { syscall!(libc::SYS_prctl, libc::PR_SET_SECCOMP, 1, 0, 0, 0) })
    };
    let ending = run(|| {
        strict()?;
        leave(5);
        Ok(())
    })?;
    check_eq!(ending, Ending::Exited(5), "end of a child that exited in strict mode");
    killed_by("getpid in strict mode by prctl", libc::SIGKILL, || {
        strict()?;
        // SAFETY: takes no pointers.
        let _ = unsafe { syscall!(libc::SYS_getpid) };
        leave(0);
        Ok(())
    })
}

/// sigreturn(2) is the fourth call that strict mode has: a handler can come back.
pub fn strict_mode_lets_a_handler_return(_: &Context) -> CaseResult {
    extern "C" fn nothing(_: i32) {}
    let (reader, writer) = pipe()?;
    let (told, tell) = pipe()?;
    let pid = fork()?;
    if pid == 0 {
        let handler = nothing as extern "C" fn(i32) as usize;
        // SAFETY: the handler does nothing.
        let handled = unsafe { libc::signal(libc::SIGUSR1, handler) != libc::SIG_ERR };
        if handled && enter().is_ok() {
            let _ = file::write(&tell, b"!");
            let mut bytes = [0u8; 2];
            // SAFETY: the buffer is ours and as long as said.
            let read = unsafe { syscall!(libc::SYS_read, raw_fd(&reader), bytes.as_mut_ptr(), 2) };
            leave(if (read, &bytes) == (Ok(2), b"ok") { 5 } else { 6 });
        }
        crate::child::exit(7);
    }
    drop(tell);
    let mut byte = [0u8];
    // SAFETY: the buffer is ours and as long as said.
    setup("read", unsafe { syscall!(libc::SYS_read, raw_fd(&told), byte.as_mut_ptr(), 1) })?;
    for _ in 0..3 {
        // SAFETY: our own child.
        setup("kill", unsafe { syscall!(libc::SYS_kill, pid, libc::SIGUSR1) })?;
    }
    setup("write", file::write(&writer, b"ok"))?;
    let ending = crate::child::wait(pid)?;
    check_eq!(ending, Ending::Exited(5), "end of a child that took signals in strict mode, then read");
    Ok(())
}
