//! Who may load a kernel, and for how long.

use super::support::{
    NO_FILE, NO_INITRAMFS, ON_CRASH, UNLOAD, available, file, has_crash_memory, image, is_loaded, load,
    load_alone, open, unload,
};
use crate::case::{fails_with, succeeds};
use crate::child::{become_nobody_with, isolated, keep_capabilities, permitted_capabilities, unprivileged};
use crate::{CaseResult, Context, Stop, check, check_eq, skip, syscall};
use libc::{EADDRNOTAVAIL, EPERM};
use std::fs::File;
use std::os::fd::AsRawFd;

pub fn unprivileged_user(_: &Context) -> CaseResult {
    available()?;
    unprivileged(|| {
        // The privilege is asked first: nobody learns which flags and files would have been good.
        for flags in [0, UNLOAD, 1 << 20] {
            fails_with(&format!("flags {flags:#x} by nobody"), load(NO_FILE, NO_FILE, b"\0", flags), EPERM)?;
        }
        Ok(())
    })
}

fn read(knob: &str) -> Result<String, Stop> {
    let text = std::fs::read_to_string(knob).map_err(|error| Stop::Skip(format!("no {knob}: {error}")))?;
    Ok(text.trim().to_owned())
}

fn write(knob: &str, value: &str) -> CaseResult {
    std::fs::write(knob, value).map_err(|error| Stop::Fail(format!("write of {value} to {knob}: {error}")))
}

pub fn disabled_for_good(context: &Context) -> CaseResult {
    const KNOB: &str = "/proc/sys/kernel/kexec_load_disabled";
    available()?;
    check_eq!(read(KNOB)?, "0", "{KNOB} before");
    let kernel = open(&context.file("kernel"))?;
    succeeds("load", load_alone(&kernel, b"\0"))?;
    write(KNOB, "1")?;
    fails_with("load when disabled", load_alone(&kernel, b"\0"), EPERM)?;
    fails_with("unload when disabled", unload(0), EPERM)?;
    check_eq!(is_loaded()?, true, "kexec_loaded: what was loaded before stays");
    // Whatever the write says, the knob must not move back.
    let _ = std::fs::write(KNOB, "0");
    check_eq!(read(KNOB)?, "1", "{KNOB} after an attempt to lower it");
    fails_with("load after that", load_alone(&kernel, b"\0"), EPERM)
}

/// A kernel to load, where two loads are left by this knob, which nobody has set before.
fn limited_to_two(knob: &str, context: &Context) -> Result<File, Stop> {
    available()?;
    if read(knob)? != "-1" {
        skip!("by design: {knob} is set already");
    }
    let kernel = open(&context.file("kernel"))?;
    write(knob, "2")?;
    Ok(kernel)
}

pub fn load_limit(context: &Context) -> CaseResult {
    const KNOB: &str = "/proc/sys/kernel/kexec_load_limit_reboot";
    let kernel = limited_to_two(KNOB, context)?;
    for left in ["1", "0"] {
        succeeds("load within the limit", load_alone(&kernel, b"\0"))?;
        check_eq!(read(KNOB)?, left, "{KNOB} after a load");
    }
    fails_with("load beyond the limit", load_alone(&kernel, b"\0"), EPERM)?;
    let _ = std::fs::write(KNOB, "5");
    check_eq!(read(KNOB)?, "0", "{KNOB} after an attempt to raise it");
    check_eq!(is_loaded()?, true, "kexec_loaded: what was loaded before stays");
    Ok(())
}

/// Counts the calls for a crash kernel, also those that fail because no memory is reserved for one, and no others.
pub fn crash_load_limit(context: &Context) -> CaseResult {
    const KNOB: &str = "/proc/sys/kernel/kexec_load_limit_panic";
    let kernel = limited_to_two(KNOB, context)?;
    let load_crash = || load(kernel.as_raw_fd(), NO_FILE, b"\0", NO_INITRAMFS | ON_CRASH);
    let has_memory = has_crash_memory()?;
    for left in ["1", "0"] {
        match has_memory {
            true => succeeds("load of a crash kernel within the limit", load_crash()).map(drop)?,
            false => fails_with("load of a crash kernel without crashkernel=", load_crash(), EADDRNOTAVAIL)?,
        }
        check_eq!(read(KNOB)?, left, "{KNOB} after a load of a crash kernel");
    }
    fails_with("load of a crash kernel beyond the limit", load_crash(), EPERM)?;
    for more in ["5", "-1"] {
        let _ = std::fs::write(KNOB, more);
        check_eq!(read(KNOB)?, "0", "{KNOB} after an attempt to raise it to {more}");
    }
    succeeds("load of the other kind", load_alone(&kernel, b"\0"))?;
    succeeds("unload", unload(0)).map(drop)
}

/// CAP_SYS_BOOT
const SYS_BOOT: u64 = 1 << 22;

/// It is the capability that counts, not the user.
pub fn capability_decides(context: &Context) -> CaseResult {
    available()?;
    let kernel = open(&context.file("kernel"))?;
    isolated(|| {
        keep_capabilities(permitted_capabilities()? & !SYS_BOOT)?;
        fails_with("load by root without CAP_SYS_BOOT", load_alone(&kernel, b"\0"), EPERM)?;
        fails_with("unload by root without CAP_SYS_BOOT", unload(0), EPERM)
    })?;
    isolated(|| {
        become_nobody_with(SYS_BOOT)?;
        succeeds("load by nobody with CAP_SYS_BOOT", load_alone(&kernel, b"\0"))?;
        succeeds("unload by nobody with CAP_SYS_BOOT", unload(0)).map(drop)
    })
}

/// Root of a user namespace has every capability, but not over this machine.
pub fn namespaces_root_is_refused(context: &Context) -> CaseResult {
    available()?;
    let kernel = open(&context.file("kernel"))?;
    isolated(|| {
        // SAFETY: no pointers.
        if let Err(errno) = unsafe { syscall!(libc::SYS_unshare, libc::CLONE_NEWUSER) } {
            skip!("no user namespaces: unshare(CLONE_NEWUSER) fails with {errno}");
        }
        fails_with("load by root of a user namespace", load_alone(&kernel, b"\0"), EPERM)?;
        fails_with("unload by root of a user namespace", unload(0), EPERM)
    })
}

/// In the integrity mode of lockdown an image without a valid signature is refused, and kexec_load(2) whatever it
/// loads.
pub fn lockdown_refuses_unsigned_images(context: &Context) -> CaseResult {
    const KNOB: &str = "/sys/kernel/security/lockdown";
    available()?;
    let mut bytes = image(context)?;
    // Somewhere in the compressed kernel, which a load does not look into.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let changed = file(context, "changed", &bytes)?;
    succeeds("load of an image that was changed, without lockdown", load_alone(&changed, b"\0"))?;
    succeeds("unload", unload(0))?;
    let before = read(KNOB)?;
    if !before.contains("[none]") {
        skip!("by design: {KNOB} is {before} already");
    }
    write(KNOB, "integrity")?;
    fails_with("load of the changed image in lockdown", load_alone(&changed, b"\0"), EPERM)?;
    // SAFETY: there are no segments.
    let old = unsafe { syscall!(libc::SYS_kexec_load, 0, 0, 0, 0) };
    let refused = [Err(crate::sys::Errno(EPERM)), Err(crate::sys::Errno(libc::ENOSYS))];
    check!(refused.contains(&old), "kexec_load in lockdown: {old:?}, must be EPERM");
    check_eq!(is_loaded()?, false, "kexec_loaded");
    let _ = std::fs::write(KNOB, "none");
    check!(!read(KNOB)?.contains("[none]"), "lockdown was lifted again");
    fails_with("load of the changed image after that", load_alone(&changed, b"\0"), EPERM)
}
