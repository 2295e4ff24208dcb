//! no_new_privs and CAP_SYS_ADMIN: who may filter, and what that takes away.

use super::filter::*;
use crate::case::{CaseResult, Stop, fails_with, setup, succeeds};
use crate::child::{
    become_nobody_with, isolated, keep_capabilities, needs_root, permitted_capabilities, unprivileged,
};
use crate::sys::Errno;
use crate::{Context, check_eq, syscall};
use std::thread;

const CAP_SYS_ADMIN: u32 = 21;

fn prctl(option: i32, arguments: [u64; 4]) -> Result<i64, Errno> {
    let [a, b, c, d] = arguments;
    // SAFETY: the options used here take no pointers.
    unsafe { syscall!(libc::SYS_prctl, option, a, b, c, d) }
}

fn has_no_new_privileges() -> Result<i64, Errno> {
    prctl(libc::PR_GET_NO_NEW_PRIVS, [0; 4])
}

pub fn no_capability_but_sys_admin_allows_a_filter(_: &Context) -> CaseResult {
    needs_root()?;
    let all = permitted_capabilities()?;
    let sys_admin = 1u64 << CAP_SYS_ADMIN;
    if all & sys_admin == 0 {
        crate::skip!("needs CAP_SYS_ADMIN");
    }
    isolated(|| {
        keep_capabilities(all & !sys_admin)?;
        fails_with("filter with every capability but CAP_SYS_ADMIN", install(&[ret(ALLOW)], 0), libc::EACCES)
    })?;
    isolated(|| {
        keep_capabilities(sys_admin)?;
        succeeds("filter with CAP_SYS_ADMIN alone", install(&[ret(ALLOW)], 0)).map(drop)
    })?;
    isolated(|| {
        become_nobody_with(sys_admin)?;
        succeeds("filter by another user with CAP_SYS_ADMIN", install(&[ret(ALLOW)], 0)).map(drop)
    })
}

/// The capability counts in the caller's own user namespace.
pub fn namespace_root_may_filter(_: &Context) -> CaseResult {
    unprivileged(|| {
        fails_with("filter outside a user namespace", install(&[ret(ALLOW)], 0), libc::EACCES)?;
        // SAFETY: takes no pointers.
        match unsafe { syscall!(libc::SYS_unshare, libc::CLONE_NEWUSER) } {
            Ok(_) => {}
            Err(errno) => crate::skip!("no user namespace: CONFIG_USER_NS or its sysctls: {errno}"),
        }
        succeeds(
            "filter inside a user namespace",
            install(&on_call(libc::SYS_getppid, ERRNO | 42, ALLOW), 0),
        )?;
        check_eq!(parent(), Err(Errno(42)), "getppid under that filter");
        Ok(())
    })
}

pub fn no_new_privs_cannot_be_taken_back(_: &Context) -> CaseResult {
    let set = |arguments| prctl(libc::PR_SET_NO_NEW_PRIVS, arguments);
    isolated(|| {
        let before = setup("PR_GET_NO_NEW_PRIVS", has_no_new_privileges())?;
        for wrong in
            [[0, 0, 0, 0], [2, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1], [1 << 32, 0, 0, 0]]
        {
            fails_with(&format!("PR_SET_NO_NEW_PRIVS {wrong:?}"), set(wrong), libc::EINVAL)?;
        }
        for wrong in [[1, 0, 0, 0], [0, 0, 0, 1]] {
            let asked = prctl(libc::PR_GET_NO_NEW_PRIVS, wrong);
            fails_with(&format!("PR_GET_NO_NEW_PRIVS {wrong:?}"), asked, libc::EINVAL)?;
        }
        check_eq!(has_no_new_privileges(), Ok(before), "no_new_privs after refused calls");
        succeeds("PR_SET_NO_NEW_PRIVS", set([1, 0, 0, 0]))?;
        fails_with("PR_SET_NO_NEW_PRIVS to 0", set([0; 4]), libc::EINVAL)?;
        check_eq!(has_no_new_privileges(), Ok(1), "no_new_privs after an attempt to take it back");
        isolated(|| {
            check_eq!(has_no_new_privileges(), Ok(1), "no_new_privs of a child");
            Ok(())
        })
    })
}

/// The bit is each thread's own, inherited by those it makes; TSYNC hands it on with the filter, or a thread could
/// filter others that do not have it.
pub fn tsync_hands_on_no_new_privs(_: &Context) -> CaseResult {
    for (flags, expected) in [(0, 0), (TSYNC, 1)] {
        unprivileged(|| {
            if setup("PR_GET_NO_NEW_PRIVS", has_no_new_privileges())? != 0 {
                crate::skip!("no_new_privs is set already");
            }
            let seen = thread::scope(|scope| {
                let (go, wait) = std::sync::mpsc::channel::<()>();
                let other = scope.spawn(move || {
                    let _ = wait.recv();
                    (has_no_new_privileges(), parent().is_err())
                });
                no_new_privileges()?;
                let installed = install(&on_call(libc::SYS_getppid, ERRNO | 42, ALLOW), flags);
                check_eq!(installed, Ok(0), "filter with flags {flags:#x}");
                drop(go);
                other.join().map_err(|_| Stop::Broken("a thread panicked".into()))
            })?;
            let (bit, filtered) = seen;
            check_eq!(bit, Ok(expected), "no_new_privs of the other thread after flags {flags:#x}");
            check_eq!(filtered, expected == 1, "the other thread is filtered after flags {flags:#x}");
            Ok(())
        })?;
    }
    Ok(())
}
