//! System call filters.

use super::Workload;
use super::process::Child;
use crate::Operation;
use crate::problem::needs;
use crate::sys::syscall;
use std::ffi::c_void;

pub static INSTALL: Workload = Workload {
    name: "seccomp_install",
    about: "vfork a child that installs a filter and exits (compare with vfork_exit)",
    cites: "seccomp(2), SECCOMP_SET_MODE_FILTER",
    operations: 300,
    setup: || {
        let mut operation = Child::new(install_in_child, 0);
        needs("seccomp", operation.run())?;
        Ok(Box::new(operation))
    },
};

pub static FILTERED: Workload = Workload {
    name: "seccomp_filtered",
    about: "getppid under a filter of 64 instructions that looks at an argument",
    cites: "seccomp(2), SECCOMP_SET_MODE_FILTER",
    operations: 1000,
    setup: || {
        needs("seccomp", install(&filter()))?;
        // SAFETY: takes no pointer.
        Ok(Box::new(|| unsafe { syscall!(libc::SYS_getppid) }))
    },
};

/// Instructions of the filter.
const LENGTH: usize = 64;
/// Offset of `args[0]` in `struct seccomp_data`.
const FIRST_ARGUMENT: u32 = 16;

/// Compares the first argument with values nobody passes, then allows. Looking at an argument keeps the
/// kernel from answering out of its cache of always-allowed calls (since 5.11).
const fn filter() -> [libc::sock_filter; LENGTH] {
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let compare = libc::sock_filter { code: equal, jt: 0, jf: 0, k: 0x7fff_1234 };
    let mut filter = [compare; LENGTH];
    filter[0] = libc::sock_filter { code: load, jt: 0, jf: 0, k: FIRST_ARGUMENT };
    let allow = libc::sock_filter { code: libc::BPF_RET as u16, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
    filter[LENGTH - 1] = allow;
    filter
}

static FILTER: [libc::sock_filter; LENGTH] = filter();

extern "C" fn install_in_child(_argument: *mut c_void) -> i32 {
    -install(&FILTER) as i32
}

fn install(filter: &[libc::sock_filter; LENGTH]) -> i64 {
    let program = libc::sock_fprog { len: LENGTH as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: takes no pointer.
    let privileges = unsafe { syscall!(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1) };
    if privileges < 0 {
        return privileges;
    }
    // SAFETY: the kernel copies the filter, which is as long as said.
    unsafe { syscall!(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) }
}
