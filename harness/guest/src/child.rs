//! Forked children for what must not happen to the case itself: dying, losing privileges, entering namespaces,
//! filtering its own calls.

use crate::case::{CaseResult, Stop, setup};
use crate::sys::{Errno, check, owned, read_all};
use crate::syscall;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The user every unprivileged part runs as: the kernel's overflow uid, who owns nothing.
pub const NOBODY: u32 = 65534;

/// `struct __user_cap_header_struct` of this process: then there are effective, permitted and inheritable capabilities,
/// low halves and then high ones (capset(2)).
const CAPABILITIES_3: [u32; 2] = [0x2008_0522, 0];

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Its body came to an end and said this.
    Returned(CaseResult),
    /// It exited with this status without coming to the end of its body.
    Exited(i32),
    /// This signal killed it.
    Killed(i32),
}

/// Runs the body in a forked child and waits for its end.
pub fn run(body: impl FnOnce() -> CaseResult) -> Result<Ending, Stop> {
    let (reader, writer) = pipe()?;
    let pid = fork()?;
    if pid == 0 {
        drop(reader);
        let result = catch_unwind(AssertUnwindSafe(body))
            .unwrap_or_else(|_| Err(Stop::Broken("the case panicked in a child".into())));
        write_all(&writer, &encode(&result));
        exit(0);
    }
    drop(writer);
    let said = setup("read of a child's result", read_all(&reader))?;
    Ok(match wait(pid)? {
        Ending::Exited(0) => decode(&said).map_or(Ending::Exited(0), Ending::Returned),
        other => other,
    })
}

/// Runs the body in a forked child; its result is the case's. A child that dies fails the case.
pub fn isolated(body: impl FnOnce() -> CaseResult) -> CaseResult {
    match run(body)? {
        Ending::Returned(result) => result,
        Ending::Exited(status) => Err(Stop::Fail(format!("a child exited with {status} before its end"))),
        Ending::Killed(signal) => Err(Stop::Fail(format!("a child was killed by signal {signal}"))),
    }
}

/// Runs the body in a child without privileges: [`NOBODY`], no groups, no capabilities.
pub fn unprivileged(body: impl FnOnce() -> CaseResult) -> CaseResult {
    needs_root()?;
    isolated(|| {
        drop_privileges()?;
        body()
    })
}

/// The body must be killed by exactly this signal.
pub fn killed_by(what: &str, signal: i32, body: impl FnOnce() -> CaseResult) -> CaseResult {
    match run(body)? {
        Ending::Killed(got) if got == signal => Ok(()),
        Ending::Killed(got) => Err(Stop::Fail(format!("{what}: killed by signal {got}, not by {signal}"))),
        Ending::Exited(status) => {
            Err(Stop::Fail(format!("{what}: exited with {status}, must be killed by signal {signal}")))
        }
        Ending::Returned(Err(stop)) => Err(stop),
        Ending::Returned(Ok(())) => {
            Err(Stop::Fail(format!("{what}: survived, must be killed by signal {signal}")))
        }
    }
}

/// Skips unless the case runs as root.
pub fn needs_root() -> CaseResult {
    // SAFETY: takes no pointers.
    match unsafe { syscall!(libc::SYS_geteuid) } {
        Ok(0) => Ok(()),
        _ => Err(Stop::Skip("needs root".into())),
    }
}

/// Becomes [`NOBODY`] for good. For children only.
pub fn drop_privileges() -> CaseResult {
    become_user(NOBODY, NOBODY)
}

/// Becomes this real and effective user for good, without groups and, unless it is root, capabilities. For children
/// only.
pub fn become_user(real: u32, effective: u32) -> CaseResult {
    // Raw calls: a C library would signal every thread it knows of before the fork.
    // SAFETY: no pointers but a null list of length zero.
    unsafe {
        setup("setgroups", syscall!(libc::SYS_setgroups, 0, 0))?;
        setup("setresgid", syscall!(libc::SYS_setresgid, effective, effective, effective))?;
        setup("setresuid", syscall!(libc::SYS_setresuid, real, effective, effective)).map(drop)
    }
}

/// Becomes [`NOBODY`] for good, but with these capabilities. For children only.
pub fn become_nobody_with(capabilities: u64) -> CaseResult {
    // SAFETY: takes no pointers.
    let kept = unsafe { syscall!(libc::SYS_prctl, libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) };
    setup("prctl(PR_SET_KEEPCAPS)", kept)?;
    drop_privileges()?;
    keep_capabilities(capabilities)
}

/// The capabilities that this process may use.
pub fn permitted_capabilities() -> Result<u64, Stop> {
    let mut sets = [0u32; 6];
    // SAFETY: header and sets are as long as the version says.
    setup("capget", unsafe { syscall!(libc::SYS_capget, CAPABILITIES_3.as_ptr(), sets.as_mut_ptr()) })?;
    Ok(u64::from(sets[1]) | u64::from(sets[4]) << 32)
}

/// Keeps these capabilities, effective and permitted, and no others. For children only.
pub fn keep_capabilities(kept: u64) -> CaseResult {
    let (low, high) = (kept as u32, (kept >> 32) as u32);
    let sets = [low, low, 0, high, high, 0];
    // SAFETY: header and sets are as long as the version says.
    setup("capset", unsafe { syscall!(libc::SYS_capset, CAPABILITIES_3.as_ptr(), sets.as_ptr()) }).map(drop)
}

/// Waits for signals, for ever.
pub fn pause() -> ! {
    loop {
        // SAFETY: takes no pointers.
        unsafe { libc::pause() };
    }
}

/// pidfd_open(2).
pub fn pidfd(pid: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: takes no pointers.
    unsafe { syscall!(libc::SYS_pidfd_open, pid, 0) }.map(owned)
}

/// Forks; zero in the child.
pub fn fork() -> Result<i32, Stop> {
    // SAFETY: the child shares nothing mutable with us; libc's allocator is made consistent by its fork.
    setup("fork", check(i64::from(unsafe { libc::fork() }))).map(|pid| pid as i32)
}

/// Ends this process at once, without destructors of the parent's state.
pub fn exit(status: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(status) }
}

/// Waits for a child's end.
pub fn wait(pid: i32) -> Result<Ending, Stop> {
    let mut status = 0;
    loop {
        // SAFETY: the status is ours.
        match check(i64::from(unsafe { libc::waitpid(pid, &mut status, 0) })) {
            Err(Errno(libc::EINTR)) => {}
            other => {
                setup("waitpid", other)?;
                break;
            }
        }
    }
    Ok(match libc::WIFSIGNALED(status) {
        true => Ending::Killed(libc::WTERMSIG(status)),
        false => Ending::Exited(libc::WEXITSTATUS(status)),
    })
}

/// A close-on-exec pipe: its read end and its write end.
pub fn pipe() -> Result<(OwnedFd, OwnedFd), Stop> {
    let mut ends = [0i32; 2];
    // SAFETY: the array is ours and as long as the call expects.
    setup("pipe2", check(i64::from(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })))?;
    Ok((owned(ends[0].into()), owned(ends[1].into())))
}

/// Writes what the other end is willing to take; a vanished reader needs no answer.
pub fn write_all(fd: &impl AsRawFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the buffer is ours and as long as said.
        let n = unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(n) {
            Ok(n) if n > 0 => bytes = &bytes[n..],
            _ => return,
        }
    }
}

fn encode(result: &CaseResult) -> Vec<u8> {
    let (tag, text) = match result {
        Ok(()) => (b'=', ""),
        Err(Stop::Fail(text)) => (b'f', text.as_str()),
        Err(Stop::Skip(text)) => (b's', text.as_str()),
        Err(Stop::Broken(text)) => (b'b', text.as_str()),
    };
    let mut bytes = vec![tag];
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<CaseResult> {
    let (&tag, text) = bytes.split_first()?;
    let text = String::from_utf8_lossy(text).into_owned();
    match tag {
        b'=' => Some(Ok(())),
        b'f' => Some(Err(Stop::Fail(text))),
        b's' => Some(Err(Stop::Skip(text))),
        b'b' => Some(Err(Stop::Broken(text))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_comes_back_from_a_child() {
        let text = "ß".repeat(100_000);
        for result in [
            Ok(()),
            Err(Stop::Fail(text.clone())),
            Err(Stop::Skip("no such call".into())),
            Err(Stop::Broken(String::new())),
        ] {
            assert_eq!(run(|| result.clone()), Ok(Ending::Returned(result.clone())));
            assert_eq!(isolated(|| result.clone()), result);
        }
    }

    #[test]
    fn deaths_are_told_apart() {
        assert_eq!(run(|| exit(7)), Ok(Ending::Exited(7)));
        assert_eq!(run(|| exit(0)), Ok(Ending::Exited(0)), "an early exit is not a result");
        // SAFETY: takes no pointers.
        let abort = || unsafe { syscall!(libc::SYS_kill, libc::getpid(), libc::SIGKILL) };
        let suicide = || setup("kill", abort()).map(drop);
        assert_eq!(run(suicide), Ok(Ending::Killed(libc::SIGKILL)));
        assert_eq!(killed_by("kill", libc::SIGKILL, suicide), Ok(()));
        assert!(matches!(killed_by("kill", libc::SIGTERM, suicide), Err(Stop::Fail(_))));
        assert!(matches!(killed_by("nothing", libc::SIGKILL, || Ok(())), Err(Stop::Fail(_))));
        assert!(matches!(isolated(suicide), Err(Stop::Fail(_))));
    }
}
