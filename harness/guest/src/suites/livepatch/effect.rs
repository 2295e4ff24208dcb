//! What a patch does.

use super::patch::*;
use crate::case::fails_with;
use crate::module::{Donor, unload};
use crate::{CaseResult, Context, Stop, check, check_eq};

pub fn patched_function_is_called_instead(context: &Context) -> CaseResult {
    let before = cmdline()?;
    of_cmdline("klp_one", "one\n").apply(&Donor::of(context)?)?;
    check_eq!(cmdline()?, "one\n", "/proc/cmdline under the patch");
    check!(before != "one\n", "the patch changes nothing");
    Ok(())
}

pub fn disabled_patch_gives_the_old_function_back(context: &Context) -> CaseResult {
    let before = cmdline()?;
    let patch = of_cmdline("klp_one", "one\n");
    patch.apply(&Donor::of(context)?)?;
    check_eq!(cmdline()?, "one\n", "/proc/cmdline under the patch");
    patch.disable()?;
    check_eq!(cmdline()?, before, "/proc/cmdline after the patch was disabled");
    patch.unload()?;
    check_eq!(cmdline()?, before, "/proc/cmdline after the module was unloaded");
    Ok(())
}

pub fn patch_comes_and_goes_ten_times(context: &Context) -> CaseResult {
    let (donor, before) = (Donor::of(context)?, cmdline()?);
    let patch = of_cmdline("klp_one", "one\n");
    for round in 0..10 {
        patch.apply(&donor)?;
        check_eq!(cmdline()?, "one\n", "/proc/cmdline under the patch, round {round}");
        patch.remove()?;
        check_eq!(cmdline()?, before, "/proc/cmdline without it, round {round}");
    }
    Ok(())
}

pub fn two_functions_are_patched_apart(context: &Context) -> CaseResult {
    let (donor, before) = (Donor::of(context)?, cmdline()?);
    let first = of_cmdline("klp_one", "one\n");
    let second = Patch { function: "version_proc_show", ..of_cmdline("klp_two", "two\n") };
    let version = || {
        std::fs::read_to_string("/proc/version")
            .map_err(|error| Stop::Fail(format!("/proc/version: {error}")))
    };
    first.apply(&donor)?;
    second.apply(&donor)?;
    check_eq!(
        (cmdline()?, version()?),
        ("one\n".into(), "two\n".into()),
        "cmdline and version under patches"
    );
    first.remove()?;
    check_eq!(
        (cmdline()?, version()?),
        (before, "two\n".into()),
        "cmdline and version under the second patch"
    );
    Ok(())
}

pub fn later_patch_of_a_function_wins(context: &Context) -> CaseResult {
    let (donor, before) = (Donor::of(context)?, cmdline()?);
    let (first, second) = (of_cmdline("klp_one", "one\n"), of_cmdline("klp_two", "two\n"));
    first.apply(&donor)?;
    second.apply(&donor)?;
    check_eq!(cmdline()?, "two\n", "/proc/cmdline under two patches");
    second.remove()?;
    check_eq!(cmdline()?, "one\n", "/proc/cmdline after the later one went");
    first.remove()?;
    check_eq!(cmdline()?, before, "/proc/cmdline after both went");
    Ok(())
}

pub fn earlier_patch_can_go_first(context: &Context) -> CaseResult {
    let (donor, before) = (Donor::of(context)?, cmdline()?);
    let (first, second) = (of_cmdline("klp_one", "one\n"), of_cmdline("klp_two", "two\n"));
    first.apply(&donor)?;
    second.apply(&donor)?;
    first.remove()?;
    check_eq!(cmdline()?, "two\n", "/proc/cmdline after the earlier one went");
    second.remove()?;
    check_eq!(cmdline()?, before, "/proc/cmdline after both went");
    Ok(())
}

pub fn cumulative_patch_replaces_all_others(context: &Context) -> CaseResult {
    let (donor, before) = (Donor::of(context)?, cmdline()?);
    let first = Patch { function: "version_proc_show", ..of_cmdline("klp_one", "one\n") };
    let second = Patch { replace: true, ..of_cmdline("klp_two", "two\n") };
    first.apply(&donor)?;
    second.apply(&donor)?;
    eventually("the replaced patch is still there", || !first.is_there())?;
    check_eq!(cmdline()?, "two\n", "/proc/cmdline under the cumulative patch");
    let version = std::fs::read_to_string("/proc/version").unwrap_or_default();
    check!(version.starts_with("Linux version "), "/proc/version is still patched: {version}");
    first.unload()?;
    second.remove()?;
    check_eq!(cmdline()?, before, "/proc/cmdline after both went");
    Ok(())
}

pub fn patch_shows_itself_in_sysfs(context: &Context) -> CaseResult {
    let patch = of_cmdline("klp_one", "one\n");
    check!(!patch.is_there(), "the patch is there before it was loaded");
    patch.apply(&Donor::of(context)?)?;
    patch.shows("enabled", "1", "enabled")?;
    patch.shows("transition", "0", "transition")?;
    check!(patch.folder().join("force").exists(), "there is no force");
    let function = patch.folder().join("vmlinux/cmdline_proc_show,1");
    check!(function.is_dir(), "{} is not there", function.display());
    Ok(())
}

pub fn patch_taints_the_kernel(context: &Context) -> CaseResult {
    let taint = || std::fs::read_to_string("/proc/sys/kernel/tainted").ok()?.trim().parse::<u64>().ok();
    of_cmdline("klp_one", "one\n").apply(&Donor::of(context)?)?;
    check!(taint().is_some_and(|taint| taint & 1 << 15 != 0), "taint is {:?}, without bit 15", taint());
    Ok(())
}

pub fn running_patch_cannot_be_unloaded(context: &Context) -> CaseResult {
    let patch = of_cmdline("klp_one", "one\n");
    patch.apply(&Donor::of(context)?)?;
    fails_with("delete_module of a running patch", unload(patch.name), libc::EAGAIN)?;
    check_eq!(cmdline()?, "one\n", "/proc/cmdline after a refused unload");
    patch.remove()
}

pub fn callbacks_are_called_in_order(context: &Context) -> CaseResult {
    let patch = Patch { before: Some(0), ..of_cmdline("klp_one", "one\n") };
    patch.apply(&Donor::of(context)?)?;
    check_eq!(said()?, CALLBACKS[..2], "callbacks called when the patch came");
    patch.remove()?;
    check_eq!(said()?, CALLBACKS, "callbacks called when it came and went");
    Ok(())
}

/// The lines of the callbacks in the kernel's log, in its order.
fn said() -> Result<Vec<&'static str>, Stop> {
    let mut log = vec![0u8; 1 << 20];
    // SYSLOG_ACTION_READ_ALL (syslog(2)).
    // SAFETY: the buffer is ours and as long as said.
    let length = unsafe { crate::syscall!(libc::SYS_syslog, 3, log.as_mut_ptr(), log.len()) };
    log.truncate(crate::case::setup("syslog", length)? as usize);
    let log = String::from_utf8_lossy(&log).into_owned();
    let which = |line: &str| CALLBACKS.into_iter().find(|known| line.ends_with(known.trim_end()));
    Ok(log.lines().filter_map(which).collect())
}
