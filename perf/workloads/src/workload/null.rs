//! Calls that do next to nothing: what entering and leaving the kernel costs.

use super::Workload;
use crate::sys::syscall;

pub static GETPPID: Workload = Workload {
    name: "getppid",
    about: "the cheapest system call: entry and exit",
    cites: "getppid(2)",
    operations: 1000,
    setup: || {
        // SAFETY: takes no pointer.
        Ok(Box::new(|| unsafe { syscall!(libc::SYS_getppid) }))
    },
};

pub static CLOCK_GETTIME: Workload = Workload {
    name: "clock_gettime",
    about: "read the monotonic clock through the system call, not the vDSO",
    cites: "clock_gettime(2)",
    operations: 1000,
    setup: || {
        let mut time = [0u64; 2];
        Ok(Box::new(move || {
            // SAFETY: a timespec is two words.
            unsafe { syscall!(libc::SYS_clock_gettime, libc::CLOCK_MONOTONIC, time.as_mut_ptr()) }
        }))
    },
};
