//! What each action does to the call and the caller.

use super::filter::*;
use crate::case::{CaseResult, Stop, setup};
use crate::child::{isolated, killed_by, run};
use crate::sys::{Errno, check as result_of};
use crate::{Context, check_eq, file, syscall};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering::SeqCst};

pub fn errno_is_returned_and_capped(_: &Context) -> CaseResult {
    isolated(|| {
        for data in [1, 42, 4094, 4095, 4096, 0x7fff, 0xffff] {
            filtered(&on_call(libc::SYS_getppid, ERRNO | data, ALLOW))?;
            let expected = Errno(data.min(4095) as i32);
            check_eq!(parent(), Err(expected), "getppid under SECCOMP_RET_ERRNO with data {data}");
        }
        filtered(&on_call(libc::SYS_getppid, ERRNO, ALLOW))?;
        check_eq!(parent(), Ok(0), "getppid under SECCOMP_RET_ERRNO with data 0");
        Ok(())
    })
}

/// The calls below would grow the file; every action that stops a call must leave it empty.
pub fn stopped_call_is_not_made(_: &Context) -> CaseResult {
    let memory = file_to_grow()?;
    for action in [ERRNO, ERRNO | 1, TRACE, USER_NOTIF, TRAP, KILL_THREAD, KILL_PROCESS] {
        run(|| {
            handle_traps()?;
            filtered(&on_call(libc::SYS_ftruncate, action, ALLOW))?;
            let _ = file::truncate(&memory, 4096);
            Ok(())
        })?;
        check_eq!(file::size(&memory), Ok(0), "size of a file whose ftruncate was stopped by {action:#x}");
    }
    for action in [LOG, ALLOW] {
        isolated(|| {
            filtered(&on_call(libc::SYS_ftruncate, action, ALLOW))?;
            setup("ftruncate", file::truncate(&memory, 4096)).map(drop)
        })?;
        check_eq!(
            file::size(&memory),
            Ok(4096),
            "size of a file whose ftruncate was let through by {action:#x}"
        );
        setup("ftruncate", file::truncate(&memory, 0))?;
    }
    Ok(())
}

fn file_to_grow() -> Result<std::os::fd::OwnedFd, Stop> {
    // SAFETY: the name lives through the call.
    let made = unsafe { syscall!(libc::SYS_memfd_create, c"grow".as_ptr(), libc::MFD_CLOEXEC) };
    setup("memfd_create", made).map(crate::sys::owned)
}

pub fn stop_without_tracer_or_listener_is_enosys(_: &Context) -> CaseResult {
    for (action, name) in [(TRACE, "SECCOMP_RET_TRACE"), (USER_NOTIF, "SECCOMP_RET_USER_NOTIF")] {
        isolated(|| {
            filtered(&on_call(libc::SYS_getppid, action | 0x12, ALLOW))?;
            check_eq!(parent(), Err(Errno(libc::ENOSYS)), "getppid under {name} with nobody to ask");
            Ok(())
        })?;
    }
    Ok(())
}

pub static TRAPS: AtomicU32 = AtomicU32::new(0);
static CODE: AtomicI32 = AtomicI32::new(0);
static DATA: AtomicI32 = AtomicI32::new(0);
static NUMBER: AtomicI32 = AtomicI32::new(0);
static ARCH: AtomicU32 = AtomicU32::new(0);
static ADDRESS: AtomicUsize = AtomicUsize::new(0);

/// The part of `siginfo_t` a SIGSYS fills in (sigaction(2)).
#[repr(C)]
struct SigsysInfo {
    signal: i32,
    errno: i32,
    code: i32,
    _padding: i32,
    call_address: usize,
    number: i32,
    arch: u32,
}

extern "C" fn note_trap(_: i32, information: *const SigsysInfo, _: *const libc::c_void) {
    // SAFETY: the kernel hands a siginfo_t to a handler with SA_SIGINFO.
    let information = unsafe { &*information };
    TRAPS.fetch_add(1, SeqCst);
    CODE.store(information.code, SeqCst);
    DATA.store(information.errno, SeqCst);
    NUMBER.store(information.number, SeqCst);
    ARCH.store(information.arch, SeqCst);
    ADDRESS.store(information.call_address, SeqCst);
}

pub fn handle_traps() -> CaseResult {
    // SAFETY: the handler only stores into atomics; the structure is ours.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_flags = libc::SA_SIGINFO;
        action.sa_sigaction =
            note_trap as extern "C" fn(i32, *const SigsysInfo, *const libc::c_void) as usize;
        setup("sigaction", result_of(libc::sigaction(libc::SIGSYS, &action, std::ptr::null_mut()).into()))?;
    }
    Ok(())
}

pub fn trap_tells_which_call_it_was(_: &Context) -> CaseResult {
    isolated(|| {
        handle_traps()?;
        filtered(&on_call(libc::SYS_getppid, TRAP | 0x1234, ALLOW))?;
        let _ = parent();
        check_eq!(TRAPS.load(SeqCst), 1, "signals after one trapped call");
        check_eq!(CODE.load(SeqCst), 1, "si_code, which must be SYS_SECCOMP");
        check_eq!(DATA.load(SeqCst), 0x1234, "si_errno, which must be the filter's data");
        check_eq!(i64::from(NUMBER.load(SeqCst)), libc::SYS_getppid, "si_syscall");
        check_eq!(ARCH.load(SeqCst), super::data::ARCH, "si_arch");
        check_eq!(ADDRESS.load(SeqCst) != 0, true, "si_call_addr is not null");
        // SAFETY: takes no pointers.
        let own = unsafe { syscall!(libc::SYS_getpid) };
        check_eq!(own.is_ok() && TRAPS.load(SeqCst) == 1, true, "another call goes through untrapped");
        Ok(())
    })?;
    killed_by("trapped call without a handler", libc::SIGSYS, || {
        filtered(&on_call(libc::SYS_getppid, TRAP, ALLOW))?;
        let _ = parent();
        Ok(())
    })
}

pub fn kill_cannot_be_caught(_: &Context) -> CaseResult {
    // Any action the kernel does not know kills the process as well (seccomp(2), since Linux 4.14).
    for action in [KILL_PROCESS, KILL_THREAD, 0x0006_0000, 0x7ff8_0000, 0xffff_0000] {
        killed_by(&format!("getppid under action {action:#x}"), libc::SIGSYS, || {
            handle_traps()?;
            filtered(&on_call(libc::SYS_getppid, action, ALLOW))?;
            let _ = parent();
            Ok(())
        })?;
    }
    Ok(())
}
