//! Who may load a kernel, and for how long.

use super::support::{NO_FILE, UNLOAD, available, is_loaded, load, load_alone, open, unload};
use crate::case::{fails_with, succeeds};
use crate::child::unprivileged;
use crate::{CaseResult, Context, Stop, check_eq, skip};
use libc::EPERM;

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

pub fn load_limit(context: &Context) -> CaseResult {
    const KNOB: &str = "/proc/sys/kernel/kexec_load_limit_reboot";
    available()?;
    if read(KNOB)? != "-1" {
        skip!("by design: {KNOB} is set already");
    }
    let kernel = open(&context.file("kernel"))?;
    write(KNOB, "2")?;
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
