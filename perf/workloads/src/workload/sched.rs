//! The scheduler.

use super::{Operation, Workload};
use crate::Problem;
use crate::problem::needs;
use crate::sys::{owned, syscall};
use std::ffi::c_void;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};

/// `struct sched_attr`, version 0.
#[repr(C)]
#[derive(Clone, Copy)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
}

const SCHED_DEADLINE: u32 = 6;

const NORMAL: SchedAttr = SchedAttr {
    size: size_of::<SchedAttr>() as u32,
    policy: 0,
    flags: 0,
    nice: 0,
    priority: 0,
    runtime_ns: 0,
    deadline_ns: 0,
    period_ns: 0,
};

static RESERVATION: SchedAttr = SchedAttr {
    policy: SCHED_DEADLINE,
    runtime_ns: 10_000_000,
    deadline_ns: 30_000_000,
    period_ns: 30_000_000,
    ..NORMAL
};
static ORDINARY: SchedAttr = NORMAL;

pub static DEADLINE: Workload = Workload {
    name: "sched_deadline",
    about: "enter SCHED_DEADLINE with a reservation of 10 ms in 30 ms, and leave it",
    cites: "sched_setattr(2), sched(7)",
    operations: 300,
    setup: || {
        let operation = || {
            // SAFETY: the structure is as long as it says.
            let entered = unsafe { syscall!(libc::SYS_sched_setattr, 0, &raw const RESERVATION, 0) };
            // SAFETY: as above.
            let left = unsafe { syscall!(libc::SYS_sched_setattr, 0, &raw const ORDINARY, 0) };
            entered.min(left)
        };
        needs("sched_setattr", operation())?;
        Ok(Box::new(operation))
    },
};

pub static SWITCH: Workload = Workload {
    name: "switch",
    about: "wake another task through a pipe, sleep, and be woken by it: two context switches on one CPU",
    cites: "pipe(7), sched(7)",
    operations: 300,
    setup: || Ok(Box::new(Switch::new()?)),
};

/// What the other task needs; it may touch nothing else of ours.
struct Partner {
    read: RawFd,
    write: RawFd,
    /// Our ends, which it inherits and must close, or it would never see the end of the pipe.
    ours: [RawFd; 2],
}

struct Switch {
    read: OwnedFd,
    /// `None` only while dropping.
    write: Option<OwnedFd>,
    pid: i32,
    _stack: Vec<u8>,
    _partner: Box<Partner>,
}

impl Switch {
    fn new() -> Result<Switch, Problem> {
        let [their_read, write] = pipe()?;
        let [read, their_write] = pipe()?;
        let ours = [read.as_raw_fd(), write.as_raw_fd()];
        let (their_read, their_write) = (their_read.into_raw_fd(), their_write.into_raw_fd());
        let mut partner = Box::new(Partner { read: their_read, write: their_write, ours });
        let mut stack = vec![0u8; 16 << 10];
        let top = stack.as_mut_ptr_range().end.map_addr(|end| end & !15);
        // SAFETY: stack and partner outlive the task, which `drop` waits for; it uses raw calls only.
        let pid = unsafe {
            let flags = libc::CLONE_VM | libc::SIGCHLD;
            libc::clone(echo, top.cast(), flags, (&raw mut *partner).cast())
        };
        // SAFETY: these ends are the partner's; it has copies.
        unsafe { [libc::close(their_read), libc::close(their_write)] };
        needs("clone", pid.into())?;
        Ok(Switch { read, write: Some(write), pid, _stack: stack, _partner: partner })
    }
}

impl Operation for Switch {
    fn run(&mut self) -> i64 {
        let mut byte = 0u8;
        let write = self.write.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        // SAFETY: one byte each.
        let sent = unsafe { syscall!(libc::SYS_write, write, &raw const byte, 1) };
        // SAFETY: as above.
        let answered = unsafe { syscall!(libc::SYS_read, self.read.as_raw_fd(), &raw mut byte, 1) };
        sent.min(answered)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        drop(self.write.take());
        // SAFETY: waits for our own child; its status does not matter.
        unsafe { syscall!(libc::SYS_wait4, self.pid, 0, 0, 0) };
    }
}

fn pipe() -> Result<[OwnedFd; 2], Problem> {
    let mut ends = [0i32; 2];
    // SAFETY: room for two descriptors.
    needs("pipe2", unsafe { syscall!(libc::SYS_pipe2, ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    Ok([owned("pipe2", ends[0].into())?, owned("pipe2", ends[1].into())?])
}

/// Sends every byte back until the pipe ends.
extern "C" fn echo(partner: *mut c_void) -> i32 {
    // SAFETY: `Switch` keeps it alive until this task has ended.
    let partner = unsafe { &*partner.cast::<Partner>() };
    let mut byte = 0u8;
    for fd in partner.ours {
        // SAFETY: closes this task's copy only, since descriptors are not shared.
        unsafe { syscall!(libc::SYS_close, fd) };
    }
    // SAFETY: one byte each.
    while unsafe { syscall!(libc::SYS_read, partner.read, &raw mut byte, 1) } == 1 {
        // SAFETY: as above.
        unsafe { syscall!(libc::SYS_write, partner.write, &raw const byte, 1) };
    }
    0
}
