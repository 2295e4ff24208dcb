//! Running a part of a case as somebody without any privilege.

use crate::case::setup;
use crate::sys::{Errno, check as result_of, owned, read_all};
use crate::{CaseResult, Stop};
use std::os::fd::{AsRawFd, OwnedFd};

/// "nobody" by convention; any user but root has no capability.
const NOBODY: u32 = 65534;

/// Runs `body` in a forked child after `prepare`, and brings its verdict back. What the child does to itself
/// (identity, scheduling policy, limits) ends with it.
///
/// # Errors
/// The child's verdict; `Broken` when it ended without one.
pub fn in_child(prepare: fn() -> Result<(), Errno>, body: impl FnOnce() -> CaseResult) -> CaseResult {
    let mut fds = [0; 2];
    // SAFETY: two descriptors are written into our array.
    setup("pipe", result_of(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) }.into()))?;
    let (reader, writer) = (owned(fds[0].into()), owned(fds[1].into()));
    // SAFETY: the process has a single thread, so the child may go on as if nothing happened.
    let child = setup("fork", result_of(unsafe { libc::fork() }.into()))?;
    if child == 0 {
        let verdict = setup("preparation of the child", prepare()).and_then(|()| body());
        tell(&writer, &verdict);
        // SAFETY: leaves at once; the parent's buffers and handlers are none of the child's business.
        unsafe { libc::_exit(0) }
    }
    drop(writer);
    let told = setup("read from the child", read_all(&reader));
    let mut status = 0;
    let child = i32::try_from(child).expect("process identifiers are small");
    // SAFETY: the status is ours.
    setup("waitpid", result_of(unsafe { libc::waitpid(child, &raw mut status, 0) }.into()))?;
    understand(&told?, status)
}

/// [`in_child`] without privileges: another user, no groups, no capabilities.
pub fn unprivileged(body: impl FnOnce() -> CaseResult) -> CaseResult {
    in_child(drop_privileges, body)
}

/// Becomes nobody for good. Raw calls: the C library's would look for other threads.
fn drop_privileges() -> Result<(), Errno> {
    // SAFETY: no pointers but the empty list's.
    unsafe {
        crate::syscall!(libc::SYS_setgroups, 0, 0)?;
        crate::syscall!(libc::SYS_setresgid, NOBODY, NOBODY, NOBODY)?;
        crate::syscall!(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY)?;
    }
    Ok(())
}

fn tell(writer: &OwnedFd, verdict: &CaseResult) {
    let (kind, text) = match verdict {
        Ok(()) => (b'P', ""),
        Err(Stop::Fail(text)) => (b'F', text.as_str()),
        Err(Stop::Skip(text)) => (b'S', text.as_str()),
        Err(Stop::Broken(text)) => (b'B', text.as_str()),
    };
    let message = [&[kind], text.as_bytes()].concat();
    // SAFETY: the message is as long as said. A write that fails is seen by the parent as a missing verdict.
    unsafe { libc::write(writer.as_raw_fd(), message.as_ptr().cast(), message.len()) };
}

fn understand(told: &[u8], status: i32) -> CaseResult {
    let text = || String::from_utf8_lossy(&told[1..]).into_owned();
    match told.first() {
        Some(b'P') => Ok(()),
        Some(b'F') => Err(Stop::Fail(text())),
        Some(b'S') => Err(Stop::Skip(text())),
        Some(b'B') => Err(Stop::Broken(text())),
        _ => Err(Stop::Broken(format!("the child ended without a verdict, wait status {status:#x}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_come_back_from_the_child() {
        let nothing = || Ok(());
        assert_eq!(in_child(nothing, || Ok(())), Ok(()));
        for stop in [Stop::Fail("a".into()), Stop::Skip("b".into()), Stop::Broken("c".into())] {
            assert_eq!(in_child(nothing, || Err(stop.clone())), Err(stop.clone()));
        }
    }

    #[test]
    fn a_child_without_a_verdict_is_broken() {
        let verdict = in_child(
            || Ok(()),
            || {
                // SAFETY: ends the child only.
                unsafe { libc::_exit(3) }
            },
        );
        assert!(matches!(verdict, Err(Stop::Broken(_))), "{verdict:?}");
    }
}
