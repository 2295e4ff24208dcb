//! Waiting and waking without another process.

use super::{Operation, Workload};
use crate::problem::needs;
use crate::sys::{owned, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

pub static PIPE: Workload = Workload {
    name: "pipe",
    about: "write 64 bytes into a pipe and read them back",
    cites: "pipe(7)",
    operations: 500,
    setup: || {
        let mut ends = [0i32; 2];
        // SAFETY: room for two descriptors.
        needs("pipe2", unsafe { syscall!(libc::SYS_pipe2, ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
        let [read, write] = [owned("pipe2", ends[0].into())?, owned("pipe2", ends[1].into())?];
        let mut buffer = [0u8; 64];
        Ok(Box::new(move || {
            // SAFETY: the buffer is as long as said.
            let written =
                unsafe { syscall!(libc::SYS_write, write.as_raw_fd(), buffer.as_ptr(), buffer.len()) };
            // SAFETY: as above.
            let got =
                unsafe { syscall!(libc::SYS_read, read.as_raw_fd(), buffer.as_mut_ptr(), buffer.len()) };
            written.min(got)
        }))
    },
};

pub static EPOLL: Workload = Workload {
    name: "epoll_wait",
    about: "wait on an epoll set of 16 event descriptors of which one is ready",
    cites: "epoll(7), eventfd(2)",
    operations: 500,
    setup: || {
        // SAFETY: takes no pointer.
        let set = owned("epoll_create1", unsafe { syscall!(libc::SYS_epoll_create1, libc::EPOLL_CLOEXEC) })?;
        let mut events = Vec::new();
        for index in 0..16u64 {
            // SAFETY: takes no pointer. Only the first starts with a count, so only it is ready.
            let event = unsafe { syscall!(libc::SYS_eventfd2, u64::from(index == 0), libc::EFD_CLOEXEC) };
            let event = owned("eventfd2", event)?;
            let mut interest = libc::epoll_event { events: libc::EPOLLIN as u32, u64: index };
            let added = [set.as_raw_fd(), libc::EPOLL_CTL_ADD, event.as_raw_fd()];
            // SAFETY: the structure is the kernel's.
            needs("epoll_ctl", unsafe {
                syscall!(libc::SYS_epoll_ctl, added[0], added[1], added[2], &raw mut interest)
            })?;
            events.push(event);
        }
        Ok(Box::new(Epoll { set, _events: events, ready: [libc::epoll_event { events: 0, u64: 0 }; 16] }))
    },
};

struct Epoll {
    set: OwnedFd,
    _events: Vec<OwnedFd>,
    ready: [libc::epoll_event; 16],
}

impl Operation for Epoll {
    fn run(&mut self) -> i64 {
        // SAFETY: room for as many events as said.
        unsafe {
            syscall!(
                libc::SYS_epoll_wait,
                self.set.as_raw_fd(),
                self.ready.as_mut_ptr(),
                self.ready.len(),
                -1
            )
        }
    }
}

pub static FUTEX_WAKE: Workload = Workload {
    name: "futex_wake",
    about: "wake a futex that nobody waits on",
    cites: "futex(2), FUTEX_WAKE",
    operations: 1000,
    setup: || {
        let word = Box::new(0u32);
        Ok(Box::new(move || {
            let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
            // SAFETY: the word lives as long as the operation.
            unsafe { syscall!(libc::SYS_futex, &raw const *word, operation, 1) }
        }))
    },
};
