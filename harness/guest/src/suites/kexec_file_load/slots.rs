//! The slot for the next kernel and the one for the crash kernel.

use super::support::{
    NO_FILE, NO_INITRAMFS, ON_CRASH, available, file, has_crash_memory, is_crash_loaded, is_loaded, load,
    load_alone, open, unload,
};
use crate::case::{fails_with, succeeds};
use crate::{CaseResult, Context, check_eq, skip};
use std::os::fd::AsRawFd;

pub fn load_and_unload(context: &Context) -> CaseResult {
    available()?;
    let kernel = open(&context.file("kernel"))?;
    check_eq!(is_loaded()?, false, "kexec_loaded before");
    succeeds("unload of nothing", unload(0))?;
    for round in 0..3 {
        succeeds("load", load_alone(&kernel, b"quiet\0"))?;
        check_eq!(is_loaded()?, true, "kexec_loaded after load {round}");
        check_eq!(is_crash_loaded()?, false, "kexec_crash_loaded after a load into the other slot");
    }
    succeeds("unload of the crash slot", unload(ON_CRASH))?;
    check_eq!(is_loaded()?, true, "kexec_loaded after the crash slot was unloaded");
    succeeds("unload", unload(0))?;
    check_eq!(is_loaded()?, false, "kexec_loaded after unload");
    succeeds("second unload", unload(0)).map(drop)
}

pub fn failed_load_keeps_the_loaded_kernel(context: &Context) -> CaseResult {
    available()?;
    let kernel = open(&context.file("kernel"))?;
    succeeds("load", load_alone(&kernel, b"quiet\0"))?;
    let text = file(context, "text", &b"not a kernel ".repeat(1000))?;
    fails_with("load of no kernel", load_alone(&text, b"\0"), libc::ENOEXEC)?;
    fails_with("load from no file", load(NO_FILE, NO_FILE, b"\0", NO_INITRAMFS), libc::EBADF)?;
    fails_with("load with a bad line", load_alone(&kernel, b"quiet"), libc::EINVAL)?;
    check_eq!(is_loaded()?, true, "kexec_loaded after failed loads");
    succeeds("unload", unload(0)).map(drop)
}

/// Memory for a crash kernel is reserved at boot or never.
pub fn reserved() -> CaseResult {
    available()?;
    if !has_crash_memory()? {
        skip!("wrong mode: no memory is reserved for a crash kernel (--append crashkernel=96M --mem 512M)");
    }
    Ok(())
}

pub fn crash_kernel_has_its_own_slot(context: &Context) -> CaseResult {
    reserved()?;
    let kernel = open(&context.file("kernel"))?;
    let flags = NO_INITRAMFS | ON_CRASH;
    succeeds("load of a crash kernel", load(kernel.as_raw_fd(), NO_FILE, b"quiet\0", flags))?;
    check_eq!(is_crash_loaded()?, true, "kexec_crash_loaded");
    check_eq!(is_loaded()?, false, "kexec_loaded after a load into the crash slot");
    succeeds("load of a kernel", load_alone(&kernel, b"quiet\0"))?;
    succeeds("unload", unload(0))?;
    check_eq!(is_crash_loaded()?, true, "kexec_crash_loaded after the other slot was unloaded");
    succeeds("unload of the crash slot", unload(ON_CRASH))?;
    check_eq!(is_crash_loaded()?, false, "kexec_crash_loaded after unload");
    Ok(())
}

pub fn crash_kernel_without_reservation(context: &Context) -> CaseResult {
    available()?;
    if has_crash_memory()? {
        skip!("by design: this kernel has memory reserved for a crash kernel");
    }
    let kernel = open(&context.file("kernel"))?;
    let crash = load(kernel.as_raw_fd(), NO_FILE, b"\0", NO_INITRAMFS | ON_CRASH);
    fails_with("a crash kernel without crashkernel=", crash, libc::EADDRNOTAVAIL)?;
    check_eq!(is_crash_loaded()?, false, "kexec_crash_loaded");
    check_eq!(is_loaded()?, false, "kexec_loaded");
    Ok(())
}
