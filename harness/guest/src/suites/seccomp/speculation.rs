//! SECCOMP_FILTER_FLAG_SPEC_ALLOW: whether a filter also turns speculation off
//! (Documentation/userspace-api/spec_ctrl.rst).

use super::filter::*;
use crate::case::{CaseResult, Stop, setup, succeeds};
use crate::child::isolated;
use crate::sys::Errno;
use crate::{Context, check, check_eq, skip, syscall};

const GET_SPECULATION_CONTROL: i32 = 52;
const STORE_BYPASS: u64 = 0;
const INDIRECT_BRANCH: u64 = 1;
const FORCE_DISABLED: i64 = 1 << 0 | 1 << 3;
const STATE: &str = "/sys/devices/system/cpu/vulnerabilities/spec_store_bypass";

/// The state of one of these for this thread; bit 0 says that it can be controlled.
fn control(what: u64) -> Result<i64, Stop> {
    // SAFETY: takes no pointers.
    match unsafe { syscall!(libc::SYS_prctl, GET_SPECULATION_CONTROL, what, 0, 0, 0) } {
        Err(Errno(libc::ENODEV)) => skip!("missing hardware: control of speculation {what}"),
        state => setup("PR_GET_SPECULATION_CTRL", state),
    }
}

/// The states before and after a filter.
fn around_a_filter(what: u64, flags: u32) -> Result<(i64, i64), Stop> {
    let before = control(what)?;
    succeeds("filter", install(&[ret(ALLOW)], flags))?;
    Ok((before, control(what)?))
}

/// With the flag a filter changes nothing; without it, it mitigates, does not, or does what is not known beforehand.
fn follows_the_flag(what: u64, name: &str, mitigates: Option<bool>) -> CaseResult {
    isolated(|| {
        let (before, after) = around_a_filter(what, SPEC_ALLOW)?;
        check_eq!(after, before, "{name} after a filter with SPEC_ALLOW");
        Ok(())
    })?;
    isolated(|| {
        let (before, after) = around_a_filter(what, 0)?;
        let controlled = before & 1 << 0 != 0;
        let mitigated = if controlled { FORCE_DISABLED } else { before };
        let expected = match mitigates {
            Some(true) => [mitigated; 2],
            Some(false) => [before; 2],
            None => [mitigated, before],
        };
        let filter = format!("{name} after a filter without SPEC_ALLOW");
        check!(
            expected.contains(&after),
            "{filter}: {before:#x} became {after:#x}, not one of {expected:x?}"
        );
        // What would have allowed it comes too late.
        let (_, allowed) = around_a_filter(what, SPEC_ALLOW)?;
        check_eq!(allowed, after, "{filter}, and then one with it");
        if !controlled {
            skip!("missing hardware: {name} that can be controlled (its state is {before:#x})");
        }
        Ok(())
    })
}

/// The mitigation by seccomp was the default until 5.16, and remains a choice.
pub fn filter_mitigates_speculation_unless_allowed(_: &Context) -> CaseResult {
    let Ok(state) = std::fs::read_to_string(STATE) else { skip!("no {STATE}") };
    follows_the_flag(STORE_BYPASS, "PR_SPEC_STORE_BYPASS", Some(state.contains("via prctl and seccomp")))
}

/// Nobody tells whether a filter mitigates indirect branches. The command line may have chosen; by default it is as with
/// the other mitigation, in whatever release.
fn mitigates_indirect_branches() -> Option<bool> {
    let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    match line.split_whitespace().filter_map(|word| word.strip_prefix("spectre_v2_user=")).next_back() {
        Some("seccomp") => return Some(true),
        Some("prctl") => return Some(false),
        _ if line.contains("spec") || line.contains("mitigations=") => return None,
        _ => {}
    }
    let other = std::fs::read_to_string(STATE).unwrap_or_default();
    other.contains("via prctl").then(|| other.contains("via prctl and seccomp"))
}

pub fn filter_mitigates_indirect_branches_unless_allowed(_: &Context) -> CaseResult {
    follows_the_flag(INDIRECT_BRANCH, "PR_SPEC_INDIRECT_BRANCH", mitigates_indirect_branches())
}
