//! The supervisor's side of SECCOMP_RET_USER_NOTIF: structures and calls as linux/seccomp.h has them.

use super::filter::*;
use crate::case::{CaseResult, Stop, setup, succeeds};
use crate::child::{Ending, exit, fork, pipe, wait, write_all};
use crate::sys::{Errno, check as result_of, read_all};
use crate::syscall;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;

pub const NOTIF_RECV: u64 = 0xc050_2100;
pub const NOTIF_SEND: u64 = 0xc018_2101;
pub const NOTIF_ID_VALID: u64 = 0x4008_2102;
pub const NOTIF_ADDFD: u64 = 0x4018_2103;
pub const FLAG_CONTINUE: u32 = 1;
pub const ADDFD_SETFD: u32 = 1;

/// `struct seccomp_notif`.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub struct Notification {
    pub id: u64,
    pub pid: u32,
    pub flags: u32,
    pub number: i32,
    pub arch: u32,
    pub address: u64,
    pub arguments: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub struct Answer {
    pub id: u64,
    pub value: i64,
    pub error: i32,
    pub flags: u32,
}

/// `struct seccomp_notif_addfd`.
#[repr(C)]
pub struct Descriptor {
    pub id: u64,
    pub flags: u32,
    pub source: u32,
    pub target: u32,
    pub target_flags: u32,
}

pub fn ioctl<T>(fd: &OwnedFd, request: u64, argument: &mut T) -> Result<i64, Errno> {
    // SAFETY: each request here is paired with the structure whose size its number holds.
    unsafe { syscall!(libc::SYS_ioctl, fd.as_raw_fd(), request, std::ptr::from_mut(argument)) }
}

pub fn receive(listener: &OwnedFd) -> Result<Notification, Stop> {
    let mut notification = Notification::default();
    succeeds("SECCOMP_IOCTL_NOTIF_RECV", ioctl(listener, NOTIF_RECV, &mut notification))?;
    Ok(notification)
}

pub fn answer(listener: &OwnedFd, mut answer: Answer) -> Result<i64, Errno> {
    ioctl(listener, NOTIF_SEND, &mut answer)
}

/// What the calling thread got, and its thread number.
pub type Called = (Result<i64, Errno>, Result<i64, Errno>);

pub const ARGUMENTS: [u64; 6] = [0x1_0000_0001, 2, u64::MAX, 4, 1 << 63, 6];

/// In a child, lets one thread make calls of [`NOWHERE`] that go to a listener, and `decide` about them; gives what
/// the thread got. The listener closes when `decide` lets go of it.
pub fn decided(calls: usize, decide: impl FnOnce(OwnedFd) -> CaseResult) -> Result<Vec<Called>, Stop> {
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let caller = scope.spawn(move || {
            let listener = listener(&on_call(NOWHERE, USER_NOTIF, ALLOW));
            let works = listener.is_ok();
            let _ = tell.send(listener);
            // SAFETY: takes no pointers.
            let thread = unsafe { syscall!(libc::SYS_gettid) };
            (0..if works { calls } else { 0 }).map(|_| (nowhere(ARGUMENTS), thread)).collect()
        });
        let listener = told.recv().map_err(|_| Stop::Broken("the calling thread vanished".into()))??;
        let judged = decide(listener);
        // A judgement that failed has closed the listener, so the caller goes on with ENOSYS.
        let called = caller.join().map_err(|_| Stop::Broken("the calling thread panicked".into()))?;
        judged.map(|()| called)
    })
}

pub fn got(called: &[Called]) -> Vec<Result<i64, Errno>> {
    called.iter().map(|(result, _)| *result).collect()
}

/// What poll(2) has to say about these, waiting for at most so many milliseconds; 0 for nothing.
pub fn poll(fds: [(&OwnedFd, i16); 2], milliseconds: i32) -> Result<[i16; 2], Stop> {
    let mut polled = fds.map(|(fd, events)| libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 });
    // SAFETY: two structures, ours.
    let n = unsafe { libc::poll(polled.as_mut_ptr(), 2, milliseconds) };
    setup("poll", result_of(n.into()))?;
    Ok(polled.map(|entry| entry.revents))
}

static SIGNALS: AtomicI32 = AtomicI32::new(0);

extern "C" fn count_signal(_: i32) {
    SIGNALS.fetch_add(1, SeqCst);
}

/// What the call gave, if it came back, how many signals were handled, and how the caller ended.
pub type Outcome = (Option<Result<i64, Errno>>, i32, Ending);

/// A process of its own that makes one call of [`NOWHERE`], and takes SIGUSR1 with a handler.
pub struct Caller {
    pub pid: i32,
    pub listener: OwnedFd,
    told: OwnedFd,
}

impl Caller {
    /// Filters the calling process, which must be a child, and lets a child of it make the call. `flags` are added
    /// to the filter's, `handler` are the handler's.
    pub fn start(flags: u32, handler: i32) -> Result<Caller, Stop> {
        let program = on_call(NOWHERE, USER_NOTIF, ALLOW);
        let installed = install(&program, NEW_LISTENER | flags);
        let what = format!("filter with a listener and flags {flags:#x}");
        let listener = succeeds(&what, installed).map(crate::sys::owned)?;
        let (told, tell) = pipe()?;
        let pid = fork()?;
        if pid == 0 {
            // The supervisor's alone: when it lets go, the call must end.
            drop(listener);
            exit(if call_and_tell(handler, &tell).is_ok() { 0 } else { 99 });
        }
        Ok(Caller { pid, listener, told })
    }

    /// Waits until the call is there to be received, without receiving it.
    pub fn wait_for_the_call(&self) -> CaseResult {
        poll([(&self.listener, libc::POLLIN), (&self.told, 0)], -1).map(drop)
    }

    pub fn signal(&self, signal: i32) -> CaseResult {
        // SAFETY: our own child.
        setup("kill", unsafe { syscall!(libc::SYS_kill, self.pid, signal) }).map(drop)
    }

    /// The caller has told its result within this time.
    pub fn is_done(&self, milliseconds: i32) -> Result<bool, Stop> {
        poll([(&self.listener, 0), (&self.told, libc::POLLIN)], milliseconds).map(|[_, told]| told != 0)
    }

    pub fn end(self) -> Result<Outcome, Stop> {
        drop(self.listener);
        let bytes = setup("read of a caller's result", read_all(&self.told))?;
        let ending = wait(self.pid)?;
        let words: Vec<i64> = bytes.as_chunks().0.iter().map(|&word| i64::from_ne_bytes(word)).collect();
        Ok(match words[..] {
            [value, 0, signals] => (Some(Ok(value)), signals as i32, ending),
            [_, errno, signals] => (Some(Err(Errno(errno as i32))), signals as i32, ending),
            _ => (None, 0, ending),
        })
    }
}

fn call_and_tell(flags: i32, tell: &OwnedFd) -> CaseResult {
    // SAFETY: the handler only counts; the structure is ours.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_flags = flags;
        action.sa_sigaction = count_signal as extern "C" fn(i32) as usize;
        setup("sigaction", result_of(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()).into()))?;
    }
    let (value, errno) = match nowhere(ARGUMENTS) {
        Ok(value) => (value, 0),
        Err(Errno(errno)) => (0, errno),
    };
    let words = [value, errno.into(), SIGNALS.load(SeqCst).into()];
    write_all(tell, &words.map(i64::to_ne_bytes).concat());
    Ok(())
}
