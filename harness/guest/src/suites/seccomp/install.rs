//! Who may install which filter, and what is refused.

use super::filter::*;
use crate::case::{exists, fails_with, succeeds};
use crate::child::{isolated, needs_root, unprivileged};
use crate::mapping::{Mapping, PAGE};
use crate::sys::Errno;
use crate::{CaseResult, Context, check_eq};

pub fn filter_needs_no_new_privs_or_capability(_: &Context) -> CaseResult {
    let program = on_call(libc::SYS_getppid, ERRNO | 42, ALLOW);
    unprivileged(|| {
        let refused = exists("seccomp", install(&program, 0))?;
        fails_with("unprivileged filter without no_new_privs", refused, libc::EACCES)?;
        check_eq!(mode(), Ok(0), "mode after a refused filter");
        succeeds("getppid after a refused filter", parent())?;
        no_new_privileges()?;
        filtered(&program)?;
        check_eq!(mode(), Ok(2), "mode after a filter");
        check_eq!(parent(), Err(Errno(42)), "getppid under an unprivileged filter");
        Ok(())
    })?;
    isolated(|| {
        filtered(&program)?;
        check_eq!(parent(), Err(Errno(42)), "getppid under a filter by root without no_new_privs");
        Ok(())
    })
}

/// The older door to the same mode.
pub fn filter_mode_by_prctl_is_the_same(_: &Context) -> CaseResult {
    let program = on_call(libc::SYS_getppid, ERRNO | 42, ALLOW);
    unprivileged(|| {
        let refused = install_by_prctl(&program);
        fails_with("PR_SET_SECCOMP of a filter without no_new_privs", refused, libc::EACCES)?;
        no_new_privileges()?;
        for address in [0, 1 << 63] {
            let what = format!("PR_SET_SECCOMP of a filter whose sock_fprog is at {address:#x}");
            fails_with(&what, set_mode_by_prctl(2, address), libc::EFAULT)?;
        }
        for unknown in [0, 3, 100] {
            let what = format!("PR_SET_SECCOMP of mode {unknown}");
            fails_with(&what, set_mode_by_prctl(unknown, 0), libc::EINVAL)?;
        }
        fails_with("PR_SET_SECCOMP of no instructions", install_by_prctl(&[]), libc::EINVAL)?;
        check_eq!(mode(), Ok(0), "mode after refused calls");
        check_eq!(install_by_prctl(&program), Ok(0), "PR_SET_SECCOMP of a filter");
        check_eq!(mode(), Ok(2), "mode after a filter by prctl");
        check_eq!(parent(), Err(Errno(42)), "getppid under a filter by prctl");
        // Both doors add to the same filters, of which none is lost.
        filtered(&on_call(NOWHERE, ERRNO | 43, ALLOW))?;
        check_eq!(install_by_prctl(&on_call(NOWHERE, ERRNO | 44, ALLOW)), Ok(0), "PR_SET_SECCOMP again");
        check_eq!(parent(), Err(Errno(42)), "getppid under three filters");
        check_eq!(nowhere([0; 6]), Err(Errno(44)), "a call that the newer two filters are for");
        fails_with("PR_SET_SECCOMP of strict mode after a filter", set_mode_by_prctl(1, 0), libc::EINVAL)
    })
}

pub fn unknown_operation_is_refused(_: &Context) -> CaseResult {
    isolated(|| {
        for operation in [4, 5, 100, 0x8000_0000, u32::MAX] {
            let result = exists("seccomp", seccomp(operation, 0, 0))?;
            fails_with(&format!("seccomp operation {operation:#x}"), result, libc::EINVAL)?;
        }
        check_eq!(mode(), Ok(0), "mode after refused operations");
        Ok(())
    })
}

/// Bit 5 is SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV by 5.19; bits 6 and 7 are left to the next ones.
pub fn unknown_filter_flag_is_refused(_: &Context) -> CaseResult {
    isolated(|| {
        for bit in 8..32 {
            for flags in [1 << bit, 1 << bit | TSYNC, 1 << bit | LOG_FLAG] {
                let result = exists("seccomp", install(&[ret(ALLOW)], flags))?;
                fails_with(&format!("filter with unknown flags {flags:#x}"), result, libc::EINVAL)?;
            }
        }
        // One return value cannot be both a thread and a descriptor, unless threads are never returned.
        let both = install(&[ret(ALLOW)], TSYNC | NEW_LISTENER);
        fails_with("filter with TSYNC and NEW_LISTENER", both, libc::EINVAL)?;
        check_eq!(mode(), Ok(0), "mode after refused flags");
        Ok(())
    })
}

pub fn known_filter_flags_are_accepted(_: &Context) -> CaseResult {
    for flags in
        [TSYNC, LOG_FLAG, SPEC_ALLOW, TSYNC_ESRCH, TSYNC | TSYNC_ESRCH, TSYNC | LOG_FLAG | SPEC_ALLOW]
    {
        isolated(|| {
            let installed =
                exists("seccomp", install(&on_call(libc::SYS_getppid, ERRNO | 42, ALLOW), flags))?;
            let what = format!("filter with flags {flags:#x}");
            check_eq!(succeeds(&what, installed)?, 0, "value returned for a {what}");
            check_eq!(parent(), Err(Errno(42)), "getppid under a {what}");
            Ok(())
        })?;
    }
    Ok(())
}

pub fn strict_mode_takes_no_arguments(_: &Context) -> CaseResult {
    isolated(|| {
        for flags in [1, 2, 1 << 31] {
            let refused = exists("seccomp", seccomp(SET_MODE_STRICT, flags, 0))?;
            fails_with(&format!("strict mode with flags {flags:#x}"), refused, libc::EINVAL)?;
        }
        fails_with("strict mode with a program", seccomp(SET_MODE_STRICT, 0, 1), libc::EINVAL)?;
        check_eq!(mode(), Ok(0), "mode after refused calls");
        Ok(())
    })
}

pub fn filter_mode_cannot_become_strict(_: &Context) -> CaseResult {
    isolated(|| {
        filtered(&on_call(libc::SYS_getppid, ERRNO | 42, ALLOW))?;
        fails_with("strict mode after a filter", seccomp(SET_MODE_STRICT, 0, 0), libc::EINVAL)?;
        check_eq!(mode(), Ok(2), "mode after the refused call");
        check_eq!(parent(), Err(Errno(42)), "getppid under the filter that is still there");
        Ok(())
    })
}

pub fn program_of_4097_instructions_is_refused(_: &Context) -> CaseResult {
    isolated(|| {
        // The last instruction is the only one that allows: a program cut short would not get through.
        let mut program = vec![load(DATA_NR); 4096];
        program.push(ret(ALLOW));
        fails_with("filter of 4097 instructions", exists("seccomp", install(&program, 0))?, libc::EINVAL)?;
        fails_with("filter of 65535 instructions", install_with_length(&program, u16::MAX, 0), libc::EINVAL)?;
        fails_with("filter of no instructions", install(&[], 0), libc::EINVAL)?;
        check_eq!(mode(), Ok(0), "mode after refused programs");
        succeeds("filter of 4096 instructions", install(&program[1..], 0))?;
        succeeds("filter of 1 instruction", install(&[ret(ALLOW)], 0))?;
        check_eq!(mode(), Ok(2), "mode after accepted programs");
        Ok(())
    })
}

pub fn bad_address_is_refused(_: &Context) -> CaseResult {
    isolated(|| {
        let hole = Mapping::anonymous(PAGE, libc::PROT_NONE)?;
        for address in [0, hole.address(), 1 << 63] {
            let what = format!("at {address:#x}");
            let refused = exists("seccomp", seccomp(SET_MODE_FILTER, 0, address))?;
            fails_with(&format!("filter whose sock_fprog is {what}"), refused, libc::EFAULT)?;
            let asked = seccomp(GET_ACTION_AVAIL, 0, address);
            fails_with(&format!("GET_ACTION_AVAIL of an action {what}"), asked, libc::EFAULT)?;
        }
        // The sock_fprog can be read, but the program that it points to cannot, or not to its end.
        let mut page = Mapping::anonymous(2 * PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
        page.protect_part(PAGE, PAGE, libc::PROT_NONE)?;
        let end = page.address() + PAGE as u64 - size_of::<Instruction>() as u64;
        for (address, length) in [(hole.address(), 1), (1 << 63, 1), (end, 2), (end + 4, 1)] {
            let what = format!("filter of {length} instructions at {address:#x}");
            fails_with(&what, install_from(address, length, 0), libc::EFAULT)?;
        }
        check_eq!(mode(), Ok(0), "mode after refused calls");
        Ok(())
    })
}

/// What is installed is a copy.
pub fn installed_program_cannot_be_changed(_: &Context) -> CaseResult {
    isolated(|| {
        let mut program = on_call(libc::SYS_getppid, ERRNO | 42, ALLOW);
        filtered(&program)?;
        program[2] = ret(ALLOW);
        std::hint::black_box(&mut program);
        check_eq!(parent(), Err(Errno(42)), "getppid after the program in memory was changed");
        Ok(())
    })
}

pub fn action_is_available_exactly_if_known(_: &Context) -> CaseResult {
    let ask = |action: u32, flags| seccomp(GET_ACTION_AVAIL, flags, &raw const action as u64);
    exists("seccomp", ask(ALLOW, 0)).map(drop)?;
    for action in [KILL_PROCESS, KILL_THREAD, TRAP, ERRNO, USER_NOTIF, TRACE, LOG, ALLOW] {
        check_eq!(ask(action, 0), Ok(0), "GET_ACTION_AVAIL of {action:#x}");
        // The data half of a return value is no part of an action.
        fails_with(&format!("GET_ACTION_AVAIL of {:#x}", action | 1), ask(action | 1, 0), libc::EOPNOTSUPP)?;
        fails_with("GET_ACTION_AVAIL with flags", ask(action, 1), libc::EINVAL)?;
    }
    for unknown in [0x0001_0000, 0x0006_0000, 0x7ff8_0000, 0x8001_0000, 0xffff_0000] {
        fails_with(&format!("GET_ACTION_AVAIL of {unknown:#x}"), ask(unknown, 0), libc::EOPNOTSUPP)?;
    }
    Ok(())
}

pub fn status_counts_the_filters(_: &Context) -> CaseResult {
    let fields = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name| status.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
        (field("Seccomp:"), field("Seccomp_filters:"))
    };
    let both = |mode: &str, filters: &str| (Some(mode.to_owned()), Some(filters.to_owned()));
    needs_root()?;
    isolated(|| {
        check_eq!(fields(), both("0", "0"), "Seccomp and Seccomp_filters before any filter");
        for count in 1..=3 {
            filtered(&[ret(ALLOW)])?;
            check_eq!(fields(), both("2", &count.to_string()), "Seccomp and Seccomp_filters after {count}");
        }
        isolated(|| {
            check_eq!(fields(), both("2", "3"), "Seccomp and Seccomp_filters of a child");
            Ok(())
        })
    })
}
