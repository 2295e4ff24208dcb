//! What is refused, and leaves nothing behind.

use super::patch::*;
use crate::case::{fails_with, succeeds};
use crate::module::Donor;
use crate::{CaseResult, Context, check, check_eq, child};

/// Nothing of a refused patch may be left.
fn nothing_of(patch: &Patch, before: &str) -> CaseResult {
    check!(!patch.is_there(), "a refused patch is in sysfs");
    let modules = std::fs::read_to_string("/proc/modules").unwrap_or_default();
    check!(!modules.contains(patch.name), "a refused patch is among the modules");
    check_eq!(cmdline()?, before, "/proc/cmdline after a refused patch");
    Ok(())
}

pub fn unknown_function_is_refused(context: &Context) -> CaseResult {
    let (donor, before) = (Donor::of(context)?, cmdline()?);
    of_cmdline("klp_good", "good\n").start(&donor)?;
    of_cmdline("klp_good", "good\n").settle("patched in")?;
    of_cmdline("klp_good", "good\n").remove()?;
    let patch = Patch { function: "there_is_no_such_function", ..of_cmdline("klp_one", "one\n") };
    fails_with("a patch of a function that is not there", patch.try_apply(&donor), libc::EINVAL)?;
    nothing_of(&patch, &before)
}

pub fn module_that_is_no_livepatch_is_refused(context: &Context) -> CaseResult {
    let (donor, before) = (Donor::of(context)?, cmdline()?);
    let patch = Patch { marked: false, ..of_cmdline("klp_one", "one\n") };
    of_cmdline("klp_good", "good\n").apply(&donor)?;
    of_cmdline("klp_good", "good\n").remove()?;
    fails_with("a patch not marked as one", patch.try_apply(&donor), libc::EINVAL)?;
    nothing_of(&patch, &before)
}

pub fn patch_that_wants_not_to_is_not_applied(context: &Context) -> CaseResult {
    let (donor, before) = (Donor::of(context)?, cmdline()?);
    of_cmdline("klp_good", "good\n").apply(&donor)?;
    of_cmdline("klp_good", "good\n").remove()?;
    let patch = Patch { before: Some(-libc::ENODEV), ..of_cmdline("klp_one", "one\n") };
    fails_with("a patch whose callback says ENODEV", patch.try_apply(&donor), libc::ENODEV)?;
    nothing_of(&patch, &before)
}

pub fn enabled_takes_changes_only(context: &Context) -> CaseResult {
    let patch = of_cmdline("klp_one", "one\n");
    patch.apply(&Donor::of(context)?)?;
    fails_with("enabled=1 of an enabled patch", patch.set("enabled", "1"), libc::EINVAL)?;
    fails_with("enabled=word", patch.set("enabled", "word"), libc::EINVAL)?;
    patch.shows("enabled", "1", "enabled after refused writes")?;
    check_eq!(cmdline()?, "one\n", "/proc/cmdline after refused writes");
    Ok(())
}

pub fn only_root_switches_patches(context: &Context) -> CaseResult {
    let patch = of_cmdline("klp_one", "one\n");
    patch.apply(&Donor::of(context)?)?;
    child::unprivileged(|| {
        fails_with("enabled=0 of nobody", patch.set("enabled", "0"), libc::EACCES)?;
        fails_with("force=1 of nobody", patch.set("force", "1"), libc::EACCES)?;
        check!(crate::module::unload(patch.name).is_err(), "nobody unloaded the patch");
        Ok(())
    })?;
    check_eq!(cmdline()?, "one\n", "/proc/cmdline after refused writes");
    succeeds("enabled=0 of root", patch.set("enabled", "0"))
}
