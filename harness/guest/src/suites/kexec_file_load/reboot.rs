//! Starting the loaded kernel.

use super::slots;
use super::support::{
    ON_CRASH, available, header, image, is_crash_loaded, is_loaded, load, load_alone, open, unload,
};
use crate::case::{fails_with, setup, succeeds};
use crate::child::{Ending, isolated, unprivileged};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check_eq, child, syscall};
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

/// With a kernel loaded, so that a reboot that is wrongly done is seen.
pub fn unprivileged_or_malformed(context: &Context) -> CaseResult {
    available()?;
    let kernel = open(&context.file("kernel"))?;
    succeeds("load", load_alone(&kernel, b"\0"))?;
    unprivileged(|| fails_with("reboot by nobody", reboot(), libc::EPERM))?;
    let (first, second) = (libc::LINUX_REBOOT_MAGIC1, libc::LINUX_REBOOT_MAGIC2);
    for magic in [[0, second], [first, 0], [second, first]] {
        let command = libc::LINUX_REBOOT_CMD_KEXEC;
        // SAFETY: no pointers are read for this command.
        let call = unsafe { syscall!(libc::SYS_reboot, magic[0], magic[1], command, 0) };
        fails_with(&format!("reboot with magic numbers {magic:x?}"), call, libc::EINVAL)?;
    }
    // A PID namespace is rebooted by its init's end; it cannot start another kernel.
    isolated(|| {
        // SAFETY: no pointers.
        setup("unshare(CLONE_NEWPID)", unsafe { syscall!(libc::SYS_unshare, libc::CLONE_NEWPID) })?;
        let ending = child::run(|| fails_with("reboot in a PID namespace", reboot(), libc::EINVAL))?;
        match ending {
            Ending::Returned(result) => result,
            other => Err(Stop::Fail(format!("reboot in a PID namespace ended its caller: {other:?}"))),
        }
    })?;
    check_eq!(is_loaded()?, true, "kexec_loaded");
    Ok(())
}

/// Loads the running kernel again, with the agent as its initrd, and starts it.
///
/// The verdict comes from the other side: the agent that finds `gauntlet.after_kexec=N` on its command line answers
/// the request that is still in the shared region, with Pass if N is the seed of that request. So the case passes
/// only if the second kernel came up with the initrd and the command line that this case gave it, and a reboot(2)
/// that returns is a failure. A machine without the shared region has nowhere to keep the request.
pub fn into_the_loaded_kernel(context: &Context) -> CaseResult {
    start(context, |line, proof| format!("{line} {proof}"))
}

/// The same with the longest command line that every slot takes: what proves it is the last word, so nothing may be
/// cut. A crash kernel's line gets 30 bytes more, which some releases keep free always.
pub fn with_the_longest_command_line(context: &Context) -> CaseResult {
    let bytes = image(context)?;
    let field = bytes.get(header::COMMAND_LINE_SIZE..header::COMMAND_LINE_SIZE + 4);
    let limit = field.and_then(|field| field.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
    // With the NUL.
    let length = limit.saturating_sub(31);
    start(context, move |line, proof| {
        let rest = length.saturating_sub(line.len() + proof.len() + " padding= ".len());
        format!("{line} padding={} {proof}", "a".repeat(rest))
    })
}

/// Panics with a crash kernel loaded: it must come up in the memory reserved for it, and answers as above. The panic
/// is provoked; a machine that only resets has lost its crash dump, and fails.
pub fn after_a_panic(context: &Context) -> CaseResult {
    slots::reserved()?;
    load_next(context, ON_CRASH, |line, proof| format!("{line} {proof}"))?;
    check_eq!(is_crash_loaded()?, true, "kexec_crash_loaded");
    // Documentation/admin-guide/sysrq.rst
    let done = std::fs::write("/proc/sysrq-trigger", "c");
    Err(Stop::Fail(format!("the panic by sysrq returned {done:?}")))
}

/// Starts the running kernel with a command line made of the running one and the word that proves it.
fn start(context: &Context, command_line: impl FnOnce(&str, &str) -> String) -> CaseResult {
    available()?;
    load_next(context, 0, command_line)?;
    check_eq!(is_loaded()?, true, "kexec_loaded");
    match reboot() {
        Ok(value) => Err(Stop::Fail(format!("reboot(LINUX_REBOOT_CMD_KEXEC) returned {value}"))),
        Err(errno) => Err(Stop::Fail(format!("reboot(LINUX_REBOOT_CMD_KEXEC): failed with {errno}"))),
    }
}

/// Loads the running kernel with the agent's initial RAM disk into a slot.
fn load_next(context: &Context, slot: u64, command_line: impl FnOnce(&str, &str) -> String) -> CaseResult {
    if context.region.is_none() {
        return Err(Stop::Skip(
            "missing hardware: no shared region to answer through from the second kernel".into(),
        ));
    }
    let running = std::fs::read_to_string("/proc/cmdline")
        .map_err(|error| Stop::Broken(format!("/proc/cmdline: {error}")))?;
    let proof = format!("gauntlet.after_kexec={}", context.seed);
    let line = command_line(running.trim(), &proof) + "\0";
    let (kernel, initrd) = (open(&context.file("kernel"))?, open(&context.file("initrd"))?);
    succeeds("load", load(kernel.as_raw_fd(), initrd.as_raw_fd(), line.as_bytes(), slot)).map(drop)
}
