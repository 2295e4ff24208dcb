//! Starting the loaded kernel.

use super::support::{available, is_loaded, load, open, unload};
use crate::case::{fails_with, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check_eq, syscall};
use std::os::fd::AsRawFd;

/// reboot(2) with LINUX_REBOOT_CMD_KEXEC. Returns only when it fails.
fn reboot() -> Result<i64, Errno> {
    let (first, second) = (libc::LINUX_REBOOT_MAGIC1, libc::LINUX_REBOOT_MAGIC2);
    // SAFETY: no pointers are read for this command.
    unsafe { syscall!(libc::SYS_reboot, first, second, libc::LINUX_REBOOT_CMD_KEXEC, 0) }
}

pub fn nothing_loaded(_: &Context) -> CaseResult {
    available()?;
    succeeds("unload", unload(0))?;
    check_eq!(is_loaded()?, false, "kexec_loaded");
    fails_with("reboot into nothing", reboot(), libc::EINVAL)
}

/// Loads the running kernel again, with the agent as its initrd, and starts it.
///
/// The verdict comes from the other side: the agent that finds `gauntlet.after_kexec=N` on its command line answers
/// the request that is still in the shared region, with Pass if N is the seed of that request. So the case passes
/// only if the second kernel came up with the initrd and the command line that this case gave it, and a reboot(2)
/// that returns is a failure. A machine without the shared region has nowhere to keep the request.
pub fn into_the_loaded_kernel(context: &Context) -> CaseResult {
    available()?;
    if context.region.is_none() {
        return Err(Stop::Skip(
            "missing hardware: no shared region to answer through from the second kernel".into(),
        ));
    }
    let running = std::fs::read_to_string("/proc/cmdline")
        .map_err(|error| Stop::Broken(format!("/proc/cmdline: {error}")))?;
    let line = format!("{} gauntlet.after_kexec={}\0", running.trim(), context.seed);
    let (kernel, initrd) = (open(&context.file("kernel"))?, open(&context.file("initrd"))?);
    succeeds("load", load(kernel.as_raw_fd(), initrd.as_raw_fd(), line.as_bytes(), 0))?;
    check_eq!(is_loaded()?, true, "kexec_loaded");
    match reboot() {
        Ok(value) => Err(Stop::Fail(format!("reboot(LINUX_REBOOT_CMD_KEXEC) returned {value}"))),
        Err(errno) => Err(Stop::Fail(format!("reboot(LINUX_REBOOT_CMD_KEXEC): failed with {errno}"))),
    }
}
