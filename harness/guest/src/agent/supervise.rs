//! Running a child under a deadline, and leaving nothing of it behind.

use super::boot::monotonic_ns;
use gauntlet_protocol::ChildExit;
use libc::pid_t;

/// Blocks SIGCHLD so that it can be waited for with a timeout. Once, before the first child.
pub fn block_child_signal() {
    // SAFETY: a signal set of ours, filled in by the library.
    unsafe { libc::sigprocmask(libc::SIG_BLOCK, &child_signal(), std::ptr::null_mut()) };
}

/// In the child: the signal mask and session a program expects.
pub fn become_session_leader() {
    // SAFETY: as above; setsid takes nothing.
    unsafe {
        libc::sigprocmask(libc::SIG_UNBLOCK, &child_signal(), std::ptr::null_mut());
        libc::setsid();
    }
}

fn child_signal() -> libc::sigset_t {
    // SAFETY: an all-zero set is valid to be emptied and filled.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        set
    }
}

/// Waits for the child until the deadline, calling `meanwhile` whenever something may have changed; reaps
/// every other orphan on the way.
pub fn wait(child: pid_t, deadline_ns: u64, mut meanwhile: impl FnMut()) -> ChildExit {
    loop {
        if let Some(exit) = reap(child) {
            return exit;
        }
        let now = monotonic_ns();
        if now >= deadline_ns {
            return ChildExit::Deadline;
        }
        let pause = (deadline_ns - now).min(20_000_000);
        let timeout = libc::timespec { tv_sec: 0, tv_nsec: pause as libc::c_long };
        // SAFETY: the set and the timeout are ours; no information is asked for.
        unsafe { libc::sigtimedwait(&child_signal(), std::ptr::null_mut(), &timeout) };
        meanwhile();
    }
}

fn reap(child: pid_t) -> Option<ChildExit> {
    loop {
        let mut status = 0;
        // SAFETY: the status word is ours.
        let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG | libc::__WALL) };
        if pid == child {
            return Some(if libc::WIFSIGNALED(status) {
                ChildExit::Signaled(libc::WTERMSIG(status))
            } else {
                ChildExit::Exited(libc::WEXITSTATUS(status))
            });
        }
        if pid <= 0 {
            return None;
        }
    }
}

/// Kills everything but us (kill(2): −1 spares PID 1 and the caller) and reaps it.
pub fn end_everything() {
    for _ in 0..1000 {
        // SAFETY: plain calls; the status is not wanted.
        unsafe {
            libc::kill(-1, libc::SIGKILL);
            let pid = libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG | libc::__WALL);
            if pid < 0 {
                return;
            }
            if pid == 0 {
                libc::usleep(1000);
            }
        }
    }
}
